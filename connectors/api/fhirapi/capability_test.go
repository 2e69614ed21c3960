package fhirapi

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"caselink.example/fhir"
	"caselink.example/fhir/validate"
)

var served = &API{
	Base: "https://caselink.example/FHIR/R4", Release: "1.0", TokenURL: "https://issuer.example/token",
	Now: func() time.Time { return time.Date(2026, 1, 12, 12, 0, 0, 0, time.UTC) },
}

func TestStatementSaysWhatIsServed(t *testing.T) {
	t.Parallel()
	raw, err := served.statement([]route{
		{resource: "Task", interaction: "read"},
		{resource: "ServiceRequest", interaction: "create"},
		{resource: "ServiceRequest", interaction: "$map"},
		{resource: "Basic", interaction: "$validate"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, faults := validate.R4().Check(raw, fhir.JSON); len(faults) > 0 {
		t.Errorf("our own rules find: %v", faults)
	}

	type operation struct{ Name, Definition string }
	type code struct{ Code string }
	type resource struct {
		Type, Versioning  string
		ConditionalCreate bool
		Interaction       []code
		Operation         []operation
	}
	var got struct {
		Date string
		Rest []struct{ Resource []resource }
	}
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	want := []resource{{
		Type: "Basic", Versioning: "no-version",
		Operation: []operation{{"validate", "http://hl7.org/fhir/OperationDefinition/Resource-validate"}},
	}, {
		Type: "ServiceRequest", Versioning: "versioned", ConditionalCreate: true,
		Interaction: []code{{"create"}},
		Operation:   []operation{{"map", "https://caselink.example/fhir/OperationDefinition/ServiceRequest-map"}},
	}, {
		Type: "Task", Versioning: "versioned", Interaction: []code{{"read"}},
	}}
	if diff := cmp.Diff(want, got.Rest[0].Resource); diff != "" || got.Date != "2026-01-12" {
		t.Errorf("date %s, resources (-want +got):\n%s", got.Date, diff)
	}
}

func TestStatementIsRefusedWhereItIsNotFHIR(t *testing.T) {
	t.Parallel()
	for _, r := range []route{{resource: "Referral", interaction: "read"}, {resource: "Task", interaction: "peek"}} {
		if raw, err := served.statement([]route{r}); err == nil {
			t.Errorf("%s of %s, which FHIR does not know: %s", r.interaction, r.resource, raw)
		}
	}
}
