package r4_test

import (
	"fmt"
	"time"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
)

// Every fault is reported at once, each at its FHIRPath, and none quotes a value.
func ExampleUnmarshal() {
	_, err := r4.Unmarshal([]byte(`{
		"resourceType": "Patient",
		"gender": "f",
		"birthDate": "1951-02-31",
		"name": [{"familyName": "Example"}]
	}`))
	for _, fault := range fhir.ErrorsOf(err) {
		fmt.Println(fault.Expression, "-", fault.Diagnostics)
	}
	// Output:
	// Patient.gender - not a code of http://hl7.org/fhir/ValueSet/administrative-gender: one of male, female, other, unknown
	// Patient.birthDate - no value of the type date: YYYY, YYYY-MM or YYYY-MM-DD, a day of the calendar
	// Patient.name[0].familyName - HumanName has no element familyName in FHIR R4
}

// A Node is asked by FHIRPath names; what is not there says nothing.
func ExampleNode() {
	r, err := r4.Unmarshal([]byte(`{
		"resourceType": "Patient",
		"name": [{"family": "Example", "given": ["Ann", "Bea"]}],
		"deceasedBoolean": false
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for given := range r.Root.Get("name").All("given") {
		fmt.Println(given.Path(), "is", given.Text())
	}
	fmt.Println(r.Root.Get("deceased").Type(), r.Root.Get("deceased").Text())
	fmt.Println(r.Root.Get("contact", "name").Exists())
	// Output:
	// Patient.name[0].given[0] is Ann
	// Patient.name[0].given[1] is Bea
	// boolean false
	// false
}

// A stamp leaves every other byte as it was sent.
func ExampleStamp() {
	sent := []byte(`{ "resourceType": "Patient", "active": true }`)
	at := time.Date(2026, 5, 14, 9, 30, 0, 0, time.UTC)

	stored, err := r4.Stamp(sent, fhir.Meta{ID: "p1", Version: 2, LastUpdated: at})

	fmt.Println(string(stored), err)
	fmt.Println("the same digest:", r4.Digest(stored) == r4.Digest(sent))
	// Output:
	// { "resourceType": "Patient","id":"p1","meta":{"versionId":"2","lastUpdated":"2026-05-14T09:30:00.000000Z"}, "active": true } <nil>
	// the same digest: true
}
