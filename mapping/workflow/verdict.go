package workflow

import (
	"slices"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
	"caselink.example/fhir/validate"
	"caselink.example/mapping/referral"
)

// Verdict reads one resource and tells everything that is wrong with it: by the types
// and the rules of FHIR R4 and, when it asks for social prescribing, by the rules of a
// referral. It is the same at intake, by $validate and by the verb validate. The
// resource is the zero value when it is not sound FHIR.
func Verdict(raw []byte, format fhir.Format) (r4.Resource, fhir.Errors) {
	r, faults := sound(raw, format, referral.Asks)
	if r.Proto == nil || !referral.Asks(r.Root) {
		return r, faults
	}
	ref, err := referral.FromFHIR(r)
	faults = append(faults, ref.Warnings...)
	if err != nil {
		faults = append(faults, fhir.ErrorsOf(err)...)
	}
	return r, faults
}

// sound reads one resource and holds it to FHIR R4. One that is not sound, but is a
// referral, is also told the faults of a referral that can be seen all the same.
func sound(raw []byte, format fhir.Format, isReferral func(r4.Node) bool) (r4.Resource, fhir.Errors) {
	check, inspect := validate.Check, r4.Inspect
	if format == fhir.XML {
		check, inspect = validate.CheckXML, r4.InspectXML
	}
	r, faults := check(raw)
	if len(refusals(faults)) == 0 {
		return r, faults
	}
	if root, _ := inspect(raw); root.Exists() && isReferral(root) {
		faults = append(faults, referral.Inspect(root)...)
	}
	return r4.Resource{}, faults
}

// refusals are the faults that are a reason to refuse.
func refusals(faults fhir.Errors) fhir.Errors {
	return slices.DeleteFunc(slices.Clone(faults), func(e *fhir.Error) bool { return e.Warning })
}

// Validate is the verdict on a resource that should be of the type. It may come by
// itself or as the parameter "resource" of Parameters.
func Validate(raw []byte, format fhir.Format, resourceType string) fhir.Errors {
	r, faults := Verdict(raw, format)
	if r.Type == "Parameters" && resourceType != r.Type {
		for p := range r.Root.All("parameter") {
			if p.Get("name").Text() == "resource" && p.Get("resource").Exists() {
				return Validate(p.Get("resource").Raw(), fhir.JSON, resourceType)
			}
		}
	}
	if r.Proto != nil && r.Type != resourceType {
		faults = append(faults, fhir.Errorf(fhir.IssueInvalid, "a %s is validated here, not a %s: POST to /%s/$validate", resourceType, r.Type, r.Type).At(r.Type))
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
