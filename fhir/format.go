package fhir

// Format is one of the two wire formats of a resource.
// https://hl7.org/fhir/R4/formats.html
type Format string

// The formats, by their media types.
const (
	JSON Format = "application/fhir+json"
	XML  Format = "application/fhir+xml"
)
