package cases

import (
	"slices"
	"strings"

	"caselink.example/fhir"
)

// ReasonCode is one of the reasons for ending a case.
type ReasonCode struct {
	Code    string
	Display string
	// National is the REFERRAL REJECTION REASON of the NHS Data Dictionary: 01
	// duplicate, 02 inappropriate, 03 incomplete; "" where it has none.
	National string
	// SNOMED is the concept that a GP record holds for it; "" where none is known.
	SNOMED string
	// Delivered says whether the reason means that something was done for the person: yes,
	// no, or "" where it does not say (then it matters whether the case was ever active).
	Delivered string
}

// reasons are the codes that a move to a state may give; to a state without any, words alone.
var reasons = map[State][]ReasonCode{
	Rejected: {
		{Code: "duplicate", Display: "Already referred to this service", National: "01"},
		{Code: "inappropriate", Display: "Not what the service offers", National: "02"},
		{Code: "incomplete", Display: "The referral is incomplete", National: "03"},
		{Code: "out-of-area", Display: "Lives or is registered outside the area", National: "02"},
		{Code: "under-age", Display: "Too young for the service", National: "02"},
		{Code: "no-consent", Display: "The person has not agreed to the referral", National: "02"},
		{Code: "deceased", Display: "The person has died", National: "02"},
		{Code: "patient-not-found", Display: "The person cannot be found", National: "03"},
		{Code: "identity-mismatch", Display: "Identity details contradict each other", National: "03"},
		{Code: "no-capacity", Display: "The service has no capacity", National: "02"},
		{Code: "expired-unanswered", Display: "Not answered within the agreed time", National: "02"},
		{Code: "clinical-risk-redirect", Display: "Needs clinical help first", National: "02"},
	},
	Closed: {
		{Code: "completed-goals-met", Display: "Goals met", Delivered: "yes"},
		{Code: "completed-goals-part-met", Display: "Goals met in part", Delivered: "yes"},
		{Code: "signposted-only", Display: "Signposted only", Delivered: "yes"},
		{Code: "declined", Display: "Declined by the person", SNOMED: "871711000000103", Delivered: "no"},
		{Code: "unable-to-contact", Display: "Unable to contact", Delivered: "no"},
		{Code: "did-not-attend", Display: "Did not attend", SNOMED: "281399006", Delivered: "no"},
		{Code: "disengaged", Display: "Disengaged"},
		{Code: "moved-out-of-area", Display: "Moved out of the area", SNOMED: "184081006"},
		{Code: "moved-practice", Display: "Moved to another practice"},
		{Code: "died", Display: "Died"},
		{Code: "transferred-to-other-service", Display: "Transferred to another service"},
		{Code: "escalated-clinical-or-safeguarding", Display: "Escalated to clinical care or safeguarding"},
		{Code: "consent-withdrawn", Display: "Consent withdrawn"},
		{Code: "administrative", Display: "Administrative"},
	},
}

// ReasonFor is the reason with the code that a move to the state may give. Only a
// rejection and a closure have codes.
func ReasonFor(to State, code string) (ReasonCode, bool) {
	i := slices.IndexFunc(reasons[to], func(r ReasonCode) bool { return r.Code == code })
	if i < 0 {
		return ReasonCode{}, false
	}
	return reasons[to][i], true
}

// Delivered reports whether a closed case did something for the person: the reason
// decides where it says so, otherwise whether the case was ever active. A case that
// closes without a reason counts as delivered.
func Delivered(c Case) bool {
	if c.StatusReason == nil || c.StatusReason.Code == "" {
		return true
	}
	// A person who declined may have been active, and one who was signposted never was: the
	// clock decides only where the reason says nothing.
	r, _ := ReasonFor(Closed, c.StatusReason.Code)
	if r.Delivered != "" {
		return r.Delivered == "yes"
	}
	return c.Clocks.Started != nil
}

func (r *Reason) faults(to State) fhir.Errors {
	switch {
	case to == Rejected && (r == nil || r.Code == "" && strings.TrimSpace(r.Text) == ""):
		return fhir.Errors{fhir.Errorf(fhir.IssueRequired,
			"a rejection says why; give reason.text or a reason.code of %s", list(codes(to))).At("reason")}
	case r == nil || r.Code == "":
		return nil // only a rejection must say why
	}
	if _, ok := ReasonFor(to, r.Code); ok {
		return nil
	}
	if len(reasons[to]) == 0 {
		return fhir.Errors{fhir.Errorf(fhir.IssueValue,
			"a move to %s has no reason codes; give reason.text", to).At("reason.code")}
	}
	return fhir.Errors{fhir.Errorf(fhir.IssueValue,
		"no such reason for a move to %s; the codes are %s", to, list(codes(to))).At("reason.code")}
}

func (r *Reason) clone() *Reason {
	if r == nil {
		return nil
	}
	c := *r
	return &c
}

func codes(to State) []string {
	var out []string
	for _, r := range reasons[to] {
		out = append(out, r.Code)
	}
	return out
}
