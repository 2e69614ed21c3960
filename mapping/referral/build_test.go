package referral_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"caselink.example/fhir/r4"
)

// ordinary is a referral that raises no question.
const ordinary = `{
	"resourceType": "ServiceRequest", "status": "active", "intent": "order",
	"identifier": [{"system": "https://gp.example/Id/referral", "value": "R1"}],
	"code": {"coding": [{"system": "http://snomed.info/sct", "code": "871731000000106"}]},
	"subject": {"identifier": {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"}},
	"requester": {"identifier": {"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "A99001"}},
	"reasonCode": [{"coding": [{"system": "http://snomed.info/sct", "code": "267076002"}]}]}`

// with is the ordinary referral with other elements; null takes one away.
func with(t *testing.T, elements string) r4.Resource {
	t.Helper()
	var base, other map[string]json.RawMessage
	for text, into := range map[string]*map[string]json.RawMessage{ordinary: &base, elements: &other} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	maps.Copy(base, other)
	maps.DeleteFunc(base, func(_ string, v json.RawMessage) bool { return string(v) == "null" })
	raw, err := json.Marshal(base)
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, raw)
}

// patient, supporting and reason contain a resource and refer to it.
func patient(elements string) string {
	return `{"subject": {"reference": "#p"}, "contained": [{"resourceType": "Patient", "id": "p",
		"telecom": [{"system": "phone", "value": "07700 900001"}], ` + elements + `}]}`
}

func supporting(resource string) string {
	return `{"supportingInfo": [{"reference": "#x"}], "contained": [` + named(resource) + `]}`
}

func reason(resource string) string {
	return `{"reasonCode": null, "reasonReference": [{"reference": "#x"}], "contained": [` + named(resource) + `]}`
}

func named(resource string) string { return strings.Replace(resource, "{", `{"id": "x", `, 1) }

// number is an identifier by an NHS number; own names a person by the practice's own.
func number(value string) string {
	return `{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "` + value + `"}`
}

const own = `"identifier": [{"value": "5"}]`

// sct is a CodeableConcept of the SNOMED CT codes.
func sct(codes ...string) string {
	var codings []string
	for _, code := range codes {
		codings = append(codings, `{"system": "http://snomed.info/sct", "code": "`+code+`"}`)
	}
	return `{"coding": [` + strings.Join(codings, ", ") + `]}`
}

// consent, condition, observation and flagged are resources with the elements that R4 demands
// and others; "" is none.
func consent(status, categories string, others ...string) string {
	return resource("Consent", append(others, `"status": "`+status+`"`, `"category": [`+categories+`]`,
		`"scope": {"text": "x"}`, `"policyRule": {"text": "x"}`)...)
}

func condition(code string, others ...string) string {
	return resource("Condition", append(others, `"subject": {"display": "x"}`, `"code": `+code)...)
}

func observation(status, code string, others ...string) string {
	return resource("Observation", append(others, `"status": "`+status+`"`, `"code": `+code)...)
}

func flagged(status, code string) string {
	return resource("Flag", `"subject": {"display": "x"}`, `"status": "`+status+`"`, `"code": `+code)
}

func resource(name string, elements ...string) string {
	elements = slices.DeleteFunc(elements, func(e string) bool { return e == "" })
	return `{"resourceType": "` + name + `", ` + strings.Join(elements, ", ") + `}`
}
