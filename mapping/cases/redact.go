package cases

import (
	"slices"

	"caselink.example/mapping/terminology"
)

// Redacted is the case without what is not for every eye: what a sensitive need is, the
// referrer's words that may tell of it, and where a restricted person lives. The case
// itself always appears, for nobody is forgotten because they are vulnerable.
//
// What is about the work stays as it is: risks, warnings, queries and the reason of the
// last move, without which the next call could do harm.
func (c Case) Redacted() Case {
	c.Needs = slices.Clone(c.Needs)
	hidden := false
	for i, n := range c.Needs {
		if n.Sensitive {
			hidden = true
			c.Needs[i] = Need{Category: terminology.Unspecified, Primary: n.Primary, Sensitive: true}
		}
	}

	// How to ring the person stays: without it nobody could work the case.
	if c.Patient.Restricted {
		c.Patient.Address = &Address{Withheld: true}
	}

	// Words may tell what the codes were hidden for, and where the person is.
	if hidden || c.Patient.Restricted {
		c.Narrative, c.Instructions = nil, ""
	}

	// So may what was asked for: a referral to a refuge says why.
	if hidden {
		c.Referral.Requested, c.Referral.RequestedText = nil, ""
	}
	return c
}
