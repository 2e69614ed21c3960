// Package referral says what a FHIR ServiceRequest means to a social prescribing
// service: it becomes a case. Every element that arrived is accounted for: mapped to
// a field of the case, kept as it came with the ServiceRequest, or refused at its
// FHIRPath. Nothing is dropped in silence, and no value is guessed.
//
// FromFHIR reads from top to bottom; each file has the elements that it is named for.
// What case, trace and practice mean here: docs/words.md.
//
// ServiceRequest: https://hl7.org/fhir/R4/servicerequest.html
package referral

import (
	srpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/service_request_go_proto"

	"caselink.example/fhir"
	"caselink.example/fhir/nhs"
	"caselink.example/fhir/r4"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/terminology"
)

// Reading is what a ServiceRequest means.
type Reading struct {
	// Case is as it begins, without what only the receiver knows: ids, version,
	// times, practice and service. A case with Queries is needs-information.
	Case        cases.Case
	Identifiers []fhir.Identifier // of the ServiceRequest, as the sender gave them
	Performers  []fhir.Identifier // of the services that were asked, first choice first
	Requester   nhs.ODSCode       // the requester's organisation; "" when not said
	Warnings    fhir.Errors       // what the sender should look at; no reason to refuse
	account     *account
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
	sr, ok := r.Proto.(*srpb.ServiceRequest)
	if !ok {
		return Reading{}, fhir.Errorf(fhir.IssueInvalid, "a referral is a ServiceRequest, not a %s", r.Type).At(r.Type)
	}

	// A fault does not end the reading: a person who mends a referral wants all of them at once.
	a := newAccount(r, linked)
	a.refuseModifiers(sr, r, linked)
	origin, priority := a.request(sr, terms)
	patient := readPatient(a, sr)
	referrer := readReferrer(a, sr, patient.out.Name)
	performers := a.performers(sr.GetPerformer())
	needs := readNeeds(a, sr, terms)
	instructions := a.instructions(sr)

	// One open question is enough: nobody rings a person before it is answered.
	status := cases.Received
	if len(a.queries) > 0 {
		status = cases.NeedsInformation
	}
	warnings, refused := a.reported()
	return Reading{
		Case: cases.Case{
			Status:       status,
			Referral:     origin,
			Priority:     priority,
			Patient:      patient.out,
			Needs:        needs.out,
			Narrative:    needs.narrative,
			Instructions: instructions,
			Risks:        needs.risks,
			DoNotContact: patient.out.Deceased,
			Referrer:     referrer.out,
			Source:       referrer.source,
			Consent:      needs.consent,
			Warnings:     a.warnings,
			Queries:      a.queries,
		},
		Identifiers: origin.Identifiers,
		Performers:  performers,
		Requester:   referrer.ods,
		Warnings:    warnings,
		account:     a,
	}, refused.OrNil()
}
