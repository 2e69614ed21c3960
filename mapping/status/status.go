// Package status reports to the practice how far a case is: the case as a FHIR Task, a
// pure function of the case and of the event that is reported. What case, practice and owed
// mean here: docs/words.md.
//
// Task: https://hl7.org/fhir/R4/task.html
package status

import (
	"strings"
	"time"

	cpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/codes_go_proto"
	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	tpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/task_go_proto"
	vspb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/valuesets_go_proto"

	"caselink.example/fhir"
	"caselink.example/fhir/nhs"
	"caselink.example/fhir/r4"
	"caselink.example/mapping/cases"
)

// Systems of the Task's codes that Caselink owns, and FHIR's own of its code.
const (
	SystemStatus     = fhir.Canonical + "/CodeSystem/case-status" // businessStatus: the states of a case
	SystemReason     = fhir.Canonical + "/CodeSystem/case-reason" // statusReason: cases.ReasonFor
	SystemInstrument = fhir.Canonical + "/CodeSystem/instrument"  // output.type: the instrument that was answered
	systemTaskCode   = "http://hl7.org/fhir/CodeSystem/task-code" // https://hl7.org/fhir/R4/codesystem-task-code.html
)

// Input is what a Task is made of.
type Input struct {
	Case      cases.Case
	ID        string    // of the Task; one for the whole life of the referral
	EventID   string    // of the event that is reported: see cases.EventID
	Seq       int       // the event's number within the referral, from 1
	At        time.Time // when the event happened
	Base      string    // absolute URL of Caselink's FHIR API, without a slash at the end
	Outputs   []Output  // the scores recorded so far, oldest first
	CodedOnly bool      // the person agreed to codes but not to words: no free text
}

// Output is one score that the case has produced.
type Output struct {
	ObservationID string
	Identifier    fhir.Identifier // of the Observation, across corrections
	Instrument    string          // such as ons4
}

// Task is the Task that reports the event to the practice. ok is false when nothing
// names the person to the practice: the Task is then without a patient, and what is
// owed waits for a person to decide.
func Task(in Input) (task *tpb.Task, ok bool) {
	c := in.Case

	// The reference to the person is a logical one: no id of Caselink's means anything there.
	id, named := c.Patient.Identifier()

	task = &tpb.Task{
		Id:             &dtpb.Id{Value: in.ID},
		Identifier:     identifiers(in),
		Status:         &tpb.Task_StatusCode{Value: code(c)},
		BusinessStatus: r4.Concept("", fhir.Coding{System: SystemStatus, Code: string(c.Status), Display: displays[c.Status]}),
		StatusReason:   reason(c, in.CodedOnly),
		Intent:         &tpb.Task_IntentCode{Value: vspb.TaskIntentValueSet_ORDER},
		Priority:       &tpb.Task_PriorityCode{Value: priorities[c.Priority]},
		Code:           r4.Concept("", fhir.Coding{System: systemTaskCode, Code: "fulfill", Display: "Fulfill the focal request"}),
		Focus:          r4.ReferenceTo(in.Base+"/ServiceRequest/"+c.Referral.ID, "ServiceRequest", c.Referral.Identifiers...),
		ForValue:       r4.Logical(id, "Patient"),
		AuthoredOn:     r4.DateTime(c.ReceivedAt),
		LastModified:   r4.DateTime(in.At),
		Requester:      requester(c.Referral),
		Owner:          owner(c.Service),
		Output:         outputs(in.Outputs),
	}
	if group := c.Referral.GroupID; group != nil {
		task.GroupIdentifier = r4.Identifier(*group)
	}
	return task, named
}

// identifiers name the case, for ever, and the event, on every attempt to send it.
func identifiers(in Input) []*dtpb.Identifier {
	return []*dtpb.Identifier{
		r4.Identifier(fhir.Identifier{System: fhir.SystemCase, Value: in.Case.ID}),
		r4.Identifier(fhir.Identifier{System: fhir.SystemEvent, Value: in.EventID}),
	}
}

// code is the Task's status for the state of the case. A Task is requested until a
// service has taken it on; a closed case completes it only when something was
// delivered: see cases.Delivered.
func code(c cases.Case) cpb.TaskStatusCode_Value {
	// Completed says to the practice that the person was helped.
	if c.Status == cases.Closed && !cases.Delivered(c) {
		return cpb.TaskStatusCode_CANCELLED
	}
	return statuses[c.Status]
}

var statuses = map[cases.State]cpb.TaskStatusCode_Value{
	cases.Received:         cpb.TaskStatusCode_REQUESTED,
	cases.NeedsInformation: cpb.TaskStatusCode_REQUESTED,
	cases.Rejected:         cpb.TaskStatusCode_REJECTED,
	cases.Accepted:         cpb.TaskStatusCode_ACCEPTED,
	cases.Contacting:       cpb.TaskStatusCode_ACCEPTED,
	cases.Active:           cpb.TaskStatusCode_IN_PROGRESS,
	cases.OnHold:           cpb.TaskStatusCode_ON_HOLD,
	cases.Closed:           cpb.TaskStatusCode_COMPLETED,
	cases.Cancelled:        cpb.TaskStatusCode_CANCELLED,
	cases.EnteredInError:   cpb.TaskStatusCode_ENTERED_IN_ERROR,
}

var displays = map[cases.State]string{
	cases.Received:         "Received",
	cases.NeedsInformation: "Needs information",
	cases.Rejected:         "Rejected",
	cases.Accepted:         "Accepted, waiting",
	cases.Contacting:       "Trying to reach the person",
	cases.Active:           "Active",
	cases.OnHold:           "On hold",
	cases.Closed:           "Closed",
	cases.Cancelled:        "Cancelled",
	cases.EnteredInError:   "Entered in error",
}

// priorities are the codes of ServiceRequest.priority; without one a case is routine.
var priorities = map[cases.Priority]cpb.RequestPriorityCode_Value{
	"":            cpb.RequestPriorityCode_ROUTINE,
	cases.Routine: cpb.RequestPriorityCode_ROUTINE,
	cases.Urgent:  cpb.RequestPriorityCode_URGENT,
	cases.ASAP:    cpb.RequestPriorityCode_ASAP,
	cases.Stat:    cpb.RequestPriorityCode_STAT,
}

// reason is why the last move was made, as codes and in words. A held case without a
// reason of its own gives the open questions.
func reason(c cases.Case, codedOnly bool) *dtpb.CodeableConcept {
	var codings []fhir.Coding
	text := ""

	// The SNOMED CT concept goes beside Caselink's own code, not in its place: it is what a GP
	// record can file, and it says less.
	if r := c.StatusReason; r != nil {
		text = r.Text
		if known, ok := cases.ReasonFor(c.Status, r.Code); ok {
			codings = append(codings, fhir.Coding{System: SystemReason, Code: known.Code, Display: known.Display})
			if known.SNOMED != "" {
				codings = append(codings, fhir.Coding{System: nhs.SystemSNOMED, Code: known.SNOMED})
			}
			if text == "" {
				text = known.Display
			}
		}
	} else if c.Status == cases.NeedsInformation {
		text = strings.Join(c.Queries, " ")
	}

	// Last, so that no words slip in by another way; the code's own display stays, for it is
	// nobody's words.
	if codedOnly {
		text = ""
	}
	if text == "" && len(codings) == 0 {
		return nil
	}
	return r4.Concept(text, codings...)
}

func requester(r cases.Origin) *dtpb.Reference {
	if r.Practice == nil {
		return nil
	}
	return r4.Logical(fhir.Identifier{System: nhs.SystemODS, Value: *r.Practice}, "Organization")
}

// owner is the service, by its ODS code when its id is one.
func owner(service *cases.Party) *dtpb.Reference {
	if service == nil {
		return nil
	}
	// The operator names services freely, often by their ODS code. A name that a parser would
	// have to mend, such as one in small letters, is none.
	id := fhir.Identifier{System: fhir.SystemService, Value: service.ID}
	if code, err := nhs.ParseODSCode(service.ID); err == nil && string(code) == service.ID {
		id.System = nhs.SystemODS
	}
	ref := r4.Logical(id, "Organization")
	if ref != nil && service.Name != "" {
		ref.Display = &dtpb.String{Value: service.Name}
	}
	return ref
}

func outputs(scores []Output) []*tpb.Task_Output {
	var out []*tpb.Task_Output
	for _, s := range scores {
		// Relative: in the GP system the Observation has the id that it was sent with. Where it
		// has not, the identifier finds it, across corrections.
		out = append(out, &tpb.Task_Output{
			Type: r4.Concept("", fhir.Coding{System: SystemInstrument, Code: s.Instrument}),
			Value: &tpb.Task_Output_ValueX{Choice: &tpb.Task_Output_ValueX_Reference{
				Reference: r4.ReferenceTo("Observation/"+s.ObservationID, "Observation", s.Identifier),
			}},
		})
	}
	return out
}
