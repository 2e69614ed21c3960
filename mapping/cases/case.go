// Package cases is the case itself: a service's work on one referral, in plain
// words that a link worker's app reads without knowing FHIR, and the moves that
// it may make. Pure: no context, no I/O, no clock.
//
// docs/words.md defines case, referral, service and outcome.
package cases

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"caselink.example/fhir"
	"caselink.example/fhir/nhs"
)

// Case is the service's work on one referral: what a link worker needs to ring someone.
// The referral as it came stays with its ServiceRequest. This is the domain's value; how
// a case is shown and how it is stored are shapes of their own, elsewhere.
type Case struct {
	ID           string // UUID
	Version      int    // counts the moves; If-Match guards it
	Status       State
	StatusReason *Reason // why the last move was made
	StatusSince  time.Time
	Service      *Party // who works it; null while no service is known
	Referral     Origin
	ReceivedAt   time.Time
	UpdatedAt    time.Time
	Priority     Priority
	Patient      Patient
	Needs        []Need
	Narrative    []string // the referrer's words
	Instructions string   // ServiceRequest.patientInstruction
	Risks        []Risk
	DoNotContact bool
	Referrer     Referrer
	Source       Source
	Consent      Consent
	Clocks       Clocks
	Outcomes     []Outcome
	Warnings     []string // what a person should look at in the referral
	Queries      []string // why the case needs information
}

// Origin is where the case comes from.
type Origin struct {
	ID            string  // of the ServiceRequest
	Practice      *string // ODS code; null when no practice is known
	Identifiers   []fhir.Identifier
	GroupID       *fhir.Identifier // ServiceRequest.requisition
	AuthoredOn    string           // as precise as it was sent
	Requested     []fhir.Coding    // ServiceRequest.code
	RequestedText string           // the same in the referrer's words
}

// Party is an organisation or a service.
type Party struct {
	ID   string
	Name string
}

// Patient is the person to ring.
type Patient struct {
	NHSNumber          nhs.Number        // "" when none came
	TraceStatus        string            // England's verification code, such as 01
	Identifiers        []fhir.Identifier // the sender's own
	Name               string            // as one line
	Family             string
	Given              []string
	BirthDate          string // as precise as it was sent
	Gender             string
	Phones             []Phone
	Email              []string
	Address            *Address
	Language           string // BCP 47
	Interpreter        bool
	Deceased           bool
	DeceasedOn         string      // as precise as it was sent
	RegisteredAt       nhs.ODSCode // of the registered practice; "" when not said
	Restricted         bool        // a restricted record: address and contact details are not for every eye
	ContactPreferences []string    // how and when the person likes to be reached, in words
}

// Phone is one way to ring the person; rank 1 is preferred.
type Phone struct {
	Number string
	Use    string
	Rank   int
}

// Address is where the person lives, or that it is withheld.
type Address struct {
	Withheld bool
	Lines    []string
	City     string
	District string
	Postcode string
}

// Need is one reason for the referral.
type Need struct {
	Category  string // such as loneliness-isolation
	Primary   bool
	Codes     []fhir.Coding // as they came
	Text      string
	Sensitive bool // such as domestic abuse: not for every eye
}

// Risk is something the referrer warned of.
type Risk struct {
	Text  string
	Codes []fhir.Coding
}

// Referrer is who sent the referral.
type Referrer struct {
	Name         string
	Role         string
	Organisation *Party // id is the ODS code
	Phone        string
}

// Priority says how soon the referrer wants it: the codes of ServiceRequest.priority.
// https://hl7.org/fhir/R4/valueset-request-priority.html
type Priority string

// The priorities. A referral that names none is routine.
const (
	Routine Priority = "routine"
	Urgent  Priority = "urgent"
	ASAP    Priority = "asap"
	Stat    Priority = "stat"
)

// Source is the kind of place that a referral comes from, as reports distinguish them.
type Source string

// The sources.
const (
	SourceGP           Source = "gp"
	SourcePrimaryCare  Source = "phct" // the primary health care team around the GP
	SourceSelf         Source = "self"
	SourceVoluntary    Source = "vcse" // voluntary, community and social enterprise
	SourceSocialCare   Source = "social-care"
	SourceHospital     Source = "hospital"
	SourcePharmacy     Source = "pharmacy"
	SourceFamilyCarer  Source = "family-carer"
	SourceSomebodyElse Source = "other"
)

// Consent is what the person has agreed to, as three switches.
type Consent struct {
	ToReferral  Agreement
	ToHold      Agreement
	ToShareBack ShareBack
}

// Agreement is a switch of the person's consent.
type Agreement string

// The agreements.
const (
	Agreed    Agreement = "yes"
	Refused   Agreement = "no"
	NotStated Agreement = "not-stated"
)

// ShareBack is how much of the case the person lets the practice hear of.
type ShareBack string

// The ways to share back.
const (
	ShareFull      ShareBack = "full"
	ShareCodedOnly ShareBack = "coded-only" // status and scores, no words
	ShareNone      ShareBack = "none"
	ShareNotStated ShareBack = "not-stated"
)

// Clocks are the moments that waiting times are measured between.
type Clocks struct {
	Received     time.Time
	Accepted     *time.Time
	FirstContact *time.Time // first move to contacting
	Started      *time.Time // first move to active
	Ended        *time.Time
}

// Outcome is one set of answers to an instrument. Scores are what the instrument
// makes of them, or a supplier did, as exact decimals: the total of a PHQ-9, the
// metric score of a SWEMWBS. ONS4 has none.
type Outcome struct {
	ID         string // UUID
	Version    int
	Instrument string // such as ons4
	Point      Point
	Answers    map[string]int
	Scores     map[string]json.Number
	AnsweredAt time.Time
	RecordedAt time.Time
	RecordedBy Actor
}

// WithOutcome returns the case with the outcome, which takes the place of an earlier
// version of the same record. Version counts moves, so it stays.
func (c Case) WithOutcome(o Outcome) Case {
	c.Outcomes = slices.Clone(c.Outcomes)
	c.UpdatedAt = o.RecordedAt
	if i := slices.IndexFunc(c.Outcomes, func(x Outcome) bool { return x.ID == o.ID }); i >= 0 {
		c.Outcomes[i] = o
		return c
	}
	c.Outcomes = append(c.Outcomes, o)
	return c
}

// Point is when in a case an instrument is answered.
type Point string

// The points.
const (
	Baseline Point = "baseline"
	Interim  Point = "interim"
	Final    Point = "final"
	FollowUp Point = "follow-up"
)

// Points are all points, in the order of a case's life.
func Points() []Point { return []Point{Baseline, Interim, Final, FollowUp} }

// Actor is the person who did something. Only the name must be known.
type Actor struct {
	ID           string
	Name         string
	Role         string
	Organisation string
}

// Check refuses an actor without a name, by fhir.IssueRequired at actor.name.
func (a Actor) Check() error {
	if strings.TrimSpace(a.Name) == "" {
		return fhir.Errorf(fhir.IssueRequired, "every write names who makes it; give the person's name").At("actor.name")
	}
	return nil
}

// Reason says why a move was made: a code of the list for the state, words, or both.
type Reason struct {
	Code string
	Text string
}

// State is how far a case is. The states and the moves between them are in moves.go.
type State string

// The states of a case.
const (
	Received         State = "received"          // stored and acknowledged, not yet triaged
	NeedsInformation State = "needs-information" // held: something is missing or contradicts itself
	Rejected         State = "rejected"          // not accepted, before any work
	Accepted         State = "accepted"          // on the caseload, the person not yet reached
	Contacting       State = "contacting"        // attempts to reach the person are under way
	Active           State = "active"            // the person is engaged
	OnHold           State = "on-hold"           // paused
	Closed           State = "closed"            // finished
	Cancelled        State = "cancelled"         // withdrawn by the requester or the person
	EnteredInError   State = "entered-in-error"  // should never have been; kept for audit, not counted
)
