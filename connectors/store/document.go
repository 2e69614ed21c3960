package store

import (
	"encoding/json"
	"fmt"
	"time"

	"caselink.example/fhir"
	"caselink.example/fhir/nhs"
	"caselink.example/mapping/cases"
)

// documentVersion is the version of caseDocument that this program writes. It counts up in
// a release that changes the document, if only by one member: a program that does not know
// the member would lose it when it writes the case anew. Its golden file in testdata then
// stands beside the earlier ones, which every later program must read.
//
//	0 has no number: the members of version 1 without schema
//	1 has the number
const documentVersion = 1

// caseDocument is a case as the column doc keeps it. Its member names are in every
// database there is: a field of the domain may be renamed, a tag here may not. Struct
// conversions between the two compile only while both have the same fields.
type caseDocument struct {
	Schema       int               `json:"schema,omitempty"`
	ID           string            `json:"id"`
	Version      int               `json:"version"`
	Status       cases.State       `json:"status"`
	StatusReason *reasonDocument   `json:"statusReason,omitempty"`
	StatusSince  time.Time         `json:"statusSince"`
	Service      *partyDocument    `json:"service"`
	Referral     originDocument    `json:"referral"`
	ReceivedAt   time.Time         `json:"receivedAt"`
	UpdatedAt    time.Time         `json:"updatedAt"`
	Priority     cases.Priority    `json:"priority"`
	Patient      patientDocument   `json:"patient"`
	Needs        []needDocument    `json:"needs"`
	Narrative    []string          `json:"narrative,omitempty"`
	Instructions string            `json:"instructions,omitempty"`
	Risks        []riskDocument    `json:"risks,omitempty"`
	DoNotContact bool              `json:"doNotContact"`
	Referrer     referrerDocument  `json:"referrer"`
	Source       cases.Source      `json:"source"`
	Consent      consentDocument   `json:"consent"`
	Clocks       clocksDocument    `json:"clocks"`
	Outcomes     []outcomeDocument `json:"outcomes"`
	Warnings     []string          `json:"warnings,omitempty"`
	Queries      []string          `json:"queries,omitempty"`
}

type (
	identifierDocument struct {
		System string `json:"system,omitempty"`
		Value  string `json:"value"`
	}
	codingDocument struct {
		System  string `json:"system,omitempty"`
		Code    string `json:"code"`
		Display string `json:"display,omitempty"`
	}
	reasonDocument struct {
		Code string `json:"code,omitempty"`
		Text string `json:"text,omitempty"`
	}
	partyDocument struct {
		ID   string `json:"id"`
		Name string `json:"name,omitempty"`
	}
	originDocument struct {
		ID            string               `json:"id"`
		Practice      *string              `json:"practice"`
		Identifiers   []identifierDocument `json:"identifiers,omitempty"`
		GroupID       *identifierDocument  `json:"groupId,omitempty"`
		AuthoredOn    string               `json:"authoredOn,omitempty"`
		Requested     []codingDocument     `json:"requested,omitempty"`
		RequestedText string               `json:"requestedText,omitempty"`
	}
	patientDocument struct {
		NHSNumber          string               `json:"nhsNumber,omitempty"`
		TraceStatus        string               `json:"traceStatus,omitempty"`
		Identifiers        []identifierDocument `json:"identifiers,omitempty"`
		Name               string               `json:"name,omitempty"`
		Family             string               `json:"family,omitempty"`
		Given              []string             `json:"given,omitempty"`
		BirthDate          string               `json:"birthDate,omitempty"`
		Gender             string               `json:"gender,omitempty"`
		Phones             []phoneDocument      `json:"phones,omitempty"`
		Email              []string             `json:"email,omitempty"`
		Address            *addressDocument     `json:"address,omitempty"`
		Language           string               `json:"language,omitempty"`
		Interpreter        bool                 `json:"interpreter"`
		Deceased           bool                 `json:"deceased,omitempty"`
		DeceasedOn         string               `json:"deceasedOn,omitempty"`
		RegisteredAt       string               `json:"registeredAt,omitempty"`
		Restricted         bool                 `json:"restricted,omitempty"`
		ContactPreferences []string             `json:"contactPreferences,omitempty"`
	}
	phoneDocument struct {
		Number string `json:"number"`
		Use    string `json:"use,omitempty"`
		Rank   int    `json:"rank,omitempty"`
	}
	addressDocument struct {
		Withheld bool     `json:"withheld,omitempty"`
		Lines    []string `json:"lines,omitempty"`
		City     string   `json:"city,omitempty"`
		District string   `json:"district,omitempty"`
		Postcode string   `json:"postcode,omitempty"`
	}
	needDocument struct {
		Category  string           `json:"category"`
		Primary   bool             `json:"primary,omitempty"`
		Codes     []codingDocument `json:"codes,omitempty"`
		Text      string           `json:"text,omitempty"`
		Sensitive bool             `json:"sensitive,omitempty"`
	}
	riskDocument struct {
		Text  string           `json:"text,omitempty"`
		Codes []codingDocument `json:"codes,omitempty"`
	}
	referrerDocument struct {
		Name         string         `json:"name,omitempty"`
		Role         string         `json:"role,omitempty"`
		Organisation *partyDocument `json:"organisation,omitempty"`
		Phone        string         `json:"phone,omitempty"`
	}
	consentDocument struct {
		ToReferral  cases.Agreement `json:"toReferral"`
		ToHold      cases.Agreement `json:"toHold"`
		ToShareBack cases.ShareBack `json:"toShareBack"`
	}
	clocksDocument struct {
		Received     time.Time  `json:"received"`
		Accepted     *time.Time `json:"accepted,omitempty"`
		FirstContact *time.Time `json:"firstContact,omitempty"`
		Started      *time.Time `json:"started,omitempty"`
		Ended        *time.Time `json:"ended,omitempty"`
	}
	outcomeDocument struct {
		ID         string                 `json:"id"`
		Version    int                    `json:"version"`
		Instrument string                 `json:"instrument"`
		Point      cases.Point            `json:"point"`
		Answers    map[string]int         `json:"answers"`
		Scores     map[string]json.Number `json:"scores,omitempty"`
		AnsweredAt time.Time              `json:"answeredAt"`
		RecordedAt time.Time              `json:"recordedAt"`
		RecordedBy actorDocument          `json:"recordedBy"`
	}
	actorDocument struct { // also the column events.actor
		ID           string `json:"id,omitempty"`
		Name         string `json:"name"`
		Role         string `json:"role,omitempty"`
		Organisation string `json:"organisation,omitempty"`
	}
)

// encodeCase writes the case as a document of documentVersion.
func encodeCase(c cases.Case) ([]byte, error) {
	raw, err := json.Marshal(documentOf(c))
	if err != nil {
		return nil, fmt.Errorf("write the case's document: %w", err)
	}
	return raw, nil
}

// decodeCase reads a document of any version up to documentVersion. A later one is
// fhir.IssueTransient, bytes that are none fhir.IssueException.
func decodeCase(raw []byte) (cases.Case, error) {
	var d caseDocument
	if err := json.Unmarshal(raw, &d); err != nil {
		return cases.Case{}, fhir.Errorf(fhir.IssueException, "internal error").Because(fmt.Errorf("read the case's document: %w", err))
	}

	// The next move writes the whole document anew: members that this program does not
	// know would be lost with it. A process of the newer release can answer meanwhile.
	if d.Schema > documentVersion {
		return cases.Case{}, fhir.Errorf(fhir.IssueTransient, "a newer release has stored this case: repeat the identical request").
			Because(fmt.Errorf("the case's document has version %d, this program knows %d", d.Schema, documentVersion))
	}
	return d.domain(), nil
}

func documentOf(c cases.Case) caseDocument {
	return caseDocument{
		Schema: documentVersion,
		ID:     c.ID, Version: c.Version, Status: c.Status, StatusReason: (*reasonDocument)(c.StatusReason), StatusSince: c.StatusSince,
		Service: (*partyDocument)(c.Service),
		Referral: originDocument{
			ID: c.Referral.ID, Practice: c.Referral.Practice, Identifiers: each(c.Referral.Identifiers, identifierTo),
			GroupID: (*identifierDocument)(c.Referral.GroupID), AuthoredOn: c.Referral.AuthoredOn,
			Requested: each(c.Referral.Requested, codingTo), RequestedText: c.Referral.RequestedText,
		},
		ReceivedAt: c.ReceivedAt, UpdatedAt: c.UpdatedAt, Priority: c.Priority, Patient: patientTo(c.Patient),
		Needs: each(c.Needs, func(n cases.Need) needDocument {
			return needDocument{
				Category: n.Category, Primary: n.Primary, Codes: each(n.Codes, codingTo), Text: n.Text, Sensitive: n.Sensitive,
			}
		}),
		Narrative: c.Narrative, Instructions: c.Instructions,
		Risks: each(c.Risks, func(r cases.Risk) riskDocument {
			return riskDocument{Text: r.Text, Codes: each(r.Codes, codingTo)}
		}),
		DoNotContact: c.DoNotContact,
		Referrer: referrerDocument{
			Name: c.Referrer.Name, Role: c.Referrer.Role, Organisation: (*partyDocument)(c.Referrer.Organisation), Phone: c.Referrer.Phone,
		},
		Source: c.Source, Consent: consentDocument(c.Consent), Clocks: clocksDocument(c.Clocks),
		Outcomes: each(c.Outcomes, func(o cases.Outcome) outcomeDocument {
			return outcomeDocument{
				ID: o.ID, Version: o.Version, Instrument: o.Instrument, Point: o.Point, Answers: o.Answers, Scores: o.Scores,
				AnsweredAt: o.AnsweredAt, RecordedAt: o.RecordedAt, RecordedBy: actorDocument(o.RecordedBy),
			}
		}),
		Warnings: c.Warnings, Queries: c.Queries,
	}
}

func (d caseDocument) domain() cases.Case {
	return cases.Case{
		ID: d.ID, Version: d.Version, Status: d.Status, StatusReason: (*cases.Reason)(d.StatusReason), StatusSince: d.StatusSince,
		Service: (*cases.Party)(d.Service),
		Referral: cases.Origin{
			ID: d.Referral.ID, Practice: d.Referral.Practice, Identifiers: each(d.Referral.Identifiers, identifierFrom),
			GroupID: (*fhir.Identifier)(d.Referral.GroupID), AuthoredOn: d.Referral.AuthoredOn,
			Requested: each(d.Referral.Requested, codingFrom), RequestedText: d.Referral.RequestedText,
		},
		ReceivedAt: d.ReceivedAt, UpdatedAt: d.UpdatedAt, Priority: d.Priority, Patient: patientFrom(d.Patient),
		Needs: each(d.Needs, func(n needDocument) cases.Need {
			return cases.Need{
				Category: n.Category, Primary: n.Primary, Codes: each(n.Codes, codingFrom), Text: n.Text, Sensitive: n.Sensitive,
			}
		}),
		Narrative: d.Narrative, Instructions: d.Instructions,
		Risks: each(d.Risks, func(r riskDocument) cases.Risk {
			return cases.Risk{Text: r.Text, Codes: each(r.Codes, codingFrom)}
		}),
		DoNotContact: d.DoNotContact,
		Referrer: cases.Referrer{
			Name: d.Referrer.Name, Role: d.Referrer.Role, Organisation: (*cases.Party)(d.Referrer.Organisation), Phone: d.Referrer.Phone,
		},
		Source: d.Source, Consent: cases.Consent(d.Consent), Clocks: cases.Clocks(d.Clocks),
		Outcomes: each(d.Outcomes, func(o outcomeDocument) cases.Outcome {
			return cases.Outcome{
				ID: o.ID, Version: o.Version, Instrument: o.Instrument, Point: o.Point, Answers: o.Answers, Scores: o.Scores,
				AnsweredAt: o.AnsweredAt, RecordedAt: o.RecordedAt, RecordedBy: cases.Actor(o.RecordedBy),
			}
		}),
		Warnings: d.Warnings, Queries: d.Queries,
	}
}

func patientTo(p cases.Patient) patientDocument {
	return patientDocument{
		NHSNumber: string(p.NHSNumber), TraceStatus: p.TraceStatus, Identifiers: each(p.Identifiers, identifierTo),
		Name: p.Name, Family: p.Family, Given: p.Given, BirthDate: p.BirthDate, Gender: p.Gender,
		Phones: each(p.Phones, func(t cases.Phone) phoneDocument { return phoneDocument(t) }), Email: p.Email,
		Address: (*addressDocument)(p.Address), Language: p.Language, Interpreter: p.Interpreter,
		Deceased: p.Deceased, DeceasedOn: p.DeceasedOn, RegisteredAt: string(p.RegisteredAt), Restricted: p.Restricted,
		ContactPreferences: p.ContactPreferences,
	}
}

func patientFrom(p patientDocument) cases.Patient {
	// Number and code were parsed before they were stored, and are not parsed again: a rule
	// that has changed since would make the case unreadable.
	return cases.Patient{
		NHSNumber: nhs.Number(p.NHSNumber), TraceStatus: p.TraceStatus, Identifiers: each(p.Identifiers, identifierFrom),
		Name: p.Name, Family: p.Family, Given: p.Given, BirthDate: p.BirthDate, Gender: p.Gender,
		Phones: each(p.Phones, func(t phoneDocument) cases.Phone { return cases.Phone(t) }), Email: p.Email,
		Address: (*cases.Address)(p.Address), Language: p.Language, Interpreter: p.Interpreter,
		Deceased: p.Deceased, DeceasedOn: p.DeceasedOn, RegisteredAt: nhs.ODSCode(p.RegisteredAt), Restricted: p.Restricted,
		ContactPreferences: p.ContactPreferences,
	}
}

func identifierTo(i fhir.Identifier) identifierDocument { return identifierDocument(i) }

func identifierFrom(i identifierDocument) fhir.Identifier { return fhir.Identifier(i) }

func codingTo(c fhir.Coding) codingDocument { return codingDocument(c) }

func codingFrom(c codingDocument) fhir.Coding { return fhir.Coding(c) }

// each is the list with f done to each element; nil stays nil, so that a case is read
// back as it was written.
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
