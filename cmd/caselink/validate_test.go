package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"caselink.example/mapping/workflow"
)

// resourceFolder has a sound and two broken resources, a file that is none, and a hidden
// folder with a broken one.
const resourceFolder = "testdata/validate"

func TestValidateExitCodes(t *testing.T) {
	t.Parallel()
	dir := resourceFolder
	for _, c := range []struct {
		args []string
		want exitCode
		says string
	}{
		{[]string{filepath.Join(dir, "a.json")}, exitOK, "1 checked: 1 valid, 0 with faults"},
		{[]string{filepath.Join(dir, "*.json"), "--warnings"}, exitOK, "advice: a resource should have a narrative"},
		{[]string{dir}, exitFault, "3 checked: 1 valid, 2 with faults"},
		{[]string{filepath.Join(dir, "readme.txt")}, exitFault, "not JSON at line 1"},
		{[]string{filepath.Join(dir, "nothing.json")}, exitUsage, ""},
		{[]string{filepath.Join(dir, "*.pdf")}, exitUsage, ""},
		{[]string{t.TempDir()}, exitUsage, ""},
		{[]string{dir, "--format", "html"}, exitUsage, ""},
		{nil, exitUsage, ""},
	} {
		code, out, _ := runHere(t, append([]string{"validate"}, c.args...)...)

		if code != c.want || !strings.Contains(out, c.says) {
			t.Errorf("validate %v: exit code %d, want %d; said %q, want %q in it", c.args, code, c.want, out, c.says)
		}
	}
}

func TestValidateTellsJSONAndXMLTheSame(t *testing.T) {
	t.Parallel()
	_, out, _ := runHere(t, "validate", "--format", "json", resourceFolder)

	var files []struct {
		File    string
		Valid   bool
		Outcome struct {
			Issue []struct{ Expression []string }
		}
	}
	if err := json.Unmarshal([]byte(out), &files); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if len(files) != 3 || !files[0].Valid {
		t.Fatalf("got %+v, want three files, the first of them valid", files)
	}
	for _, f := range files[1:] {
		var at []string
		for _, issue := range f.Outcome.Issue {
			at = append(at, issue.Expression...)
		}
		all := strings.Join(at, " ")
		if !strings.Contains(all, "Patient.telecom[") || !strings.Contains(all, "Patient.gender") || f.Valid {
			t.Errorf("%s: valid %t, faults at %v", f.File, f.Valid, at)
		}
	}
}

func TestSARIFPointsAtTheElement(t *testing.T) {
	t.Parallel()
	file := filepath.Join(resourceFolder, "deep", "b.json")

	code, out, _ := runHere(t, "validate", "--format", "sarif", file)

	var log sarifLog
	if err := json.Unmarshal([]byte(out), &log); err != nil || code != exitFault {
		t.Fatalf("exit code %d, %v\n%s", code, err, out)
	}
	found := map[string]sarifResult{}
	for _, r := range log.Runs[0].Results {
		found[r.RuleID] = r
		if rule := log.Runs[0].Tool.Driver.Rules[r.RuleIndex]; rule.ID != r.RuleID {
			t.Errorf("rule %s has the index of %s", r.RuleID, rule.ID)
		}
	}
	for rule, want := range map[string]sarifRegion{"cpt-2": {4, 22}, "code-invalid": {6, 13}} {
		r := found[rule]
		if len(r.Locations) != 1 || r.Locations[0].Physical.Region == nil || *r.Locations[0].Physical.Region != want {
			t.Errorf("%s: got %+v, want it at %+v", rule, r, want)
		}
	}
	if uri := found["cpt-2"].Locations[0].Physical.Artifact.URI; !strings.HasSuffix(uri, "deep/b.json") {
		t.Errorf("got the file %s", uri)
	}
}

func TestFaultOfAMissingElementStandsWhereItBelongs(t *testing.T) {
	t.Parallel()
	raw := []byte(`{"resourceType":"Bundle","type":"collection",
 "entry":[{
  "resource": {"resourceType":"Observation","status":"final"}}]}`)

	c := checkFile(workflow.DefaultMeaning(), "x.json", raw, false)

	want := place{line: 3, column: 15}
	if len(c.places) != 1 || c.places[0] != want {
		t.Errorf("got %v at %v, want one at %v", c.faults, c.places, want)
	}
}
