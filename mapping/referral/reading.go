package referral

import (
	"slices"

	cpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/codes_go_proto"
	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	srpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/service_request_go_proto"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"caselink.example/fhir"
	"caselink.example/fhir/nhs"
	"caselink.example/fhir/r4"
	"caselink.example/mapping/terminology"
)

// reading is one ServiceRequest while it is read. Elements are known by their
// message's address; their paths are worked out only when somebody asks.
type reading struct {
	terms      terminology.Map
	unmodified bool // nothing that arrived can hold a modifier extension
	request    *srpb.ServiceRequest
	held       []held
	claims     []claim
	faults     []fault
	out        Reading
}

// held is a resource beside the ServiceRequest: contained in it or linked to it.
type held struct {
	reference string // by which the ServiceRequest names it
	path      string // of a linked resource; "" for a contained one, whose place is its index
	resource  proto.Message
}

// claim says that an element has become part of a field of the case.
type claim struct {
	element proto.Message
	to      string
}

// fault is a refusal or a warning about an element; nil for one that is missing.
type fault struct {
	element proto.Message
	err     *fhir.Error
}

// hold takes the contained resources, in their order, and adds the linked ones.
func (r *reading) hold(contained []proto.Message, linked []Linked) {
	for _, resource := range contained {
		id := resource.(interface{ GetId() *dtpb.Id }).GetId().GetValue()
		r.held = append(r.held, held{reference: "#" + id, resource: resource})
	}
	for _, l := range linked {
		path := l.Path
		if path == "" {
			path = l.Resource.Type
		}
		r.held = append(r.held, held{reference: l.Reference, path: path, resource: l.Resource.Proto})
	}
}

// resolve finds the resource that a reference leads to; nil for none that is held.
func (r *reading) resolve(ref *dtpb.Reference) proto.Message {
	if ref == nil || len(r.held) == 0 {
		return nil
	}
	literal := r4.Literal(ref)
	for _, h := range r.held {
		if h.reference == literal && literal != "#" && literal != "" {
			return h.resource
		}
	}
	return nil
}

// mapped claims the elements that are there for a field of the case.
func (r *reading) mapped(to string, elements ...proto.Message) {
	for _, e := range elements {
		if e != nil && e.ProtoReflect().IsValid() {
			r.claims = append(r.claims, claim{e, to})
		}
	}
}

// followed claims a literal reference that led to a resource.
func (r *reading) followed(to string, ref *dtpb.Reference) {
	m := ref.ProtoReflect()
	if field := m.WhichOneof(literal); field != nil {
		r.mapped(to, m.Get(field).Message().Interface())
	}
}

var literal protoreflect.OneofDescriptor = (&dtpb.Reference{}).ProtoReflect().Descriptor().Oneofs().ByName("reference")

// refuse adds a reason to refuse the referral.
func (r *reading) refuse(element proto.Message, err *fhir.Error) {
	r.faults = append(r.faults, fault{element, err})
}

// refused reports whether there is a reason to refuse so far.
func (r *reading) refused() bool {
	return slices.ContainsFunc(r.faults, func(f fault) bool { return !f.err.Warning })
}

// warn tells sender and link worker what they should look at.
func (r *reading) warn(element proto.Message, code fhir.Code, text string) {
	r.notice(element, code, text)
	r.out.Case.Warnings = append(r.out.Case.Warnings, text)
}

// ask holds the case until a person has answered.
func (r *reading) ask(element proto.Message, query string) {
	r.notice(element, fhir.IssueBusinessRule, "the case is held: "+query)
	r.out.Case.Queries = append(r.out.Case.Queries, query)
}

func (r *reading) notice(element proto.Message, code fhir.Code, text string) {
	err := fhir.Errorf(code, "%s", text)
	err.Warning = true
	r.faults = append(r.faults, fault{element, err})
}

// identifier claims an identifier that counts and returns it; ok is false for one
// without a value or out of use.
func (r *reading) identifier(to string, id *dtpb.Identifier) (out fhir.Identifier, ok bool) {
	if id.GetValue().GetValue() == "" {
		return out, false
	}
	if use := id.GetUse(); use != nil {
		r.mapped(to, use)
		if use.GetValue() == cpb.IdentifierUseCode_OLD {
			return out, false
		}
	}
	r.mapped(to, id.GetSystem(), id.GetValue())
	return fhir.Identifier{System: id.GetSystem().GetValue(), Value: id.GetValue().GetValue()}, true
}

// codings claims the codings that say anything.
func (r *reading) codings(to string, in []*dtpb.Coding) []fhir.Coding {
	if len(in) == 0 {
		return nil
	}
	out := make([]fhir.Coding, 0, len(in))
	for _, c := range in {
		coding := fhir.Coding{System: c.GetSystem().GetValue(), Code: c.GetCode().GetValue(), Display: c.GetDisplay().GetValue()}
		if coding.Code == "" && coding.Display == "" {
			continue
		}
		r.mapped(to, c.GetSystem(), c.GetCode(), c.GetDisplay())
		out = append(out, coding)
	}
	return out
}

// concepts claims the codings of all the concepts and the first text among them.
func (r *reading) concepts(to string, all []*dtpb.CodeableConcept) (codings []fhir.Coding, text string) {
	for _, c := range all {
		codings = append(codings, r.codings(to, c.GetCoding())...)
		if text == "" && c.GetText().GetValue() != "" {
			text = c.GetText().GetValue()
			r.mapped(to, c.GetText())
		}
	}
	return codings, text
}

// says claims what a concept says in words: its text, else the first display.
func (r *reading) says(to string, c *dtpb.CodeableConcept) string {
	said := c.GetText()
	for i := 0; said.GetValue() == "" && i < len(c.GetCoding()); i++ {
		said = c.GetCoding()[i].GetDisplay()
	}
	r.mapped(to, said)
	return said.GetValue()
}

// extension finds an extension by its URL.
func extension(all []*dtpb.Extension, url string) *dtpb.Extension {
	for _, e := range all {
		if e.GetUrl().GetValue() == url {
			return e
		}
	}
	return nil
}

// isODS reports whether a system names organisations by their ODS code.
func isODS(system string) bool {
	s := nhs.System(system)
	return s == nhs.SystemODS || s == nhs.SystemODSSite
}
