package validate

import (
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"caselink.example/fhir"
)

// verdict is what a reference says of one file of the corpus.
type verdict struct {
	set, file string
	valid     bool
	codes     []string // the issue types that the reference gives, where it tells
}

// The sets of the corpus, and the share of verdicts that ours have to equal in each.
var sets = map[string]float64{
	"fhir-test-cases": 0.90, // tier A: what the official validator says of base R4
	"nhs-examples":    0.90, // where two independent validators agree
	"r4-examples":     0.99, // the official examples are valid, save the reviewed one
}

func TestVerdictsAgreeWithTheReferences(t *testing.T) {
	t.Parallel()
	reviewed := map[string][]string{}
	for _, row := range readTSV(t, "testdata/disagreements.tsv", 4) {
		if row[3] == "" || row[1] == row[2] {
			t.Errorf("%s: no disagreement, or no reason", row[0])
		}
		reviewed[row[0]] = row
	}
	if corpus() == "" {
		return
	}
	type tally struct{ agreed, total, falseAccepts, falseRefusals, told, sameCode int }
	tallies := map[string]*tally{}
	for set := range sets {
		tallies[set] = &tally{}
	}
	for _, v := range verdicts(t) {
		sum := tallies[v.set]
		sum.total++
		_, es := r4Rules.Check(read(t, v.file), fhir.JSON)
		ours := es.OrNil() == nil
		row, listed := reviewed[v.file]
		delete(reviewed, v.file)
		switch {
		case ours == v.valid:
			sum.agreed++
			if len(v.codes) > 0 {
				sum.told++
			}
			if slices.ContainsFunc(es, func(e *fhir.Error) bool { return slices.Contains(v.codes, string(e.Code)) }) {
				sum.sameCode++
			}
			if listed {
				t.Errorf("%s: listed as a disagreement, but there is none", v.file)
			}
			continue
		case ours:
			sum.falseAccepts++
		default:
			sum.falseRefusals++
		}
		if !listed || row[1] != word(v.valid) || row[2] != word(ours) {
			t.Errorf("%s: the reference says %s, we say %s: %v", v.file, word(v.valid), word(ours), es)
		}
	}
	for file := range reviewed {
		t.Errorf("%s: listed as a disagreement, but not in the corpus", file)
	}
	for set, sum := range tallies {
		t.Logf("%s: %d of %d agree, %d false accepts, %d false refusals; %d of %d refused share an issue type",
			set, sum.agreed, sum.total, sum.falseAccepts, sum.falseRefusals, sum.sameCode, sum.told)
		if float64(sum.agreed) < sets[set]*float64(sum.total) || sum.total < 40 {
			t.Errorf("%s: %d of %d agree, want %.0f %% of at least 40", set, sum.agreed, sum.total, 100*sets[set])
		}
	}
}

func word(valid bool) string {
	if valid {
		return "valid"
	}
	return "invalid"
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(corpus(), filepath.FromSlash(file)))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func verdicts(t *testing.T) []verdict {
	t.Helper()
	return append(append(testCases(t), nhsExamples(t)...), officialExamples(t)...)
}

func testCases(t *testing.T) []verdict {
	t.Helper()
	var cases []struct {
		File, Tier string
		Verdict    string   `json:"base_verdict"`
		Codes      []string `json:"base_error_codes"`
	}
	readJSON(t, "fhir-test-cases/validator/verdicts.json", &cases)
	var vs []verdict
	for _, c := range cases {
		if c.Tier == "A" {
			vs = append(vs, verdict{"fhir-test-cases", "fhir-test-cases/validator/" + c.File, c.Verdict == "valid", c.Codes})
		}
	}
	return vs
}

func nhsExamples(t *testing.T) []verdict {
	t.Helper()
	folders, err := fs.Glob(os.DirFS(corpus()), "nhs-examples/*/_gold.json")
	if err != nil {
		t.Fatal(err)
	}
	var vs []verdict
	for _, gold := range folders {
		var said struct{ Accept, Reject []string }
		readJSON(t, gold, &said)
		for _, file := range said.Accept {
			vs = append(vs, verdict{"nhs-examples", path.Join(path.Dir(gold), file), true, nil})
		}
		for _, file := range said.Reject {
			vs = append(vs, verdict{"nhs-examples", path.Join(path.Dir(gold), file), false, nil})
		}
	}
	return vs
}

func officialExamples(t *testing.T) []verdict {
	t.Helper()
	var vs []verdict
	err := fs.WalkDir(os.DirFS(corpus()), "r4-examples", func(file string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(file, ".json") && !strings.HasPrefix(d.Name(), "_") {
			vs = append(vs, verdict{"r4-examples", file, true, nil})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return vs
}

func readJSON(t *testing.T, file string, v any) {
	t.Helper()
	if err := json.Unmarshal(read(t, file), v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}
