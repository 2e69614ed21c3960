package kit

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"caselink.example/fhir/nhs"
)

func TestPathSelectsAsFHIRPathDoes(t *testing.T) {
	t.Parallel()
	document, err := parseJSON([]byte(`{"resourceType":"Bundle","total":2,"entry":[
		{"resource":{"status":"a","code":[{"system":"s","value":"1"},{"system":"t","value":"2"}]}},
		{"resource":{"status":"b","life-satisfaction":7.50}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"total":                               `[2]`,
		"Bundle.total":                        `[2]`,
		"entry.resource.status":               `["a","b"]`,
		"entry[1].resource.life-satisfaction": `[7.50]`,
		"entry.resource.code.where(system='t').value":         `["2"]`,
		"entry.where(resource.code.system = 's').resource[0]": `[{"code":[{"system":"s","value":"1"},{"system":"t","value":"2"}],"status":"a"}]`,
		"entry.where(resource.status='c')":                    `[]`,
		"entry.resource.status.first()":                       `["a"]`,
		"entry.resource.status.last()":                        `["b"]`,
		"entry.count()":                                       `[2]`,
		"entry.resource.code.value.distinct().count()":        `[2]`,
		"nothing.at.all":                                      `[]`,
		"entry[9]":                                            `[]`,
	} {
		p, err := parsePath(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if got := writeJSON(append([]any{}, p.eval(document)...)); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

func TestPathRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", ".", "a.", "a[", "a[x]", "a.where(b)", "a.where(b='c'", "a.where(b='c)", "a.exists()", "a b", "a.first(1)"} {
		if _, err := parsePath(path); err == nil {
			t.Errorf("%q was read", path)
		}
	}
}

func TestChangesEditTemplates(t *testing.T) {
	t.Parallel()
	const text = `{"a": [1.50, {"b": "x"}], "c": true}`
	value := func(v any) *Value { return &Value{JSON: v} }
	for _, c := range []struct {
		changes []Change
		want    string // "" for an error
	}{
		{nil, text},
		{[]Change{{Remove: "/c"}}, `{"a":[1.50,{"b":"x"}]}`},
		{[]Change{{Remove: "/a/0"}}, `{"a":[{"b":"x"}],"c":true}`},
		{[]Change{{Remove: "/a/1/b"}}, `{"a":[1.50,{}],"c":true}`},
		{[]Change{{Set: "/a/1/b", To: value("<${n}>")}}, `{"a":[1.50,{"b":"<9>"}],"c":true}`},
		{[]Change{{Set: "/a/-", To: value(json.Number("0"))}}, `{"a":[1.50,{"b":"x"},0],"c":true}`},
		{[]Change{{Set: "/d~1e", To: value(nil)}}, `{"a":[1.50,{"b":"x"}],"c":true,"d/e":null}`},
		{[]Change{{Replace: `"c"`, By: `"c": 1, "c"`}}, `{"a": [1.50, {"b": "x"}], "c": 1, "c": true}`},
		{[]Change{{Remove: "/z"}}, ""},
		{[]Change{{Remove: "/a/7"}}, ""},
		{[]Change{{Set: "/c/d", To: value("x")}}, ""},
		{[]Change{{Replace: "nowhere", By: "x"}}, ""},
	} {
		got, err := changed(text, c.changes, &vars{values: map[string]string{"n": "9"}})
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%+v: got %s, %v; want %s", c.changes, got, err, c.want)
		}
	}
}

func TestFreshIdentifiersAreOfTheSeed(t *testing.T) {
	t.Parallel()
	fresh := func(seed string) []string {
		v := &vars{seed: seed, values: map[string]string{}, secret: func(string) {}}
		var out []string
		for _, name := range []string{"uuid.a", "uuid.b", "nhsNumber.a", "nhsNumber.b"} {
			value, ok := v.get(name)
			if !ok {
				t.Fatalf("%s has no value", name)
			}
			out = append(out, value)
		}
		return out
	}
	if a, b := fresh("1"), fresh("1"); !slices.Equal(a, b) {
		t.Errorf("one seed gave %v and %v", a, b)
	}
	if all := append(fresh("1"), fresh("2")...); len(slices.Compact(slices.Sorted(slices.Values(all)))) != 8 {
		t.Errorf("two seeds share identifiers: %v", all)
	}
}

func TestFreshNHSNumbersAreFictionalAndSound(t *testing.T) {
	t.Parallel()
	for i := range 200 {
		name := strings.Repeat("x", i)
		good, bad := freshNHSNumber("s", name, 0), freshNHSNumber("s", name, 1)
		if _, err := nhs.ParseNumber(good); err != nil || !strings.HasPrefix(good, "999") {
			t.Fatalf("%s: %v", good, err)
		}
		if _, err := nhs.ParseNumber(bad); err == nil {
			t.Fatalf("%s is sound", bad)
		}
	}
}

func TestRedactionKeepsNoSecret(t *testing.T) {
	t.Parallel()
	r := newRedactor()
	r.hide("s3cret-token", "TOKEN_PRACTICE")
	r.hide("s3cret", "CLIENT_SECRET")
	number, other := freshNHSNumber("s", "a", 0), freshNHSNumber("s", "b", 0)
	r.hideNumber(number)
	spaced := other[:3] + " " + other[3:6] + " " + other[6:]
	in := "Bearer s3cret-token, s3cret, " + number + " and " + spaced + ", eyJhbGciOiJFUzI1NiJ9.e30.c2ln, 01632 960123, 1234567891"

	got := r.text(in)

	want := "Bearer ${TOKEN_PRACTICE}, ${CLIENT_SECRET}, ${NHS_NUMBER_1} and ${NHS_NUMBER_2}, ${TOKEN}, 01632 960123, 1234567891"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestCurlLeavesSecretsToTheShell(t *testing.T) {
	t.Parallel()
	got := curl(Exchange{
		Method: "POST", URL: "http://h/a?b=${NHS_NUMBER_1}", Body: `{"it's":"${NHS_NUMBER_1}"}`,
		Sent: map[string][]string{"Authorization": {"Bearer ${TOKEN_PRACTICE}"}, "Accept": {"a/b"}},
	})
	want := `curl -i -X POST -H 'Accept: a/b' -H 'Authorization: Bearer '"${TOKEN_PRACTICE}"''` +
		` --data-binary '{"it'\''s":"'"${NHS_NUMBER_1}"'"}' 'http://h/a?b='"${NHS_NUMBER_1}"''`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

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
	if _, err := load(suiteFiles(soundSuite, someRequirements), ""); err != nil {
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
		if _, err := load(suiteFiles(broken, someRequirements), ""); err == nil || !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v, want a fault about %q", name, err, c.fault)
		}
	}
}

func TestCoverageWantsACheckOrAReason(t *testing.T) {
	t.Parallel()
	requirements := []Requirement{
		{ID: "TESTED", Strength: "SHALL"}, {ID: "REASONED", Strength: "SHALL", Reason: "why"}, {ID: "OPTIONAL", Strength: "SHOULD"},
		{ID: "FORGOTTEN", Strength: "SHALL"}, {ID: "BOTH", Strength: "SHALL", Reason: "why"},
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
	for _, c := range Coverage(requirements, suitesFor(t, "")) {
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
		if _, err := requirementsOf(suiteFiles(soundSuite, text)); err == nil {
			t.Errorf("%s: it was read", name)
		}
	}
}
