package cases

import (
	"slices"
	"strconv"

	"github.com/google/uuid"

	"caselink.example/fhir"
)

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

// eventSpace is the namespace of event ids.
var eventSpace = uuid.NewSHA1(uuid.NameSpaceURL, []byte(fhir.SystemEvent))

// EventID is the UUIDv5 of one event of a referral: the same on every attempt to
// tell of it. seq counts the referral's events from 1.
func EventID(referralID string, seq int) string {
	return uuid.NewSHA1(eventSpace, []byte(referralID+"/"+strconv.Itoa(seq))).String()
}
