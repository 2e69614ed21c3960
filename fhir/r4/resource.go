// Package r4 is FHIR R4 in bytes, google/fhir messages and a tree of elements: it reads
// JSON and XML strictly, each fault at its FHIRPath, writes both, stamps and digests.
//
// A Resource is one thing in three models. The message (Proto, Element) is for what it
// means and for what Caselink writes itself; the tree (Node) for whatever is asked by its
// path, such as rules and search; the bytes (JSON) for what is kept and returned, for they
// alone have the number text and the unknown names that were sent. docs/architecture.md
// says when to use which, docs/words.md defines element, Node, stamp and digest.
//
// https://hl7.org/fhir/R4/
package r4

import (
	bcrpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/bundle_and_contained_resource_go_proto"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
)

// Resource is one FHIR resource: what it means, and the bytes that say so. None of it
// is ever changed in place.
type Resource struct {
	Type  string        // such as "ServiceRequest"
	Proto proto.Message // the typed resource, such as *service_request_go_proto.ServiceRequest
	JSON  []byte        // as it was received, or as it was marshalled
	Root  Node          // the elements of JSON, each with its FHIRPath

	contained []proto.Message // see Element.Contained
}

// unpacked are the contained resources of Proto, in their order: those that Unmarshal
// kept, else unpacked from their Any. One that cannot be unpacked is left out.
func (r Resource) unpacked() []proto.Message {
	if r.contained != nil || r.Proto == nil {
		return r.contained
	}
	m := r.Proto.ProtoReflect()
	field := m.Descriptor().Fields().ByName("contained")
	if field == nil {
		return nil
	}
	var out []proto.Message
	for list, i := m.Get(field).List(), 0; i < list.Len(); i++ {
		packed, box := list.Get(i).Message().Interface().(*anypb.Any), &bcrpb.ContainedResource{}
		if packed.UnmarshalTo(box) != nil {
			continue
		}
		box.ProtoReflect().Range(func(_ protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			out = append(out, v.Message().Interface())
			return false
		})
	}
	return out
}
