package kit

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"caselink.example/conformance/kit/suite"
	"caselink.example/fhir/nhs"
)

func TestChangesEditTemplates(t *testing.T) {
	t.Parallel()
	const text = `{"a": [1.50, {"b": "x"}], "c": true}`
	value := func(v any) *suite.Value { return &suite.Value{JSON: v} }
	for _, c := range []struct {
		changes []suite.Change
		want    string // "" for an error
	}{
		{nil, text},
		{[]suite.Change{{Remove: "/c"}}, `{"a":[1.50,{"b":"x"}]}`},
		{[]suite.Change{{Remove: "/a/0"}}, `{"a":[{"b":"x"}],"c":true}`},
		{[]suite.Change{{Remove: "/a/1/b"}}, `{"a":[1.50,{}],"c":true}`},
		{[]suite.Change{{Set: "/a/1/b", To: value("<${n}>")}}, `{"a":[1.50,{"b":"<9>"}],"c":true}`},
		{[]suite.Change{{Set: "/a/-", To: value(json.Number("0"))}}, `{"a":[1.50,{"b":"x"},0],"c":true}`},
		{[]suite.Change{{Set: "/d~1e", To: value(nil)}}, `{"a":[1.50,{"b":"x"}],"c":true,"d/e":null}`},
		{[]suite.Change{{Replace: `"c"`, By: `"c": 1, "c"`}}, `{"a": [1.50, {"b": "x"}], "c": 1, "c": true}`},
		{[]suite.Change{{Remove: "/z"}}, ""},
		{[]suite.Change{{Remove: "/a/7"}}, ""},
		{[]suite.Change{{Set: "/c/d", To: value("x")}}, ""},
		{[]suite.Change{{Replace: "nowhere", By: "x"}}, ""},
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
