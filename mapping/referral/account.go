package referral

import (
	"slices"

	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	"google.golang.org/protobuf/proto"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
)

// account is kept of one ServiceRequest while it is read: which element has become
// part of which field of the case, and what is wrong with which. Elements are known by
// their message's address; their paths are worked out only when somebody asks.
type account struct {
	root     r4.Element // the ServiceRequest
	held     []held     // in the order of contained, then of the linked ones
	linked   int        // where in held the linked ones begin
	entries  []entry    // in the order of reading
	faults   []fault
	warnings []string // what the link worker should look at
	queries  []string // what a person has to answer before anybody acts
}

// held is a resource beside the ServiceRequest: contained in it or linked to it.
type held struct {
	reference string // by which the ServiceRequest names it
	resource  r4.Element
}

// entry accounts for an element: it has become part of a field of the case.
type entry struct {
	element proto.Message
	to      string
}

// fault is a refusal or a warning about an element; nil for one that is missing.
type fault struct {
	element proto.Message
	err     *fhir.Error
}

func newAccount(r r4.Resource, linked []Linked) *account {
	a := &account{root: r.Element(""), entries: make([]entry, 0, 96)}
	a.addHeld(linked)
	return a
}

// addHeld takes the contained resources, in their order, and adds the linked ones.
func (a *account) addHeld(linked []Linked) {
	for resource := range a.root.Contained() {
		id := resource.Message.(interface{ GetId() *dtpb.Id }).GetId().GetValue()
		a.held = append(a.held, held{reference: "#" + id, resource: resource})
	}
	a.linked = len(a.held)
	for _, l := range linked {
		a.held = append(a.held, held{reference: l.Reference, resource: l.Resource.Element(l.Path)})
	}
}

// resolve finds the resource that a reference leads to; nil for none that is held.
func (a *account) resolve(ref *dtpb.Reference) proto.Message {
	if ref == nil || len(a.held) == 0 {
		return nil
	}
	literal := r4.Literal(ref)
	for _, h := range a.held {
		// "#" alone is the ServiceRequest itself, never a contained resource without an id.
		if h.reference == literal && literal != "#" && literal != "" {
			return h.resource.Message
		}
	}
	return nil
}

// mapped enters the elements that are there as part of a field of the case.
func (a *account) mapped(to string, elements ...proto.Message) {
	for _, e := range elements {
		if e != nil && e.ProtoReflect().IsValid() {
			a.entries = append(a.entries, entry{e, to})
		}
	}
}

// followed enters a literal reference that led to a resource.
func (a *account) followed(to string, ref *dtpb.Reference) { a.mapped(to, r4.LiteralElement(ref)) }

// refuse adds a reason to refuse the referral.
func (a *account) refuse(element proto.Message, err *fhir.Error) {
	a.faults = append(a.faults, fault{element, err})
}

// refused reports whether there is a reason to refuse so far.
func (a *account) refused() bool {
	return slices.ContainsFunc(a.faults, func(f fault) bool { return !f.err.Warning })
}

// warn reports to sender and link worker what they should look at.
func (a *account) warn(element proto.Message, code fhir.Code, text string) {
	a.notice(element, code, text)
	a.warnings = append(a.warnings, text)
}

// ask holds the case until a person has answered.
func (a *account) ask(element proto.Message, query string) {
	a.notice(element, fhir.IssueBusinessRule, "the case is held: "+query)
	a.queries = append(a.queries, query)
}

// notice reports to the sender alone.
func (a *account) notice(element proto.Message, code fhir.Code, text string) {
	err := fhir.Errorf(code, "%s", text)
	err.Warning = true
	a.faults = append(a.faults, fault{element, err})
}

// reported is what the sender is answered, each at its FHIRPath: what it should look at,
// and why the referral is refused.
func (a *account) reported() (warnings, refused fhir.Errors) {
	a.locate()
	for _, f := range a.faults {
		if f.err.Warning {
			warnings = append(warnings, f.err)
		} else {
			refused = append(refused, f.err)
		}
	}
	return warnings, refused
}

// locate names the FHIRPath of every fault that has an element.
func (a *account) locate() {
	paths := map[proto.Message]string{}
	for _, f := range a.faults {
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
	find(a.root)
	for _, h := range a.held[a.linked:] {
		find(h.resource)
	}
	for _, f := range a.faults {
		if f.element != nil {
			f.err.Expression = paths[f.element]
		}
	}
}
