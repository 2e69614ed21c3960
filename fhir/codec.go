package fhir

import (
	"fmt"

	"github.com/google/fhir/go/fhirversion"
	"github.com/google/fhir/go/jsonformat"
	bcrpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/bundle_and_contained_resource_go_proto"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

var unmarshaller = must(jsonformat.NewUnmarshaller("UTC", fhirversion.R4))

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Unmarshal decodes one resource from JSON.
func Unmarshal(raw []byte) (Resource, error) {
	m, err := unmarshaller.UnmarshalR4(raw)
	if err != nil {
		return Resource{}, Errorf(IssueStructure, "not a FHIR R4 resource").Because(err)
	}
	r := unwrap(m)
	return Resource{Type: string(r.ProtoReflect().Descriptor().Name()), Proto: r, JSON: raw}, nil
}

// unwrap returns the resource inside its container.
func unwrap(c *bcrpb.ContainedResource) proto.Message {
	var inner proto.Message
	c.ProtoReflect().Range(func(_ protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		inner = v.Message().Interface()
		return false
	})
	return inner
}

var marshaller = must(jsonformat.NewMarshaller(false, "", "", fhirversion.R4))

// Marshal encodes a resource as JSON. It leaves the message as it was.
func Marshal(m proto.Message) ([]byte, error) {
	raw, err := marshaller.MarshalResource(proto.Clone(m))
	if err != nil {
		return nil, fmt.Errorf("marshal %s: %w", m.ProtoReflect().Descriptor().Name(), err)
	}
	return raw, nil
}
