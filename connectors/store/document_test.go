package store

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"caselink.example/fhir"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/cases/casestest"
)

var update = flag.Bool("update", false, "write the golden file of the present version anew")

// goldenDocument is the golden file of a version of the document.
func goldenDocument(version int) string { return fmt.Sprintf("testdata/case-v%d.golden", version) }

func TestEveryDocumentVersionIsRead(t *testing.T) {
	t.Parallel()
	for version := range documentVersion + 1 {
		raw, err := os.ReadFile(goldenDocument(version))
		if err != nil {
			t.Fatal(err)
		}

		got, err := decodeCase(raw)

		if err != nil {
			t.Errorf("version %d: %v", version, err)
		}
		if diff := cmp.Diff(FullOf(version), got); diff != "" {
			t.Errorf("version %d is read as another case (-want +got):\n%s", version, diff)
		}
	}
}

// A changed golden file of a version that is released is a database that cannot be read.
func TestWrittenDocumentIsTheGoldenOfThePresentVersion(t *testing.T) {
	got, err := encodeCase(casestest.Full())
	if err != nil {
		t.Fatal(err)
	}
	if *update { // before it waits for its turn, and so before any parallel test reads the file
		if err := os.WriteFile(goldenDocument(documentVersion), got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Parallel()
	want, err := os.ReadFile(goldenDocument(documentVersion))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("document (-golden +written):\n%s", diff)
	}
}

func TestEmptyCaseIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]cases.Case{
		"nothing":     {},
		"empty lists": {Needs: []cases.Need{}, Outcomes: []cases.Outcome{}},
	} {
		raw, err := encodeCase(c)
		if err != nil {
			t.Fatal(err)
		}

		got, err := decodeCase(raw)

		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c, got); diff != "" {
			t.Errorf("%s (-written +read):\n%s", name, diff)
		}
	}
}

func TestDocumentOfANewerReleaseIsLeftToIt(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]fhir.Code{
		fmt.Sprintf(`{"schema":%d}`, documentVersion+1): fhir.IssueTransient,
		`{"version":"one"}`:                             fhir.IssueException,
		`{`:                                             fhir.IssueException,
	} {
		if _, err := decodeCase([]byte(raw)); !fhir.Is(err, want) {
			t.Errorf("%s: %v, want %s", raw, err, want)
		}
	}
}

func BenchmarkEncodeCase(b *testing.B) {
	c := casestest.Full()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := encodeCase(c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeCase(b *testing.B) {
	raw, err := encodeCase(casestest.Full())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeCase(raw); err != nil {
			b.Fatal(err)
		}
	}
}
