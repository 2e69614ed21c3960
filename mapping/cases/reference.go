package cases

import (
	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"

	"caselink.example/fhir"
	"caselink.example/fhir/nhs"
	"caselink.example/fhir/r4"
)

// Identifier names the person to the practice: the NHS number, else the sender's own
// identifier. ok is false when the referral had neither; what is owed to the practice
// then waits for a person to decide, for a guess could reach another record.
func (p Patient) Identifier() (id fhir.Identifier, ok bool) {
	if p.NHSNumber != "" {
		return fhir.Identifier{System: nhs.SystemNumber, Value: p.NHSNumber}, true
	}
	for _, id := range p.Identifiers {
		if id.Value != "" {
			return id, true
		}
	}
	return fhir.Identifier{}, false
}

// Reference is the logical reference by which the practice knows the person; nil when
// nothing names them. It is never a literal one: no id of ours means anything there.
func (p Patient) Reference() *dtpb.Reference {
	id, ok := p.Identifier()
	if !ok {
		return nil
	}
	return r4.Logical(id, "Patient")
}

// Reference leads to the referral: by its URL under base, the absolute URL of
// Caselink's FHIR API, and by the sender's own identifier.
func (r Origin) Reference(base string) *dtpb.Reference {
	ref := &dtpb.Reference{
		Reference: &dtpb.Reference_Uri{Uri: &dtpb.String{Value: base + "/ServiceRequest/" + r.ID}},
		Type:      &dtpb.Uri{Value: "ServiceRequest"},
	}
	if len(r.Identifiers) > 0 {
		ref.Identifier = r4.Identifier(r.Identifiers[0])
	}
	return ref
}
