package workflow

import (
	"context"
	"encoding/json"
	"slices"
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

// moved decides a move of the case as it is under the lock.
func (f *Flow) moved(cur Current, version int, move cases.Move) (Change, error) {
	// The version comes before the move: a person who decided on an older case would read that
	// the move is illegal, and not why.
	if cur.Case.Version != version {
		return Change{}, fhir.Errorf(fhir.IssueStale,
			"the case has moved on to version %d: read it again, then decide", cur.Case.Version)
	}
	now := f.now()
	c, err := cur.Case.Move(move, now)
	if err != nil {
		return Change{}, err
	}
	change := next(cur, c, cases.Event{
		Kind: cases.EventMoved, From: cur.Case.Status, To: c.Status, Reason: move.Reason, Actor: move.Actor, OccurredAt: now,
	})
	return f.withTask(change, cur.Task)
}

// Answers are what a person answered to an instrument.
type Answers struct {
	Instrument string
	Point      cases.Point
	Answers    map[string]json.RawMessage
	AnsweredAt *time.Time // nil: now
	Corrects   string     // id of the outcome that these answers replace; "" for a new one
	Actor      cases.Actor
}

// RecordOutcome scores the answers and records them, or corrects an earlier record; the
// practice is owed one Observation for each score. Answers that do not fit the
// instrument are refused with every fault.
func (f *Flow) RecordOutcome(ctx context.Context, scope fhir.Scope, caseID string, a Answers) (cases.Outcome, error) {
	// What can be judged without the case is judged before its row is locked, and all of it
	// at once: a person who filled in a form hears of every wrong field.
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

// firstYear is before the birth of anybody who can answer.
const firstYear = 1900

// past refuses answers from the future, further than clocks may differ, and from a time in
// which nobody who lives could have given them: FHIR has no year 0 to write it back by.
func (f *Flow) past(at *time.Time) error {
	var wrong string
	switch {
	case at == nil:
		return nil
	case at.After(f.Now().Add(time.Minute)):
		wrong = "answers are recorded after they are given: answeredAt lies in the future"
	case at.Year() < firstYear:
		wrong = "answers are given by somebody who lives: answeredAt lies before 1900"
	default:
		return nil
	}
	return fhir.Errorf(fhir.IssueValue, "%s", wrong).At("answeredAt")
}

// recorded decides what the scored answers add to the case as it is under the lock.
func (f *Flow) recorded(cur Current, scored outcome.Scored, a Answers) (Change, cases.Outcome, error) {
	now := f.now()
	answered := now
	if a.AnsweredAt != nil {
		answered = a.AnsweredAt.UTC()
	}
	o := cases.Outcome{
		ID: f.NewID(), Version: 1, Instrument: scored.Instrument, Point: scored.Point, Answers: scored.Answers, Scores: scored.Scores,
		AnsweredAt: answered, RecordedAt: now, RecordedBy: a.Actor,
	}

	// A correction keeps the id: the Observations that the practice has are replaced by
	// their next versions, not joined by others that say the opposite.
	if a.Corrects != "" {
		before, err := correctable(cur.Case, a)
		if err != nil {
			return Change{}, o, err
		}
		o.ID, o.Version = before.ID, before.Version+1
	}

	// It makes no Task: what the practice is owed are the scores, and the case is
	// where it was.
	c := cur.Case.WithOutcome(o)
	change := next(cur, c, cases.Event{
		Kind: cases.EventOutcome, From: c.Status, To: c.Status, Actor: a.Actor, OutcomeID: o.ID, OccurredAt: now,
	})
	change, err := f.withObservations(change, o)
	return change, o, err
}

// correctable is the outcome that the answers correct: one of the case, by the same instrument.
func correctable(c cases.Case, a Answers) (cases.Outcome, error) {
	i := slices.IndexFunc(c.Outcomes, func(o cases.Outcome) bool { return o.ID == a.Corrects })
	switch {
	case i < 0:
		return cases.Outcome{}, fhir.Errorf(fhir.IssueValue,
			"the case has no such outcome: GET the case for its outcomes").At("corrects")
	case c.Outcomes[i].Instrument != a.Instrument:
		return cases.Outcome{}, fhir.Errorf(fhir.IssueValue,
			"that outcome was measured by %s: a correction keeps the instrument", c.Outcomes[i].Instrument).At("instrument")
	}
	return c.Outcomes[i], nil
}

// next is the Change that every later event of a referral begins with.
func next(cur Current, c cases.Case, e cases.Event) Change {
	// The row is locked, so nobody else counts: the numbers of a referral have no gap and
	// none is given twice. A move that is refused gives its number back.
	root := cur.Referral
	root.Seq++
	e.Seq = root.Seq

	return Change{
		Referral: root, Case: c, Event: e,

		// Consent is read anew at each step: the lane does as the last Change says.
		Withhold: withhold(c),
		Audit: Audit{
			At: e.OccurredAt, Action: "U", Holder: root.Holder, Service: root.Service,
			ResourceType: "Case", ResourceID: c.ID, Referral: root.ID,
		},
	}
}
