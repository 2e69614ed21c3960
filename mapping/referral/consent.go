package referral

import (
	"slices"

	cpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/codes_go_proto"
	cspb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/consent_go_proto"

	"caselink.example/fhir"
	"caselink.example/mapping/cases"
)

// SystemConsent names what a Consent is about, in its category or provision.code:
// to-referral, to-hold, share-back, share-back-coded-only.
const SystemConsent = fhir.Canonical + "/CodeSystem/consent"

// consent turns the three switches: to the referral, to hold data, to share back. A
// Consent that does not say which, such as BaRS's direct care, is about the first
// two. It never allows sharing back: that has to be said.
func (r *reading) consent(c *cspb.Consent) {
	r.mapped("consent", c.GetStatus(), c.GetProvision().GetType())
	switch c.GetStatus().GetValue() {
	case cpb.ConsentStateCode_ACTIVE:
	case cpb.ConsentStateCode_REJECTED:
		r.agreed(c, false)
		return
	default:
		r.warn(c.GetStatus(), fhir.IssueBusinessRule, "A consent of the referral is not in force: consent is not stated.")
		return
	}
	if len(c.GetProvision().GetProvision()) > 0 {
		r.warn(c.GetProvision().GetProvision()[0], fhir.IssueBusinessRule, "A consent of the referral has exceptions: read it as it was sent.")
	}
	r.agreed(c, c.GetProvision().GetType().GetValue() != cpb.ConsentProvisionTypeCode_DENY)
}

func (r *reading) agreed(c *cspb.Consent, permitted bool) {
	answer, full, coded := cases.Agreed, cases.ShareFull, cases.ShareCodedOnly
	if !permitted {
		answer, full, coded = cases.Refused, cases.ShareNone, cases.ShareNone
	}
	out, named := &r.out.Case.Consent, false
	for _, concept := range slices.Concat(c.GetCategory(), c.GetProvision().GetCode()) {
		for _, coding := range concept.GetCoding() {
			if coding.GetSystem().GetValue() != SystemConsent {
				continue
			}
			r.mapped("consent", coding.GetSystem(), coding.GetCode())
			named = true
			switch coding.GetCode().GetValue() {
			case "to-referral":
				out.ToReferral = answer
			case "to-hold":
				out.ToHold = answer
			case "share-back":
				out.ToShareBack = full
			case "share-back-coded-only":
				out.ToShareBack = coded
			default:
				r.warn(coding.GetCode(), fhir.IssueCodeInvalid, "A consent of the referral is about something that is not known here: read it as it was sent.")
			}
		}
	}
	if !named {
		out.ToReferral, out.ToHold = answer, answer
	}
	if out.ToReferral == cases.Refused || out.ToHold == cases.Refused {
		r.ask(c.GetStatus(), "The referral carries the person's refusal: have they agreed to it since?")
	}
}
