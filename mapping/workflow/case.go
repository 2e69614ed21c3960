package workflow

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/outcome"
)

// Transition moves a case. version is what If-Match names: another version is
// fhir.IssueStale, an illegal move fhir.IssueConflict that lists the legal ones.
func (f *Flow) Transition(ctx context.Context, scope fhir.Scope, caseID string, version int, move cases.Move) (cases.Case, error) {
	var after cases.Case
	err := f.Store.Update(ctx, scope, caseID, func(cur Current) (Change, error) {
		change, err := f.moved(cur, version, move)
		after = change.Case
		return change, err
	})
	if err != nil {
		return cases.Case{}, err
	}
	f.Wake()
	return after, nil
}

func (f *Flow) moved(cur Current, version int, move cases.Move) (Change, error) {
	if cur.Case.Version != version {
		return Change{}, fhir.Errorf(fhir.IssueStale, "the case has moved on to version %d: read it again, then decide", cur.Case.Version)
	}
	now := f.Now().UTC().Truncate(time.Microsecond)
	c, err := cur.Case.Move(move, now)
	if err != nil {
		return Change{}, err
	}
	change := f.next(cur, c, cases.Event{Kind: cases.EventMoved, From: cur.Case.Status, To: c.Status, Reason: move.Reason, Actor: move.Actor, OccurredAt: now})
	return f.withTask(change, cur.Task, f.destinations(cur.Referral))
}

// Answers are what a person answered to an instrument.
type Answers struct {
	Instrument string
	Point      cases.Point
	Answers    map[string]json.RawMessage
	AnsweredAt time.Time // zero: now
	Corrects   string    // id of the outcome that these answers replace; "" for a new one
	Actor      cases.Actor
}

// RecordOutcome scores the answers and records them, or corrects an earlier record; the
// practice is owed one Observation for each score. Answers that do not fit the
// instrument are refused with every fault.
func (f *Flow) RecordOutcome(ctx context.Context, scope fhir.Scope, caseID string, a Answers) (cases.Outcome, error) {
	scored, err := f.Meaning.Outcomes.Score(a.Instrument, a.Point, a.Answers)
	if faults := join(err, f.past(a.AnsweredAt), a.Actor.Check()); faults != nil {
		return cases.Outcome{}, faults
	}
	var recorded cases.Outcome
	err = f.Store.Update(ctx, scope, caseID, func(cur Current) (change Change, err error) {
		change, recorded, err = f.recorded(cur, scored, a)
		return change, err
	})
	if err != nil {
		return cases.Outcome{}, err
	}
	f.Wake()
	return recorded, nil
}

// past refuses answers from the future, further than clocks may differ.
func (f *Flow) past(at time.Time) error {
	if at.After(f.Now().Add(time.Minute)) {
		return fhir.Errorf(fhir.IssueValue, "answers are recorded after they are given: answeredAt lies in the future").At("answeredAt")
	}
	return nil
}

func (f *Flow) recorded(cur Current, scored outcome.Scored, a Answers) (Change, cases.Outcome, error) {
	now := f.Now().UTC().Truncate(time.Microsecond)
	if a.AnsweredAt.IsZero() {
		a.AnsweredAt = now
	}
	o := cases.Outcome{
		ID: f.NewID(), Version: 1, Instrument: scored.Instrument, Point: scored.Point, Answers: scored.Answers, Scores: scored.Scores,
		AnsweredAt: a.AnsweredAt.UTC(), RecordedAt: now, RecordedBy: a.Actor,
	}
	if a.Corrects != "" {
		before, err := correctable(cur.Case, a)
		if err != nil {
			return Change{}, o, err
		}
		o.ID, o.Version = before.ID, before.Version+1
	}
	c := cur.Case.WithOutcome(o)
	change := f.next(cur, c, cases.Event{Kind: cases.EventOutcome, From: c.Status, To: c.Status, Actor: a.Actor, OutcomeID: o.ID, OccurredAt: now})
	change, err := f.withObservations(change, o)
	return change, o, err
}

// correctable is the outcome that the answers correct: one of the case, by the same instrument.
func correctable(c cases.Case, a Answers) (cases.Outcome, error) {
	i := slices.IndexFunc(c.Outcomes, func(o cases.Outcome) bool { return o.ID == a.Corrects })
	switch {
	case i < 0:
		return cases.Outcome{}, fhir.Errorf(fhir.IssueValue, "the case has no such outcome: GET the case for its outcomes").At("corrects")
	case c.Outcomes[i].Instrument != a.Instrument:
		return cases.Outcome{}, fhir.Errorf(fhir.IssueValue, "that outcome was measured by %s: a correction keeps the instrument", c.Outcomes[i].Instrument).At("instrument")
	}
	return c.Outcomes[i], nil
}

// withObservations adds the scores of an outcome and what each destination is owed of them.
func (f *Flow) withObservations(c Change, o cases.Outcome) (Change, error) {
	eventID := cases.EventID(c.Referral.ID, c.Event.Seq)
	parked := ""
	if _, ok := c.Case.Patient.Identifier(); !ok {
		parked = noSubject
	}
	for _, obs := range f.Meaning.Outcomes.Observations(outcome.Input{Case: c.Case, Outcome: o, Issued: c.Event.OccurredAt, Base: f.Base}) {
		raw, err := r4.Marshal(obs)
		if err != nil {
			return Change{}, err
		}
		v, err := stamped("Observation", raw, fhir.Meta{ID: obs.GetId().GetValue(), Version: o.Version, LastUpdated: c.Event.OccurredAt})
		if err != nil {
			return Change{}, err
		}
		c.Resources = append(c.Resources, v)
		for _, d := range f.destinations(c.Referral) {
			c.Owed = append(c.Owed, owed(d, eventID, v, parked))
		}
	}
	return c, nil
}

// next is the Change that every later event of a referral begins with.
func (f *Flow) next(cur Current, c cases.Case, e cases.Event) Change {
	root := cur.Referral
	root.Seq++
	e.Seq = root.Seq
	return Change{Referral: root, Case: c, Event: e, Withhold: withhold(c), Audit: Audit{
		At: e.OccurredAt, Action: "U", Holder: root.Holder, Service: root.Service, ResourceType: "Case", ResourceID: c.ID, Referral: root.ID,
	}}
}

// destinations are where the practice of a referral is written to.
func (f *Flow) destinations(r Root) []string {
	p, _ := f.Directory.Practice(r.Practice)
	return p.Destinations
}
