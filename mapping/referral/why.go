package referral

import (
	"strconv"

	cpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/codes_go_proto"
	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	cdpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/condition_go_proto"
	cspb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/consent_go_proto"
	fpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/flag_go_proto"
	obpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/observation_go_proto"

	"caselink.example/fhir"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/terminology"
)

const unspecified = terminology.Unspecified

// why reads the reasons, in their order: each is a need.
func (r *reading) why() {
	for _, reason := range r.request.GetReasonCode() {
		r.need(field("needs", len(r.out.Case.Needs)), reason)
	}
	for _, ref := range r.request.GetReasonReference() {
		if !r.finding(ref, true) {
			r.worded(ref)
		}
	}
}

// context reads what the referrer added: further needs, risks, consent.
func (r *reading) context() {
	r.out.Case.Consent = cases.Consent{ToReferral: cases.NotStated, ToHold: cases.NotStated, ToShareBack: cases.ShareNotStated}
	for _, ref := range r.request.GetSupportingInfo() {
		switch s := r.resolve(ref).(type) {
		case *fpb.Flag:
			r.followed("risks", ref)
			r.flag(s)
		case *cspb.Consent:
			r.followed("consent", ref)
			r.consent(s)
		default:
			r.finding(ref, false)
		}
	}
}

func field(name string, i int) string { return name + "[" + strconv.Itoa(i) + "]" }

// need adds a need of the concept. What no code tells is unspecified, and a person
// looks at a code that the tables do not know.
func (r *reading) need(to string, concepts ...*dtpb.CodeableConcept) {
	var n cases.Need
	n.Codes, n.Text = r.concepts(to, concepts)
	if len(n.Codes) == 0 && n.Text == "" {
		return
	}
	known := false
	n.Category, known = r.terms.Category(n.Codes)
	for _, c := range n.Codes {
		concept, _ := r.terms.Lookup(c)
		n.Sensitive = n.Sensitive || concept.Sensitive
	}
	r.out.Case.Needs = append(r.out.Case.Needs, n)
	switch damaged := r.damaged(concepts[0], n.Codes); {
	case len(n.Codes) == 0 || damaged:
	case !known:
		r.warn(concepts[0], fhir.IssueCodeInvalid, "A reason has a code that stands for no need that is known here: read the reason as it was sent.")
	case r.terms.Disagree(n.Codes):
		r.warn(concepts[0], fhir.IssueCodeInvalid, "A reason has codes that stand for different needs: the first was taken.")
	}
}

// damaged warns of SNOMED CT codes that fail their check. The sender learns the place
// and the fix; the link worker sees what was probably meant.
func (r *reading) damaged(element *dtpb.CodeableConcept, codings []fhir.Coding) (found bool) {
	for _, c := range codings {
		repair, damaged := r.terms.Damaged(c)
		if !damaged {
			continue
		}
		found = true
		r.notice(element, fhir.IssueCodeInvalid, "a SNOMED CT code is damaged, as a spreadsheet does to the 16th digit; send codes as text")
		text := "A SNOMED CT code of the referral is damaged: ask the sender which was meant."
		if repair.Code != "" {
			text = "A SNOMED CT code of the referral is damaged; probably " + repair.Code + " (" + repair.Display + ") was meant."
		}
		r.out.Case.Warnings = append(r.out.Case.Warnings, text)
	}
	return found
}

// worded takes a reason that is not held here for the words that stand beside it.
func (r *reading) worded(ref *dtpb.Reference) {
	if text := ref.GetDisplay().GetValue(); text != "" {
		r.mapped(field("needs", len(r.out.Case.Needs)), ref.GetDisplay())
		r.out.Case.Needs = append(r.out.Case.Needs, cases.Need{Category: unspecified, Text: text})
		return
	}
	r.warn(ref, fhir.IssueBusinessRule, "A reason of the referral is not held here and has no words beside it: ask the sender.")
}

// finding reads a Condition or an Observation: a need when it is a reason or its code
// stands for one, else a risk. ok is false when the reference leads to neither.
func (r *reading) finding(ref *dtpb.Reference, reason bool) (ok bool) {
	switch f := r.resolve(ref).(type) {
	case *cdpb.Condition:
		r.followed("needs", ref)
		r.condition(f, reason)
	case *obpb.Observation:
		r.followed("needs", ref)
		r.observation(f, reason)
	default:
		return false
	}
	return true
}

// condition: one that was refuted, recorded in error or is over is no need today.
func (r *reading) condition(c *cdpb.Condition, reason bool) {
	if r.isAny(c.GetVerificationStatus(), "refuted", "entered-in-error") || r.isAny(c.GetClinicalStatus(), "inactive", "remission", "resolved") {
		r.warn(c.GetCode(), fhir.IssueBusinessRule, "A condition of the referral was refuted, is over or was recorded in error: it was not taken as a need.")
		return
	}
	for _, note := range c.GetNote() {
		r.narrative(note)
	}
	r.needOrRisk(reason, c.GetCode())
}

// isAny claims a status and reports whether it is one of the codes.
func (r *reading) isAny(status *dtpb.CodeableConcept, codes ...string) bool {
	for _, c := range status.GetCoding() {
		r.mapped("needs", c.GetCode())
		for _, code := range codes {
			if c.GetCode().GetValue() == code {
				return true
			}
		}
	}
	return false
}

// observation: one that was withdrawn, was not made or answered no is kept as it is,
// and so is a measurement that is not itself a reason. What was found is read before
// what was asked.
func (r *reading) observation(o *obpb.Observation, reason bool) {
	r.mapped("needs", o.GetStatus())
	switch o.GetStatus().GetValue() {
	case cpb.ObservationStatusCode_CANCELLED, cpb.ObservationStatusCode_ENTERED_IN_ERROR:
		r.warn(o.GetCode(), fhir.IssueBusinessRule, "An observation of the referral was withdrawn: it was not taken as a need.")
		return
	}
	value := o.GetValue()
	r.mapped("needs", value.GetBoolean())
	switch {
	case value.GetCodeableConcept() != nil:
		r.needOrRisk(reason, value.GetCodeableConcept(), o.GetCode())
	case o.GetDataAbsentReason() != nil, value.GetBoolean() != nil && !value.GetBoolean().GetValue():
	case value == nil, value.GetBoolean() != nil, reason:
		r.needOrRisk(reason, o.GetCode())
	}
}

// needOrRisk adds a need when the concepts are a reason or stand for one, else a risk.
func (r *reading) needOrRisk(reason bool, concepts ...*dtpb.CodeableConcept) {
	for _, c := range concepts {
		_, known := r.terms.Category(plain(c))
		reason = reason || known
	}
	if reason {
		r.need(field("needs", len(r.out.Case.Needs)), concepts...)
		return
	}
	r.risk(concepts...)
}

func plain(c *dtpb.CodeableConcept) []fhir.Coding {
	var out []fhir.Coding
	for _, coding := range c.GetCoding() {
		out = append(out, fhir.Coding{System: coding.GetSystem().GetValue(), Code: coding.GetCode().GetValue()})
	}
	return out
}

func (r *reading) risk(concepts ...*dtpb.CodeableConcept) {
	var risk cases.Risk
	risk.Codes, risk.Text = r.concepts(field("risks", len(r.out.Case.Risks)), concepts)
	for i := 0; risk.Text == "" && i < len(risk.Codes); i++ {
		risk.Text = risk.Codes[i].Display
	}
	if risk.Text != "" || len(risk.Codes) > 0 {
		r.out.Case.Risks = append(r.out.Case.Risks, risk)
	}
}

// flag: only an active one warns of anything today.
func (r *reading) flag(f *fpb.Flag) {
	r.mapped("risks", f.GetStatus())
	if f.GetStatus().GetValue() == cpb.FlagStatusCode_ACTIVE {
		r.risk(f.GetCode())
	}
}
