package workflow

import (
	"github.com/google/uuid"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/outcome"
	"caselink.example/mapping/status"
)

// withhold reports whether the person lets the practice hear nothing of the case.
func withhold(c cases.Case) bool { return c.Consent.ToShareBack == cases.ShareNone }

// destinations are where the practice of a referral is written to.
func (f *Flow) destinations(r Root) []string {
	p, _ := f.Directory.Practice(r.Practice)
	return p.Destinations
}

// withTask adds to a Change the version of the Task after last that reports its event
// to the practice, and owes it to each destination.
func (f *Flow) withTask(c Change, last fhir.Meta) (Change, error) {
	// That a Task names nobody is asked in owe, as for an Observation.
	task, _ := status.Task(status.Input{
		Case: c.Case, ID: last.ID, EventID: cases.EventID(c.Referral.ID, c.Event.Seq), Seq: c.Event.Seq, At: c.Event.OccurredAt,
		Base: f.Base, Outputs: f.outputs(c.Case), CodedOnly: c.Case.Consent.ToShareBack == cases.ShareCodedOnly,
	})
	raw, err := r4.Marshal(task)
	if err != nil {
		return Change{}, err
	}
	return f.owe(c, "Task", raw, fhir.Meta{ID: last.ID, Version: last.Version + 1, LastUpdated: c.Event.OccurredAt})
}

// withObservations adds the scores of an outcome to a Change, and owes them.
func (f *Flow) withObservations(c Change, o cases.Outcome) (Change, error) {
	in := outcome.Input{Case: c.Case, Outcome: o, Issued: c.Event.OccurredAt, Base: f.Base}
	for _, obs := range f.Meaning.Outcomes.Observations(in) {
		raw, err := r4.Marshal(obs)
		if err != nil {
			return Change{}, err
		}

		// A correction is the next version of the same Observations: their ids come of the outcome's.
		c, err = f.owe(c, "Observation", raw, fhir.Meta{ID: obs.GetId().GetValue(), Version: o.Version, LastUpdated: c.Event.OccurredAt})
		if err != nil {
			return Change{}, err
		}
	}
	return c, nil
}

// outputs are the scores that the case has produced so far.
func (f *Flow) outputs(c cases.Case) []status.Output {
	var out []status.Output
	for _, o := range c.Outcomes {
		in := outcome.Input{Case: c, Outcome: o, Issued: o.RecordedAt, Base: f.Base}
		for _, obs := range f.Meaning.Outcomes.Observations(in) {
			id := obs.GetIdentifier()[0]
			out = append(out, status.Output{
				ObservationID: obs.GetId().GetValue(), Instrument: o.Instrument,
				Identifier: fhir.Identifier{System: id.GetSystem().GetValue(), Value: id.GetValue().GetValue()},
			})
		}
	}
	return out
}

// noSubject is why an item waits for a person: a guess could reach another record.
const noSubject = "no identifier of the person that the GP system could resolve"

// owe adds a version of a resource to a Change, and owes it to each destination of the
// practice.
func (f *Flow) owe(c Change, resourceType string, raw []byte, meta fhir.Meta) (Change, error) {
	v, err := stamped(resourceType, raw, meta)
	if err != nil {
		return Change{}, err
	}
	c.Resources = append(c.Resources, v)
	parked := ""
	if _, named := c.Case.Patient.Identifier(); !named {
		parked = noSubject
	}

	// What is withheld is owed all the same: the lane is set to withhold it, so that it is
	// counted and seen, and consent is the one of the time when it would be sent.
	eventID := cases.EventID(c.Referral.ID, c.Event.Seq)
	for _, d := range f.destinations(c.Referral) {
		c.Owed = append(c.Owed, Owed{
			Destination: d, EventID: eventID, ResourceType: v.Type, ResourceID: v.ID, Version: v.Version, Parked: parked,

			// The same name on every attempt, for ever: a GP system that keeps request ids
			// answers a repeat without doing it twice. Each item has its own.
			RequestID: uuid.NewSHA1(uuid.MustParse(eventID), []byte(d+"/"+v.Type+"/"+v.ID)).String(),
		})
	}
	return c, nil
}

func stamped(resourceType string, raw []byte, m fhir.Meta) (fhir.Stored, error) {
	b, err := r4.Stamp(raw, m)
	return fhir.Stored{Type: resourceType, Meta: m, JSON: b}, err
}
