// Package referral says what a FHIR ServiceRequest means to a social prescribing
// service: it becomes a case. Every element that arrived is accounted for: mapped to
// a field of the case, kept as it came with the ServiceRequest, or refused at its
// FHIRPath. Nothing is dropped in silence, and no value is guessed.
//
// ServiceRequest: https://hl7.org/fhir/R4/servicerequest.html
package referral

import (
	"slices"

	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	srpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/service_request_go_proto"

	"caselink.example/fhir"
	"caselink.example/fhir/nhs"
	"caselink.example/fhir/r4"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/terminology"
)

// Reading is what a ServiceRequest means.
type Reading struct {
	// Case is as it begins, but for what only the receiver knows: ids, version,
	// times, practice and service. A case with Queries is needs-information.
	Case        cases.Case
	Identifiers []fhir.Identifier // of the ServiceRequest, as the sender gave them
	Performers  []fhir.Identifier // of the services that were asked, first choice first
	Registered  nhs.ODSCode       // where the person is registered; "" when not told
	Requester   nhs.ODSCode       // the requester's organisation; "" when not told
	Warnings    fhir.Errors       // what the sender should look at; no reason to refuse
	reading     *reading
}

// Linked is a resource that the ServiceRequest refers to and does not contain.
type Linked struct {
	Reference string // as it stands in the ServiceRequest, such as urn:uuid:... or Patient/1
	Path      string // FHIRPath of the resource in what arrived, such as Bundle.entry[1].resource
	Resource  r4.Resource
}

// FromFHIR reads a ServiceRequest with the resources that it contains and those that
// are linked; terms says what its codes mean. The error is an fhir.Errors with every
// fault of the referral; the Reading then holds what could be read, for its Trace.
func FromFHIR(r r4.Resource, terms terminology.Map, linked ...Linked) (Reading, error) {
	request, ok := r.Proto.(*srpb.ServiceRequest)
	if !ok {
		return Reading{}, fhir.Errorf(fhir.IssueInvalid, "a referral is a ServiceRequest, not a %s", r.Type).At(r.Type)
	}
	in := &reading{terms: terms, request: request, claims: make([]claim, 0, 96)}
	in.unmodified = neverModified(r.JSON) && !slices.ContainsFunc(linked, func(l Linked) bool { return !neverModified(l.Resource.JSON) })
	in.hold(r.Contained(), linked)
	in.out.Case.Status = cases.Received
	in.rules()
	in.what()
	in.subject()
	in.requester()
	in.performers()
	in.why()
	in.context()
	in.words()
	return in.finish()
}

// finish names the place of every fault and settles how the case begins.
func (r *reading) finish() (Reading, error) {
	c := &r.out.Case
	if len(c.Needs) == 0 {
		c.Needs = []cases.Need{{Category: unspecified}}
	}
	c.Needs[0].Primary = true
	if len(c.Queries) > 0 {
		c.Status = cases.NeedsInformation
	}
	r.locate()
	var refused fhir.Errors
	for _, f := range r.faults {
		if f.err.Warning {
			r.out.Warnings = append(r.out.Warnings, f.err)
		} else {
			refused = append(refused, f.err)
		}
	}
	r.out.reading = r
	return r.out, refused.OrNil()
}

// words are what the referrer wrote.
func (r *reading) words() {
	for _, note := range r.request.GetNote() {
		r.narrative(note)
	}
	if text := r.request.GetPatientInstruction(); text.GetValue() != "" {
		r.out.Case.Instructions = text.GetValue()
		r.mapped("instructions", text)
	}
}

func (r *reading) narrative(note *dtpb.Annotation) {
	if text := note.GetText(); text.GetValue() != "" {
		r.out.Case.Narrative = append(r.out.Case.Narrative, text.GetValue())
		r.mapped("narrative", text)
	}
}
