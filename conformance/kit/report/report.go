// Package report writes what a run found: for people, for pull requests, for CI and as FHIR.
package report

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"strings"
	"time"

	"caselink.example/conformance/kit"
	"caselink.example/fhir"
	"caselink.example/fhir/r4"
)

// writers are the reports by their file names. All say the same, for different readers.
var writers = []struct {
	file  string
	write func(kit.Report) ([]byte, error)
}{
	{"report.json", reportJSON},
	{"report.html", reportHTML},
	{"report.md", reportMarkdown},
	{"junit.xml", reportJUnit},
	{"TestReport.json", reportFHIR},
}

// Write puts all reports of r into the folder, which is made when it is missing.
func Write(r kit.Report, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, w := range writers {
		raw, err := w.write(r)
		if err != nil {
			return fmt.Errorf("%s: %w", w.file, err)
		}
		if err := os.WriteFile(filepath.Join(folder, w.file), raw, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func reportJSON(r kit.Report) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(r)
	return b.Bytes(), err
}

// reportMarkdown is the summary for a pull request.
func reportMarkdown(r kit.Report) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Conformance: %s\n\n", r.Verdict)
	fmt.Fprintf(&b, "%s in %s. Role %s, target %s", r.Summary(), r.Took(), r.Role, cell(r.Target.Base))
	if r.Target.Software != "" {
		fmt.Fprintf(&b, " (%s)", cell(r.Target.Software))
	}
	fmt.Fprintf(&b, ", kit %s, seed `%s`.\n", r.Kit, r.Seed)
	for _, s := range r.Suites {
		fmt.Fprintf(&b, "\n## %s\n\n| verdict | check | what | why not |\n|---|---|---|---|\n", cell(s.Title))
		for _, g := range s.Groups {
			for _, c := range g.Checks {
				fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", c.Verdict, c.ID, cell(c.Title), cell(c.Because))
			}
		}
	}
	return b.Bytes(), nil
}

// cell is a text within a table of Markdown.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;", "`", "'").Replace(s)
}

type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Time      string      `xml:"time,attr"`
	Timestamp string      `xml:"timestamp,attr"`
	Cases     []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitMessage `xml:"failure"`
	Skipped *junitMessage `xml:"skipped"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// reportJUnit has a testsuite for each group; what was not tried is skipped.
func reportJUnit(r kit.Report) ([]byte, error) {
	var out junitSuites
	for _, s := range r.Suites {
		for _, g := range s.Groups {
			out.Suites = append(out.Suites, junitOf(r, s.ID+"."+g.ID, g))
		}
	}
	raw, err := xml.MarshalIndent(out, "", "  ")
	return append([]byte(xml.Header), append(raw, '\n')...), err
}

func junitOf(r kit.Report, name string, g kit.GroupReport) junitSuite {
	suite := junitSuite{Name: name, Tests: len(g.Checks), Timestamp: r.Started.Format("2006-01-02T15:04:05")}
	var millis int64
	for _, c := range g.Checks {
		tc := junitCase{Class: name, Name: c.ID + ": " + c.Title, Time: seconds(c.Millis)}
		switch c.Verdict {
		case kit.Pass:
		case kit.Fail:
			tc.Failure = &junitMessage{Message: c.Because, Text: faultLines(c)}
			suite.Failures++
		default:
			tc.Skipped = &junitMessage{Message: string(c.Verdict) + ": " + c.Because}
			suite.Skipped++
		}
		millis += c.Millis
		suite.Cases = append(suite.Cases, tc)
	}
	suite.Time = seconds(millis)
	return suite
}

func seconds(millis int64) string { return fmt.Sprintf("%d.%03d", millis/1000, millis%1000) }

// faultLines are the faults of a check with the command that sends each request again.
func faultLines(c kit.CheckReport) string {
	var b strings.Builder
	for _, s := range c.Steps {
		for _, f := range s.Faults {
			fmt.Fprintf(&b, "%s: expected %s, got %s\n", f.What, f.Expected, f.Actual)
		}
		if len(s.Faults) > 0 {
			b.WriteString(s.Exchange.Curl + "\n")
		}
	}
	return b.String()
}

// The results of R4, for our verdicts: https://hl7.org/fhir/R4/valueset-report-action-result-codes.html
var actionResults = map[kit.Verdict]string{kit.Pass: "pass", kit.Fail: "fail", kit.Blocked: "skip", kit.NotApplicable: "skip", kit.NotChecked: "skip"}

type fhirAction struct {
	Operation *fhirResult `json:"operation,omitempty"`
	Assert    *fhirResult `json:"assert,omitempty"`
}

type fhirResult struct {
	Result  string `json:"result"`
	Message string `json:"message,omitempty"`
	Detail  string `json:"detail,omitempty"`
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
		"result": map[kit.Verdict]string{kit.Pass: "pass", kit.Fail: "fail", kit.Blocked: "pending"}[r.Verdict],
		"tester": "Caselink conformance kit " + r.Kit, "issued": r.Finished.Format(time.RFC3339),
		"participant": []map[string]string{
			{"type": "test-engine", "uri": fhir.Canonical + "/conformance-kit", "display": "Caselink conformance kit"},
			{"type": "server", "uri": r.Target.Base},
		},
		"test": tests,
	}
	if tried := r.Counts[kit.Pass] + r.Counts[kit.Fail]; tried > 0 {
		report["score"] = json.Number(fmt.Sprintf("%.1f", 100*float64(r.Counts[kit.Pass])/float64(tried)))
	}
	raw, err := json.Marshal(report)
	if err != nil {
		return nil, err
	}
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
			t.Action = append(t.Action, fhirAction{Assert: &fhirResult{Result: "fail", Message: fmt.Sprintf("%s: expected %s, got %s", f.What, f.Expected, f.Actual)}})
		}
	}
	if c.Verdict != kit.Fail {
		t.Action = append(t.Action, fhirAction{Assert: &fhirResult{Result: actionResults[c.Verdict], Message: c.Because}})
	}
	return t
}

//go:embed report.html.tmpl
var pageSource string

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"join":    strings.Join,
	"instant": func(t time.Time) string { return t.Format("2 January 2006, 15:04:05 UTC") },
}).Parse(pageSource))

// reportHTML is one page that needs nothing else.
func reportHTML(r kit.Report) ([]byte, error) {
	var b bytes.Buffer
	err := page.Execute(&b, struct {
		kit.Report
		Verdicts []kit.Verdict
		Took     time.Duration
		Failed   []kit.CheckReport
	}{r, kit.Verdicts, r.Took(), r.With(kit.Fail)})
	return b.Bytes(), err
}
