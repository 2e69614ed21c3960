package fhir

import (
	"strconv"
	"time"

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

	contained []proto.Message // see Contained
}

// Contained are the contained resources of Proto, in their order: those that Unmarshal
// kept, else unpacked from their Any. One that cannot be unpacked is left out.
func (r Resource) Contained() []proto.Message {
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

// Meta is what a server adds to a resource.
type Meta struct {
	ID          string
	Version     int // from 1
	LastUpdated time.Time
}

// ETag is the weak ETag of the version, such as W/"1".
// https://hl7.org/fhir/R4/http.html#concurrency
func (m Meta) ETag() string { return `W/"` + strconv.Itoa(m.Version) + `"` }

// Stored is one version of a resource as a read returns it: JSON holds the id and the meta.
type Stored struct {
	Meta
	Type string
	JSON []byte
}

// Identifier is a business identifier: a value within a system.
type Identifier struct {
	System string `json:"system,omitempty"`
	Value  string `json:"value"`
}

// Coding is a code of a system with its text for people.
type Coding struct {
	System  string `json:"system,omitempty"`
	Code    string `json:"code"`
	Display string `json:"display,omitempty"`
}
