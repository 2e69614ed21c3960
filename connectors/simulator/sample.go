package simulator

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Sample is a fictional referral as a GP system would send it: about 2.5 KB of UK
// Core-shaped ServiceRequest with its patient, its requester and their practice contained.
type Sample struct {
	Identifier string // value of ServiceRequest.identifier, in the system SystemReferral
	NHSNumber  string // of the 999 range, which belongs to nobody
	JSON       []byte
}

// SystemReferral is the identifier system of the simulated practices' referrals.
const SystemReferral = "https://gp.example/Id/referral"

var (
	families = []string{
		"Okafor", "Hughes", "Kaur", "Nowak", "Bennett", "Rahman", "Whitfield", "Doyle", "Mensah", "Pritchard", "Ellis", "Sandhu",
	}
	givens = []string{
		"Grace", "Alan", "Harpreet", "Zofia", "Marjorie", "Yusuf", "Denise", "Patrick", "Kofi", "Carys", "Norman", "Jasleen",
	}
	streets = []string{"Mill Lane", "Station Road", "Orchard Close", "Victoria Street", "Chapel Hill", "The Green"}
	reasons = []struct{ code, display, note string }{
		{"267076002", "Feeling lonely", "Lives alone since last winter and sees few people. Would like company in the week."},
		{"160932005", "Financial problem", "Letters about arrears. Has stopped opening them. Would like help with a budget."},
		{"81877007", "Housing problems", "Damp flat, landlord does not answer. Chest worse in the cold months."},
		{"415510005", "Sedentary lifestyle", "Has stopped walking after a fall. Keen to try something gentle with others."},
		{"73595000", "Stress", "Cares for two parents and works shifts. Asks for an hour a week of her own."},
	}
)

// NewSample makes the referral of the given identifier. Equal arguments with
// equally seeded random numbers give equal bytes.
func NewSample(rng *rand.Rand, practice, identifier string) Sample {
	pick := func(of []string) string { return of[rng.IntN(len(of))] }

	// The order of the draws is part of what equal seeds promise.
	number, reason := NHSNumber(rng), reasons[rng.IntN(len(reasons))]
	family, given := pick(families), pick(givens)
	return Sample{Identifier: identifier, NHSNumber: number, JSON: []byte(strings.NewReplacer(
		"{identifier}", identifier, "{nhs}", number, "{practice}", practice, "{family}", family, "{given}", given,
		"{house}", fmt.Sprint(1+rng.IntN(98)), "{street}", pick(streets),
		"{postcode}", fmt.Sprintf("ZZ%d %dZZ", 1+rng.IntN(9), 1+rng.IntN(9)), // no postcode begins with ZZ
		"{birth}", fmt.Sprintf("%d-%02d-%02d", 1930+rng.IntN(70), 1+rng.IntN(12), 1+rng.IntN(28)),
		"{phone}", fmt.Sprintf("07700 900%03d", rng.IntN(1000)), // of Ofcom's numbers for drama
		"{code}", reason.code, "{display}", reason.display, "{note}", reason.note,
	).Replace(sampleTemplate))}
}

// NHSNumber draws a number of the 999 range that passes modulus 11.
// https://www.datadictionary.nhs.uk/attributes/nhs_number.html
func NHSNumber(rng *rand.Rand) string {
	for {
		digits := fmt.Sprintf("999%06d", rng.IntN(1_000_000))
		sum := 0
		for i, d := range digits {
			sum += (10 - i) * int(d-'0')
		}
		if check := (11 - sum%11) % 11; check < 10 { // 10 has no digit: another number is drawn
			return fmt.Sprintf("%s%d", digits, check)
		}
	}
}

const sampleTemplate = `{"resourceType":"ServiceRequest",` +
	`"meta":{"profile":["https://fhir.hl7.org.uk/StructureDefinition/UKCore-ServiceRequest"]},` +
	`"contained":[` +
	`{"resourceType":"Patient","id":"patient","meta":{"profile":["https://fhir.hl7.org.uk/StructureDefinition/UKCore-Patient"]},` +
	`"identifier":[{"extension":[{"url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus",` +
	`"valueCodeableConcept":{"coding":[{"system":"https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatusEngland",` +
	`"code":"01","display":"Number present and verified"}]}}],` +
	`"system":"https://fhir.nhs.uk/Id/nhs-number","value":"{nhs}"}],` +
	`"name":[{"use":"official","family":"{family}","given":["{given}"]}],` +
	`"telecom":[{"system":"phone","value":"{phone}","use":"mobile","rank":1}],` +
	`"gender":"unknown","birthDate":"{birth}",` +
	`"address":[{"use":"home","line":["{house} {street}"],"city":"Exampleton","postalCode":"{postcode}"}],` +
	`"communication":[{"language":{"coding":[{"system":"urn:ietf:bcp:47","code":"en-GB","display":"English (United Kingdom)"}]},` +
	`"preferred":true}],` +
	`"generalPractitioner":[{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"{practice}"}}]},` +
	`{"resourceType":"Practitioner","id":"gp","name":[{"use":"official","family":"Example","given":["Robin"],"prefix":["Dr"]}]},` +
	`{"resourceType":"Organization","id":"practice",` +
	`"identifier":[{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"{practice}"}],"name":"Example Surgery"},` +
	`{"resourceType":"PractitionerRole","id":"requester","practitioner":{"reference":"#gp"},"organization":{"reference":"#practice"},` +
	`"telecom":[{"system":"phone","value":"01632 960001","use":"work"}]}],` +
	`"extension":[{"url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-SourceOfServiceRequest",` +
	`"valueCodeableConcept":{"coding":[{"system":"http://snomed.info/sct",` +
	`"code":"108161000000109","display":"Referred by general practitioner"}]}}],` +
	`"identifier":[{"system":"` + SystemReferral + `","value":"{identifier}"}],` +
	`"status":"active","intent":"order","priority":"routine",` +
	`"code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106","display":"Referral to social prescribing service"}]},` +
	`"subject":{"reference":"#patient"},"authoredOn":"2026-01-12T09:30:00+00:00","requester":{"reference":"#requester"},` +
	`"reasonCode":[{"coding":[{"system":"http://snomed.info/sct","code":"{code}","display":"{display}"}]}],` +
	`"note":[{"text":"{note}"}],` +
	`"patientInstruction":"A link worker will ring you in the next few days."}`
