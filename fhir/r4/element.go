package r4

import (
	"time"

	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"

	"caselink.example/fhir"
)

// Identifier is the identifier as an element of a resource.
func Identifier(i fhir.Identifier) *dtpb.Identifier {
	p := &dtpb.Identifier{Value: &dtpb.String{Value: i.Value}}
	if i.System != "" {
		p.System = &dtpb.Uri{Value: i.System}
	}
	return p
}

// ReferenceTo is the literal reference to the resource of the given type at the URL. It
// carries the first of the identifiers that name the resource, for it has room for one.
// https://hl7.org/fhir/R4/references.html#literal
func ReferenceTo(url, resourceType string, identifiers ...fhir.Identifier) *dtpb.Reference {
	ref := &dtpb.Reference{
		Reference: &dtpb.Reference_Uri{Uri: &dtpb.String{Value: url}},
		Type:      &dtpb.Uri{Value: resourceType},
	}
	if len(identifiers) > 0 {
		ref.Identifier = Identifier(identifiers[0])
	}
	return ref
}

// Logical is the logical reference to what the identifier names, of the given type ("" for
// unsaid); nil for an identifier without a value, which names nothing.
// https://hl7.org/fhir/R4/references.html#logical
func Logical(i fhir.Identifier, resourceType string) *dtpb.Reference {
	if i.Value == "" {
		return nil
	}
	ref := &dtpb.Reference{Identifier: Identifier(i)}
	if resourceType != "" {
		ref.Type = &dtpb.Uri{Value: resourceType}
	}
	return ref
}

// Coding is the coding as an element of a resource.
func Coding(c fhir.Coding) *dtpb.Coding {
	p := &dtpb.Coding{Code: &dtpb.Code{Value: c.Code}}
	if c.System != "" {
		p.System = &dtpb.Uri{Value: c.System}
	}
	if c.Display != "" {
		p.Display = &dtpb.String{Value: c.Display}
	}
	return p
}

// Concept is a CodeableConcept of the text ("" for none) and the codings.
func Concept(text string, codings ...fhir.Coding) *dtpb.CodeableConcept {
	p := &dtpb.CodeableConcept{}
	for _, c := range codings {
		p.Coding = append(p.Coding, Coding(c))
	}
	if text != "" {
		p.Text = &dtpb.String{Value: text}
	}
	return p
}

// DateTime is the moment in UTC, to the millisecond.
func DateTime(t time.Time) *dtpb.DateTime {
	return &dtpb.DateTime{
		ValueUs: t.Truncate(time.Millisecond).UnixMicro(), Timezone: "Z", Precision: dtpb.DateTime_MILLISECOND,
	}
}

// Instant is the moment in UTC, to the millisecond.
func Instant(t time.Time) *dtpb.Instant {
	return &dtpb.Instant{
		ValueUs: t.Truncate(time.Millisecond).UnixMicro(), Timezone: "Z", Precision: dtpb.Instant_MILLISECOND,
	}
}
