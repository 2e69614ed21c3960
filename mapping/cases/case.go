// Package cases is the case itself: a service's work on one referral, in plain
// words that a link worker's app reads without knowing FHIR, and the moves that
// it may make. Pure: no context, no I/O, no clock.
package cases

import (
	"encoding/json"
	"strings"
	"time"

	"caselink.example/fhir"
)

// Case is the service's work on one referral. Its JSON is what the case API shows.
// The case holds what a link worker needs to ring someone; the referral as it came
// stays with its ServiceRequest.
type Case struct {
	ID           string    `json:"id"`      // UUID
	Version      int       `json:"version"` // counts the moves; If-Match guards it
	Status       State     `json:"status"`
	StatusReason *Reason   `json:"statusReason,omitempty"` // why the last move was made
	StatusSince  time.Time `json:"statusSince"`
	Service      *Party    `json:"service"` // who works it; null while no service is known
	Referral     Origin    `json:"referral"`
	ReceivedAt   time.Time `json:"receivedAt"`
	UpdatedAt    time.Time `json:"updatedAt"`
	Priority     Priority  `json:"priority"`
	Patient      Patient   `json:"patient"`
	Needs        []Need    `json:"needs"`
	Narrative    []string  `json:"narrative,omitempty"`    // the referrer's words
	Instructions string    `json:"instructions,omitempty"` // ServiceRequest.patientInstruction
	Risks        []Risk    `json:"risks,omitempty"`
	DoNotContact bool      `json:"doNotContact"`
	Referrer     Referrer  `json:"referrer"`
	Source       Source    `json:"source"`
	Consent      Consent   `json:"consent"`
	Clocks       Clocks    `json:"clocks"`
	Outcomes     []Outcome `json:"outcomes"`
	Warnings     []string  `json:"warnings,omitempty"` // what a person should look at in the referral
	Queries      []string  `json:"queries,omitempty"`  // why the case needs information
}

// Origin is where the case comes from.
type Origin struct {
	ID            string            `json:"id"`       // of the ServiceRequest
	Practice      *string           `json:"practice"` // ODS code; null when no practice is known
	Identifiers   []fhir.Identifier `json:"identifiers,omitempty"`
	GroupID       *fhir.Identifier  `json:"groupId,omitempty"`       // ServiceRequest.requisition
	AuthoredOn    string            `json:"authoredOn,omitempty"`    // as precise as it was sent
	Requested     []fhir.Coding     `json:"requested,omitempty"`     // ServiceRequest.code
	RequestedText string            `json:"requestedText,omitempty"` // the same in the referrer's words
}

// Party is an organisation or a service.
type Party struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

// Patient is the person to ring.
type Patient struct {
	NHSNumber          string            `json:"nhsNumber,omitempty"`   // ten digits
	TraceStatus        string            `json:"traceStatus,omitempty"` // England's verification code, such as 01
	Identifiers        []fhir.Identifier `json:"identifiers,omitempty"` // the sender's own
	Name               string            `json:"name,omitempty"`        // as one line
	Family             string            `json:"family,omitempty"`
	Given              []string          `json:"given,omitempty"`
	BirthDate          string            `json:"birthDate,omitempty"` // as precise as it was sent
	Gender             string            `json:"gender,omitempty"`
	Phones             []Phone           `json:"phones,omitempty"`
	Email              []string          `json:"email,omitempty"`
	Address            *Address          `json:"address,omitempty"`
	Language           string            `json:"language,omitempty"` // BCP 47
	Interpreter        bool              `json:"interpreter"`
	Deceased           bool              `json:"deceased,omitempty"`
	DeceasedOn         string            `json:"deceasedOn,omitempty"`         // as precise as it was sent
	RegisteredAt       string            `json:"registeredAt,omitempty"`       // ODS code of the registered practice
	Restricted         bool              `json:"restricted,omitempty"`         // a restricted record: address and contact details are not for every eye
	ContactPreferences []string          `json:"contactPreferences,omitempty"` // how and when the person likes to be reached, in words
}

// Phone is one way to ring the person; rank 1 is preferred.
type Phone struct {
	Number string `json:"number"`
	Use    string `json:"use,omitempty"`
	Rank   int    `json:"rank,omitempty"`
}

// Address is where the person lives, or that it is withheld.
type Address struct {
	Withheld bool     `json:"withheld,omitempty"`
	Lines    []string `json:"lines,omitempty"`
	City     string   `json:"city,omitempty"`
	District string   `json:"district,omitempty"`
	Postcode string   `json:"postcode,omitempty"`
}

// Need is one reason for the referral.
type Need struct {
	Category  string        `json:"category"` // such as loneliness-isolation
	Primary   bool          `json:"primary,omitempty"`
	Codes     []fhir.Coding `json:"codes,omitempty"` // as they came
	Text      string        `json:"text,omitempty"`
	Sensitive bool          `json:"sensitive,omitempty"` // such as domestic abuse: not for every eye
}

// Risk is something the referrer warned of.
type Risk struct {
	Text  string        `json:"text,omitempty"`
	Codes []fhir.Coding `json:"codes,omitempty"`
}

// Referrer is who sent the referral.
type Referrer struct {
	Name         string `json:"name,omitempty"`
	Role         string `json:"role,omitempty"`
	Organisation *Party `json:"organisation,omitempty"` // id is the ODS code
	Phone        string `json:"phone,omitempty"`
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

// Source is the kind of place that a referral comes from, as reports tell them apart.
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
	ToReferral  Agreement `json:"toReferral"`
	ToHold      Agreement `json:"toHold"`
	ToShareBack ShareBack `json:"toShareBack"`
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
	Received     time.Time  `json:"received"`
	Accepted     *time.Time `json:"accepted,omitempty"`
	FirstContact *time.Time `json:"firstContact,omitempty"` // first move to contacting
	Started      *time.Time `json:"started,omitempty"`      // first move to active
	Ended        *time.Time `json:"ended,omitempty"`
}

// Outcome is one set of answers to an instrument. Scores are what the instrument
// makes of them, or a supplier did, as exact decimals: the total of a PHQ-9, the
// metric score of a SWEMWBS. ONS4 has none.
type Outcome struct {
	ID         string                 `json:"id"` // UUID
	Version    int                    `json:"version"`
	Instrument string                 `json:"instrument"` // such as ons4
	Point      Point                  `json:"point"`
	Answers    map[string]int         `json:"answers"`
	Scores     map[string]json.Number `json:"scores,omitempty"`
	AnsweredAt time.Time              `json:"answeredAt"`
	RecordedAt time.Time              `json:"recordedAt"`
	RecordedBy Actor                  `json:"recordedBy"`
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
	ID           string `json:"id,omitempty"`
	Name         string `json:"name"`
	Role         string `json:"role,omitempty"`
	Organisation string `json:"organisation,omitempty"`
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
	Code string `json:"code,omitempty"`
	Text string `json:"text,omitempty"`
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
