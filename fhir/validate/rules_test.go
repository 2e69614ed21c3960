package validate

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
)

// r4Rules are made once: compiling them takes some milliseconds.
var r4Rules = R4()

// TestEachRuleRefusesOneAndAcceptsAnother reads testdata/rules.tsv: for each rule a
// resource that breaks it, at a FHIRPath, and one that keeps it.
func TestEachRuleRefusesOneAndAcceptsAnother(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{}
	for _, row := range readTSV(t, "testdata/rules.tsv", 4) {
		key, path, broken, sound := row[0], row[1], row[2], row[3]
		shown[key] = true
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			if es := validate(t, broken); !breaks(es, key, path) {
				t.Errorf("got %v, want %s at %s\n%s", es, key, path, broken)
			}
			for _, e := range validate(t, sound) {
				if !e.Warning || e.Rule == key {
					t.Errorf("got %s: %v, want no fault\n%s", e.Rule, e, sound)
				}
			}
		})
	}
	for place, s := range everyShape() {
		for _, r := range s.rules {
			if !shown[r.key] {
				t.Errorf("%s of %s is shown by no line of testdata/rules.tsv", r.key, place)
			}
			if r.right == "" {
				t.Errorf("%s of %s does not say what would be right", r.key, place)
			}
		}
	}
}

// validate reads a resource whose types are in order.
func validate(t *testing.T, raw string) fhir.Errors {
	t.Helper()
	r, err := r4.Unmarshal([]byte(raw))
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	return r4Rules.Validate(r)
}

func breaks(es fhir.Errors, key, path string) bool {
	return slices.ContainsFunc(es, func(e *fhir.Error) bool { return e.Rule == key && e.Expression == path })
}

// everyShape are the places that have rules, by their path.
func everyShape() map[string]*shape {
	found := map[string]*shape{
		"Resource":       anyResource,
		"DomainResource": {rules: slices.Concat(domainResource.rules, containedResource.rules, []rule{dom3})},
		"Reference":      {rules: []rule{unresolved}},
	}
	var add func(path string, s *shape)
	add = func(path string, s *shape) {
		if _, again := recursive[path]; again {
			return
		}
		found[path] = s
		for name, child := range s.children {
			add(path+"."+name, child)
		}
	}
	for name, s := range r4Rules.shapes {
		add(name, s)
	}
	return found
}

func TestEveryFaultIsReportedOfBothKinds(t *testing.T) {
	t.Parallel()
	raw := `{"resourceType":"Observation","status":"finished","code":{"text":"x"},"colour":"red",
		"valueInteger":1,"dataAbsentReason":{"text":"x"},"effectivePeriod":{"start":"2024-02","end":"2024-01"}}`
	r, es := r4Rules.Check([]byte(raw), fhir.JSON)
	want := []string{"Observation.status", "Observation.colour", "Observation", "Observation.effective"}
	for _, path := range want {
		if !slices.ContainsFunc(es, func(e *fhir.Error) bool { return e.Expression == path && !e.Warning }) {
			t.Errorf("no fault at %s in %v", path, es)
		}
	}
	if r.Proto != nil {
		t.Error("a resource was returned that its types refuse")
	}
}

func TestWarningsAreNoReasonToRefuse(t *testing.T) {
	t.Parallel()
	_, es := r4Rules.Check([]byte(`{"resourceType":"Patient","active":true}`), fhir.JSON)
	if !breaks(es, "dom-6", "Patient") || es.OrNil() != nil {
		t.Errorf("got %v, want the warning dom-6 alone", es)
	}
}

func TestFaultsAreBounded(t *testing.T) {
	t.Parallel()
	items := strings.TrimSuffix(strings.Repeat(`{"linkId":"1","type":"group"},`, 500), ",")
	_, es := r4Rules.Check([]byte(`{"resourceType":"Questionnaire","status":"draft","item":[`+items+`]}`), fhir.JSON)
	if len(es) != maxFaults+1 || !es[maxFaults].Warning {
		t.Errorf("got %d faults, want %d and a warning", len(es), maxFaults)
	}
}

func TestWarningsHideNoFault(t *testing.T) {
	t.Parallel()
	plain := strings.Repeat(`{"resource":{"resourceType":"Patient","active":true}},`, maxFaults+1)
	_, es := r4Rules.Check([]byte(`{"resourceType":"Bundle","type":"collection","entry":[`+plain+
		`{"resource":{"resourceType":"Organization","active":true}}]}`), fhir.JSON)
	if len(es) == 0 || es[0].Rule != "org-1" {
		t.Errorf("got %v, want org-1 first", es)
	}
}

func TestFaultsQuoteNoValue(t *testing.T) {
	t.Parallel()
	_, es := r4Rules.Check([]byte(`{"resourceType":"Patient","name":[{"period":{"start":"2031-12-24","end":"2030-12-24"}}],
		"telecom":[{"value":"07700900123"}],"language":"Zaphod Beeblebrox"}`), fhir.JSON)
	if es.OrNil() == nil {
		t.Fatal("no fault at all")
	}
	for _, said := range []string{"2031", "07700900123", "Zaphod"} {
		if strings.Contains(es.Error(), said) {
			t.Errorf("the faults quote %q: %v", said, es)
		}
	}
}

// readTSV reads the rows of a table; lines that begin with # are comments.
func readTSV(t *testing.T, name string, columns int) [][]string {
	t.Helper()
	f, err := os.Open(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rows [][]string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if lines.Text() == "" || strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		row := strings.Split(lines.Text(), "\t")
		if len(row) != columns {
			t.Fatalf("%s: %d columns, want %d: %s", name, len(row), columns, lines.Text())
		}
		rows = append(rows, row)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestXMLGetsTheVerdictOfJSON sends each resource of testdata/rules.tsv both ways.
func TestXMLGetsTheVerdictOfJSON(t *testing.T) {
	t.Parallel()
	for _, row := range readTSV(t, "testdata/rules.tsv", 4) {
		for _, raw := range row[2:] {
			if strings.HasPrefix(row[0], "txt-") {
				continue // XML has no place for text that is no XML
			}
			sent, err := r4.MarshalXML([]byte(raw))
			if err != nil {
				t.Fatalf("%v\n%s", err, raw)
			}
			_, asJSON := r4Rules.Check([]byte(raw), fhir.JSON)
			_, asXML := r4Rules.Check(sent, fhir.XML)
			if got, want := verdictOf(asXML), verdictOf(asJSON); !slices.Equal(got, want) {
				t.Errorf("%s: got %v from XML, %v from JSON\n%s", row[0], got, want, raw)
			}
		}
	}
}

// verdictOf is each fault's rule and place, in order.
func verdictOf(es fhir.Errors) []string {
	var said []string
	for _, e := range es {
		said = append(said, e.Rule+" at "+e.Expression)
	}
	slices.Sort(said)
	return said
}

// An Observation whose codings are extended thirty levels deep would take years if each
// level was compared with each.
func TestDeepCodingsAreComparedOnce(t *testing.T) {
	t.Parallel()
	deep := `"valueString":"a"`
	for range 28 {
		deep = `"extension":[{"url":"http://example.org/x",` + deep + `}]`
	}
	coding := `{"coding":[{` + deep + `}]}`
	es := validate(t, `{"resourceType":"Observation","status":"final","valueInteger":1,
		"code":`+coding+`,"component":[{"code":`+coding+`}]}`)
	if !breaks(es, "obs-7", "Observation") {
		t.Errorf("got %v, want obs-7", es)
	}
}
