package r4

import (
	"strings"

	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Literal returns a literal reference as it was written: a URL, a urn, Type/id or
// #fragment; "" for none. The codec turns "Task/1" into a typed field, so a
// reference is read through this function only.
// https://hl7.org/fhir/R4/references.html#literal
func Literal(ref *dtpb.Reference) string {
	switch r := ref.GetReference().(type) {
	case nil:
		return ""
	case *dtpb.Reference_Uri:
		return r.Uri.GetValue()
	case *dtpb.Reference_Fragment:
		return "#" + r.Fragment.GetValue()
	}
	m := ref.ProtoReflect()
	field := m.WhichOneof(literals)
	id, _ := m.Get(field).Message().Interface().(*dtpb.ReferenceId)
	url := typeOf(field) + "/" + id.GetValue()
	if version := id.GetHistory().GetValue(); version != "" {
		url += "/_history/" + version
	}
	return url
}

// LiteralElement is the message that holds a literal reference, for a caller that keeps account
// of elements; nil for none.
func LiteralElement(ref *dtpb.Reference) proto.Message {
	m := ref.ProtoReflect()
	field := m.WhichOneof(literals)
	if field == nil {
		return nil
	}
	return m.Get(field).Message().Interface()
}

// Fragment returns the id of the contained resource that the reference points at; "" for none.
func Fragment(ref *dtpb.Reference) string { return ref.GetFragment().GetValue() }

// literals are the typed fields of a literal reference.
var literals = (&dtpb.Reference{}).ProtoReflect().Descriptor().Oneofs().ByName("reference")

// typeOf turns the name of a typed field, such as practitioner_role_id, into the resource type.
func typeOf(field protoreflect.FieldDescriptor) string {
	var b strings.Builder
	for word := range strings.SplitSeq(strings.TrimSuffix(string(field.Name()), "_id"), "_") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}
