package caseview

import (
	"caselink.example/mapping/cases"
	"caselink.example/mapping/referral"
)

// Step says what became of an element of a referral.
type Step struct {
	Path   string          `json:"path"`
	Action referral.Action `json:"action"`
	To     string          `json:"to,omitempty"`
	Why    string          `json:"why,omitempty"`
}

// Trace is the steps in JSON; [] when there are none.
func Trace(steps []referral.Step) []Step {
	out := make([]Step, len(steps))
	for i, s := range steps {
		out[i] = Step(s)
	}
	return out
}

// Mapped is the case that a referral would become, and what becomes of each element.
type Mapped struct {
	Case
	Trace []Step `json:"trace"`
}

// OfMapped is both in JSON.
func OfMapped(c cases.Case, steps []referral.Step) Mapped {
	return Mapped{Case: Of(c), Trace: Trace(steps)}
}
