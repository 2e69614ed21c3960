package workflow

import (
	"slices"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
	"caselink.example/fhir/validate"
	"caselink.example/mapping/outcome"
	"caselink.example/mapping/referral"
	"caselink.example/mapping/terminology"
)

// Meaning is what a referral is read by: what its codes mean, which rules hold for it, and
// which instruments measure what comes of it. Each part is a value, so that another can be
// handed down; today there is one of each. All that reads referrals is given one Meaning.
type Meaning struct {
	Terms    terminology.Map
	Rules    validate.Rules
	Outcomes outcome.Instruments
}

// DefaultMeaning is the Meaning that Caselink comes with. Making one compiles every rule
// of R4: make it once and hand it down.
func DefaultMeaning() Meaning {
	return Meaning{Terms: terminology.Default(), Rules: validate.R4(), Outcomes: outcome.Default()}
}

// Check is the verdict on a resource, as $validate and the verb validate give it: all that
// is wrong with it by the types and the rules of FHIR R4 and, when it asks for social
// prescribing, by the rules of a referral; warnings too. The resource is the zero value
// when it is not sound FHIR.
func (m Meaning) Check(raw []byte, format fhir.Format) (r4.Resource, fhir.Errors) {
	asks := func(root r4.Node) bool { return referral.Asks(root, m.Terms) }
	r, _, faults := m.verdict(raw, format, asks)
	return r, faults
}

// always takes a resource for a referral because it was sent as one, to intake or to be
// mapped. One that is no ServiceRequest is refused for that.
func always(r4.Node) bool { return true }

// verdict is the one verdict on a resource, for intake, $map, $validate and the verbs map
// and validate: its faults, warnings too, and what it means when it is a referral. The
// resource is the zero value when it is not sound FHIR.
//
// Intake differs in two things, because only the request says them: it takes every
// ServiceRequest for a referral, as Map does, and it wants an identity.
func (m Meaning) verdict(
	raw []byte, format fhir.Format, isReferral func(r4.Node) bool,
) (r4.Resource, referral.Reading, fhir.Errors) {
	r, faults := m.Rules.Check(raw, format)
	if len(refusals(faults)) > 0 {
		// The bytes are read a second time, leniently: the sender hears of a wrong NHS number
		// in the same answer as of a missing bracket, and mends both at once.
		inspect := r4.Inspect
		if format == fhir.XML {
			inspect = r4.InspectXML
		}
		if root, _ := inspect(raw); root.Exists() && isReferral(root) {
			faults = append(faults, referral.Inspect(root)...)
		}
		return r4.Resource{}, referral.Reading{}, faults
	}
	if !isReferral(r.Root) {
		return r, referral.Reading{}, faults
	}

	ref, err := referral.FromFHIR(r, m.Terms)
	faults = append(faults, ref.Warnings...)
	if err != nil {
		faults = append(faults, fhir.ErrorsOf(err)...)
	}
	return r, ref, faults
}

// refusals are the faults that are a reason to refuse.
func refusals(faults fhir.Errors) fhir.Errors {
	return slices.DeleteFunc(slices.Clone(faults), func(e *fhir.Error) bool { return e.Warning })
}

// Validate is the verdict on a resource that should be of the type. It may come by
// itself or as the parameter "resource" of Parameters.
func (m Meaning) Validate(raw []byte, format fhir.Format, resourceType string) fhir.Errors {
	r, faults := m.Check(raw, format)
	if r.Type == "Parameters" && resourceType != r.Type {
		for p := range r.Root.All("parameter") {
			if p.Get("name").Text() == "resource" && p.Get("resource").Exists() {
				return m.Validate(p.Get("resource").Raw(), fhir.JSON, resourceType)
			}
		}
	}
	if r.Proto != nil && r.Type != resourceType {
		faults = append(faults, fhir.Errorf(fhir.IssueInvalid,
			"a %s is validated here, not a %s: POST to /%s/$validate", resourceType, r.Type, r.Type).At(r.Type))
	}
	return faults
}

// join puts the faults of several checks into one error.
func join(errs ...error) error {
	var all fhir.Errors
	for _, err := range errs {
		if err != nil {
			all = append(all, fhir.ErrorsOf(err)...)
		}
	}
	return all.OrNil()
}
