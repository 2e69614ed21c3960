package fhirapi_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"caselink.example/connectors/api/fhirapi"
	"caselink.example/fhir"
	"caselink.example/fhir/validate"
)

var software = fhirapi.Software{
	Base: "https://caselink.example/FHIR/R4", Release: "1.0", TokenURL: "https://issuer.example/token",
	Date: time.Date(2026, 1, 12, 12, 0, 0, 0, time.UTC),
}

func TestStatementSaysWhatIsServed(t *testing.T) {
	t.Parallel()
	raw, err := fhirapi.Statement(software, []fhirapi.Interaction{
		{Resource: "Task", Code: "read"}, {Resource: "ServiceRequest", Code: "create"}, {Resource: "ServiceRequest", Code: "$map"}, {Resource: "Basic", Code: "$validate"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, faults := validate.R4().Check(raw, fhir.JSON); len(faults) > 0 {
		t.Errorf("our own rules find: %v", faults)
	}
	var got struct {
		Date string
		Rest []struct {
			Resource []struct {
				Type, Versioning  string
				ConditionalCreate bool
				Interaction       []struct{ Code string }
				Operation         []struct{ Name, Definition string }
			}
		}
	}
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(got.Rest[0].Resource)
	if err != nil {
		t.Fatal(err)
	}

	want := `[{"Type":"Basic","Versioning":"no-version","ConditionalCreate":false,"Interaction":null,"Operation":[{"Name":"validate","Definition":"http://hl7.org/fhir/OperationDefinition/Resource-validate"}]},` +
		`{"Type":"ServiceRequest","Versioning":"versioned","ConditionalCreate":true,"Interaction":[{"Code":"create"}],"Operation":[{"Name":"map","Definition":"https://caselink.example/fhir/OperationDefinition/ServiceRequest-map"}]},` +
		`{"Type":"Task","Versioning":"versioned","ConditionalCreate":false,"Interaction":[{"Code":"read"}],"Operation":null}]`
	if diff := cmp.Diff(want, string(text)); diff != "" || got.Date != "2026-01-12" {
		t.Errorf("date %s, resources (-want +got):\n%s", got.Date, diff)
	}
}

func TestStatementIsRefusedWhereItIsNotFHIR(t *testing.T) {
	t.Parallel()
	if raw, err := fhirapi.Statement(software, []fhirapi.Interaction{{Resource: "Referral", Code: "read"}}); err == nil {
		t.Errorf("a type that FHIR does not know: %s", raw)
	}
}
