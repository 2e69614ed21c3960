package r4_test

import (
	"strings"
	"testing"
	"time"

	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	obpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/observation_go_proto"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
)

// An Observation whose only reference is ref, decoded as any resource is.
func reference(t *testing.T, ref string) *dtpb.Reference {
	t.Helper()
	r, err := r4.Unmarshal([]byte(`{"resourceType":"Observation","status":"final","code":{"text":"x"},
		"contained":[{"resourceType":"Patient","id":"p1"}],"focus":[{"reference":"` + ref + `"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	return r.Proto.(*obpb.Observation).Focus[0]
}

func TestLiteralIsWhatWasWritten(t *testing.T) {
	t.Parallel()
	for _, ref := range []string{
		"Patient/1", "PractitionerRole/a-b.c", "Patient/1/_history/3", "#p1",
		"urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7", "https://gp.example/FHIR/R4/Patient/1",
	} {
		if got := r4.Literal(reference(t, ref)); got != ref {
			t.Errorf("Literal = %q, want %q", got, ref)
		}
	}
}

func TestFragmentIsTheContainedId(t *testing.T) {
	t.Parallel()
	for ref, want := range map[string]string{"#p1": "p1", "Patient/p1": ""} {
		if got := r4.Fragment(reference(t, ref)); got != want {
			t.Errorf("Fragment(%q) = %q, want %q", ref, got, want)
		}
	}
	if got := r4.Literal(nil) + r4.Fragment(nil); got != "" {
		t.Errorf("a reference that is not there = %q, want nothing", got)
	}
}

func TestElementsAreWrittenAsTheSpecificationPrints(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 29, 1, 30, 0, 123456789, time.FixedZone("", 3600))
	raw, err := r4.Marshal(&obpb.Observation{
		Identifier: []*dtpb.Identifier{r4.Identifier(fhir.Identifier{System: "https://x.example/Id/a", Value: "1"})},
		Status:     &obpb.Observation_StatusCode{Value: 3},
		Code:       r4.Concept("text", fhir.Coding{System: "https://x.example/CodeSystem/c", Code: "c", Display: "C"}),
		Subject:    r4.Logical(fhir.Identifier{Value: "7"}, "Patient"),
		Effective:  &obpb.Observation_EffectiveX{Choice: &obpb.Observation_EffectiveX_DateTime{DateTime: r4.DateTime(at)}},
		Issued:     r4.Instant(at),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"identifier":[{"system":"https://x.example/Id/a","value":"1"}]`,
		`"code":{"coding":[{"system":"https://x.example/CodeSystem/c","code":"c","display":"C"}],"text":"text"}`,
		`"subject":{"type":"Patient","identifier":{"value":"7"}}`,
		`"effectiveDateTime":"2026-03-29T00:30:00.123Z"`, `"issued":"2026-03-29T00:30:00.123Z"`,
	} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("%s\n is not in %s", want, raw)
		}
	}
}
