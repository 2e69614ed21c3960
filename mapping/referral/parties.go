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
	srpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/service_request_go_proto"

	"caselink.example/fhir"
	"caselink.example/fhir/nhs"
	"caselink.example/mapping/cases"
)

const extSource = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-SourceOfServiceRequest"

// sources are the members of UKCore-SourceOfServiceRequest that a report distinguishes.
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

// referrerReader reads who referred, and from what kind of place.
type referrerReader struct {
	*account
	out    cases.Referrer
	ods    nhs.ODSCode // of the requester's organisation; "" when not said
	source cases.Source
}

// readReferrer reads the requester; patient is the person's own name, for a person may
// refer themselves.
func readReferrer(a *account, sr *srpb.ServiceRequest, patient string) referrerReader {
	r := referrerReader{account: a, source: cases.SourceGP} // it is practices that send
	ref := sr.GetRequester()
	switch who := a.resolve(ref).(type) {
	case *prrpb.PractitionerRole:
		a.followed("referrer", ref)
		r.role(who)
	case *prpb.Practitioner:
		a.followed("referrer", ref)
		r.person(who.GetName(), who.GetTelecom())
	case *rppb.RelatedPerson:
		r.source = cases.SourceFamilyCarer
		a.followed("source", ref)
		r.person(who.GetName(), who.GetTelecom())
	case *ppb.Patient:
		r.source = cases.SourceSelf
		a.followed("source", ref)
		r.out.Name = patient
	default:
		r.reference(ref)
	}

	// Last, for what the sender says outright counts before what its requester suggests.
	r.readSource(extension(sr.GetExtension(), extSource))
	return r
}

// readSource takes the source that the sender names.
func (r *referrerReader) readSource(e *dtpb.Extension) {
	for _, coding := range e.GetValue().GetCodeableConcept().GetCoding() {
		if nhs.System(coding.GetSystem().GetValue()) != nhs.SystemSNOMED {
			continue
		}
		r.mapped("source", e.GetUrl(), coding.GetSystem(), coding.GetCode())
		if r.source = sources[coding.GetCode().GetValue()]; r.source == "" {
			r.source = cases.SourceSomebodyElse
		}
		return
	}
}

// reference takes what a reference to the requester says by itself: an organisation, a
// name, whether it is the person or a relative.
func (r *referrerReader) reference(ref *dtpb.Reference) {
	display := ref.GetDisplay()
	organisation := r.takeOrganisation(ref)
	switch {
	case organisation:
	case display.GetValue() != "":
		r.out.Name = display.GetValue()
		r.mapped("referrer.name", display)
	case ref != nil && ref.GetIdentifier() == nil:
		r.warn(ref, fhir.IssueBusinessRule,
			"The requester is not held here and has neither identifier nor display: who referred is not known.")
	}
	switch kind := ref.GetType(); kind.GetValue() {
	case "Patient":
		r.source = cases.SourceSelf
		r.mapped("source", kind)
	case "RelatedPerson":
		r.source = cases.SourceFamilyCarer
		r.mapped("source", kind)
	}
}

func (r *referrerReader) role(role *prrpb.PractitionerRole) {
	if p, ok := r.resolve(role.GetPractitioner()).(*prpb.Practitioner); ok {
		r.followed("referrer", role.GetPractitioner())
		r.person(p.GetName(), p.GetTelecom())
	} else if display := role.GetPractitioner().GetDisplay(); display != nil {
		r.out.Name = display.GetValue()
		r.mapped("referrer.name", display)
	}
	for _, c := range role.GetCode() {
		if r.out.Role = r.textOf("referrer.role", c); r.out.Role != "" {
			break
		}
	}

	// After the person's own: a number of the person is worth more than one of the desk.
	r.phone(role.GetTelecom())
	r.takeOrganisation(role.GetOrganization())
}

// takeOrganisation takes an organisation as the referrer's. ok is false when the reference
// gives neither its ODS code nor its name.
func (r *referrerReader) takeOrganisation(ref *dtpb.Reference) (ok bool) {
	code, name := r.organisation("referrer.organisation", ref)
	if name == nil && code != "" {
		name = ref.GetDisplay()
	}
	if code == "" && name.GetValue() == "" {
		return false
	}
	r.mapped("referrer.organisation", name)
	r.ods = code
	r.out.Organisation = &cases.Party{ID: string(code), Name: name.GetValue()}
	return true
}

func (r *referrerReader) person(names []*dtpb.HumanName, telecom []*dtpb.ContactPoint) {
	if len(names) > 0 {
		r.out.Name = r.nameLine("referrer.name", names[0])
	}
	r.phone(telecom)
}

// phone is the first number at which the referrer may be rung.
func (r *referrerReader) phone(points []*dtpb.ContactPoint) {
	for _, p := range points {
		r.mapped("referrer.phone", p.GetSystem(), p.GetUse())
		usable := p.GetSystem().GetValue() == cpb.ContactPointSystemCode_PHONE && p.GetUse().GetValue() != cpb.ContactPointUseCode_OLD
		if usable && r.out.Phone == "" && p.GetValue().GetValue() != "" {
			r.out.Phone = p.GetValue().GetValue()
			r.mapped("referrer.phone", p.GetValue())
		}
	}
}

// organisation reads an organisation's ODS code, and its name, not yet entered, from a
// reference to it or to somebody's role in it. A code that cannot be one is warned of.
func (a *account) organisation(to string, ref *dtpb.Reference) (code nhs.ODSCode, name *dtpb.String) {
	// One step and no more: a role whose organisation is again a role would lead round and round.
	if role, ok := a.resolve(ref).(*prrpb.PractitionerRole); ok {
		a.followed(to, ref)
		ref = role.GetOrganization()
	}
	ids := []*dtpb.Identifier{ref.GetIdentifier()}
	if o, ok := a.resolve(ref).(*opb.Organization); ok {
		a.followed(to, ref)
		ids, name = append(ids, o.GetIdentifier()...), o.GetName()
	}

	// The first ODS code wins: the reference's own identifier, which the sender chose for
	// this referral, before those of the Organization that it leads to. A second would be
	// another place.
	for _, id := range ids {
		if !isODS(id.GetSystem().GetValue()) || code != "" {
			continue
		}
		out, ok := a.identifier(to, id)
		parsed, err := nhs.ParseODSCode(out.Value)
		if ok && err != nil {
			a.warn(id.GetValue(), fhir.IssueUnacceptable, fhir.ErrorsOf(err)[0].Diagnostics)
		}
		code = parsed
	}
	return code, name
}

// performers are the services that the referral asks for, by all their identifiers. One
// that cannot be made out is asked about: to take another instead would send the person
// elsewhere.
func (a *account) performers(all []*dtpb.Reference) (services []fhir.Identifier) {
	for _, ref := range all {
		ids := []*dtpb.Identifier{ref.GetIdentifier()}
		switch s := a.resolve(ref).(type) {
		case *opb.Organization:
			ids = append(ids, s.GetIdentifier()...)
		case *hspb.HealthcareService:
			ids = append(ids, s.GetIdentifier()...)
		case *prrpb.PractitionerRole:
			ids = append(ids, s.GetIdentifier()...)
		}
		found := false
		for _, id := range ids {
			if out, ok := a.identifier("service", id); ok {
				services = append(services, canonical(out))
				found = true
			}
		}
		if found {
			a.followed("service", ref)
		} else {
			a.ask(ref, "The referral names a service without an identifier that is known here: which service is meant?")
		}
	}
	return services
}
