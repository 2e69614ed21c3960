package referral

import (
	"bytes"
	"strings"

	cpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/codes_go_proto"
	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/terminology"
)

// rules refuses what would change the meaning of the rest in a way that Caselink does
// not understand. https://hl7.org/fhir/R4/conformance-rules.html#isModifier
func (r *reading) rules() {
	r.modified(r.request)
	for _, h := range r.held {
		r.modified(h.resource)
	}
	if no := r.request.GetDoNotPerform(); no.GetValue() {
		r.refuse(no, fhir.Errorf(fhir.IssueBusinessRule, "a referral asks for something; to stop one, PUT it with status revoked"))
	}
}

// modified refuses implicitRules and every modifier extension of a resource, at any depth.
func (r *reading) modified(resource proto.Message) {
	rules := resource.(interface{ GetImplicitRules() *dtpb.Uri }).GetImplicitRules()
	if rules != nil {
		r.refuse(rules, fhir.Errorf(fhir.IssueBusinessRule, "rules that are not known here govern this resource; send it without implicitRules"))
	}
	if !r.unmodified {
		r.modifiers(resource.ProtoReflect())
	}
}

// neverModified reports whether the bytes of a resource cannot hold a modifier
// extension, which spares a walk of every element: they do not have its name, nor an
// escape that could spell it.
func neverModified(json []byte) bool {
	return len(json) > 0 && !bytes.Contains(json, []byte("modifierExtension")) && !bytes.Contains(json, []byte(`\u`))
}

// modifiers refuses the modifier extensions of m and looks into those of its elements
// that may hold one.
func (r *reading) modifiers(m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		switch field := fields.Get(i); {
		case field.Name() == modifierExtension:
			list := m.Get(field).List()
			for i := range list.Len() {
				r.refuse(list.Get(i).Message().Interface(), fhir.Errorf(fhir.IssueExtension,
					"an unknown modifier extension changes the meaning of its element; send the referral without it"))
			}
		case !modifiable(field.Message()) || !m.Has(field):
		case field.IsList():
			list := m.Get(field).List()
			for i := range list.Len() {
				r.modifiers(list.Get(i).Message())
			}
		default:
			r.modifiers(m.Get(field).Message())
		}
	}
}

const modifierExtension = "modifier_extension"

// modifiable reports whether an element may hold a modifier extension: a backbone
// element, or a choice that may be one, such as occurrence[x] as a Timing.
// https://hl7.org/fhir/R4/backboneelement.html
func modifiable(d protoreflect.MessageDescriptor) bool {
	return d != nil && (choice(d) || d.Fields().ByName(modifierExtension) != nil)
}

// what is asked for, by whom it may be acted on, and how soon.
func (r *reading) what() {
	q, c := r.request, &r.out.Case
	for _, id := range q.GetIdentifier() {
		if out, ok := r.identifier("referral.identifiers", id); ok {
			c.Referral.Identifiers = append(c.Referral.Identifiers, out)
		}
	}
	r.out.Identifiers = c.Referral.Identifiers
	if id, ok := r.identifier("referral.groupId", q.GetRequisition()); ok {
		c.Referral.GroupID = &id
	}
	if c.Referral.AuthoredOn = r4.Text(q.GetAuthoredOn()); c.Referral.AuthoredOn != "" {
		r.mapped("referral.authoredOn", q.GetAuthoredOn())
	}
	r.status(q.GetStatus().GetValue())
	r.intent(q.GetIntent().GetValue())
	r.priority(q.GetPriority().GetValue())
	r.requested()
	for _, label := range q.GetMeta().GetSecurity() {
		r.label(label)
	}
}

// status: only an active referral is acted on at once. A first referral that is
// already over is refused.
func (r *reading) status(s cpb.RequestStatusCode_Value) {
	r.mapped("status", r.request.GetStatus())
	switch s {
	case cpb.RequestStatusCode_ACTIVE, cpb.RequestStatusCode_INVALID_UNINITIALIZED:
	case cpb.RequestStatusCode_DRAFT, cpb.RequestStatusCode_ON_HOLD, cpb.RequestStatusCode_UNKNOWN:
		r.ask(r.request.GetStatus(), "The referral's status is "+code(s)+": may the service act on it now?")
	default:
		r.refuse(r.request.GetStatus(), fhir.Errorf(fhir.IssueBusinessRule,
			"a new referral is not %s; send it with status active, or change the referral that is meant by PUT", code(s)))
	}
}

// intent: an order of any kind is an order, and so is the plan that BaRS sends.
func (r *reading) intent(i cpb.RequestIntentCode_Value) {
	r.mapped("status", r.request.GetIntent())
	switch i {
	case cpb.RequestIntentCode_ORDER, cpb.RequestIntentCode_ORIGINAL_ORDER, cpb.RequestIntentCode_INSTANCE_ORDER,
		cpb.RequestIntentCode_PLAN, cpb.RequestIntentCode_INVALID_UNINITIALIZED:
	default:
		r.ask(r.request.GetIntent(), "The referral's intent is "+code(i)+", not order: is the service asked to act?")
	}
}

func (r *reading) priority(p cpb.RequestPriorityCode_Value) {
	r.mapped("priority", r.request.GetPriority())
	r.out.Case.Priority = cases.Routine
	if p != cpb.RequestPriorityCode_INVALID_UNINITIALIZED {
		r.out.Case.Priority = cases.Priority(code(p))
	}
	if p == cpb.RequestPriorityCode_STAT || p == cpb.RequestPriorityCode_ASAP {
		r.warn(r.request.GetPriority(), fhir.IssueBusinessRule,
			"Social prescribing is not an emergency service: nobody may see this referral today. In an emergency, call 999 or 111.")
	}
}

// requested is the kind of service. What is clearly another's, or not said, is asked
// about; a code that the tables do not know is looked at by a person.
func (r *reading) requested() {
	concept := r.request.GetCode()
	codings, text := r.codings("referral.requested", concept.GetCoding()), concept.GetText().GetValue()
	r.mapped("referral.requestedText", concept.GetText())
	r.out.Case.Referral.Requested, r.out.Case.Referral.RequestedText = codings, text
	r.damaged(concept, codings)
	switch asked := r.terms.Requested(codings); {
	case asked == terminology.RequestSocialPrescribing:
	case asked == terminology.RequestOther:
		r.ask(concept, "The referral's code is another service's: is social prescribing meant?")
	case asked == terminology.RequestDeclined:
		r.ask(concept, "The referral's code says that the person declined social prescribing: is it meant?")
	case len(codings) == 0 && text == "":
		r.ask(nil, "The referral does not say what is asked for: is social prescribing meant?")
	default:
		r.warn(concept, fhir.IssueCodeInvalid, "The referral's code is not one that is known for social prescribing: check that it is meant.")
	}
}

// label marks a restricted record: confidentiality restricted or very restricted.
func (r *reading) label(c *dtpb.Coding) {
	if level := c.GetCode().GetValue(); level == "R" || level == "V" {
		r.out.Case.Patient.Restricted = true
		r.mapped("patient.restricted", c.GetCode())
	}
}

// code is the FHIR code of an enumerated value, such as on-hold.
func code(v interface{ String() string }) string {
	return strings.ToLower(strings.ReplaceAll(v.String(), "_", "-"))
}
