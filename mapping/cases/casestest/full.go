// Package casestest gives tests of the shapes of a case, stored and shown, a case
// that has all of it.
// docs/words.md defines case.
package casestest

import (
	"encoding/json"
	"time"

	"caselink.example/fhir"
	"caselink.example/mapping/cases"
)

// Full is a fictional case in which every field of every part is set, each to a value of
// its own: a shape that forgets or swaps a field shows it.
func Full() cases.Case {
	practice := "Y99901"
	at := func(hour int) time.Time { return time.Date(2026, 3, 2, hour, 30, 15, 123456000, time.UTC) }
	on := func(hour int) *time.Time { t := at(hour); return &t }
	coding := func(code string) []fhir.Coding {
		return []fhir.Coding{{System: "http://snomed.info/sct", Code: code, Display: "Display of " + code}}
	}
	return cases.Case{
		ID:           "11111111-1111-4111-8111-111111111111",
		Version:      5,
		Status:       cases.Closed,
		StatusReason: &cases.Reason{Code: "completed-goals-met", Text: "Joined a choir <& a walking group>."},
		StatusSince:  at(12),
		Service:      &cases.Party{ID: "service-a", Name: "Example Social Prescribing"},
		Referral: cases.Origin{
			ID:            "22222222-2222-4222-8222-222222222222",
			Practice:      &practice,
			Identifiers:   []fhir.Identifier{{System: "https://gp.example/Id/referral", Value: "R1"}},
			GroupID:       &fhir.Identifier{System: "https://gp.example/Id/group", Value: "G1"},
			AuthoredOn:    "2026-03",
			Requested:     coding("871731000000106"),
			RequestedText: "Social prescribing, please",
		},
		ReceivedAt: at(7),
		UpdatedAt:  at(13),
		Priority:   cases.Urgent,
		Patient:    patient(),
		Needs: []cases.Need{
			{Category: "domestic-abuse-safety", Primary: true, Codes: coding("267076002"), Text: "Not safe at home", Sensitive: true},
			{Category: "loneliness-isolation", Codes: coding("81877007")},
		},
		Narrative:    []string{"Lives alone.", "Likes to sing."},
		Instructions: "Someone will ring you",
		Risks:        []cases.Risk{{Text: "A dog", Codes: coding("225915006")}},
		DoNotContact: true,
		Referrer: cases.Referrer{
			Name: "Dr Ann Sample", Role: "General practitioner", Phone: "01632 960001",
			Organisation: &cases.Party{ID: "Y99901", Name: "Example Surgery"},
		},
		Source:  cases.SourcePrimaryCare,
		Consent: cases.Consent{ToReferral: cases.Agreed, ToHold: cases.Refused, ToShareBack: cases.ShareCodedOnly},
		Clocks:  cases.Clocks{Received: at(7), Accepted: on(8), FirstContact: on(9), Started: on(10), Ended: on(12)},
		Outcomes: []cases.Outcome{{
			ID:         "33333333-3333-4333-8333-333333333333",
			Version:    2,
			Instrument: "swemwbs",
			Point:      cases.FollowUp,
			Answers:    map[string]int{"item-1": 4, "item-2": 5},
			Scores:     map[string]json.Number{"total": "21.54"},
			AnsweredAt: at(11),
			RecordedAt: at(13),
			RecordedBy: cases.Actor{ID: "lw-1", Name: "Ola Example", Role: "link worker", Organisation: "Y99903"},
		}},
		Warnings: []string{"The birth date has no day."},
		Queries:  []string{"Which flat?"},
	}
}

func patient() cases.Patient {
	return cases.Patient{
		NHSNumber:   "9990000018",
		TraceStatus: "01",
		Identifiers: []fhir.Identifier{{System: "https://gp.example/Id/patient", Value: "77"}},
		Name:        "Mrs Zoë Example",
		Family:      "Example",
		Given:       []string{"Zoë", "Ann"},
		BirthDate:   "1950-12",
		Gender:      "female",
		Phones:      []cases.Phone{{Number: "07700 900001", Use: "mobile", Rank: 1}},
		Email:       []string{"zoe@example.org"},
		Address: &cases.Address{
			Withheld: true, Lines: []string{"1 Example Street"}, City: "Exampleton", District: "Exampleshire", Postcode: "EX1 1EX",
		},
		Language:           "pl",
		Interpreter:        true,
		Deceased:           true,
		DeceasedOn:         "2026-03-02",
		RegisteredAt:       "Y99902",
		Restricted:         true,
		ContactPreferences: []string{"after five"},
	}
}
