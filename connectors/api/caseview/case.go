// Package caseview is the JSON in which a case is shown to people and programs that need
// not know FHIR: by the case API, by the operation $map and by the verb map. Its member
// names are promises to those who read them; the domain's names are not.
//
// A field that is new in the domain is shown, or left out by decision: a test fails until
// it is one of the two.
// docs/words.md defines case, need, state and move.
package caseview

import (
	"encoding/json"
	"time"

	"caselink.example/fhir"
	"caselink.example/mapping/cases"
)

// Case is a case in JSON. What its members mean is said at the fields of cases.Case.
type Case struct {
	ID           string         `json:"id"`
	Version      int            `json:"version"`
	Status       cases.State    `json:"status"`
	StatusReason *Reason        `json:"statusReason,omitempty"`
	StatusSince  time.Time      `json:"statusSince"`
	Service      *Party         `json:"service"`
	Referral     Origin         `json:"referral"`
	ReceivedAt   time.Time      `json:"receivedAt"`
	UpdatedAt    time.Time      `json:"updatedAt"`
	Priority     cases.Priority `json:"priority"`
	Patient      Patient        `json:"patient"`
	Needs        []Need         `json:"needs"`
	Narrative    []string       `json:"narrative,omitempty"`
	Instructions string         `json:"instructions,omitempty"`
	Risks        []Risk         `json:"risks,omitempty"`
	DoNotContact bool           `json:"doNotContact"`
	Referrer     Referrer       `json:"referrer"`
	Source       cases.Source   `json:"source"`
	Consent      Consent        `json:"consent"`
	Clocks       Clocks         `json:"clocks"`
	Outcomes     []Outcome      `json:"outcomes"`
	Warnings     []string       `json:"warnings,omitempty"`
	Queries      []string       `json:"queries,omitempty"`
}

// Of is the case in JSON.
func Of(c cases.Case) Case {
	return Case{
		ID: c.ID, Version: c.Version, Status: c.Status, StatusReason: (*Reason)(c.StatusReason), StatusSince: c.StatusSince,
		Service: (*Party)(c.Service), Referral: origin(c.Referral), ReceivedAt: c.ReceivedAt, UpdatedAt: c.UpdatedAt,
		Priority: c.Priority, Patient: patient(c.Patient), Needs: each(c.Needs, need), Narrative: c.Narrative, Instructions: c.Instructions,
		Risks: each(c.Risks, risk), DoNotContact: c.DoNotContact, Referrer: referrer(c.Referrer), Source: c.Source,
		Consent: Consent(c.Consent), Clocks: Clocks(c.Clocks), Outcomes: each(c.Outcomes, OfOutcome),
		Warnings: c.Warnings, Queries: c.Queries,
	}
}

// Identifier is a business identifier.
type Identifier struct {
	System string `json:"system,omitempty"`
	Value  string `json:"value"`
}

// Coding is a code of a code system.
type Coding struct {
	System  string `json:"system,omitempty"`
	Code    string `json:"code"`
	Display string `json:"display,omitempty"`
}

func identifier(i fhir.Identifier) Identifier { return Identifier(i) }

func coding(c fhir.Coding) Coding { return Coding(c) }

// Origin is where the case comes from.
type Origin struct {
	ID            string       `json:"id"`
	Practice      *string      `json:"practice"`
	Identifiers   []Identifier `json:"identifiers,omitempty"`
	GroupID       *Identifier  `json:"groupId,omitempty"`
	AuthoredOn    string       `json:"authoredOn,omitempty"`
	Requested     []Coding     `json:"requested,omitempty"`
	RequestedText string       `json:"requestedText,omitempty"`
}

func origin(o cases.Origin) Origin {
	return Origin{
		ID: o.ID, Practice: o.Practice, Identifiers: each(o.Identifiers, identifier), GroupID: (*Identifier)(o.GroupID),
		AuthoredOn: o.AuthoredOn, Requested: each(o.Requested, coding), RequestedText: o.RequestedText,
	}
}

// Party is an organisation or a service.
type Party struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

// Patient is the person to ring.
type Patient struct {
	NHSNumber          string       `json:"nhsNumber,omitempty"`
	TraceStatus        string       `json:"traceStatus,omitempty"`
	Identifiers        []Identifier `json:"identifiers,omitempty"`
	Name               string       `json:"name,omitempty"`
	Family             string       `json:"family,omitempty"`
	Given              []string     `json:"given,omitempty"`
	BirthDate          string       `json:"birthDate,omitempty"`
	Gender             string       `json:"gender,omitempty"`
	Phones             []Phone      `json:"phones,omitempty"`
	Email              []string     `json:"email,omitempty"`
	Address            *Address     `json:"address,omitempty"`
	Language           string       `json:"language,omitempty"`
	Interpreter        bool         `json:"interpreter"`
	Deceased           bool         `json:"deceased,omitempty"`
	DeceasedOn         string       `json:"deceasedOn,omitempty"`
	RegisteredAt       string       `json:"registeredAt,omitempty"`
	Restricted         bool         `json:"restricted,omitempty"`
	ContactPreferences []string     `json:"contactPreferences,omitempty"`
}

func patient(p cases.Patient) Patient {
	return Patient{
		NHSNumber: string(p.NHSNumber), TraceStatus: p.TraceStatus, Identifiers: each(p.Identifiers, identifier),
		Name: p.Name, Family: p.Family, Given: p.Given, BirthDate: p.BirthDate, Gender: p.Gender,
		Phones: each(p.Phones, phone), Email: p.Email, Address: (*Address)(p.Address), Language: p.Language, Interpreter: p.Interpreter,
		Deceased: p.Deceased, DeceasedOn: p.DeceasedOn, RegisteredAt: string(p.RegisteredAt), Restricted: p.Restricted,
		ContactPreferences: p.ContactPreferences,
	}
}

// Phone is one way to ring the person.
type Phone struct {
	Number string `json:"number"`
	Use    string `json:"use,omitempty"`
	Rank   int    `json:"rank,omitempty"`
}

func phone(p cases.Phone) Phone { return Phone(p) }

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
	Category  string   `json:"category"`
	Primary   bool     `json:"primary,omitempty"`
	Codes     []Coding `json:"codes,omitempty"`
	Text      string   `json:"text,omitempty"`
	Sensitive bool     `json:"sensitive,omitempty"`
}

func need(n cases.Need) Need {
	return Need{Category: n.Category, Primary: n.Primary, Codes: each(n.Codes, coding), Text: n.Text, Sensitive: n.Sensitive}
}

// Risk is something the referrer warned of.
type Risk struct {
	Text  string   `json:"text,omitempty"`
	Codes []Coding `json:"codes,omitempty"`
}

func risk(r cases.Risk) Risk { return Risk{Text: r.Text, Codes: each(r.Codes, coding)} }

// Referrer is who sent the referral.
type Referrer struct {
	Name         string `json:"name,omitempty"`
	Role         string `json:"role,omitempty"`
	Organisation *Party `json:"organisation,omitempty"`
	Phone        string `json:"phone,omitempty"`
}

func referrer(r cases.Referrer) Referrer {
	return Referrer{Name: r.Name, Role: r.Role, Organisation: (*Party)(r.Organisation), Phone: r.Phone}
}

// Consent is what the person has agreed to.
type Consent struct {
	ToReferral  cases.Agreement `json:"toReferral"`
	ToHold      cases.Agreement `json:"toHold"`
	ToShareBack cases.ShareBack `json:"toShareBack"`
}

// Clocks are the moments that waiting times are measured between.
type Clocks struct {
	Received     time.Time  `json:"received"`
	Accepted     *time.Time `json:"accepted,omitempty"`
	FirstContact *time.Time `json:"firstContact,omitempty"`
	Started      *time.Time `json:"started,omitempty"`
	Ended        *time.Time `json:"ended,omitempty"`
}

// Outcome is one set of answers to an instrument, and its scores.
type Outcome struct {
	ID         string                 `json:"id"`
	Version    int                    `json:"version"`
	Instrument string                 `json:"instrument"`
	Point      cases.Point            `json:"point"`
	Answers    map[string]int         `json:"answers"`
	Scores     map[string]json.Number `json:"scores,omitempty"`
	AnsweredAt time.Time              `json:"answeredAt"`
	RecordedAt time.Time              `json:"recordedAt"`
	RecordedBy Actor                  `json:"recordedBy"`
}

// OfOutcome is the outcome in JSON.
func OfOutcome(o cases.Outcome) Outcome {
	return Outcome{
		ID: o.ID, Version: o.Version, Instrument: o.Instrument, Point: o.Point, Answers: o.Answers, Scores: o.Scores,
		AnsweredAt: o.AnsweredAt, RecordedAt: o.RecordedAt, RecordedBy: Actor(o.RecordedBy),
	}
}

// Actor is the person who did something.
type Actor struct {
	ID           string `json:"id,omitempty"`
	Name         string `json:"name"`
	Role         string `json:"role,omitempty"`
	Organisation string `json:"organisation,omitempty"`
}

// Reason says why a move was made.
type Reason struct {
	Code string `json:"code,omitempty"`
	Text string `json:"text,omitempty"`
}

// each is the list with f done to each element; nil stays nil, for null is not [] to a reader.
func each[A, B any](list []A, f func(A) B) []B {
	if list == nil {
		return nil
	}
	out := make([]B, len(list))
	for i, a := range list {
		out[i] = f(a)
	}
	return out
}
