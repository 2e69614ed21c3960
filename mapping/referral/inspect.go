package referral

import (
	"caselink.example/fhir"
	"caselink.example/fhir/nhs"
	"caselink.example/fhir/r4"
	"caselink.example/mapping/terminology"
)

// Asks reports whether the resource is a ServiceRequest for social prescribing, by
// its code: then it is a referral, whatever else may be wrong with it.
func Asks(root r4.Node, terms terminology.Map) bool {
	if root.Type() != "ServiceRequest" {
		return false
	}
	var codings []fhir.Coding
	for c := range root.Get("code").All("coding") {
		codings = append(codings, fhir.Coding{System: c.Get("system").Text(), Code: c.Get("code").Text()})
	}
	return terms.Requested(codings) == terminology.RequestSocialPrescribing
}

// Inspect lists the faults of a referral that can be seen even when it is not sound FHIR,
// so that its sender reads of all at once: NHS numbers that fail their check. A resource
// that is no ServiceRequest has none.
func Inspect(root r4.Node) fhir.Errors {
	if root.Type() != "ServiceRequest" {
		return nil
	}
	var faults fhir.Errors
	for contained := range root.All("contained") {
		if contained.Type() != "Patient" {
			continue
		}
		for id := range contained.All("identifier") {
			faults = append(faults, inspectNumber(id)...)
		}
	}
	return append(faults, inspectNumber(root.Get("subject", "identifier"))...)
}

func inspectNumber(id r4.Node) fhir.Errors {
	value := id.Get("value")
	if !value.HasValue() || nhs.System(id.Get("system").Text()) != nhs.SystemNumber {
		return nil
	}
	if _, err := nhs.ParseNumber(value.Text()); err != nil {
		return fhir.Errors{fhir.Errorf(fhir.IssueUnacceptable, "%s", fhir.ErrorsOf(err)[0].Diagnostics).At(value.Path())}
	}
	return nil
}
