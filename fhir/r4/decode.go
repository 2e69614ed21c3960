package r4

import (
	"strconv"
	"strings"

	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
)

// decode makes google/fhir's message of a resource that the check has passed, by the
// conventions of google/fhir's own decoder: a primitive without a value carries the
// extension noValue, a relative reference becomes a typed one, a contained resource is
// an Any of a ContainedResource. It cannot fail, for the check has decided.
func decode(resource Node) protoreflect.Message {
	m := resource.node().of.message.New()
	decodeChildren(resource, m, nil)
	return m
}

// decodeKeeping is decode that also returns the contained resources, unpacked.
func decodeKeeping(resource Node) (m protoreflect.Message, contained []proto.Message) {
	m = resource.node().of.message.New()
	decodeChildren(resource, m, &contained)
	return m, contained
}

// decodeChildren fills m with what n has, and adds resources in an Any to contained
// unless that is nil.
func decodeChildren(n Node, m protoreflect.Message, contained *[]proto.Message) {
	for child := range n.Children() {
		e := child.node().element
		// google/fhir puts a choice into a message around it, which is no element of FHIR.
		in, f := m, e.field
		if e.choice != nil {
			in, f = m.Mutable(f).Message(), e.choice
		}
		v := protoreflect.ValueOfMessage(decodeElement(child, e, contained))
		if f.IsList() {
			in.Mutable(f).List().Append(v)
		} else {
			in.Set(f, v)
		}
	}
}

func decodeElement(n Node, e *element, contained *[]proto.Message) protoreflect.Message {
	switch {
	case e.of == anyResource:
		return decodeContained(n, e, contained)
	case e.of.primitive != notPrimitive:
		return decodePrimitive(n)
	}
	m := e.of.message.New()
	decodeChildren(n, m, nil)
	if r, ok := m.Interface().(*dtpb.Reference); ok {
		typeReference(r)
	}
	return m
}

func decodeContained(n Node, e *element, contained *[]proto.Message) protoreflect.Message {
	inner := decode(n)
	c := contain(inner)

	// A Bundle holds the container itself; contained packs it once more, and a mapping of
	// the resource would have to unpack it: it is kept beside.
	if e.field.Message().Name() == "ContainedResource" {
		return c.ProtoReflect()
	}
	if contained != nil {
		*contained = append(*contained, inner.Interface())
	}
	return must(anypb.New(c)).ProtoReflect() // valid UTF-8 always marshals
}

func decodePrimitive(n Node) protoreflect.Message {
	s := n.node().of

	// Without the mark, a message could not distinguish "no value" from "" or 0.
	if !n.HasValue() {
		m := s.message.New()
		decodeChildren(n, m, nil)
		m.Mutable(s.extension).List().Append(protoreflect.ValueOfMessage(noValue().ProtoReflect()))
		return m
	}
	m := s.newPrimitive(n.Text())
	if n.node().pair != 0 {
		decodeChildren(n, m, nil)
	}
	return m
}

// newPrimitive makes the message of a primitive; text is in the type's format.
func (s *schema) newPrimitive(text string) protoreflect.Message {
	// The types of which a resource is mostly made are made without reflection.
	switch s.primitive {
	case stringType:
		return (&dtpb.String{Value: text}).ProtoReflect()
	case uriType:
		return (&dtpb.Uri{Value: text}).ProtoReflect()
	case booleanType:
		return (&dtpb.Boolean{Value: text == "true"}).ProtoReflect()
	case dateType, dateTimeType, instantType, timeType:
		return newMoment(s.primitive, text)
	}
	m := s.message.New()
	m.Set(s.value, s.valueOf(text))
	return m
}

func (s *schema) valueOf(text string) protoreflect.Value {
	switch s.value.Kind() {
	case protoreflect.EnumKind:
		return s.codes[text]
	case protoreflect.Sint32Kind, protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(must(strconv.ParseInt(text, 10, 32))))
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(must(strconv.ParseUint(text, 10, 32))))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(must(decodeBase64([]byte(text))))
	default:
		return protoreflect.ValueOfString(text)
	}
}

func newMoment(p primitive, text string) protoreflect.Message {
	m, _ := parseMoment(p, text)
	switch p {
	case dateType:
		return (&dtpb.Date{ValueUs: m.us, Timezone: m.zone, Precision: dtpb.Date_Precision(m.precision)}).ProtoReflect()
	case dateTimeType:
		return (&dtpb.DateTime{ValueUs: m.us, Timezone: m.zone, Precision: dtpb.DateTime_Precision(m.precision)}).ProtoReflect()
	case instantType:
		precision := dtpb.Instant_Precision(m.precision - dayPrecision) // there seconds are 1
		return (&dtpb.Instant{ValueUs: m.us, Timezone: m.zone, Precision: precision}).ProtoReflect()
	default:
		return (&dtpb.Time{ValueUs: m.us, Precision: dtpb.Time_Precision(m.precision - dayPrecision)}).ProtoReflect()
	}
}

// noValueURL marks, within a message, a primitive that has extensions but no value.
const noValueURL = reservedExtensions + "StructureDefinition/primitiveHasNoValue"

func noValue() *dtpb.Extension {
	return &dtpb.Extension{
		Url:   &dtpb.Uri{Value: noValueURL},
		Value: &dtpb.Extension_ValueX{Choice: &dtpb.Extension_ValueX_Boolean{Boolean: &dtpb.Boolean{Value: true}}},
	}
}

// typeReference turns the text of a fragment or a relative reference into its typed form.
func typeReference(r *dtpb.Reference) {
	uri := r.GetUri()
	if uri.GetValue() == "" {
		return
	}
	if id, ok := strings.CutPrefix(uri.GetValue(), "#"); ok {
		uri.Value = id
		r.Reference = &dtpb.Reference_Fragment{Fragment: uri}
		return
	}

	// Whatever does not fit a typed form stays the text that it is: nothing is lost.
	typ, rest, _ := strings.Cut(uri.GetValue(), "/")
	id, version, versioned := strings.Cut(rest, "/_history/")
	field := referenceFields()[typ]
	if field == nil || !isID(id) || versioned && !isID(version) {
		return
	}
	ref := &dtpb.ReferenceId{Value: id, Id: uri.Id, Extension: uri.Extension}
	if versioned {
		ref.History = &dtpb.Id{Value: version}
	}
	r.ProtoReflect().Set(field, protoreflect.ValueOfMessage(ref.ProtoReflect()))
}
