package adapter

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"caselink.example/cmd/caselink/internal/config"
	"caselink.example/fhir"
)

var directory = NewDirectory(config.Config{
	Practices: []config.Practice{{ODS: "Y99901", Name: "Bramley Green Surgery", Destinations: []config.Destination{
		{ID: "Y99901", Kind: config.KindFHIR}, {ID: "polls", Kind: config.KindNone},
	}}},
	Services: []config.Service{{
		ID: "riverside", Name: "Riverside", ODS: "Y99911",
		Identifiers: []fhir.Identifier{{System: "https://issuer.example/teams", Value: "7"}},
	}},
})

func TestServiceIsFoundByWhateverNamesIt(t *testing.T) {
	t.Parallel()
	for name, id := range map[string]fhir.Identifier{
		"its own id":        {System: fhir.SystemService, Value: "riverside"},
		"ODS code":          {System: "https://fhir.nhs.uk/Id/ods-organization-code", Value: "Y99911"},
		"ODS, as some say":  {System: "http://fhir.nhs.uk/Id/ODS-organisation-code", Value: " Y99911 "},
		"identifier of old": {System: "https://issuer.example/teams", Value: "7"},
	} {
		if s, ok := directory.ServiceBy(id); !ok || s.ID != "riverside" {
			t.Errorf("%s: got %+v, %t", name, s, ok)
		}
	}
	if s, ok := directory.ServiceBy(fhir.Identifier{System: "https://issuer.example/teams", Value: "8"}); ok {
		t.Errorf("an unknown identifier names %+v", s)
	}
}

func TestPracticeIsOwedNothingWhereItPolls(t *testing.T) {
	t.Parallel()
	p, ok := directory.Practice("Y99901")

	if diff := cmp.Diff([]string{"Y99901"}, p.Destinations); diff != "" || !ok {
		t.Errorf("destinations (-want +got):\n%s", diff)
	}
}
