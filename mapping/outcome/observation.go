package outcome

import (
	"time"

	cpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/codes_go_proto"
	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	opb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/observation_go_proto"
	"github.com/google/uuid"

	"caselink.example/fhir"
	"caselink.example/fhir/nhs"
	"caselink.example/fhir/r4"
	"caselink.example/mapping/cases"
)

// Systems of the Observation's codes.
const (
	SystemPoint    = fhir.Canonical + "/CodeSystem/outcome-point" // category: cases.Points
	SystemActor    = fhir.Canonical + "/Id/actor"                 // performer
	systemCategory = "http://terminology.hl7.org/CodeSystem/observation-category"
	systemUnit     = "http://unitsofmeasure.org"
)

// SystemOf is the code system of an instrument: its items, and "total".
func SystemOf(instrument string) string { return fhir.Canonical + "/CodeSystem/" + instrument }

// Input is what the Observations of an outcome are made of.
type Input struct {
	Case    cases.Case
	Outcome cases.Outcome
	Issued  time.Time
	Base    string // absolute URL of Caselink's FHIR API, without a slash at the end
}

// Observations are the scores of an outcome as its practice reads them: one for each
// answer of an instrument that is never summed, else one for the total with the
// answers as components. Ids and identifiers stay the same across corrections. An
// outcome of an instrument that is no longer known has none.
//
// Observation: https://hl7.org/fhir/R4/observation.html
func (all Instruments) Observations(in Input) []*opb.Observation {
	instrument, ok := all.Lookup(in.Outcome.Instrument)
	switch {
	// The scores of an instrument that an operator took away were written back when they were
	// recorded; without its codes nobody can say what they mean.
	case !ok:
		return nil
	case instrument.Total != nil:
		return []*opb.Observation{total(in, instrument)}
	}
	scores := make([]*opb.Observation, 0, len(instrument.Items))
	for _, item := range instrument.Items {
		o := observation(in, item.Code, item.concept(instrument.ID))
		o.Value = item.value(in.Outcome)
		scores = append(scores, o)
	}
	return scores
}

func observation(in Input, code string, concept *dtpb.CodeableConcept) *opb.Observation {
	o, referral := in.Outcome, in.Case.Referral
	subject, _ := in.Case.Patient.Identifier() // none: the Task of the same event is parked, and this with it
	return &opb.Observation{
		Id:         &dtpb.Id{Value: ObservationID(o.ID, code)},
		Identifier: []*dtpb.Identifier{r4.Identifier(Identifier(o.ID, code))},
		BasedOn:    []*dtpb.Reference{r4.ReferenceTo(in.Base+"/ServiceRequest/"+referral.ID, "ServiceRequest", referral.Identifiers...)},
		Status:     &opb.Observation_StatusCode{Value: statusOf(o)},
		Category: []*dtpb.CodeableConcept{
			r4.Concept("", fhir.Coding{System: systemCategory, Code: "survey", Display: "Survey"}),
			r4.Concept("", fhir.Coding{System: SystemPoint, Code: string(o.Point)}),
		},
		Code:      concept,
		Subject:   r4.Logical(subject, "Patient"),
		Effective: &opb.Observation_EffectiveX{Choice: &opb.Observation_EffectiveX_DateTime{DateTime: r4.DateTime(o.AnsweredAt)}},
		Issued:    r4.Instant(in.Issued),
		Performer: []*dtpb.Reference{performer(o.RecordedBy)},
	}
}

// total is the sum, or what the instrument's table makes of it, with the answers.
func total(in Input, instrument Instrument) *opb.Observation {
	// Made of the answers and never of what was stored as a score: one way to count.
	sum := sum(instrument, in.Outcome.Answers)
	concept := r4.Concept(instrument.Title, fhir.Coding{System: SystemOf(instrument.ID), Code: "total", Display: instrument.Title})
	if instrument.snomed != "" {
		concept.Coding = append(concept.Coding, r4.Coding(fhir.Coding{System: nhs.SystemSNOMED, Code: instrument.snomed}))
	}
	o := observation(in, "total", concept)
	o.Value = &opb.Observation_ValueX{Choice: &opb.Observation_ValueX_Integer{Integer: &dtpb.Integer{Value: int32(sum)}}}

	// The metric is the score; the sum goes along, for it is what the form shows.
	if instrument.metric != nil {
		o.Value = quantity(instrument.metric[sum-instrument.Total.Min])
		o.Component = append(o.Component, component("raw", "Raw score", instrument.ID, sum))
	}
	for _, item := range instrument.Items {
		o.Component = append(o.Component, component(item.Code, item.Text, instrument.ID, in.Outcome.Answers[item.Code]))
	}
	return o
}

func component(code, text, instrument string, value int) *opb.Observation_Component {
	return &opb.Observation_Component{
		Code: r4.Concept("", fhir.Coding{System: SystemOf(instrument), Code: code, Display: text}),
		Value: &opb.Observation_Component_ValueX{
			Choice: &opb.Observation_Component_ValueX_Integer{Integer: &dtpb.Integer{Value: int32(value)}},
		},
	}
}

func (i Item) concept(instrument string) *dtpb.CodeableConcept {
	return r4.Concept(i.Text, fhir.Coding{System: SystemOf(instrument), Code: i.Code, Display: i.Text})
}

func (i Item) value(o cases.Outcome) *opb.Observation_ValueX {
	if i.Decimal {
		return quantity(o.Scores[i.Code].String())
	}
	return &opb.Observation_ValueX{Choice: &opb.Observation_ValueX_Integer{Integer: &dtpb.Integer{Value: int32(o.Answers[i.Code])}}}
}

func quantity(decimal string) *opb.Observation_ValueX {
	return &opb.Observation_ValueX{Choice: &opb.Observation_ValueX_Quantity{Quantity: &dtpb.Quantity{
		Value: &dtpb.Decimal{Value: decimal}, Unit: &dtpb.String{Value: "score"},
		System: &dtpb.Uri{Value: systemUnit}, Code: &dtpb.Code{Value: "{score}"},
	}}}
}

// statusOf is final for the first version of an outcome and corrected for later ones.
func statusOf(o cases.Outcome) cpb.ObservationStatusCode_Value {
	if o.Version > 1 {
		return cpb.ObservationStatusCode_CORRECTED
	}
	return cpb.ObservationStatusCode_FINAL
}

// performer is who recorded the outcome, by name, and by id where there is one.
func performer(a cases.Actor) *dtpb.Reference {
	ref := &dtpb.Reference{Display: &dtpb.String{Value: a.Name}}
	if a.ID != "" {
		ref.Identifier = r4.Identifier(fhir.Identifier{System: SystemActor, Value: a.ID})
	}
	return ref
}

// observationSpace is the namespace of Observation ids.
var observationSpace = uuid.NewSHA1(uuid.NameSpaceURL, []byte(fhir.SystemOutcome))

// ObservationID is the UUIDv5 of one score of an outcome: the same for every version.
func ObservationID(outcomeID, code string) string {
	// Of the outcome and not of its version: a correction is a new version of one Observation.
	return uuid.NewSHA1(observationSpace, []byte(outcomeID+"/"+code)).String()
}

// Identifier names one score of an outcome, across corrections.
func Identifier(outcomeID, code string) fhir.Identifier {
	return fhir.Identifier{System: fhir.SystemOutcome, Value: outcomeID + "/" + code}
}
