package referral_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"caselink.example/connectors/api/caseview"
	"caselink.example/fhir"
	"caselink.example/fhir/r4"
	"caselink.example/mapping/referral"
	"caselink.example/mapping/terminology"
)

var terms = terminology.Default()

var update = flag.Bool("update", false, "write the golden files anew")

// understood is what a golden file holds.
type understood struct {
	Errors      []string          `json:"errors,omitempty"`
	Warnings    []string          `json:"warnings,omitempty"`
	Case        caseview.Case     `json:"case"`
	Identifiers []fhir.Identifier `json:"identifiers,omitempty"`
	Performers  []fhir.Identifier `json:"performers,omitempty"`
	Registered  string            `json:"registered,omitempty"`
	Requester   string            `json:"requester,omitempty"`
	Trace       []string          `json:"trace"`
}

func (u *understood) read(ref referral.Reading, err error) {
	u.Case, u.Identifiers, u.Performers = caseview.Of(ref.Case), ref.Identifiers, ref.Performers
	u.Registered, u.Requester = string(ref.Case.Patient.RegisteredAt), string(ref.Requester)
	if err != nil {
		u.Errors = texts(fhir.ErrorsOf(err))
	}
	u.Warnings = texts(ref.Warnings)
	for _, s := range ref.Trace() {
		u.Trace = append(u.Trace, strings.TrimSpace(strings.Join([]string{s.Path, string(s.Action), s.To, s.Why}, " ")))
	}
}

func texts(es fhir.Errors) []string {
	var out []string
	for _, e := range es {
		out = append(out, e.Error())
	}
	return out
}

func decode(t testing.TB, raw []byte) r4.Resource {
	t.Helper()
	r, err := r4.Unmarshal(raw)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func fixture(t testing.TB, name string) r4.Resource {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, raw)
}

func TestReferralsBecomeTheCasesOfTheGoldenFiles(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			var u understood
			u.read(referral.FromFHIR(fixture(t, filepath.Base(file)), terms))
			got, err := json.MarshalIndent(u, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			golden := strings.TrimSuffix(file, ".json") + ".golden"
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
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func BenchmarkFromFHIR(b *testing.B) {
	for _, name := range []string{"typical.json", "logical.json"} {
		r := fixture(b, name)
		b.Run(strings.TrimSuffix(name, ".json"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := referral.FromFHIR(r, terms); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkTrace(b *testing.B) {
	ref, err := referral.FromFHIR(fixture(b, "typical.json"), terms)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		ref.Trace()
	}
}
