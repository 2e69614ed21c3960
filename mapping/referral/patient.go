package referral

import (
	"cmp"
	"slices"
	"strings"

	cpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/codes_go_proto"
	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	ppb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/patient_go_proto"

	"caselink.example/fhir"
	"caselink.example/fhir/nhs"
	"caselink.example/fhir/r4"
	"caselink.example/mapping/cases"
)

// Extensions of UK Core and of FHIR itself that a link worker's work depends on.
const (
	extVerification = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus"
	extPreference   = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-ContactPreference"
	extInterpreter  = "http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired"
)

// subject is the person: a Patient that came along, or one whom the sender names by
// an identifier.
func (r *reading) subject() {
	ref := r.request.GetSubject()
	if id := ref.GetIdentifier(); id != nil {
		r.identify(id)
	}
	switch p := r.resolve(ref).(type) {
	case *ppb.Patient:
		r.followed("patient", ref)
		r.person(p)
	case nil:
		r.stranger(ref)
	default:
		r.refuse(ref, fhir.Errorf(fhir.IssueUnacceptable, "a referral is for one person; subject must lead to a Patient"))
	}
	patient := &r.out.Case.Patient
	if patient.Restricted && patient.Address == nil {
		patient.Address = &cases.Address{Withheld: true}
	}
	if _, ok := patient.Identifier(); !ok && !r.refused() {
		r.warn(ref, fhir.IssueBusinessRule,
			"Neither an NHS number nor an identifier of the practice's own came: nothing can be written back to the practice until a person supplies one.")
	}
}

// stranger is a person of whom no Patient came along.
func (r *reading) stranger(ref *dtpb.Reference) {
	const fix = "contain the Patient, or give subject.identifier with the NHS number or an identifier of your own"
	switch {
	case ref == nil:
		r.refuse(nil, fhir.Errorf(fhir.IssueRequired, "a referral is for a person; "+fix).At("ServiceRequest.subject"))
	case r4.Fragment(ref) != "":
		r.refuse(ref, fhir.Errorf(fhir.IssueInvariant, "subject leads to no contained resource; "+fix).Breaks("ref-1"))
	case ref.GetIdentifier().GetValue().GetValue() == "":
		r.refuse(ref, fhir.Errorf(fhir.IssueUnacceptable, "subject names nobody who is known here; "+fix))
	case ref.GetDisplay().GetValue() != "":
		r.out.Case.Patient.Name = ref.GetDisplay().GetValue()
		r.mapped("patient.name", ref.GetDisplay())
	}
}

// identify takes one identifier of the person: the NHS number, or the sender's own.
func (r *reading) identify(id *dtpb.Identifier) {
	to, patient := "patient.identifiers", &r.out.Case.Patient
	national := nhs.System(id.GetSystem().GetValue()) == nhs.SystemNumber
	if national {
		to = "patient.nhsNumber"
	}
	out, ok := r.identifier(to, id)
	switch {
	case !ok:
	case !national:
		patient.Identifiers = append(patient.Identifiers, out)
	default:
		number, err := nhs.ParseNumber(out.Value)
		if err != nil {
			r.refuse(id.GetValue(), fhir.ErrorsOf(err)[0])
			return
		}
		if patient.NHSNumber != "" && patient.NHSNumber != string(number) {
			r.refuse(id.GetValue(), fhir.Errorf(fhir.IssueUnacceptable, "the person has two different NHS numbers; send the one that is in use"))
			return
		}
		patient.NHSNumber = string(number)
		r.verified(id)
	}
}

// verified reads how far the NHS number has been traced, in England's codes.
func (r *reading) verified(id *dtpb.Identifier) {
	e := extension(id.GetExtension(), extVerification)
	for _, c := range e.GetValue().GetCodeableConcept().GetCoding() {
		if status, ok := verification[c.GetCode().GetValue()]; ok {
			r.out.Case.Patient.TraceStatus = status
			r.mapped("patient.traceStatus", e.GetUrl(), c.GetCode())
			return
		}
	}
}

// verification turns the retired codes, which BaRS examples still send, into England's.
var verification = map[string]string{
	"01": "01", "02": "02", "03": "03", "04": "04", "05": "05", "06": "06", "07": "07", "08": "08",
	"number-present-and-verified":               "01",
	"number-present-but-not-traced":             "02",
	"trace-required":                            "03",
	"trace-attempted":                           "04",
	"trace-needs-to-be-resolved":                "05",
	"trace-in-progress":                         "06",
	"number-not-present-and-trace-not-required": "07",
	"trace-postponed":                           "08",
}

func (r *reading) person(p *ppb.Patient) {
	patient := &r.out.Case.Patient
	for _, label := range p.GetMeta().GetSecurity() {
		r.label(label)
	}
	for _, id := range p.GetIdentifier() {
		r.identify(id)
	}
	r.name(p.GetName())
	r.telecom(p.GetTelecom())
	r.address(p.GetAddress())
	r.language(p)
	r.practice(p)
	if patient.BirthDate = r4.Text(p.GetBirthDate()); patient.BirthDate != "" {
		r.mapped("patient.birthDate", p.GetBirthDate())
	}
	if g := p.GetGender(); g.GetValue() != cpb.AdministrativeGenderCode_INVALID_UNINITIALIZED {
		patient.Gender = code(g.GetValue())
		r.mapped("patient.gender", g)
	}
	r.contactable(p)
	r.record(p)
}

// record is the state of the Patient resource itself, and of the person.
func (r *reading) record(p *ppb.Patient) {
	if active := p.GetActive(); active != nil {
		r.mapped("warnings", active)
		if !active.GetValue() {
			r.warn(active, fhir.IssueBusinessRule, "The practice no longer uses this record of the person: check that it is the right one.")
		}
	}
	for _, link := range p.GetLink() {
		r.warn(link, fhir.IssueBusinessRule, "The practice has linked this record of the person to another: check that it is the right one.")
	}
	deceased := p.GetDeceased()
	r.mapped("patient.deceased", deceased.GetBoolean(), deceased.GetDateTime())
	died := r4.Text(deceased.GetDateTime())
	if deceased.GetBoolean().GetValue() || died != "" {
		r.out.Case.Patient.Deceased, r.out.Case.Patient.DeceasedOn, r.out.Case.DoNotContact = true, died, true
		r.ask(deceased, "The referral says that the person has died: is it meant for somebody else?")
	}
}

// nameUses are the uses of a name by which a person may be addressed, best first.
var nameUses = []cpb.NameUseCode_Value{
	cpb.NameUseCode_USUAL, cpb.NameUseCode_OFFICIAL, cpb.NameUseCode_INVALID_UNINITIALIZED, cpb.NameUseCode_TEMP, cpb.NameUseCode_NICKNAME,
}

func (r *reading) name(names []*dtpb.HumanName) {
	n := best(names, nameUses, func(n *dtpb.HumanName) cpb.NameUseCode_Value {
		r.mapped("patient.name", n.GetUse())
		return n.GetUse().GetValue()
	})
	if n == nil {
		return
	}
	patient := &r.out.Case.Patient
	patient.Family = n.GetFamily().GetValue()
	r.mapped("patient.family", n.GetFamily())
	for _, given := range n.GetGiven() {
		patient.Given = append(patient.Given, given.GetValue())
		r.mapped("patient.given", given)
	}
	patient.Name = r.line("patient.name", n)
}

// line is a name as one line: as it was written, else put together of its parts.
func (r *reading) line(to string, n *dtpb.HumanName) string {
	if text := n.GetText(); text.GetValue() != "" {
		r.mapped(to, text)
		return text.GetValue()
	}
	var parts []string
	for _, some := range [][]*dtpb.String{n.GetPrefix(), n.GetGiven(), {n.GetFamily()}, n.GetSuffix()} {
		for _, part := range some {
			if part.GetValue() != "" {
				r.mapped(to, part)
				parts = append(parts, part.GetValue())
			}
		}
	}
	return strings.Join(parts, " ")
}

// telecom takes every way to ring or write that is not out of use.
func (r *reading) telecom(points []*dtpb.ContactPoint) {
	patient := &r.out.Case.Patient
	for _, p := range points {
		to := "patient.phones"
		if p.GetSystem().GetValue() == cpb.ContactPointSystemCode_EMAIL {
			to = "patient.email"
		}
		r.mapped(to, p.GetUse())
		if p.GetValue().GetValue() == "" || p.GetUse().GetValue() == cpb.ContactPointUseCode_OLD {
			continue
		}
		r.mapped(to, p.GetSystem())
		switch p.GetSystem().GetValue() {
		case cpb.ContactPointSystemCode_PHONE, cpb.ContactPointSystemCode_SMS:
			phone := cases.Phone{Number: p.GetValue().GetValue(), Rank: int(p.GetRank().GetValue())}
			if use := p.GetUse(); use != nil {
				phone.Use = code(use.GetValue())
			}
			patient.Phones = append(patient.Phones, phone)
			r.mapped(to, p.GetValue(), p.GetRank())
		case cpb.ContactPointSystemCode_EMAIL:
			patient.Email = append(patient.Email, p.GetValue().GetValue())
			r.mapped(to, p.GetValue())
		}
	}
	slices.SortStableFunc(patient.Phones, func(a, b cases.Phone) int { return cmp.Compare(rank(a), rank(b)) })
}

// rank orders phones: 1 is preferred, none comes last.
func rank(p cases.Phone) int {
	if p.Rank == 0 {
		return 1 << 30
	}
	return p.Rank
}

// addressUses are the uses of an address where a person may live, best first.
var addressUses = []cpb.AddressUseCode_Value{
	cpb.AddressUseCode_HOME, cpb.AddressUseCode_INVALID_UNINITIALIZED, cpb.AddressUseCode_TEMP,
}

func (r *reading) address(addresses []*dtpb.Address) {
	a := best(addresses, addressUses, func(a *dtpb.Address) cpb.AddressUseCode_Value {
		r.mapped("patient.address", a.GetUse())
		return a.GetUse().GetValue()
	})
	if a == nil {
		return
	}
	out := &cases.Address{City: a.GetCity().GetValue(), District: a.GetDistrict().GetValue(), Postcode: a.GetPostalCode().GetValue()}
	r.mapped("patient.address", a.GetCity(), a.GetDistrict(), a.GetPostalCode())
	lines := a.GetLine()
	if len(lines) == 0 && a.GetText() != nil {
		lines = []*dtpb.String{a.GetText()}
	}
	for _, line := range lines {
		out.Lines = append(out.Lines, line.GetValue())
		r.mapped("patient.address", line)
	}
	r.out.Case.Patient.Address = out
}

// best is the first of the elements with the best use; nil when none has any of them.
func best[E *dtpb.HumanName | *dtpb.Address, U comparable](elements []E, uses []U, use func(E) U) (chosen E) {
	rank := len(uses)
	for _, e := range elements {
		if i := slices.Index(uses, use(e)); i >= 0 && i < rank {
			chosen, rank = e, i
		}
	}
	return chosen
}

// language is the preferred one, else the first; and whether an interpreter is needed.
func (r *reading) language(p *ppb.Patient) {
	all := p.GetCommunication()
	for _, c := range all {
		r.mapped("patient.language", c.GetPreferred())
	}
	i := max(0, slices.IndexFunc(all, func(c *ppb.Patient_Communication) bool { return c.GetPreferred().GetValue() }))
	if i < len(all) {
		r.spoken(all[i].GetLanguage())
	}
	if e := extension(p.GetExtension(), extInterpreter); e.GetValue().GetBoolean() != nil {
		r.out.Case.Patient.Interpreter = e.GetValue().GetBoolean().GetValue()
		r.mapped("patient.interpreter", e.GetUrl(), e.GetValue().GetBoolean())
	}
}

func (r *reading) spoken(language *dtpb.CodeableConcept) {
	patient := &r.out.Case.Patient
	for _, c := range language.GetCoding() {
		if c.GetCode().GetValue() != "" {
			patient.Language = c.GetCode().GetValue()
			r.mapped("patient.language", c.GetCode())
			return
		}
	}
	patient.Language = language.GetText().GetValue()
	r.mapped("patient.language", language.GetText())
}

// contactable is how the person likes to be reached, in the words of the preference,
// and whether there is any way to ring them.
func (r *reading) contactable(p *ppb.Patient) {
	preference := extension(p.GetExtension(), extPreference)
	r.mapped("patient.contactPreferences", preference.GetUrl())
	for _, part := range preference.GetExtension() {
		says := r.says("patient.contactPreferences", part.GetValue().GetCodeableConcept())
		if plain := part.GetValue().GetStringValue(); plain.GetValue() != "" {
			r.mapped("patient.contactPreferences", plain)
			says = plain.GetValue()
		}
		if says != "" {
			r.out.Case.Patient.ContactPreferences = append(r.out.Case.Patient.ContactPreferences, says)
		}
	}
	if patient := r.out.Case.Patient; len(patient.Phones) == 0 && len(patient.Email) == 0 && !patient.Restricted {
		r.warn(r.request.GetSubject(), fhir.IssueBusinessRule, "No phone number or email address of the person came.")
	}
}

// practice is where the person is registered: the first general practitioner with an
// ODS code.
func (r *reading) practice(p *ppb.Patient) {
	for _, ref := range p.GetGeneralPractitioner() {
		if code, _ := r.organisation("patient.registeredAt", ref); code != "" {
			r.out.Registered = code
			r.out.Case.Patient.RegisteredAt = string(code)
			return
		}
	}
}
