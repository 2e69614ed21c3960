package suite

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

const soundSuite = `
id: s
title: S
role: adapter
groups:
  - id: g
    title: G
    checks:
      - {id: a, title: A, verifies: [R-1], fix: f, steps: [{request: "GET ${base}/a", expect: {status: 200}}]}
      - {id: b, title: B, verifies: [R-1], fix: f, twin: a, steps: [{request: "GET ${base}/b", expect: {status: 404}}]}
`

const someRequirements = requirementsHeader + "\nR-1\tSHALL\tdo it\thttps://x.example/1\tX\t\n"

func suiteFiles(suite, requirements string) fstest.MapFS {
	return fstest.MapFS{"suites/s.yaml": {Data: []byte(suite)}, "requirements.tsv": {Data: []byte(requirements)}}
}

func TestSuitesAreReadStrictly(t *testing.T) {
	t.Parallel()
	if _, err := Load(suiteFiles(soundSuite, someRequirements), ""); err != nil {
		t.Fatalf("the sound suite: %v", err)
	}
	for name, c := range map[string]struct{ old, new, fault string }{
		"unknown key":         {"title: A", "titel: A", "titel"},
		"unknown role":        {"role: adapter", "role: adaptor", "role"},
		"unknown requirement": {"verifies: [R-1], fix: f, steps", "verifies: [R-2], fix: f, steps", "R-2"},
		"no fix":              {"fix: f, steps", "steps", "fix"},
		"no twin":             {"twin: a, ", "", "twin"},
		"later twin":          {"twin: a, ", "twin: c, ", "earlier"},
		"same id":             {"id: b, title", "id: a, title", "once"},
		"no status":           {"{status: 404}", "{text: [x]}", "status"},
		"unknown client":      {`b", expect`, `b", as: nurse, expect`, "nurse"},
		"no URL variable":     {"GET ${base}/a", "GET http://live.example/a", "METHOD"},
		"unknown template":    {`b", expect`, `b", template: x.json, expect`, "x.json"},
		"two tests":           {"{status: 404}", "{status: 404, body: [{path: a, count: 1, matches: b}]}", "one of"},
		"bad path":            {"{status: 404}", "{status: 404, body: [{path: a(, count: 1}]}", "path"},
		"endless wait":        {"{status: 404}", "{status: 404}, until: {within: 1h, every: 1s}", "until"},
	} {
		broken := strings.Replace(soundSuite, c.old, c.new, 1)
		if broken == soundSuite {
			t.Fatalf("%s: nothing was broken", name)
		}

		_, err := Load(suiteFiles(broken, someRequirements), "")

		if err == nil || !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v, want a fault about %q", name, err, c.fault)
		}
	}
}

func TestCoverageWantsACheckOrAReason(t *testing.T) {
	t.Parallel()
	requirements := []Requirement{
		{ID: "TESTED", Strength: "SHALL"},
		{ID: "REASONED", Strength: "SHALL", Reason: "why"},
		{ID: "OPTIONAL", Strength: "SHOULD"},
		{ID: "FORGOTTEN", Strength: "SHALL"},
		{ID: "BOTH", Strength: "SHALL", Reason: "why"},
	}
	suites := []Suite{{Groups: []Group{{Checks: []Check{{ID: "c", Verifies: []string{"TESTED", "BOTH"}}}}}}}

	got := map[string]string{}
	for _, c := range Coverage(requirements, suites) {
		got[c.ID] = c.Fault()
	}

	want := map[string]string{
		"TESTED": "", "REASONED": "", "OPTIONAL": "",
		"FORGOTTEN": "has neither a check nor a written reason", "BOTH": "has checks and also a reason why it has none",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}

func TestEveryRequirementIsAccountedFor(t *testing.T) {
	t.Parallel()
	requirements, err := Requirements()
	if err != nil {
		t.Fatal(err)
	}
	suites, err := Suites("")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range Coverage(requirements, suites) {
		if fault := c.Fault(); fault != "" {
			t.Errorf("%s %s", c.ID, fault)
		}
	}
}

func TestRequirementsAreReadStrictly(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no header":   "R-1\tSHALL\tdo it\thttps://x.example/1\tX\t\n",
		"no clause":   requirementsHeader + "\nR-1\tSHALL\tdo it\t\tX\t\n",
		"wrong word":  requirementsHeader + "\nR-1\tMUST\tdo it\thttps://x.example/1\tX\t\n",
		"five fields": requirementsHeader + "\nR-1\tSHALL\tdo it\thttps://x.example/1\tX\n",
		"twice":       someRequirements + "R-1\tSHALL\tdo it\thttps://x.example/1\tX\t\n",
	} {
		if _, err := RequirementsOf(suiteFiles(soundSuite, text)); err == nil {
			t.Errorf("%s: it was read", name)
		}
	}
}
