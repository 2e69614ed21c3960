package referral

import (
	cpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/codes_go_proto"
	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	hspb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/healthcare_service_go_proto"
	opb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/organization_go_proto"
	ppb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/patient_go_proto"
	prpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/practitioner_go_proto"
	prrpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/practitioner_role_go_proto"
	rppb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/related_person_go_proto"

	"caselink.example/fhir"
	"caselink.example/fhir/nhs"
	"caselink.example/mapping/cases"
)

const extSource = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-SourceOfServiceRequest"

// sources are the members of UKCore-SourceOfServiceRequest that a report tells apart.
var sources = map[string]cases.Source{
	"108161000000109":  cases.SourceGP,
	"276491000":        cases.SourcePrimaryCare,
	"185362004":        cases.SourcePrimaryCare,
	"1077191000000103": cases.SourcePrimaryCare,
	"185369008":        cases.SourcePharmacy,
	"185365002":        cases.SourceSocialCare,
	"1065391000000104": cases.SourceFamilyCarer,
	"185373006":        cases.SourceFamilyCarer,
	"310434002":        cases.SourceSelf,
	"306098008":        cases.SourceSelf,
	"312357002":        cases.SourceHospital,
}

// requester is who referred, and from what kind of place: the source that the sender
// names, else the kind of requester.
func (r *reading) requester() {
	ref, c := r.request.GetRequester(), &r.out.Case
	c.Source = cases.SourceGP
	switch who := r.resolve(ref).(type) {
	case *prrpb.PractitionerRole:
		r.followed("referrer", ref)
		r.role(who)
	case *prpb.Practitioner:
		r.followed("referrer", ref)
		r.practitioner(who.GetName(), who.GetTelecom())
	case *rppb.RelatedPerson:
		c.Source = cases.SourceFamilyCarer
		r.followed("source", ref)
		r.practitioner(who.GetName(), who.GetTelecom())
	case *ppb.Patient:
		c.Source = cases.SourceSelf
		r.followed("source", ref)
		c.Referrer.Name = c.Patient.Name
	default:
		r.named(ref)
	}
	r.source()
}

// source is where the sender says that the referral came from.
func (r *reading) source() {
	e := extension(r.request.GetExtension(), extSource)
	for _, coding := range e.GetValue().GetCodeableConcept().GetCoding() {
		if nhs.System(coding.GetSystem().GetValue()) != nhs.SystemSNOMED {
			continue
		}
		r.mapped("source", e.GetUrl(), coding.GetSystem(), coding.GetCode())
		if r.out.Case.Source = sources[coding.GetCode().GetValue()]; r.out.Case.Source == "" {
			r.out.Case.Source = cases.SourceSomebodyElse
		}
		return
	}
}

// named takes what a reference to the requester tells by itself: an organisation, a
// name, whether it is the person or a relative.
func (r *reading) named(ref *dtpb.Reference) {
	c := &r.out.Case
	display := ref.GetDisplay()
	switch {
	case r.employer(ref):
	case display.GetValue() != "":
		c.Referrer.Name = display.GetValue()
		r.mapped("referrer.name", display)
	case ref != nil && ref.GetIdentifier() == nil:
		r.warn(ref, fhir.IssueBusinessRule, "The requester is not held here and has neither identifier nor display: who referred is not known.")
	}
	switch kind := ref.GetType(); kind.GetValue() {
	case "Patient":
		c.Source = cases.SourceSelf
		r.mapped("source", kind)
	case "RelatedPerson":
		c.Source = cases.SourceFamilyCarer
		r.mapped("source", kind)
	}
}

func (r *reading) role(role *prrpb.PractitionerRole) {
	referrer := &r.out.Case.Referrer
	if p, ok := r.resolve(role.GetPractitioner()).(*prpb.Practitioner); ok {
		r.followed("referrer", role.GetPractitioner())
		r.practitioner(p.GetName(), p.GetTelecom())
	} else if display := role.GetPractitioner().GetDisplay(); display != nil {
		referrer.Name = display.GetValue()
		r.mapped("referrer.name", display)
	}
	for _, c := range role.GetCode() {
		if referrer.Role = r.says("referrer.role", c); referrer.Role != "" {
			break
		}
	}
	r.phone(role.GetTelecom())
	r.employer(role.GetOrganization())
}

// employer takes an organisation as the referrer's.
func (r *reading) employer(ref *dtpb.Reference) (ok bool) {
	code, name := r.organisation("referrer.organisation", ref)
	if name == nil && code != "" {
		name = ref.GetDisplay()
	}
	if code == "" && name.GetValue() == "" {
		return false
	}
	r.mapped("referrer.organisation", name)
	r.out.Requester = code
	r.out.Case.Referrer.Organisation = &cases.Party{ID: string(code), Name: name.GetValue()}
	return true
}

func (r *reading) practitioner(names []*dtpb.HumanName, telecom []*dtpb.ContactPoint) {
	if len(names) > 0 {
		r.out.Case.Referrer.Name = r.line("referrer.name", names[0])
	}
	r.phone(telecom)
}

// phone is the first number at which the referrer may be rung.
func (r *reading) phone(points []*dtpb.ContactPoint) {
	referrer := &r.out.Case.Referrer
	for _, p := range points {
		r.mapped("referrer.phone", p.GetSystem(), p.GetUse())
		usable := p.GetSystem().GetValue() == cpb.ContactPointSystemCode_PHONE && p.GetUse().GetValue() != cpb.ContactPointUseCode_OLD
		if usable && referrer.Phone == "" && p.GetValue().GetValue() != "" {
			referrer.Phone = p.GetValue().GetValue()
			r.mapped("referrer.phone", p.GetValue())
		}
	}
}

// organisation reads an organisation's ODS code, and its name, not yet claimed, from a
// reference to it or to somebody's role in it. A code that cannot be one is warned of.
func (r *reading) organisation(to string, ref *dtpb.Reference) (code nhs.ODSCode, name *dtpb.String) {
	if role, ok := r.resolve(ref).(*prrpb.PractitionerRole); ok {
		r.followed(to, ref)
		ref = role.GetOrganization()
	}
	ids := []*dtpb.Identifier{ref.GetIdentifier()}
	if o, ok := r.resolve(ref).(*opb.Organization); ok {
		r.followed(to, ref)
		ids, name = append(ids, o.GetIdentifier()...), o.GetName()
	}
	for _, id := range ids {
		if !isODS(id.GetSystem().GetValue()) || code != "" {
			continue
		}
		out, ok := r.identifier(to, id)
		parsed, err := nhs.ParseODSCode(out.Value)
		if ok && err != nil {
			r.warn(id.GetValue(), fhir.IssueUnacceptable, fhir.ErrorsOf(err)[0].Diagnostics)
		}
		code = parsed
	}
	return code, name
}

// performers are the services that the referral asks for. One that cannot be made
// out is asked about: to take another instead would send the person elsewhere.
func (r *reading) performers() {
	for _, ref := range r.request.GetPerformer() {
		ids := []*dtpb.Identifier{ref.GetIdentifier()}
		switch s := r.resolve(ref).(type) {
		case *opb.Organization:
			ids = append(ids, s.GetIdentifier()...)
		case *hspb.HealthcareService:
			ids = append(ids, s.GetIdentifier()...)
		case *prrpb.PractitionerRole:
			ids = append(ids, s.GetIdentifier()...)
		}
		found := false
		for _, id := range ids {
			if out, ok := r.identifier("service", id); ok {
				r.out.Performers = append(r.out.Performers, canonical(out))
				found = true
			}
		}
		if found {
			r.followed("service", ref)
		} else {
			r.ask(ref, "The referral names a service without an identifier that is known here: which service is meant?")
		}
	}
}

// canonical spells a national system, and an ODS code, as the directory does.
func canonical(id fhir.Identifier) fhir.Identifier {
	id.System = nhs.System(id.System)
	if code, err := nhs.ParseODSCode(id.Value); err == nil && isODS(id.System) {
		id.Value = string(code)
	}
	return id
}
