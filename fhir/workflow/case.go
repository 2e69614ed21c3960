package workflow

import (
	"context"
	"encoding/json"
	"time"

	"caselink.example/fhir"
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
	change := f.next(cur, c, Event{Kind: EventMoved, From: cur.Case.Status, To: c.Status, Reason: move.Reason, Actor: move.Actor, OccurredAt: now})
	return f.withTask(change, cur.Task, f.destinations(cur.Referral))
}

// Answers are what a person answered to an instrument.
type Answers struct {
	Instrument string
	Point      string
	Answers    map[string]json.RawMessage
	AnsweredAt time.Time // zero: now
	Actor      cases.Actor
}

// RecordOutcome scores the answers and records them; the practice is owed one
// Observation for each score. Answers that do not fit the instrument are refused
// with every fault.
func (f *Flow) RecordOutcome(ctx context.Context, scope fhir.Scope, caseID string, a Answers) (cases.Outcome, error) {
	scored, err := outcome.Score(a.Instrument, a.Point, a.Answers)
	if faults := join(err, a.Actor.Check()); faults != nil {
		return cases.Outcome{}, faults
	}
	var recorded cases.Outcome
	err = f.Store.Update(ctx, scope, caseID, func(cur Current) (Change, error) {
		change, err := f.recorded(cur, scored, a)
		if err == nil {
			recorded = change.Case.Outcomes[len(change.Case.Outcomes)-1]
		}
		return change, err
	})
	if err != nil {
		return cases.Outcome{}, err
	}
	f.Wake()
	return recorded, nil
}

func (f *Flow) recorded(cur Current, scored outcome.Scored, a Answers) (Change, error) {
	now := f.Now().UTC().Truncate(time.Microsecond)
	if a.AnsweredAt.IsZero() {
		a.AnsweredAt = now
	}
	o := cases.Outcome{
		ID: f.NewID(), Version: 1, Instrument: scored.Instrument, Point: scored.Point, Answers: scored.Answers, Scores: scored.Scores,
		AnsweredAt: a.AnsweredAt.UTC(), RecordedAt: now, RecordedBy: a.Actor,
	}
	c := cur.Case.WithOutcome(o)
	change := f.next(cur, c, Event{Kind: EventOutcome, From: c.Status, To: c.Status, Actor: a.Actor, OutcomeID: o.ID, OccurredAt: now})
	return f.withObservations(change, o)
}

// withObservations adds the scores of an outcome and what each destination is owed of them.
func (f *Flow) withObservations(c Change, o cases.Outcome) (Change, error) {
	eventID := cases.EventID(c.Referral.ID, c.Event.Seq)
	parked := ""
	if _, ok := c.Case.Patient.Identifier(); !ok {
		parked = noSubject
	}
	for _, obs := range outcome.Observations(outcome.Input{Case: c.Case, Outcome: o, Issued: c.Event.OccurredAt, Base: f.Base}) {
		raw, err := fhir.Marshal(obs)
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
func (f *Flow) next(cur Current, c cases.Case, e Event) Change {
	root := cur.Referral
	root.Seq++
	e.Seq = root.Seq
	return Change{Referral: root, Case: c, Event: e, Audit: Audit{
		At: e.OccurredAt, Action: "U", Holder: root.Holder, Service: root.Service, ResourceType: "Case", ResourceID: c.ID, Referral: root.ID,
	}}
}

// destinations are where the practice of a referral is written to.
func (f *Flow) destinations(r Referral) []string {
	p, _ := f.Directory.Practice(r.Practice)
	return p.Destinations
}
