package referral

import (
	"cmp"
	"slices"

	cpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/codes_go_proto"
	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	ppb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/patient_go_proto"
	srpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/service_request_go_proto"
	"google.golang.org/protobuf/proto"

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

// patientReader reads who the referral is for.
type patientReader struct {
	*account
	out cases.Patient
}

// readPatient reads the subject: a Patient that came along, or a person whom the sender
// names by an identifier.
func readPatient(a *account, sr *srpb.ServiceRequest) patientReader {
	p := patientReader{account: a}
	p.takeRestriction(sr.GetMeta().GetSecurity())

	// The reference's own identifier is read even when a Patient came along: a sender whose
	// two numbers differ has mixed up two people.
	ref := sr.GetSubject()
	if id := ref.GetIdentifier(); id != nil {
		p.identify(id)
	}
	switch resource := a.resolve(ref).(type) {
	case *ppb.Patient:
		a.followed("patient", ref)
		p.patient(resource, ref)
	case nil:
		p.unknownSubject(ref)
	default:
		a.refuse(ref, fhir.Errorf(fhir.IssueUnacceptable, "a referral is for one person; subject must lead to a Patient"))
	}

	if p.out.Restricted && p.out.Address == nil {
		p.out.Address = &cases.Address{Withheld: true} // else the app would show that nobody knows it
	}
	if _, ok := p.out.Identifier(); !ok && !a.refused() {
		a.warn(ref, fhir.IssueBusinessRule,
			"Neither an NHS number nor an identifier of the practice's own came: "+
				"nothing can be written back to the practice until a person supplies one.")
	}
	return p
}

// takeRestriction reads the security labels of a resource about the person: the record is
// restricted when the confidentiality of one is restricted or very restricted.
// https://hl7.org/fhir/R4/security-labels.html
func (p *patientReader) takeRestriction(labels []*dtpb.Coding) {
	for _, label := range labels {
		// The system is not looked at: a label that is taken for one too many costs a click,
		// one too few an address.
		if level := label.GetCode().GetValue(); level == "R" || level == "V" {
			p.mapped("patient.restricted", label.GetCode())
			p.out.Restricted = true
		}
	}
}

// unknownSubject reads a person of whom no Patient came along.
func (p *patientReader) unknownSubject(ref *dtpb.Reference) {
	const fix = "contain the Patient, or give subject.identifier with the NHS number or an identifier of your own"
	switch {
	case ref == nil:
		p.refuse(nil, fhir.Errorf(fhir.IssueRequired, "a referral is for a person; "+fix).At("ServiceRequest.subject"))
	case r4.Fragment(ref) != "":
		p.refuse(ref, fhir.Errorf(fhir.IssueInvariant, "subject leads to no contained resource; "+fix).Breaks("ref-1"))
	case ref.GetIdentifier().GetValue().GetValue() == "":
		// A literal reference leads into the sender's server, which is never asked from here.
		p.refuse(ref, fhir.Errorf(fhir.IssueUnacceptable, "subject names nobody who is known here; "+fix))
	case ref.GetDisplay().GetValue() != "":
		p.out.Name = ref.GetDisplay().GetValue()
		p.mapped("patient.name", ref.GetDisplay())
	}
}

// identify takes one identifier of the person: the NHS number, or the sender's own.
func (p *patientReader) identify(id *dtpb.Identifier) {
	to := "patient.identifiers"
	national := nhs.System(id.GetSystem().GetValue()) == nhs.SystemNumber
	if national {
		to = "patient.nhsNumber"
	}
	out, ok := p.identifier(to, id)
	if !ok {
		return
	}
	if !national {
		p.out.Identifiers = append(p.out.Identifiers, out)
		return
	}

	// A wrong number is refused, not left out: work would begin on another person's record.
	number, err := nhs.ParseNumber(out.Value)
	if err != nil {
		p.refuse(id.GetValue(), fhir.ErrorsOf(err)[0])
		return
	}
	if p.out.NHSNumber != "" && p.out.NHSNumber != number {
		p.refuse(id.GetValue(), fhir.Errorf(fhir.IssueUnacceptable,
			"the person has two different NHS numbers; send the one that is in use"))
		return
	}
	p.out.NHSNumber = number
	p.traceStatus(id)
}

// traceStatus reads how far the NHS number has been traced, in England's codes.
func (p *patientReader) traceStatus(id *dtpb.Identifier) {
	e := extension(id.GetExtension(), extVerification)
	for _, c := range e.GetValue().GetCodeableConcept().GetCoding() {
		if status, ok := verification[c.GetCode().GetValue()]; ok {
			p.out.TraceStatus = status
			p.mapped("patient.traceStatus", e.GetUrl(), c.GetCode())
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

// patient reads the Patient to which ref, the subject, leads.
func (p *patientReader) patient(resource *ppb.Patient, ref *dtpb.Reference) {
	p.takeRestriction(resource.GetMeta().GetSecurity())
	for _, id := range resource.GetIdentifier() {
		p.identify(id)
	}
	p.name(resource.GetName())
	p.telecom(resource.GetTelecom())
	p.address(resource.GetAddress())
	p.communication(resource)
	p.generalPractitioner(resource.GetGeneralPractitioner())
	if p.out.BirthDate = r4.Text(resource.GetBirthDate()); p.out.BirthDate != "" {
		p.mapped("patient.birthDate", resource.GetBirthDate())
	}
	if g := resource.GetGender(); g.GetValue() != cpb.AdministrativeGenderCode_INVALID_UNINITIALIZED {
		p.out.Gender = code(g.GetValue())
		p.mapped("patient.gender", g)
	}
	p.contactPreferences(extension(resource.GetExtension(), extPreference))
	if len(p.out.Phones) == 0 && len(p.out.Email) == 0 && !p.out.Restricted {
		p.warn(ref, fhir.IssueBusinessRule, "No phone number or email address of the person came.")
	}
	p.record(resource)
	p.deceased(resource.GetDeceased())
}

// record reads whether this Patient is the one by which the practice knows the person.
func (p *patientReader) record(resource *ppb.Patient) {
	if active := resource.GetActive(); active != nil {
		p.mapped("warnings", active)
		if !active.GetValue() {
			p.warn(active, fhir.IssueBusinessRule, "The practice no longer uses this record of the person: check that it is the right one.")
		}
	}
	for _, link := range resource.GetLink() {
		p.warn(link, fhir.IssueBusinessRule,
			"The practice has linked this record of the person to another: check that it is the right one.")
	}
}

func (p *patientReader) deceased(deceased *ppb.Patient_DeceasedX) {
	p.mapped("patient.deceased", deceased.GetBoolean(), deceased.GetDateTime())
	died := r4.Text(deceased.GetDateTime())
	if !deceased.GetBoolean().GetValue() && died == "" {
		return
	}

	var element proto.Message = deceased.GetBoolean()
	if died != "" {
		element = deceased.GetDateTime()
	}
	p.out.Deceased, p.out.DeceasedOn = true, died
	p.ask(element, "The referral says that the person has died: is it meant for somebody else?")
}

// nameUses are the uses of a name by which a person may be addressed, best first.
var nameUses = []cpb.NameUseCode_Value{
	cpb.NameUseCode_USUAL, cpb.NameUseCode_OFFICIAL, cpb.NameUseCode_INVALID_UNINITIALIZED, cpb.NameUseCode_TEMP, cpb.NameUseCode_NICKNAME,
}

// name reads the name to address the person by. A former name is none, even when no
// other came: it may be what the person has left behind.
func (p *patientReader) name(names []*dtpb.HumanName) {
	n := best(names, nameUses, func(n *dtpb.HumanName) cpb.NameUseCode_Value {
		p.mapped("patient.name", n.GetUse())
		return n.GetUse().GetValue()
	})
	if n == nil {
		return
	}
	p.out.Family = n.GetFamily().GetValue()
	p.mapped("patient.family", n.GetFamily())
	for _, given := range n.GetGiven() {
		p.out.Given = append(p.out.Given, given.GetValue())
		p.mapped("patient.given", given)
	}
	p.out.Name = p.nameLine("patient.name", n)
}

// telecom takes every way to ring or write that is not out of use.
func (p *patientReader) telecom(points []*dtpb.ContactPoint) {
	for _, point := range points {
		to := "patient.phones"
		if point.GetSystem().GetValue() == cpb.ContactPointSystemCode_EMAIL {
			to = "patient.email"
		}
		p.mapped(to, point.GetUse())
		if point.GetValue().GetValue() == "" || point.GetUse().GetValue() == cpb.ContactPointUseCode_OLD {
			continue
		}
		p.mapped(to, point.GetSystem())
		switch point.GetSystem().GetValue() {
		case cpb.ContactPointSystemCode_PHONE, cpb.ContactPointSystemCode_SMS:
			phone := cases.Phone{Number: point.GetValue().GetValue(), Rank: int(point.GetRank().GetValue())}
			if use := point.GetUse(); use != nil {
				phone.Use = code(use.GetValue())
			}
			p.out.Phones = append(p.out.Phones, phone)
			p.mapped(to, point.GetValue(), point.GetRank())
		case cpb.ContactPointSystemCode_EMAIL:
			p.out.Email = append(p.out.Email, point.GetValue().GetValue())
			p.mapped(to, point.GetValue())
		}
	}

	// A stable order: of phones of one rank, the sender's first is rung first.
	slices.SortStableFunc(p.out.Phones, func(a, b cases.Phone) int { return cmp.Compare(rank(a), rank(b)) })
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

func (p *patientReader) address(addresses []*dtpb.Address) {
	a := best(addresses, addressUses, func(a *dtpb.Address) cpb.AddressUseCode_Value {
		p.mapped("patient.address", a.GetUse())
		return a.GetUse().GetValue()
	})
	if a == nil {
		return
	}
	out := &cases.Address{City: a.GetCity().GetValue(), District: a.GetDistrict().GetValue(), Postcode: a.GetPostalCode().GetValue()}
	p.mapped("patient.address", a.GetCity(), a.GetDistrict(), a.GetPostalCode())

	// The text repeats the lines with town and postcode, so it is a line only where none came.
	lines := a.GetLine()
	if len(lines) == 0 && a.GetText() != nil {
		lines = []*dtpb.String{a.GetText()}
	}
	for _, line := range lines {
		out.Lines = append(out.Lines, line.GetValue())
		p.mapped("patient.address", line)
	}
	p.out.Address = out
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

// communication is the preferred language, else the first; and whether an interpreter is
// needed.
func (p *patientReader) communication(resource *ppb.Patient) {
	all := resource.GetCommunication()
	for _, c := range all {
		p.mapped("patient.language", c.GetPreferred())
	}
	i := max(0, slices.IndexFunc(all, func(c *ppb.Patient_Communication) bool { return c.GetPreferred().GetValue() }))
	if i < len(all) {
		p.language(all[i].GetLanguage())
	}
	if e := extension(resource.GetExtension(), extInterpreter); e.GetValue().GetBoolean() != nil {
		p.out.Interpreter = e.GetValue().GetBoolean().GetValue()
		p.mapped("patient.interpreter", e.GetUrl(), e.GetValue().GetBoolean())
	}
}

func (p *patientReader) language(language *dtpb.CodeableConcept) {
	for _, c := range language.GetCoding() {
		if c.GetCode().GetValue() != "" {
			p.out.Language = c.GetCode().GetValue()
			p.mapped("patient.language", c.GetCode())
			return
		}
	}
	p.out.Language = language.GetText().GetValue()
	p.mapped("patient.language", language.GetText())
}

// contactPreferences are how the person likes to be reached, in the words of the
// preference.
func (p *patientReader) contactPreferences(preference *dtpb.Extension) {
	p.mapped("patient.contactPreferences", preference.GetUrl())
	for _, part := range preference.GetExtension() {
		text := p.textOf("patient.contactPreferences", part.GetValue().GetCodeableConcept())
		if plain := part.GetValue().GetStringValue(); plain.GetValue() != "" {
			p.mapped("patient.contactPreferences", plain)
			text = plain.GetValue()
		}
		if text != "" {
			p.out.ContactPreferences = append(p.out.ContactPreferences, text)
		}
	}
}

// generalPractitioner is where the person is registered: the first with an ODS code, for
// nobody is registered at two practices.
func (p *patientReader) generalPractitioner(all []*dtpb.Reference) {
	for _, ref := range all {
		if code, _ := p.organisation("patient.registeredAt", ref); code != "" {
			p.out.RegisteredAt = code
			return
		}
	}
}
