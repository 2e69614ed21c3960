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

// readConsent turns the three switches of out: to the referral, to hold data, to share
// back. What was turned by an earlier Consent stays, unless this one is about it too.
func (a *account) readConsent(consent *cspb.Consent, out *cases.Consent) {
	provision := consent.GetProvision()
	a.mapped("consent", consent.GetStatus(), provision.GetType())
	switch consent.GetStatus().GetValue() {
	case cpb.ConsentStateCode_ACTIVE:
	case cpb.ConsentStateCode_REJECTED:
		a.applyConsent(consent, false, out)
		return
	default:
		// Drafts, proposals and what has lapsed are nobody's agreement, and nobody's refusal.
		a.warn(consent.GetStatus(), fhir.IssueBusinessRule, "A consent of the referral is not in force: consent is not stated.")
		return
	}

	// Three switches cannot say "but not to my brother": a person has to read it.
	if exceptions := provision.GetProvision(); len(exceptions) > 0 {
		a.warn(exceptions[0], fhir.IssueBusinessRule, "A consent of the referral has exceptions: read it as it was sent.")
	}

	// An active Consent without a type agrees: R4 leaves the type out of one that only lists exceptions.
	a.applyConsent(consent, provision.GetType().GetValue() != cpb.ConsentProvisionTypeCode_DENY, out)
}

// applyConsent turns the switches that the Consent is about.
func (a *account) applyConsent(consent *cspb.Consent, permitted bool, out *cases.Consent) {
	answer, full, coded := cases.Agreed, cases.ShareFull, cases.ShareCodedOnly
	if !permitted {
		answer, full, coded = cases.Refused, cases.ShareNone, cases.ShareNone
	}

	named := false
	for _, concept := range slices.Concat(consent.GetCategory(), consent.GetProvision().GetCode()) {
		for _, coding := range concept.GetCoding() {
			if coding.GetSystem().GetValue() != SystemConsent {
				continue
			}
			a.mapped("consent", coding.GetSystem(), coding.GetCode())
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
				a.warn(coding.GetCode(), fhir.IssueCodeInvalid,
					"A consent of the referral is about something that is not known here: read it as it was sent.")
			}
		}
	}

	// A Consent that does not say what it is about, such as BaRS's direct care, was given
	// when the person was referred: it is about being referred and known here. It never
	// allows sharing back, for of that nobody may have spoken.
	if !named {
		out.ToReferral, out.ToHold = answer, answer
	}
	if out.ToReferral == cases.Refused || out.ToHold == cases.Refused {
		a.ask(consent.GetStatus(), "The referral carries the person's refusal: have they agreed to it since?")
	}
}
