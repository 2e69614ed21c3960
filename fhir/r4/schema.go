package r4

import (
	"slices"
	"strings"
	"sync"
	"unicode"

	apb "github.com/google/fhir/go/proto/google/fhir/proto/annotations_go_proto"
	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	bcrpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/bundle_and_contained_resource_go_proto"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// schema is one type of FHIR R4 as google/fhir's descriptors give it: a resource, a
// datatype, a primitive or a backbone element. Its elements are read on first use and
// never change afterwards, so a schema may be shared.
type schema struct {
	name      string // FHIR's own: ServiceRequest, Quantity, dateTime; BackboneElement for what has no name
	desc      protoreflect.MessageDescriptor
	message   protoreflect.MessageType
	primitive primitive // notPrimitive for a complex type
	resource  bool
	valueSet  string                       // the value set that binds a code
	codes     map[string]enumValue         // the codes of a required binding; nil when any code will do
	texts     map[enumNumber]string        // the same, read backwards
	value     protoreflect.FieldDescriptor // where the message of a primitive holds its value
	extension protoreflect.FieldDescriptor // and its extensions

	once     sync.Once
	slots    []slot              // in the order of the specification
	declared []slot              // in the order of the message
	elements map[string]*element // by the name in JSON
	required uint64              // the bits of the elements that must be there
}

type (
	enumNumber = protoreflect.EnumNumber
	enumValue  = protoreflect.Value
)

// slot is one field of a message: one element, or the types of a choice.
type slot struct {
	name    string // in FHIRPath
	bit     uint64
	field   protoreflect.FieldDescriptor
	element *element                              // of a field that is no choice
	oneof   protoreflect.OneofDescriptor          // of a choice's message
	choices map[protoreflect.FieldNumber]*element // by the field within the choice's message
}

// isLiteral reports whether the slot is Reference.reference, which a message holds in a
// field for each type that the reference may name.
func (s slot) isLiteral() bool { return s.element != nil && s.field.ContainingOneof() != nil }

// element is one element that an object may hold. A choice has an element per type.
type element struct {
	name      string // in JSON: valueQuantity
	base      string // in FHIRPath: value
	bit       uint64 // its place in schema.required; the types of a choice share one
	order     int    // its place in the order of the specification; the types of a choice share one
	list      bool
	attribute bool     // has no id and no extensions of its own: Element.id, Extension.url, Narrative.div
	targets   []string // the resource types that a Reference may point to; nil for any
	field     protoreflect.FieldDescriptor
	choice    protoreflect.FieldDescriptor // within the choice's message; nil for no choice
	of        *schema
}

// anyResource stands where a resource of any type may stand: contained, Bundle.entry.resource.
var anyResource = &schema{name: "Resource"}

var schemas sync.Map // protoreflect.FullName -> *schema

func schemaOf(d protoreflect.MessageDescriptor) *schema {
	if s, ok := schemas.Load(d.FullName()); ok {
		return s.(*schema)
	}

	// Two may build the same one at once; all are given the first that was stored, for
	// elements are compared by their address.
	s, _ := schemas.LoadOrStore(d.FullName(), newSchema(d))
	return s.(*schema)
}

func newSchema(d protoreflect.MessageDescriptor) *schema {
	switch d.FullName() {
	case "google.protobuf.Any", "google.fhir.r4.core.ContainedResource":
		return anyResource
	}
	s := &schema{name: typeName(d), desc: d, message: must(protoregistry.GlobalTypes.FindMessageByName(d.FullName()))}
	switch option[apb.StructureDefinitionKindValue](d, apb.E_StructureDefinitionKind) {
	case apb.StructureDefinitionKindValue_KIND_RESOURCE:
		s.resource = true
	case apb.StructureDefinitionKindValue_KIND_PRIMITIVE_TYPE:
		s.primitive = primitives[s.name]
		s.value, s.extension = d.Fields().ByName("value"), d.Fields().ByName("extension")
		s.valueSet = option[string](d, apb.E_FhirValuesetUrl)
		s.readCodes()
	}
	return s
}

// typeName is FHIR's name for the type of a message. A type that only restricts
// another, such as SimpleQuantity or a bound code, has the other's name.
func typeName(d protoreflect.MessageDescriptor) string {
	url := option[string](d, apb.E_FhirStructureDefinitionUrl)

	// SimpleQuantity has a definition of its own, and says there that it is a Quantity.
	if bases := option[[]string](d, apb.E_FhirProfileBase); len(bases) > 0 {
		url = bases[0]
	}
	if url == "" {
		return "BackboneElement"
	}
	return url[strings.LastIndexByte(url, '/')+1:]
}

func (s *schema) readCodes() {
	if s.value == nil || s.value.Enum() == nil {
		return
	}
	s.codes, s.texts = map[string]enumValue{}, map[enumNumber]string{}
	values := s.value.Enum().Values()
	for i := range values.Len() {
		v := values.Get(i)
		if v.Number() == 0 {
			continue // "not set"
		}

		// Only a code that the spelling of enums would change has its original beside it.
		text := option[string](v, apb.E_FhirOriginalCode)
		if text == "" {
			text = strings.ReplaceAll(strings.ToLower(string(v.Name())), "_", "-")
		}
		s.codes[text], s.texts[v.Number()] = protoreflect.ValueOfEnum(v.Number()), text
	}
}

// read fills in the elements of the type.
func (s *schema) read() *schema {
	// On first use, for a type may hold itself (Extension) and 148 resources are many to
	// build for the ten that a server sees.
	s.once.Do(func() {
		if s == anyResource {
			return
		}
		s.elements = map[string]*element{}
		fields := s.desc.Fields()
		for i := range fields.Len() {
			s.add(fields.Get(i))
		}
		s.declared = s.slots
		s.reorder()
	})
	return s
}

func (s *schema) add(f protoreflect.FieldDescriptor) {
	oneof := f.ContainingOneof()
	// A primitive's value and the typed forms of Reference.reference are read by the codec.
	if f.Message() == nil || oneof != nil && f.Name() != "uri" || f.Name() == "history" && s.desc.Name() == "ReferenceId" {
		return
	}
	bit := uint64(1) << len(s.slots)
	if bit == 0 {
		// R4 is settled and its largest type has room to spare: the check is for a later FHIR.
		panic(string(s.desc.FullName()) + " has more elements than a word has bits")
	}
	if option[apb.Requirement](f, apb.E_ValidationRequirement) == apb.Requirement_REQUIRED_BY_FHIR {
		s.required |= bit
	}
	if !option[bool](f.Message(), apb.E_IsChoiceType) {
		e := newElement(f, f.JSONName(), f.JSONName(), bit)

		// A resource's own id is an element of type id; that of any other element is a string.
		elementID := e.name == "id" && e.of.primitive == stringType
		e.attribute = elementID || e.of.primitive == xhtmlType || s.name == "Extension" && e.name == "url"
		s.slots = append(s.slots, slot{name: e.base, bit: bit, field: f, element: e})
		s.elements[e.name] = e
		return
	}
	choice := slot{name: f.JSONName(), bit: bit, field: f, oneof: f.Message().Oneofs().Get(0)}
	choice.choices = map[protoreflect.FieldNumber]*element{}
	for i := range choice.oneof.Fields().Len() {
		c := choice.oneof.Fields().Get(i)
		e := newElement(c, f.JSONName()+upperFirst(c.JSONName()), f.JSONName(), bit)
		e.field, e.choice = f, c
		choice.choices[c.Number()] = e
		s.elements[e.name] = e
	}
	s.slots = append(s.slots, choice)
}

func newElement(f protoreflect.FieldDescriptor, name, base string, bit uint64) *element {
	e := &element{name: name, base: base, bit: bit, list: f.IsList(), field: f, of: schemaOf(f.Message())}
	e.targets = option[[]string](f, apb.E_ValidReferenceType)
	if len(e.targets) == 1 && e.targets[0] == "Resource" {
		e.targets = nil
	}
	return e
}

// reorder gives each element its place in the order of the specification. Two types have
// messages of another order: extension comes before url, reference before type.
func (s *schema) reorder() {
	first := map[string]string{"Extension": "extension", "Reference": "reference"}[s.name]
	i := slices.IndexFunc(s.slots, func(slot slot) bool { return slot.element != nil && slot.element.name == first })
	if i > 0 {
		s.slots = slices.Clone(s.slots)
		s.slots[i-1], s.slots[i] = s.slots[i], s.slots[i-1]
	}
	for i, slot := range s.slots {
		if slot.element != nil {
			slot.element.order = i
		}
		for _, e := range slot.choices {
			e.order = i
		}
	}
}

// missing lists the elements of the bits by their FHIRPath name.
func (s *schema) missing(set uint64) []string {
	if set == 0 {
		return nil
	}
	var names []string
	for _, slot := range s.slots {
		if set&slot.bit != 0 {
			names = append(names, slot.name)
		}
	}
	return names
}

// resources are the fields of ContainedResource by the resource type they hold.
var resources = sync.OnceValue(func() map[string]protoreflect.FieldDescriptor {
	fields := (&bcrpb.ContainedResource{}).ProtoReflect().Descriptor().Fields()
	types := make(map[string]protoreflect.FieldDescriptor, fields.Len())
	for i := range fields.Len() {
		types[string(fields.Get(i).Message().Name())] = fields.Get(i)
	}
	return types
})

// resourceSchema is the schema of a resource type; nil when R4 has no such type.
func resourceSchema(name []byte) *schema {
	f, ok := resources()[string(name)]
	if !ok {
		return nil
	}
	return schemaOf(f.Message())
}

// referenceFields are the typed forms of Reference.reference by resource type.
var referenceFields = sync.OnceValue(func() map[string]protoreflect.FieldDescriptor {
	fields := (&dtpb.Reference{}).ProtoReflect().Descriptor().Fields()
	types := make(map[string]protoreflect.FieldDescriptor, fields.Len())
	for i := range fields.Len() {
		if typ := option[string](fields.Get(i), apb.E_ReferencedFhirType); typ != "" {
			types[typ] = fields.Get(i)
		}
	}
	return types
})

// contain puts a resource's message into the container that Bundle.entry and contained hold.
func contain(m protoreflect.Message) *bcrpb.ContainedResource {
	c := &bcrpb.ContainedResource{}
	c.ProtoReflect().Set(resources()[string(m.Descriptor().Name())], protoreflect.ValueOfMessage(m))
	return c
}

// unwrap returns the resource inside its container; m itself when it is none, and nil
// when the container is empty.
func unwrap(m protoreflect.Message) protoreflect.Message {
	if m.Descriptor().Name() != "ContainedResource" {
		return m
	}
	f := m.WhichOneof(m.Descriptor().Oneofs().Get(0))
	if f == nil {
		return nil
	}
	return m.Get(f).Message()
}

// option is the value of an annotation of google/fhir on a descriptor.
func option[T any](d protoreflect.Descriptor, annotation protoreflect.ExtensionType) T {
	return proto.GetExtension(d.Options(), annotation).(T)
}

func upperFirst(s string) string {
	return string(unicode.ToUpper(rune(s[0]))) + s[1:]
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
