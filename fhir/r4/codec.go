package r4

import (
	"caselink.example/fhir"
)

// Unmarshal decodes one resource from JSON, strictly: whatever R4's own types refuse is
// refused, each fault at its FHIRPath (see parse). The resource keeps raw, which must
// not be changed afterwards; the error is an Errors.
//
// The messages are those of google/fhir and mean what its own decoder would make of
// them. That decoder is not used: it takes "" and null for required codes, lets
// anything pass inside contained, and refuses a code that has only an extension.
func Unmarshal(raw []byte) (Resource, error) {
	// First the check, then the message: decode relies on all that parse has found to be
	// right, and a sender learns of every fault before anything is built.
	root, err := parse(raw)
	if err != nil {
		return Resource{}, err
	}
	m, contained := decodeKeeping(root)
	return Resource{Type: root.Type(), Proto: m.Interface(), contained: contained, JSON: raw, Root: root}, nil
}

// UnmarshalType is Unmarshal for a place that takes one type of resource only.
func UnmarshalType(raw []byte, name string) (Resource, error) {
	r, err := Unmarshal(raw)
	if err == nil && r.Type != name {
		return Resource{}, fhir.Errors{fhir.Errorf(fhir.IssueInvalid, "a %s is needed here, not a %s", name, r.Type).At(r.Type)}
	}
	return r, err
}
