package r4

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"

	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"caselink.example/fhir"
)

// Marshal encodes a resource as JSON, resourceType first and then its elements in the
// order of the specification. It reads the message and never changes it. What would
// not decode again is our own fault: an IssueException.
func Marshal(m proto.Message) ([]byte, error) {
	r, err := NewResource(m)
	return r.JSON, err
}

// NewResource encodes a resource as Marshal does and returns it with its bytes. The
// message must not be changed afterwards.
func NewResource(m proto.Message) (Resource, error) {
	fault := func(name any, err error) (Resource, error) {
		return Resource{}, fhir.Errorf(fhir.IssueException, "internal error").Because(fmt.Errorf("marshal %s: %w", name, err))
	}
	inner := unwrap(m.ProtoReflect())
	if inner == nil {
		return fault(m.ProtoReflect().Descriptor().Name(), errors.New("it is empty"))
	}
	name := string(inner.Descriptor().Name())
	raw, err := appendResource(make([]byte, 0, 2<<10), inner)
	if err != nil {
		return fault(name, err)
	}

	// A message can hold what FHIR does not allow, such as a Task without an intent. It is
	// read back here, for once it is stored nobody could read it again.
	root, err := parse(raw)
	if err != nil {
		return fault(name, err)
	}
	return Resource{Type: name, Proto: inner.Interface(), JSON: raw, Root: root}, nil
}

func appendResource(b []byte, m protoreflect.Message) ([]byte, error) {
	s := schemaOf(m.Descriptor())
	if !s.resource {
		return b, fmt.Errorf("%s is no resource", s.name)
	}
	b = append(b, `{"resourceType":`...)
	b = appendQuoted(b, s.name)
	b, err := appendElements(b, m, s)
	return append(b, '}'), err
}

// appendElements appends the members of an object, each with a comma before it.
func appendElements(b []byte, m protoreflect.Message, s *schema) ([]byte, error) {
	var err error
	for _, slot := range s.read().slots {
		e, v, ok := slot.get(m)
		if !ok {
			continue
		}
		if b, err = appendElement(b, e, v); err != nil {
			return b, fmt.Errorf("%s: %w", e.name, err)
		}
	}
	return b, nil
}

// get returns what a message holds in the slot: for a choice, the type that was chosen.
func (s slot) get(m protoreflect.Message) (*element, protoreflect.Value, bool) {
	if s.isLiteral() {
		text, ok := referenceText(m)
		return s.element, text, ok
	}
	if !m.Has(s.field) {
		return nil, protoreflect.Value{}, false
	}
	v := m.Get(s.field)
	if s.element != nil {
		return s.element, v, true
	}
	f := v.Message().WhichOneof(s.oneof)
	if f == nil {
		return nil, v, false
	}
	return s.choices[f.Number()], v.Message().Get(f), true
}

// referenceText is Reference.reference as the string that it is in JSON.
func referenceText(m protoreflect.Message) (protoreflect.Value, bool) {
	r, ok := m.Interface().(*dtpb.Reference)
	if !ok || r.GetReference() == nil {
		return protoreflect.Value{}, false
	}
	// In JSON it is one string with one _reference, whichever field the message uses.
	text := &dtpb.String{Value: Literal(r)}
	switch v := m.Get(m.WhichOneof(m.Descriptor().Oneofs().ByName("reference"))).Message().Interface().(type) {
	case *dtpb.ReferenceId:
		text.Id, text.Extension = v.Id, v.Extension
	case *dtpb.String:
		text.Id, text.Extension = v.Id, v.Extension
	}
	return protoreflect.ValueOfMessage(text.ProtoReflect()), true
}

func appendElement(b []byte, e *element, v protoreflect.Value) ([]byte, error) {
	if e.of.primitive != notPrimitive {
		return appendPrimitives(b, e, v)
	}
	b = appendName(b, "", e.name)
	if !e.list {
		return appendComplex(b, e, v.Message())
	}
	var err error
	b = append(b, '[')
	for i := range v.List().Len() {
		b = comma(b, i)
		if b, err = appendComplex(b, e, v.List().Get(i).Message()); err != nil {
			return b, fmt.Errorf("%d: %w", i, err)
		}
	}
	return append(b, ']'), nil
}

func appendComplex(b []byte, e *element, m protoreflect.Message) ([]byte, error) {
	if e.of == anyResource {
		return appendContained(b, m)
	}
	start := len(b)
	b, err := appendElements(b, m, e.of)
	return brace(b, start), err
}

func appendContained(b []byte, m protoreflect.Message) ([]byte, error) {
	if a, ok := m.Interface().(*anypb.Any); ok {
		inner, err := a.UnmarshalNew()
		if err != nil {
			return b, err
		}
		m = inner.ProtoReflect()
	}
	if m = unwrap(m); m == nil {
		return b, fmt.Errorf("empty ContainedResource")
	}
	return appendResource(b, m)
}

// brace makes an object of the members from start on: the comma before the first becomes {.
func brace(b []byte, start int) []byte {
	if len(b) == start {
		return append(b, '{', '}')
	}
	b[start] = '{'
	return append(b, '}')
}

func appendName(b []byte, prefix, name string) []byte {
	b = append(b, ',', '"')
	b = append(b, prefix...)
	b = append(b, name...)
	return append(b, '"', ':')
}

func comma(b []byte, i int) []byte {
	if i > 0 {
		return append(b, ',')
	}
	return b
}

// appendPrimitives appends a primitive, or the array of one, as name and _name.
func appendPrimitives(b []byte, e *element, v protoreflect.Value) ([]byte, error) {
	items := []protoreflect.Message{}
	if e.list {
		for i := range v.List().Len() {
			items = append(items, v.List().Get(i).Message())
		}
	} else {
		items = append(items, v.Message())
	}
	b, err := appendItems(b, "", e, items, appendValue)
	if err != nil {
		return b, err
	}
	return appendItems(b, "_", e, items, appendAside)
}

// appendOne appends one item of a primitive of the type, or nothing when it has nothing.
type appendOne func(b []byte, item protoreflect.Message, of *schema) ([]byte, error)

// appendItems appends what each does for the items, null where it has nothing; nothing
// at all when no item has any.
func appendItems(b []byte, prefix string, e *element, items []protoreflect.Message, each appendOne) ([]byte, error) {
	start, some := len(b), false
	b = appendName(b, prefix, e.name)
	if e.list {
		b = append(b, '[')
	}
	for i, item := range items {
		b = comma(b, i)
		at := len(b)
		var err error
		if b, err = each(b, item, e.of); err != nil {
			return b, err
		}
		if len(b) == at {
			b = append(b, "null"...) // the two arrays are read side by side, so each keeps its length
		} else {
			some = true
		}
	}
	if !some {
		return b[:start], nil
	}
	if e.list {
		b = append(b, ']')
	}
	return b, nil
}

// appendValue appends the value of a primitive, or nothing when it has none.
func appendValue(b []byte, m protoreflect.Message, s *schema) ([]byte, error) {
	if s.hasNoValue(m) {
		return b, nil
	}
	if at, p := momentOf(m.Interface()); p != notPrimitive {
		return appendMoment(b, at, p)
	}
	switch v := m.Get(s.value); s.value.Kind() {
	case protoreflect.EnumKind:
		text, ok := s.texts[v.Enum()]
		if !ok {
			return b, fmt.Errorf("no code")
		}
		return appendQuoted(b, text), nil
	case protoreflect.BoolKind:
		return strconv.AppendBool(b, v.Bool()), nil
	case protoreflect.Sint32Kind, protoreflect.Int32Kind:
		return strconv.AppendInt(b, v.Int(), 10), nil
	case protoreflect.Uint32Kind:
		return strconv.AppendUint(b, v.Uint(), 10), nil
	case protoreflect.BytesKind:
		return append(base64.StdEncoding.AppendEncode(append(b, '"'), v.Bytes()), '"'), nil
	default:
		if s.primitive == decimalType {
			return append(b, v.String()...), nil
		}
		return appendQuoted(b, v.String()), nil
	}
}

func appendMoment(b []byte, at moment, p primitive) ([]byte, error) {
	b, ok := at.append(append(b, '"'), p)
	if !ok {
		return b, fmt.Errorf("precision or timezone is not set, or not known")
	}
	return append(b, '"'), nil
}

// appendAside appends the id and the extensions of a primitive, or nothing when it has none.
func appendAside(b []byte, m protoreflect.Message, s *schema) ([]byte, error) {
	start := len(b)
	if s.hasNoValue(m) {
		m = s.withoutNoValue(m) // google/fhir's own note is nothing that anybody sent
	}
	b, err := appendElements(b, m, s)
	if len(b) == start {
		return b, err
	}
	return brace(b, start), err
}

// hasNoValue reports whether the message of a primitive says that it has no value.
func (s *schema) hasNoValue(m protoreflect.Message) bool {
	if s.extension == nil || !m.Has(s.extension) {
		return false
	}
	list := m.Get(s.extension).List()
	for i := range list.Len() {
		if isNoValue(list.Get(i).Message()) {
			return true
		}
	}
	return false
}

func isNoValue(extension protoreflect.Message) bool {
	e, ok := extension.Interface().(*dtpb.Extension)
	return ok && e.GetUrl().GetValue() == noValueURL
}

// withoutNoValue is a copy that has only the id and the extensions that were sent.
func (s *schema) withoutNoValue(m protoreflect.Message) protoreflect.Message {
	sent := m.New()
	if id := s.desc.Fields().ByName("id"); m.Has(id) {
		sent.Set(id, m.Get(id))
	}
	list := m.Get(s.extension).List()
	for i := range list.Len() {
		if !isNoValue(list.Get(i).Message()) {
			sent.Mutable(s.extension).List().Append(list.Get(i))
		}
	}
	return sent
}
