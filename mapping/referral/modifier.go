package referral

import (
	"bytes"
	"slices"

	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	srpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/service_request_go_proto"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
)

// refuseModifiers refuses what would change the meaning of the rest in a way that Caselink
// does not understand: implicitRules, modifier extensions at any depth, doNotPerform.
// https://hl7.org/fhir/R4/conformance-rules.html#isModifier
func (a *account) refuseModifiers(sr *srpb.ServiceRequest, r r4.Resource, linked []Linked) {
	// What one resource says may depend on another, so the bytes of all decide together.
	walk := !neverModified(r.JSON) || slices.ContainsFunc(linked, func(l Linked) bool { return !neverModified(l.Resource.JSON) })
	a.refuseWithin(a.root, walk)
	for _, h := range a.held {
		a.refuseWithin(h.resource, walk)
	}

	// It is the one modifier that means something here, and what it means is no referral.
	if no := sr.GetDoNotPerform(); no.GetValue() {
		a.refuse(no, fhir.Errorf(fhir.IssueBusinessRule, "a referral asks for something; to stop one, PUT it with status revoked"))
	}
}

// refuseWithin refuses the implicitRules of a resource and, when walk says that there may
// be any, its modifier extensions.
func (a *account) refuseWithin(resource r4.Element, walk bool) {
	rules := resource.Message.(interface{ GetImplicitRules() *dtpb.Uri }).GetImplicitRules()
	if rules != nil {
		a.refuse(rules, fhir.Errorf(fhir.IssueBusinessRule,
			"rules that are not known here govern this resource; send it without implicitRules"))
	}
	if walk {
		a.refuseExtensions(resource)
	}
}

// neverModified reports whether the bytes of a resource cannot hold a modifier extension,
// which spares a walk of every element.
func neverModified(json []byte) bool {
	// JSON may spell a name with escapes, so bytes with a \u are walked, whatever they
	// spell: the walk has the names as they are meant. No other escape stands for a letter.
	return len(json) > 0 && !bytes.Contains(json, []byte("modifierExtension")) && !bytes.Contains(json, []byte(`\u`))
}

// modifiable is an element that may hold modifier extensions: a resource, a backbone
// element, or a type that is one, such as Timing.
// https://hl7.org/fhir/R4/backboneelement.html
type modifiable interface{ GetModifierExtension() []*dtpb.Extension }

// refuseExtensions refuses the modifier extensions of an element and of what is in it.
func (a *account) refuseExtensions(e r4.Element) {
	m, ok := e.Message.(modifiable)
	if !ok && !e.IsResource() {
		return // nor does anything in it: a datatype is made of datatypes, and an extension is skipped whole
	}
	if ok {
		for _, x := range m.GetModifierExtension() {
			a.refuse(x, fhir.Errorf(fhir.IssueExtension,
				"an unknown modifier extension changes the meaning of its element; send the referral without it"))
		}
	}
	for child := range e.Children() {
		if !child.IsResource() { // each that is held is looked at by itself
			a.refuseExtensions(child)
		}
	}
}
