package referral_test

import (
	"fmt"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
	"caselink.example/mapping/referral"
	"caselink.example/mapping/terminology"
)

// A ServiceRequest becomes a case, and the trace says what became of each of its elements.
func ExampleFromFHIR() {
	r, err := r4.Unmarshal([]byte(`{
		"resourceType": "ServiceRequest", "status": "active", "intent": "order",
		"code": {"coding": [{"system": "http://snomed.info/sct", "code": "871731000000106"}]},
		"subject": {"identifier": {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "999 000 0018"}, "display": "Ann Example"},
		"requester": {"identifier": {"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "A99001"}},
		"reasonCode": [{"coding": [{"system": "http://snomed.info/sct", "code": "267076002"}]}],
		"insurance": [{"display": "none"}],
		"note": [{"text": "Rings back after six."}]
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}

	reading, err := referral.FromFHIR(r, terminology.Default())

	c := reading.Case
	fmt.Println(c.Status, c.Patient.NHSNumber, c.Needs[0].Category, c.Narrative, err)
	for _, step := range reading.Trace() {
		fmt.Printf("%s is %s (%s)\n", step.Path, step.Action, step.To)
	}
	// Output:
	// received 9990000018 loneliness-isolation [Rings back after six.] <nil>
	// ServiceRequest.status is mapped (status)
	// ServiceRequest.intent is mapped (status)
	// ServiceRequest.code.coding[0] is mapped (referral.requested)
	// ServiceRequest.subject.identifier is mapped (patient.nhsNumber)
	// ServiceRequest.subject.display is mapped (patient.name)
	// ServiceRequest.requester.identifier is mapped (referrer.organisation)
	// ServiceRequest.reasonCode[0].coding[0] is mapped (needs[0])
	// ServiceRequest.insurance[0].display is kept ()
	// ServiceRequest.note[0].text is mapped (narrative)
}

// A referral that cannot be acted on is refused with every fault, each at its FHIRPath.
func ExampleFromFHIR_refused() {
	r, err := r4.Unmarshal([]byte(`{
		"resourceType": "ServiceRequest", "status": "revoked", "intent": "order",
		"subject": {"identifier": {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000000"}}
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}

	_, err = referral.FromFHIR(r, terminology.Default())

	for _, fault := range fhir.ErrorsOf(err) {
		fmt.Println(fault.Code, "at", fault.Expression)
	}
	// Output:
	// business-rule at ServiceRequest.status
	// unacceptable at ServiceRequest.subject.identifier.value
}
