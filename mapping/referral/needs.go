package referral

import (
	cpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/codes_go_proto"
	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	cdpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/condition_go_proto"
	cspb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/consent_go_proto"
	fpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/flag_go_proto"
	obpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/observation_go_proto"
	srpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/service_request_go_proto"

	"caselink.example/fhir"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/terminology"
)

// needsReader reads what the person needs, and what the referrer added to it.
type needsReader struct {
	*account
	terms     terminology.Map
	out       []cases.Need
	risks     []cases.Risk
	narrative []string // the referrer's words
	consent   cases.Consent
}

// readNeeds reads the reasons, the supporting information and the notes. There is at
// least one need, and the first is the primary one.
func readNeeds(a *account, sr *srpb.ServiceRequest, terms terminology.Map) needsReader {
	n := needsReader{
		account: a, terms: terms,
		consent: cases.Consent{ToReferral: cases.NotStated, ToHold: cases.NotStated, ToShareBack: cases.ShareNotStated},
	}
	n.reasons(sr)
	n.supporting(sr.GetSupportingInfo())
	n.notes(sr.GetNote())
	if len(n.out) == 0 {
		n.out = []cases.Need{{Category: terminology.Unspecified}}
	}
	n.out[0].Primary = true
	return n
}

// reasons reads the reasons, in their order: each is a need.
func (n *needsReader) reasons(sr *srpb.ServiceRequest) {
	for _, reason := range sr.GetReasonCode() {
		n.need(reason)
	}
	for _, ref := range sr.GetReasonReference() {
		if !n.finding(ref, true) {
			n.fromDisplay(ref)
		}
	}
}

// supporting reads what the referrer added: further needs, risks, consent.
func (n *needsReader) supporting(info []*dtpb.Reference) {
	for _, ref := range info {
		switch s := n.resolve(ref).(type) {
		case *fpb.Flag:
			n.followed("risks", ref)
			n.flag(s)
		case *cspb.Consent:
			n.followed("consent", ref)
			n.readConsent(s, &n.consent)
		default:
			n.finding(ref, false)
		}
	}
}

// notes takes what was written for the link worker.
func (n *needsReader) notes(all []*dtpb.Annotation) {
	for _, note := range all {
		if text := note.GetText(); text.GetValue() != "" {
			n.narrative = append(n.narrative, text.GetValue())
			n.mapped("narrative", text)
		}
	}
}

// need adds a need of the concepts. What no code names is unspecified, and a person
// looks at a code that the tables do not know.
func (n *needsReader) need(concepts ...*dtpb.CodeableConcept) {
	var need cases.Need
	need.Codes, need.Text = n.concepts(item("needs", len(n.out)), concepts)
	if len(need.Codes) == 0 && need.Text == "" {
		return
	}

	// One sensitive code makes the need sensitive, whichever code decides its category.
	category, known := n.terms.Category(need.Codes)
	need.Category = category
	for _, c := range need.Codes {
		concept, _ := n.terms.Lookup(c)
		need.Sensitive = need.Sensitive || concept.Sensitive
	}
	n.out = append(n.out, need)

	switch damaged := n.damaged(concepts[0], need.Codes, n.terms); {
	case len(need.Codes) == 0 || damaged:
		// Words alone are read by a person anyway, and of damage the sender has just been warned.
	case !known:
		n.warn(concepts[0], fhir.IssueCodeInvalid,
			"A reason has a code that stands for no need that is known here: read the reason as it was sent.")
	case n.terms.Disagree(need.Codes):
		n.warn(concepts[0], fhir.IssueCodeInvalid, "A reason has codes that stand for different needs: the first was taken.")
	}
}

// damaged warns of SNOMED CT codes that fail their check. The sender learns the place
// and the fix; the link worker sees what was probably meant.
func (a *account) damaged(element *dtpb.CodeableConcept, codings []fhir.Coding, terms terminology.Map) (found bool) {
	for _, coding := range codings {
		repair, damaged := terms.Damaged(coding)
		if !damaged {
			continue
		}
		found = true
		a.notice(element, fhir.IssueCodeInvalid, "a SNOMED CT code is damaged, as a spreadsheet does to the 16th digit; send codes as text")

		// The repair is words for a person and never a code of the case: it is a guess.
		text := "A SNOMED CT code of the referral is damaged: ask the sender which was meant."
		if repair.Code != "" {
			text = "A SNOMED CT code of the referral is damaged; probably " + repair.Code + " (" + repair.Display + ") was meant."
		}
		a.warnings = append(a.warnings, text)
	}
	return found
}

// fromDisplay takes a reason that is not held here for the words that stand beside it.
func (n *needsReader) fromDisplay(ref *dtpb.Reference) {
	if text := ref.GetDisplay().GetValue(); text != "" {
		n.mapped(item("needs", len(n.out)), ref.GetDisplay())
		n.out = append(n.out, cases.Need{Category: terminology.Unspecified, Text: text})
		return
	}
	n.warn(ref, fhir.IssueBusinessRule, "A reason of the referral is not held here and has no words beside it: ask the sender.")
}

// finding reads a Condition or an Observation: a need when it is a reason or its code
// stands for one, else a risk. ok is false when the reference leads to neither.
func (n *needsReader) finding(ref *dtpb.Reference, reason bool) (ok bool) {
	switch f := n.resolve(ref).(type) {
	case *cdpb.Condition:
		n.followed("needs", ref)
		n.condition(f, reason)
	case *obpb.Observation:
		n.followed("needs", ref)
		n.observation(f, reason)
	default:
		return false
	}
	return true
}

// condition: one that was refuted, recorded in error or is over is no need today.
func (n *needsReader) condition(c *cdpb.Condition, reason bool) {
	ruledOut := n.takeStatus(c.GetVerificationStatus(), "refuted", "entered-in-error") ||
		n.takeStatus(c.GetClinicalStatus(), "inactive", "remission", "resolved")
	if ruledOut {
		n.warn(c.GetCode(), fhir.IssueBusinessRule,
			"A condition of the referral was refuted, is over or was recorded in error: it was not taken as a need.")
		return
	}
	n.notes(c.GetNote())
	n.needOrRisk(reason, c.GetCode())
}

// takeStatus enters a status, as far as it was read to decide, and reports whether it is
// one of the codes.
func (n *needsReader) takeStatus(status *dtpb.CodeableConcept, codes ...string) bool {
	for _, c := range status.GetCoding() {
		n.mapped("needs", c.GetCode())
		for _, code := range codes {
			if c.GetCode().GetValue() == code {
				return true
			}
		}
	}
	return false
}

// observation: one that was withdrawn, was not made or answered no is kept as it is,
// and so is a measurement that is not itself a reason.
func (n *needsReader) observation(o *obpb.Observation, reason bool) {
	n.mapped("needs", o.GetStatus())
	switch o.GetStatus().GetValue() {
	case cpb.ObservationStatusCode_CANCELLED, cpb.ObservationStatusCode_ENTERED_IN_ERROR:
		n.warn(o.GetCode(), fhir.IssueBusinessRule, "An observation of the referral was withdrawn: it was not taken as a need.")
		return
	}

	value := o.GetValue()
	n.mapped("needs", value.GetBoolean())
	switch {
	case value.GetCodeableConcept() != nil:
		// What was found comes before what was asked: "housing status" says less than "homeless".
		n.needOrRisk(reason, value.GetCodeableConcept(), o.GetCode())
	case o.GetDataAbsentReason() != nil, value.GetBoolean() != nil && !value.GetBoolean().GetValue():
		// "Lonely: no" is no need, though its code is that of one.
	case value == nil, value.GetBoolean() != nil, reason:
		n.needOrRisk(reason, o.GetCode())
	}
}

// needOrRisk adds a need when the concepts are a reason or stand for one, else a risk.
func (n *needsReader) needOrRisk(reason bool, concepts ...*dtpb.CodeableConcept) {
	for _, c := range concepts {
		var codings []fhir.Coding
		for _, coding := range c.GetCoding() {
			codings = append(codings, codingOf(coding))
		}
		_, known := n.terms.Category(codings)
		reason = reason || known
	}
	if reason {
		n.need(concepts...)
		return
	}
	n.risk(concepts...)
}

func (n *needsReader) risk(concepts ...*dtpb.CodeableConcept) {
	var risk cases.Risk
	risk.Codes, risk.Text = n.concepts(item("risks", len(n.risks)), concepts)
	for i := 0; risk.Text == "" && i < len(risk.Codes); i++ {
		risk.Text = risk.Codes[i].Display
	}
	if risk.Text != "" || len(risk.Codes) > 0 {
		n.risks = append(n.risks, risk)
	}
}

// flag: only an active one warns of anything today.
func (n *needsReader) flag(f *fpb.Flag) {
	n.mapped("risks", f.GetStatus())
	if f.GetStatus().GetValue() == cpb.FlagStatusCode_ACTIVE {
		n.risk(f.GetCode())
	}
}
