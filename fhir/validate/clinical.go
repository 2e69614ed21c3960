package validate

import (
	"caselink.example/fhir/r4"
)

const (
	allergyClinical     = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
	allergyVerification = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
	conditionClinical   = "http://terminology.hl7.org/CodeSystem/condition-clinical"
	conditionStatus     = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
	conditionCategory   = "http://terminology.hl7.org/CodeSystem/condition-category"
)

// clinical are the rules of what is known and measured of a person.
var clinical = map[string][]rule{
	"AllergyIntolerance": {
		shall("ait-1", either(allergyInError, has("clinicalStatus")), "clinicalStatus, unless the allergy was entered in error"),
		shall("ait-2", when(allergyInError, lacks("clinicalStatus")), "no clinicalStatus, for the allergy was entered in error"),
	},
	"Condition": {
		should("con-3", either(has("clinicalStatus"), conditionInError, not(coded("category", conditionCategory, "problem-list-item"))),
			"a problem on the list should have a clinicalStatus"),
		shall("con-4", when(has("abatement"), coded("clinicalStatus", conditionClinical, "resolved", "remission", "inactive")),
			"a condition that has abated is inactive, resolved or in remission"),
		shall("con-5", when(conditionInError, lacks("clinicalStatus")), "no clinicalStatus, for the condition was entered in error"),
	},
	"Condition.stage": {
		shall("con-1", has("summary", "assessment"), "a stage has a summary or an assessment"),
	},
	"Condition.evidence": {
		shall("con-2", has("code", "detail"), "evidence has a code or details"),
	},
	"FamilyMemberHistory": {
		shall("fhs-1", atMostOne("age", "born"), "an age or the birth, not both"),
		shall("fhs-2", needs("estimatedAge", "age"), "estimatedAge needs an age"),
	},
	"Immunization.education": {
		shall("imm-1", has("documentType", "reference"), "a documentType or a reference"),
	},
	"List": {
		shall("lst-1", atMostOne("emptyReason", "entry"), "entries, or the reason why there are none"),
		shall("lst-2", either(is("mode", "changes"), every("entry", lacks("deleted"))), "deleted in a list of mode changes only"),
		shall("lst-3", either(is("mode", "working"), every("entry", lacks("date"))), "an entry's date in a list of mode working only"),
	},
	"Observation": {
		shall("obs-6", atMostOne("dataAbsentReason", "value"), "a value, or the reason why there is none"),
		shall("obs-7", valueOnce, "the value stands in the component whose code is that of the Observation, or in value, not both"),
	},
	"Observation.referenceRange": {
		shall("obs-3", has("low", "high", "text"), "a reference range has a low, a high or a text"),
	},
}

var (
	allergyInError   = coded("verificationStatus", allergyVerification, "entered-in-error")
	conditionInError = coded("verificationStatus", conditionStatus, "entered-in-error")
)

// valueOnce: where there is a value, no component repeats a coding of the Observation.
func valueOnce(n r4.Node) bool {
	component := n.Get("component")
	if !component.Exists() || !n.Get("value").Exists() {
		return true
	}
	own := map[string]bool{}
	for coding := range n.Get("code").All("coding") {
		own[spelling(coding)] = true
	}
	repeats := func(coding r4.Node) bool { return own[spelling(coding)] }
	return every("component", of("code", every("coding", not(repeats))))(n)
}
