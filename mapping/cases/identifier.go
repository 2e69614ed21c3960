package cases

import (
	"caselink.example/fhir"
	"caselink.example/fhir/nhs"
)

// Identifier names the person to the practice: the NHS number, else the sender's own
// identifier. ok is false when the referral had neither; what is owed to the practice
// then waits for a person to decide, for a guess could reach another record.
func (p Patient) Identifier() (id fhir.Identifier, ok bool) {
	if p.NHSNumber != "" {
		return fhir.Identifier{System: nhs.SystemNumber, Value: string(p.NHSNumber)}, true
	}
	for _, id := range p.Identifiers {
		if id.Value != "" {
			return id, true
		}
	}
	return fhir.Identifier{}, false
}
