// Package fhir is the words that every room of Caselink uses: the one error type with
// its codes, the scope that says whose data a caller may touch, identifiers, codings and
// a stored version. It needs the standard library alone; what a resource is made of
// stands in fhir/r4. docs/words.md has the other words.
//
// FHIR R4 (4.0.1): https://hl7.org/fhir/R4/
package fhir

// Canonical is the root of every canonical URL that Caselink owns.
const Canonical = "https://caselink.example/fhir"

// Identifier systems that Caselink owns.
const (
	// SystemCase identifies a case: the value is the case's UUID.
	SystemCase = Canonical + "/Id/case"
	// SystemEvent identifies one event of a referral: the value is the UUIDv5 of
	// the referral's id and the event's sequence number.
	SystemEvent = Canonical + "/Id/event"
	// SystemService identifies a social prescribing service by its id in the configuration.
	SystemService = Canonical + "/Id/service"
	// SystemOutcome identifies one score of a recorded outcome, across corrections.
	SystemOutcome = Canonical + "/Id/outcome"
)
