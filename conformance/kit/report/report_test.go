package report

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"caselink.example/conformance/kit"
	"caselink.example/conformance/kit/suite"
	"caselink.example/fhir/r4"
)

var update = flag.Bool("update", false, "write the golden files")

// sample is a report with every verdict.
func sample() kit.Report {
	passed := check("a", kit.Pass, "")
	passed.Steps = []kit.StepReport{{Request: "GET ${base}/metadata", Attempts: 1, Exchange: kit.Exchange{
		Method: "GET", URL: "http://127.0.0.1/FHIR/R4/metadata", Status: 200,
	}}}
	blocked := check("c", kit.Blocked, "it depends on b, which failed")
	blocked.BlockedBy = "b"
	r := kit.Report{
		Kit: "test", Role: suite.RoleAdapter, Seed: "seed",
		Started: time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC),
		Target: kit.TargetReport{
			Base: "http://127.0.0.1/FHIR/R4", Preset: "dev", Client: "gp-a", Software: "Caselink 1", Capability: "abc",
		},
		Suites: []kit.SuiteReport{{ID: "s", Title: "Suite | one", Groups: []kit.GroupReport{
			{ID: "g", Title: "Group", Checks: []kit.CheckReport{passed, failed(), blocked}},
			{ID: "h", Title: "Others", Checks: []kit.CheckReport{
				check("d", kit.NotApplicable, "not claimed"), check("e", kit.NotChecked, "no client"),
			}},
		}}},
	}
	r.Close(r.Started.Add(2 * time.Second))
	return r
}

func check(id string, v kit.Verdict, because string) kit.CheckReport {
	requirement := suite.Requirement{
		ID: "R-1", Strength: "SHALL", Text: "Answer 201 & more", Clause: "https://x.example/1", Source: "X",
	}
	return kit.CheckReport{
		ID: id, Title: "Check " + id, Requirements: []suite.Requirement{requirement},
		Verdict: v, Because: because, Millis: 1234,
	}
}

// failed is a check with two faults, whose target sends what looks like markup.
func failed() kit.CheckReport {
	c := check("b", kit.Fail, "step 1: status: expected 201, got 200")
	c.Fix = "Answer 201."
	c.Steps = []kit.StepReport{{
		Request: "POST ${base}/ServiceRequest", Attempts: 2,
		Faults: []kit.Fault{
			{What: "status", Expected: "201", Actual: "200"},
			{What: "header ETag", Expected: "present", Actual: "absent"},
		},
		Exchange: kit.Exchange{
			Method: "POST", URL: "http://127.0.0.1/FHIR/R4/ServiceRequest", Body: `{"a":"<script>"}`,
			Status: 200, Answer: `{"b":1}`, Millis: 7,
			Sent:     map[string][]string{"Authorization": {"Bearer ${TOKEN_PRACTICE}"}},
			Received: map[string][]string{"Date": {"today"}},
			Curl:     `curl -i -X POST 'http://127.0.0.1/FHIR/R4/ServiceRequest'`,
		},
	}}
	return c
}

func TestReportsSayWhatTheySaidBefore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := Write(sample(), dir); err != nil {
		t.Fatal(err)
	}
	for _, w := range writers {
		got, err := os.ReadFile(filepath.Join(dir, w.file))
		if err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", w.file+".golden")
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", w.file, diff)
		}
	}
}

func TestTestReportIsFHIR(t *testing.T) {
	t.Parallel()
	raw, err := reportFHIR(sample())
	if err != nil {
		t.Fatal(err)
	}
	if r, err := r4.Unmarshal(raw); err != nil || r.Type != "TestReport" {
		t.Errorf("it is read as %q, %v", r.Type, err)
	}
}

func TestPageRunsNoScriptOfATarget(t *testing.T) {
	t.Parallel()
	raw, err := reportHTML(sample())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), "<script") {
		t.Error("what a target sent is on the page as markup")
	}
}
