package cases

import (
	"slices"
	"strings"
	"time"

	"caselink.example/fhir"
)

// The life of a case:
//
//	received <---> needs-information          both ---> rejected
//	   |
//	   v
//	accepted ---> contacting ---> active <---> on-hold
//	   |  |           |            ^ |            ^ |
//	   |  +-----------|------------+-|------------+ |     accepted may skip contacting,
//	   |              +--------------|------------+ |     both may pause
//	   v                             v              v
//	   +-----------------------------+--------------+---> closed
//
// Until it ends, a case may be cancelled. Only rejected and cancelled do not lead to
// entered-in-error. What has ended never reopens: a re-referral is a new case.
var next = map[State][]State{
	Received:         {NeedsInformation, Accepted, Rejected, Cancelled, EnteredInError},
	NeedsInformation: {Received, Rejected, Cancelled, EnteredInError},
	Accepted:         {Contacting, Active, OnHold, Closed, Cancelled, EnteredInError},
	Contacting:       {Active, OnHold, Closed, Cancelled, EnteredInError},
	Active:           {OnHold, Closed, Cancelled, EnteredInError},
	OnHold:           {Active, Closed, Cancelled, EnteredInError},
	Rejected:         {},
	Closed:           {EnteredInError},
	Cancelled:        {},
	EnteredInError:   {},
}

// Known reports whether the state is one of a case's.
func (s State) Known() bool { _, ok := next[s]; return ok }

// Terminal reports whether the service's work is over.
func (s State) Terminal() bool {
	return s == Rejected || s == Closed || s == Cancelled || s == EnteredInError
}

// Moves are the states that a case may go to next; empty when it may go nowhere.
func Moves(from State) []State { return slices.Clone(next[from]) }

// Move is one step of a case, and who makes it.
type Move struct {
	To     State
	Reason *Reason
	Actor  Actor
}

// Move returns the case after the move, and leaves c as it was. It reports every
// fault of the move: fhir.IssueConflict for one that the state does not allow, with
// those that it does; fhir.IssueValue for an unknown state or a reason code that is
// not one of those for m.To; fhir.IssueRequired for an actor without a name, or a
// rejection without a reason.
func (c Case) Move(m Move, now time.Time) (Case, error) {
	if err := m.faults(c).OrNil(); err != nil {
		return c, err
	}
	from := c.Status

	// The version counts moves and nothing else: a person who decided on an older case must
	// learn that it has moved, and must not be stopped by an outcome recorded meanwhile.
	c.Version++
	c.Status, c.StatusSince, c.UpdatedAt = m.To, now, now

	// c shares its pointers and lists with the case before: each is replaced, none changed.
	c.StatusReason = m.Reason.clone()
	c.Queries = queries(c.Queries, from, m)
	c.Clocks = c.Clocks.after(m.To, now)
	return c, nil
}

// queries are answered when the case goes back to received; a person who holds a
// case asks in the words of the reason.
func queries(asked []string, from State, m Move) []string {
	switch {
	case from == NeedsInformation && m.To == Received:
		return nil
	case m.To == NeedsInformation && m.Reason != nil && m.Reason.Text != "":
		return append(slices.Clone(asked), m.Reason.Text)
	}
	return asked
}

// after starts and stops the clocks that the move to the state concerns, each once.
func (k Clocks) after(to State, now time.Time) Clocks {
	start := func(clock **time.Time) {
		// A case that was on hold is active again: the wait ended the first time.
		if *clock == nil {
			*clock = &now
		}
	}
	switch to {
	case Accepted:
		start(&k.Accepted)
	case Contacting:
		start(&k.FirstContact)
	case Active:
		start(&k.Started)
	case Rejected, Closed, Cancelled, EnteredInError:
		start(&k.Ended)
	}
	return k
}

func (m Move) faults(c Case) fhir.Errors {
	var es fhir.Errors
	if err := m.Actor.Check(); err != nil {
		es = fhir.ErrorsOf(err)
	}
	// A reason belongs to the state that a move goes to: of a move that cannot be made its
	// faults would mislead.
	switch {
	case !m.To.Known():
		es = append(es, fhir.Errorf(fhir.IssueValue, "no such state; the states are %s", StateList()).At("to"))
	case !slices.Contains(next[c.Status], m.To):
		es = append(es, illegal(c.Status, m.To))
	default:
		es = append(es, m.Reason.faults(m.To)...)
	}
	return es
}

func illegal(from, to State) *fhir.Error {
	legal := next[from]
	if len(legal) == 0 {
		return fhir.Errorf(fhir.IssueConflict,
			"a case that is %s moves no more; a re-referral is a new ServiceRequest with its own identifier", from).At("to")
	}
	return fhir.Errorf(fhir.IssueConflict,
		"a case that is %s cannot become %s; it may become %s", from, to, list(legal)).At("to")
}

// States are all states, in the order of a case's life.
func States() []State {
	return []State{
		Received, NeedsInformation, Rejected, Accepted, Contacting, Active, OnHold, Closed, Cancelled, EnteredInError,
	}
}

// StateList is all states as a message lists them.
func StateList() string { return list(States()) }

func list[S ~string](words []S) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = string(w)
	}
	return strings.Join(texts, ", ")
}
