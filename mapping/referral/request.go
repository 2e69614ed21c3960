package referral

import (
	cpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/codes_go_proto"
	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	srpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/service_request_go_proto"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/terminology"
)

// request reads which referral this is, what it asks for, whether it may be acted on, and
// how soon.
func (a *account) request(sr *srpb.ServiceRequest, terms terminology.Map) (cases.Origin, cases.Priority) {
	var origin cases.Origin
	for _, id := range sr.GetIdentifier() {
		if out, ok := a.identifier("referral.identifiers", id); ok {
			origin.Identifiers = append(origin.Identifiers, out)
		}
	}
	if id, ok := a.identifier("referral.groupId", sr.GetRequisition()); ok {
		origin.GroupID = &id
	}
	if origin.AuthoredOn = r4.Text(sr.GetAuthoredOn()); origin.AuthoredOn != "" {
		a.mapped("referral.authoredOn", sr.GetAuthoredOn())
	}
	a.status(sr.GetStatus())
	a.intent(sr.GetIntent())
	priority := a.priority(sr.GetPriority())
	origin.Requested, origin.RequestedText = a.requested(sr.GetCode(), terms)
	return origin, priority
}

// status: only an active referral is acted on at once. A first referral that is
// already over is refused.
func (a *account) status(status *srpb.ServiceRequest_StatusCode) {
	a.mapped("status", status)
	switch s := status.GetValue(); s {
	case cpb.RequestStatusCode_ACTIVE, cpb.RequestStatusCode_INVALID_UNINITIALIZED:
	case cpb.RequestStatusCode_DRAFT, cpb.RequestStatusCode_ON_HOLD, cpb.RequestStatusCode_UNKNOWN:
		// Refusing these would lose people whose practice sends its first draft too early.
		a.ask(status, "The referral's status is "+code(s)+": may the service act on it now?")
	default:
		a.refuse(status, fhir.Errorf(fhir.IssueBusinessRule,
			"a new referral is not %s; send it with status active, or change the referral that is meant by PUT", code(s)))
	}
}

// intent: an order of any kind is an order, and so is the plan that BaRS sends.
func (a *account) intent(intent *srpb.ServiceRequest_IntentCode) {
	a.mapped("status", intent)
	switch i := intent.GetValue(); i {
	case cpb.RequestIntentCode_ORDER, cpb.RequestIntentCode_ORIGINAL_ORDER, cpb.RequestIntentCode_INSTANCE_ORDER,
		cpb.RequestIntentCode_PLAN, cpb.RequestIntentCode_INVALID_UNINITIALIZED:
	default:
		a.ask(intent, "The referral's intent is "+code(i)+", not order: is the service asked to act?")
	}
}

func (a *account) priority(priority *srpb.ServiceRequest_PriorityCode) cases.Priority {
	a.mapped("priority", priority)
	p := priority.GetValue()
	if p == cpb.RequestPriorityCode_INVALID_UNINITIALIZED {
		return cases.Routine // what R4 says of a request without a priority
	}
	if p == cpb.RequestPriorityCode_STAT || p == cpb.RequestPriorityCode_ASAP {
		// Taken all the same: a refusal could leave the person with nobody at all.
		a.warn(priority, fhir.IssueBusinessRule,
			"Social prescribing is not an emergency service: nobody may see this referral today. In an emergency, call 999 or 111.")
	}
	return cases.Priority(code(p))
}

// requested is the kind of service. What is clearly another's, or not said, is asked
// about; a code that the tables do not know is looked at by a person.
func (a *account) requested(concept *dtpb.CodeableConcept, terms terminology.Map) (codings []fhir.Coding, text string) {
	codings, text = a.codings("referral.requested", concept.GetCoding()), concept.GetText().GetValue()
	a.mapped("referral.requestedText", concept.GetText())
	a.damaged(concept, codings, terms)

	switch asked := terms.Requested(codings); {
	case asked == terminology.RequestSocialPrescribing:
	case asked == terminology.RequestOther:
		a.ask(concept, "The referral's code is another service's: is social prescribing meant?")
	case asked == terminology.RequestDeclined:
		a.ask(concept, "The referral's code says that the person declined social prescribing: is it meant?")
	case len(codings) == 0 && text == "":
		a.ask(nil, "The referral does not say what is asked for: is social prescribing meant?")
	default:
		// Practices have local codes, and no table will ever know them all: it is not held.
		a.warn(concept, fhir.IssueCodeInvalid,
			"The referral's code is not one that is known for social prescribing: check that it is meant.")
	}
	return codings, text
}

// instructions are what the referrer wrote for the person.
func (a *account) instructions(sr *srpb.ServiceRequest) string {
	text := sr.GetPatientInstruction()
	if text.GetValue() != "" {
		a.mapped("instructions", text)
	}
	return text.GetValue()
}
