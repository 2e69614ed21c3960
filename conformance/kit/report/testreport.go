package report

import (
	"encoding/json"
	"fmt"
	"time"

	"caselink.example/conformance/kit"
	"caselink.example/fhir"
	"caselink.example/fhir/r4"
)

// actionResults are R4's words for the verdicts of checks:
// https://hl7.org/fhir/R4/valueset-report-action-result-codes.html
var actionResults = map[kit.Verdict]string{
	kit.Pass: "pass", kit.Fail: "fail", kit.Blocked: "skip", kit.NotApplicable: "skip", kit.NotChecked: "skip",
}

// results are R4's words for the verdict of the whole:
// https://hl7.org/fhir/R4/valueset-report-result-codes.html
var results = map[kit.Verdict]string{kit.Pass: "pass", kit.Fail: "fail", kit.Blocked: "pending"}

type fhirAction struct {
	Operation *fhirResult `json:"operation,omitempty"`
	Assert    *fhirResult `json:"assert,omitempty"`
}

type fhirResult struct {
	Result  string `json:"result"`
	Message string `json:"message,omitempty"`
}

type fhirTest struct {
	Name        string       `json:"name"`
	Description string       `json:"description"`
	Action      []fhirAction `json:"action"`
}

// reportFHIR is an R4 TestReport: https://hl7.org/fhir/R4/testreport.html
func reportFHIR(r kit.Report) ([]byte, error) {
	var tests []fhirTest
	for c := range r.Checks() {
		tests = append(tests, fhirTestOf(c))
	}
	script := map[string]any{"display": "Caselink conformance: " + r.Role}
	if len(r.Suites) == 1 {
		script["identifier"] = fhir.Identifier{System: fhir.Canonical + "/Id/conformance-suite", Value: r.Suites[0].ID}
	}
	report := map[string]any{
		"resourceType": "TestReport", "status": "completed", "testScript": script,
		"result": results[r.Verdict],
		"tester": "Caselink conformance kit " + r.Kit, "issued": r.Finished.Format(time.RFC3339),
		"participant": []map[string]string{
			{"type": "test-engine", "uri": fhir.Canonical + "/conformance-kit", "display": "Caselink conformance kit"},
			{"type": "server", "uri": r.Target.Base},
		},
		"test": tests,
	}
	// Of what was tried: a target that claims less is not worse at what it does.
	if tried := r.Counts[kit.Pass] + r.Counts[kit.Fail]; tried > 0 {
		report["score"] = json.Number(fmt.Sprintf("%.1f", 100*float64(r.Counts[kit.Pass])/float64(tried)))
	}
	raw, err := json.Marshal(report)
	if err != nil {
		return nil, err
	}
	// It was written by hand, so it is read as any TestReport would be.
	if _, err := r4.Unmarshal(raw); err != nil {
		return nil, fmt.Errorf("it is no TestReport: %w", err)
	}
	return raw, nil
}

func fhirTestOf(c kit.CheckReport) fhirTest {
	t := fhirTest{Name: c.ID, Description: c.Title}
	for _, s := range c.Steps {
		result := "pass"
		if s.Exchange.Status == 0 {
			result = "error"
		}
		t.Action = append(t.Action, fhirAction{Operation: &fhirResult{Result: result, Message: s.Request}})
		for _, f := range s.Faults {
			message := fmt.Sprintf("%s: expected %s, got %s", f.What, f.Expected, f.Actual)
			t.Action = append(t.Action, fhirAction{Assert: &fhirResult{Result: "fail", Message: message}})
		}
	}
	// A check that failed has its faults, each an assertion. Any other has one in all, because
	// R4 wants an action in each test.
	if c.Verdict != kit.Fail {
		t.Action = append(t.Action, fhirAction{Assert: &fhirResult{Result: actionResults[c.Verdict], Message: c.Because}})
	}
	return t
}
