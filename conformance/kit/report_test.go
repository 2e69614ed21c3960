package kit

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"caselink.example/fhir"
)

var update = flag.Bool("update", false, "write the golden files")

// sample is a report with every verdict.
func sample() Report {
	requirement := Requirement{ID: "R-1", Strength: "SHALL", Text: "Answer 201 & more", Clause: "https://x.example/1", Source: "X"}
	check := func(id string, v Verdict, because string) CheckReport {
		return CheckReport{ID: id, Title: "Check " + id, Requirements: []Requirement{requirement}, Verdict: v, Because: because, Millis: 1234}
	}
	failed := check("b", Fail, "step 1: status: expected 201, got 200")
	failed.Fix = "Answer 201."
	failed.Steps = []StepReport{{
		Request: "POST ${base}/ServiceRequest", Attempts: 2,
		Faults: []Fault{{"status", "201", "200"}, {"header ETag", "present", "absent"}},
		Exchange: Exchange{
			Method: "POST", URL: "http://127.0.0.1/FHIR/R4/ServiceRequest", Body: `{"a":"<script>"}`, Status: 200, Answer: `{"b":1}`, Millis: 7,
			Sent: map[string][]string{"Authorization": {"Bearer ${TOKEN_PRACTICE}"}}, Received: map[string][]string{"Date": {"today"}},
			Curl: `curl -i -X POST 'http://127.0.0.1/FHIR/R4/ServiceRequest'`,
		},
	}}
	passed := check("a", Pass, "")
	passed.Steps = []StepReport{{Request: "GET ${base}/metadata", Attempts: 1, Exchange: Exchange{Method: "GET", URL: "http://127.0.0.1/FHIR/R4/metadata", Status: 200}}}
	blocked := check("c", Blocked, "it depends on b, which failed")
	blocked.BlockedBy = "b"
	r := Report{
		Kit: "test", Role: RoleAdapter, Seed: "seed", Started: time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC),
		Target: TargetReport{Base: "http://127.0.0.1/FHIR/R4", Preset: "dev", Client: "gp-a", Software: "Caselink 1", Capability: "abc"},
		Suites: []SuiteReport{{ID: "s", Title: "Suite | one", Groups: []GroupReport{
			{ID: "g", Title: "Group", Checks: []CheckReport{passed, failed, blocked}},
			{ID: "h", Title: "Others", Checks: []CheckReport{check("d", NotApplicable, "not claimed"), check("e", NotChecked, "no client")}},
		}}},
	}
	r.close(r.Started.Add(2 * time.Second))
	return r
}

func TestReportsSayWhatTheySaidBefore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := sample().Write(dir); err != nil {
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
	if r, err := fhir.Unmarshal(raw); err != nil || r.Type != "TestReport" {
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

func TestReportsOfARunHoldNoSecret(t *testing.T) {
	t.Parallel()
	target := startPeer(t, "scores are quantities") // a late failure shows the most
	report, err := runnerFor(t, target).Run(t.Context(), suitesFor(t, RoleAdapter), nil)
	if err != nil {
		t.Fatal(err)
	}
	number := regexp.MustCompile(`\b999\d{7}\b`)
	for _, w := range writers {
		raw, err := w.write(report)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range number.FindAllString(string(raw), -1) {
			t.Errorf("%s holds the NHS number %s", w.file, found)
		}
		for _, c := range target.Clients {
			if strings.Contains(string(raw), c.Secret) {
				t.Errorf("%s holds a client's secret", w.file)
			}
		}
		if strings.Contains(string(raw), ".signature") {
			t.Errorf("%s holds a token", w.file)
		}
	}
}
