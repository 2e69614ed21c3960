package r4

import (
	"iter"
	"strconv"

	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Element is one element of a resource as a google/fhir message, with its place. It is
// what Node is to the JSON: a choice is called by its base name, and Reference.reference
// is one element whatever message holds it.
type Element struct {
	// Message is the element's own, so that its address names the element. It may be that
	// of a choice's type, such as *datatypes_go_proto.Timing for occurrence[x].
	Message proto.Message

	parent    *Element // nil for the resource that the walk began at
	name      string   // in FHIRPath; of the first, its whole path
	index     int      // among the items of its list; noIndex for no list
	of        *schema
	contained []proto.Message
}

const noIndex = -1

// Element is the resource itself, from which all that is in it is reached. path is where
// the resource stands, such as Bundle.entry[0].resource; "" for a resource of its own.
func (r Resource) Element(path string) Element {
	if path == "" {
		path = r.Type
	}
	return Element{
		Message: r.Proto, name: path, index: noIndex, of: schemaOf(r.Proto.ProtoReflect().Descriptor()), contained: r.unpacked(),
	}
}

// IsResource reports whether the element is a resource: the first, a contained one or that
// of a Bundle entry.
func (e Element) IsResource() bool { return e.of.resource }

// IsPrimitive reports whether the element is of a type that has a value of its own.
func (e Element) IsPrimitive() bool {
	_, typed := e.Message.(*dtpb.ReferenceId) // Reference.reference is a string in FHIR
	return typed || e.of.primitive != notPrimitive
}

// Contained are the contained resources of a resource, in their order: the same elements,
// with the same messages, that are among its Children.
func (e Element) Contained() iter.Seq[Element] {
	return func(yield func(Element) bool) {
		for i, m := range e.contained {
			// It contains none itself (dom-2), so there is nothing to unpack in it.
			of := schemaOf(m.ProtoReflect().Descriptor())
			if !yield(Element{Message: m, parent: &e, name: "contained", index: i, of: of}) {
				return
			}
		}
	}
}

// Path is the element's FHIRPath, such as ServiceRequest.contained[0].name[1].
func (e Element) Path() string {
	var room [96]byte
	return string(e.appendPath(room[:0]))
}

func (e *Element) appendPath(b []byte) []byte {
	if e.parent == nil {
		return append(b, e.name...)
	}
	b = append(append(e.parent.appendPath(b), '.'), e.name...)
	if e.index != noIndex {
		b = append(strconv.AppendInt(append(b, '['), int64(e.index), 10), ']')
	}
	return b
}

// Children are the element's own elements in the order of google/fhir's messages. It is
// that of the specification, save that url comes before the extensions of an Extension and
// type before the reference of a Reference.
func (e Element) Children() iter.Seq[Element] {
	return func(yield func(Element) bool) {
		m := e.Message.ProtoReflect()
		for _, slot := range e.of.read().declared {
			if !e.slot(m, slot, yield) {
				return
			}
		}
	}
}

// All is the element and all that is in it, each before its children.
func (e Element) All() iter.Seq[Element] {
	return func(yield func(Element) bool) { e.all(yield) }
}

func (e Element) all(yield func(Element) bool) bool {
	if !yield(e) {
		return false
	}
	for child := range e.Children() {
		if !child.all(yield) {
			return false
		}
	}
	return true
}

// slot yields what m, the message of e, holds in the slot.
func (e *Element) slot(m protoreflect.Message, s slot, yield func(Element) bool) bool {
	child := Element{parent: e, name: s.name, index: noIndex}
	if s.isLiteral() {
		// Each type that a reference may name has a field of its own: none is the slot's.
		if f := m.WhichOneof(literals); f != nil {
			child.Message, child.of = m.Get(f).Message().Interface(), schemaOf(f.Message())
			return yield(child)
		}
		return true
	}

	d, v, ok := s.get(m)
	switch {
	case !ok:
		return true
	case d.of == anyResource && d.list:
		// In an Any: what was unpacked before stands here, for a message that is unpacked
		// anew has another address and is no longer the element that somebody knows.
		for contained := range e.Contained() {
			if !yield(contained) {
				return false
			}
		}
		return true
	case d.of == anyResource:
		inner := unwrap(v.Message())
		if inner == nil {
			return true
		}
		resource := Resource{Proto: inner.Interface()}
		child.Message, child.of, child.contained = resource.Proto, schemaOf(inner.Descriptor()), resource.unpacked()
		return yield(child)
	case !d.list:
		child.Message, child.of = v.Message().Interface(), d.of
		return yield(child)
	}
	child.of = d.of
	for list, i := v.List(), 0; i < list.Len(); i++ {
		item := list.Get(i).Message()
		if e.of.primitive != notPrimitive && isNoValue(item) {
			continue // google/fhir's own note that the primitive came without a value: nobody sent it
		}
		child.Message, child.index = item.Interface(), i
		if !yield(child) {
			return false
		}
	}
	return true
}
