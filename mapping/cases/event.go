package cases

import (
	"strconv"
	"time"

	"github.com/google/uuid"

	"caselink.example/fhir"
)

// Event is one thing that happened to a case.
type Event struct {
	Seq        int // number within the referral, from 1, without gaps
	Kind       EventKind
	From, To   State // From is "" for the first event
	Reason     *Reason
	Actor      Actor
	OutcomeID  string // EventOutcome only
	OccurredAt time.Time
}

// EventKind says what happened.
type EventKind string

// The kinds of event.
const (
	EventReceived EventKind = "received"
	EventMoved    EventKind = "moved"
	EventOutcome  EventKind = "outcome-recorded"
)

// StoredEvent is an event as the history of a case lists it.
type StoredEvent struct {
	Event
	Case      string // id of the case
	Position  *int64 // in the feed of all events; nil until the event is numbered there
	RequestID string // X-Request-Id of the request that made it happen
}

// eventSpace is the namespace of event ids.
var eventSpace = uuid.NewSHA1(uuid.NameSpaceURL, []byte(fhir.SystemEvent))

// EventID is the UUIDv5 of one event of a referral: the same on every attempt to
// send it. seq counts the referral's events from 1.
func EventID(referralID string, seq int) string {
	return uuid.NewSHA1(eventSpace, []byte(referralID+"/"+strconv.Itoa(seq))).String()
}
