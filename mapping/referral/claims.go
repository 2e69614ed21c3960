package referral

import (
	"slices"

	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	"google.golang.org/protobuf/proto"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
)

// claims keeps account of one ServiceRequest while it is read: which element has become
// part of which field of the case, and what is wrong with which. Elements are known by
// their message's address; their paths are worked out only when somebody asks.
type claims struct {
	root     r4.Element // the ServiceRequest
	held     []held     // in the order of contained, then of the linked ones
	linked   int        // where in held the linked ones begin
	all      []claim
	faults   []fault
	warnings []string // what the link worker should look at
	queries  []string // what a person has to answer before anybody acts
}

// held is a resource beside the ServiceRequest: contained in it or linked to it.
type held struct {
	reference string // by which the ServiceRequest names it
	resource  r4.Element
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

func newClaims(r r4.Resource, linked []Linked) *claims {
	c := &claims{root: r.Element(""), all: make([]claim, 0, 96)}
	c.addHeld(linked)
	return c
}

// addHeld takes the contained resources, in their order, and adds the linked ones.
func (c *claims) addHeld(linked []Linked) {
	for resource := range c.root.Contained() {
		id := resource.Message.(interface{ GetId() *dtpb.Id }).GetId().GetValue()
		c.held = append(c.held, held{reference: "#" + id, resource: resource})
	}
	c.linked = len(c.held)
	for _, l := range linked {
		c.held = append(c.held, held{reference: l.Reference, resource: l.Resource.Element(l.Path)})
	}
}

// resolve finds the resource that a reference leads to; nil for none that is held.
func (c *claims) resolve(ref *dtpb.Reference) proto.Message {
	if ref == nil || len(c.held) == 0 {
		return nil
	}
	literal := r4.Literal(ref)
	for _, h := range c.held {
		// "#" alone is the ServiceRequest itself, never a contained resource without an id.
		if h.reference == literal && literal != "#" && literal != "" {
			return h.resource.Message
		}
	}
	return nil
}

// mapped claims the elements that are there for a field of the case.
func (c *claims) mapped(to string, elements ...proto.Message) {
	for _, e := range elements {
		if e != nil && e.ProtoReflect().IsValid() {
			c.all = append(c.all, claim{e, to})
		}
	}
}

// followed claims a literal reference that led to a resource.
func (c *claims) followed(to string, ref *dtpb.Reference) { c.mapped(to, r4.LiteralElement(ref)) }

// refuse adds a reason to refuse the referral.
func (c *claims) refuse(element proto.Message, err *fhir.Error) {
	c.faults = append(c.faults, fault{element, err})
}

// refused reports whether there is a reason to refuse so far.
func (c *claims) refused() bool {
	return slices.ContainsFunc(c.faults, func(f fault) bool { return !f.err.Warning })
}

// warn tells sender and link worker what they should look at.
func (c *claims) warn(element proto.Message, code fhir.Code, text string) {
	c.notice(element, code, text)
	c.warnings = append(c.warnings, text)
}

// ask holds the case until a person has answered.
func (c *claims) ask(element proto.Message, query string) {
	c.notice(element, fhir.IssueBusinessRule, "the case is held: "+query)
	c.queries = append(c.queries, query)
}

// notice tells the sender alone.
func (c *claims) notice(element proto.Message, code fhir.Code, text string) {
	err := fhir.Errorf(code, "%s", text)
	err.Warning = true
	c.faults = append(c.faults, fault{element, err})
}

// told is what the sender hears, each at its FHIRPath: what it should look at, and why the
// referral is refused.
func (c *claims) told() (warnings, refused fhir.Errors) {
	c.locate()
	for _, f := range c.faults {
		if f.err.Warning {
			warnings = append(warnings, f.err)
		} else {
			refused = append(refused, f.err)
		}
	}
	return warnings, refused
}

// locate names the FHIRPath of every fault that has an element.
func (c *claims) locate() {
	paths := map[proto.Message]string{}
	for _, f := range c.faults {
		if f.element != nil {
			paths[f.element] = ""
		}
	}
	if len(paths) == 0 {
		return // as it is for most referrals, which are then not walked at all
	}
	find := func(resource r4.Element) {
		for e := range resource.All() {
			if _, wanted := paths[e.Message]; wanted {
				paths[e.Message] = e.Path()
			}
		}
	}
	find(c.root)
	for _, h := range c.held[c.linked:] {
		find(h.resource)
	}
	for _, f := range c.faults {
		if f.element != nil {
			f.err.Expression = paths[f.element]
		}
	}
}
