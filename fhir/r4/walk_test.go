package r4_test

import (
	"strings"
	"testing"

	srpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/service_request_go_proto"
	"github.com/google/go-cmp/cmp"

	"caselink.example/fhir/r4"
)

const walked = `{
	"resourceType": "ServiceRequest", "status": "active", "intent": "order",
	"subject": {"reference": "Patient/1/_history/2", "type": "Patient"},
	"occurrenceTiming": {"code": {"text": "soon"}},
	"contained": [
		{"resourceType": "Patient", "id": "p", "_birthDate": {"extension": [{"url": "http://a.example", "valueCode": "unknown"}]}},
		{"resourceType": "Organization", "id": "o", "name": "x"}
	]}`

// elements are the paths of all elements; a primitive's end in =.
func elements(e r4.Element) (paths []string) {
	for e := range e.All() {
		path := e.Path()
		if e.IsPrimitive() {
			path += "="
		}
		paths = append(paths, path)
	}
	return paths
}

func TestElementsAreThoseThatWereSentEachAtItsPath(t *testing.T) {
	t.Parallel()
	r, err := r4.Unmarshal([]byte(walked))
	if err != nil {
		t.Fatal(err)
	}

	got := elements(r.Element(""))

	want := strings.Fields(`ServiceRequest
		ServiceRequest.contained[0]
		ServiceRequest.contained[0].id=
		ServiceRequest.contained[0].birthDate=
		ServiceRequest.contained[0].birthDate.extension[0]
		ServiceRequest.contained[0].birthDate.extension[0].url=
		ServiceRequest.contained[0].birthDate.extension[0].value=
		ServiceRequest.contained[1]
		ServiceRequest.contained[1].id=
		ServiceRequest.contained[1].name=
		ServiceRequest.status=
		ServiceRequest.intent=
		ServiceRequest.subject
		ServiceRequest.subject.type=
		ServiceRequest.subject.reference=
		ServiceRequest.occurrence
		ServiceRequest.occurrence.code
		ServiceRequest.occurrence.code.text=`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("elements mismatch (-want +got):\n%s", diff)
	}
}

func TestContainedResourceHasOneAddress(t *testing.T) {
	t.Parallel()
	decoded, err := r4.Unmarshal([]byte(walked))
	if err != nil {
		t.Fatal(err)
	}
	packed := r4.Resource{Type: "ServiceRequest", Proto: decoded.Proto.(*srpb.ServiceRequest)}
	for name, r := range map[string]r4.Resource{"decoded": decoded, "packed": packed} {
		root := r.Element("")
		for range 2 { // each walk finds the same messages
			seen := 0
			for e := range root.Children() {
				for contained := range root.Contained() {
					if e.Message == contained.Message && e.Path() == contained.Path() {
						seen++
					}
				}
			}
			if seen != 2 {
				t.Errorf("%s: %d of 2 contained resources are those of Contained", name, seen)
			}
		}
	}
}

func TestElementsOfABundleReachItsResources(t *testing.T) {
	t.Parallel()
	r, err := r4.Unmarshal([]byte(`{"resourceType": "Bundle", "type": "collection",
		"entry": [{"resource": {"resourceType": "Patient", "active": true}}]}`))
	if err != nil {
		t.Fatal(err)
	}

	got := elements(r.Element("Parameters.parameter[0].resource"))

	if want := "Parameters.parameter[0].resource.entry[0].resource.active="; got[len(got)-1] != want || len(got) != 5 {
		t.Errorf("elements %v; want the last %s", got, want)
	}
	for range r.Element("").All() {
		break // a walk may end at any element
	}
}
