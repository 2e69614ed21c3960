package referral_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/referral"
)

func TestOrdinaryReferralRaisesNoQuestion(t *testing.T) {
	t.Parallel()
	ref, err := referral.FromFHIR(with(t, `{}`), terms)

	if err != nil || len(ref.Warnings) > 0 || ref.Case.Status != cases.Received || len(ref.Case.Queries)+len(ref.Case.Warnings) > 0 {
		t.Errorf("status %s, queries %v, warnings %v, %v", ref.Case.Status, ref.Case.Queries, ref.Warnings, err)
	}
	c := ref.Case
	if c.Priority != "routine" || ref.Requester != "A99001" || c.Source != "gp" || c.Consent.ToReferral != "not-stated" {
		t.Errorf("priority %q, requester %q, source %q, consent %v", c.Priority, ref.Requester, c.Source, c.Consent)
	}
}

func TestFaultIsRefusedAtItsElement(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ elements, want string }{
		"nobody":              {`{"subject": {"display": "Ann"}}`, "unacceptable at ServiceRequest.subject"},
		"a literal reference": {`{"subject": {"reference": "Patient/1"}}`, "unacceptable at ServiceRequest.subject"},
		"an absolute one": {
			`{"subject": {"reference": "https://gp.example/Patient/1"}}`,
			"unacceptable at ServiceRequest.subject",
		},
		"an empty identifier": {
			`{"subject": {"identifier": {"system": "https://fhir.nhs.uk/Id/nhs-number"}}}`,
			"unacceptable at ServiceRequest.subject",
		},
		"a group": {
			`{"contained": [{"resourceType": "Group", "id": "g", "type": "person", "actual": true}], "subject": {"reference": "#g"}}`,
			"unacceptable at ServiceRequest.subject",
		},
		"a bad number": {
			`{"subject": {"identifier": {"system": "http://fhir.nhs.uk/id/nhs-number/", "value": "999000001"}}}`,
			"unacceptable at ServiceRequest.subject.identifier.value",
		},
		"revoked":          {`{"status": "revoked"}`, "business-rule at ServiceRequest.status"},
		"completed":        {`{"status": "completed"}`, "business-rule at ServiceRequest.status"},
		"entered in error": {`{"status": "entered-in-error"}`, "business-rule at ServiceRequest.status"},
		"do not perform":   {`{"doNotPerform": true}`, "business-rule at ServiceRequest.doNotPerform"},
		"implicit rules":   {`{"implicitRules": "https://gp.example/r"}`, "business-rule at ServiceRequest.implicitRules"},
		"rules of the patient": {
			patient(`"implicitRules": "https://gp.example/r"`),
			"business-rule at ServiceRequest.contained[0].implicitRules",
		},
		"two faults": {
			`{"status": "revoked", "subject": {"reference": "Patient/1"}}`,
			"business-rule at ServiceRequest.status, unacceptable at ServiceRequest.subject",
		},
	}
	for name, test := range tests {
		_, err := referral.FromFHIR(with(t, test.elements), terms)

		var got []string
		if err != nil {
			for _, e := range fhir.ErrorsOf(err) {
				got = append(got, fmt.Sprintf("%s at %s", e.Code, e.Expression))
			}
		}
		if strings.Join(got, ", ") != test.want {
			t.Errorf("%s: %v, want %s", name, got, test.want)
		}
	}
}

// JSON may spell any letter of a name as an escape: u0045 is E.
func TestModifierExtensionIsRefusedHoweverItIsSpelled(t *testing.T) {
	t.Parallel()
	const (
		urn       = "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"
		extension = `"modifierExtension": [{"url": "https://gp.example/e", "valueBoolean": true}]`
	)
	tests := map[string]struct {
		request r4.Resource
		linked  r4.Resource
	}{
		"ServiceRequest.modifierExtension[0]":              {request: with(t, `{`+extension+`}`)},
		"ServiceRequest.contained[0].modifierExtension[0]": {request: with(t, patient(own+`, `+extension))},
		"Bundle.entry[1].resource.contact[0].modifierExtension[0]": {
			request: with(t, `{"subject": {"reference": "`+urn+`"}}`),
			linked:  decode(t, []byte(`{"resourceType": "Patient", `+own+`, "contact": [{"name": {"text": "Bob"}, `+extension+`}]}`)),
		},
	}
	for _, name := range []string{"modifierExtension", `modifier\u0045xtension`, `\u006dodifierExtension`} {
		spelled := func(r r4.Resource) r4.Resource {
			return decode(t, bytes.ReplaceAll(r.JSON, []byte("modifierExtension"), []byte(name)))
		}
		for path, test := range tests {
			var linked []referral.Linked
			if test.linked.JSON != nil {
				linked = append(linked, referral.Linked{Reference: urn, Path: "Bundle.entry[1].resource", Resource: spelled(test.linked)})
			}

			_, err := referral.FromFHIR(spelled(test.request), terms, linked...)

			if !fhir.Is(err, fhir.IssueExtension) || fhir.ErrorsOf(err)[0].Expression != path {
				t.Errorf("%s: %v; want it refused at %s", name, err, path)
			}
		}
	}
}

func TestRefusalNeverQuotesTheNumber(t *testing.T) {
	t.Parallel()
	_, err := referral.FromFHIR(with(t, patient(`"identifier": [`+number("9990000019")+`]`)), terms)

	if err == nil || strings.Contains(err.Error(), "9990000019") {
		t.Errorf("%v; want a refusal without the number", err)
	}
}

func TestDoubtHoldsTheCaseAndSaysWhy(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ elements, query string }{
		"draft":                   {`{"status": "draft"}`, "status is draft"},
		"on hold":                 {`{"status": "on-hold"}`, "status is on-hold"},
		"unknown":                 {`{"status": "unknown"}`, "status is unknown"},
		"a proposal":              {`{"intent": "proposal"}`, "intent is proposal"},
		"a directive":             {`{"intent": "directive"}`, "intent is directive"},
		"an option":               {`{"intent": "option"}`, "intent is option"},
		"a filler order":          {`{"intent": "filler-order"}`, "intent is filler-order"},
		"health coaching":         {`{"code": ` + sct("1078371000000100") + `}`, "another service's"},
		"declined":                {`{"code": ` + sct("871711000000103") + `}`, "declined"},
		"no code":                 {`{"code": null}`, "does not say what is asked for"},
		"a service without a key": {`{"performer": [{"reference": "HealthcareService/1"}]}`, "names a service"},
		"the person has died":     {patient(`"deceasedBoolean": true`), "has died"},
		"the person refuses": {
			supporting(consent("rejected", `{"text": "x"}`)), "refusal",
		},
	}
	for name, test := range tests {
		ref, err := referral.FromFHIR(with(t, test.elements), terms)

		asked := slices.ContainsFunc(ref.Case.Queries, func(q string) bool { return strings.Contains(q, test.query) })
		if err != nil || ref.Case.Status != cases.NeedsInformation || !asked || len(ref.Case.Queries) != 1 {
			t.Errorf("%s: %s with %q, %v; want it held: %s", name, ref.Case.Status, ref.Case.Queries, err, test.query)
		}
	}
}

func TestOrderOfAnyKindIsAnOrder(t *testing.T) {
	t.Parallel()
	for _, intent := range []string{"order", "original-order", "instance-order", "plan"} {
		ref, err := referral.FromFHIR(with(t, `{"intent": "`+intent+`"}`), terms)
		if err != nil || ref.Case.Status != cases.Received {
			t.Errorf("%s: %s, %v", intent, ref.Case.Status, err)
		}
	}
}

func TestOddityIsWarnedOfAndHoldsNothing(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ elements, path, warning string }{
		"at once":             {`{"priority": "stat"}`, "ServiceRequest.priority", "not an emergency service"},
		"as soon as possible": {`{"priority": "asap"}`, "ServiceRequest.priority", "not an emergency service"},
		"a local code":        {`{"code": {"text": "SP referral"}}`, "ServiceRequest.code", "not one that is known"},
		"a damaged code": {
			`{"code": ` + sct("1084281000000100", "871731000000106") + `}`,
			"ServiceRequest.code", "probably 1084281000000109",
		},
		"an unknown requester": {
			`{"requester": {"reference": "Practitioner/1"}}`, "ServiceRequest.requester",
			"who referred is not known",
		},
		"a bad ODS code": {
			`{"requester": {"identifier": {"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "A-1"}}}`,
			"ServiceRequest.requester.identifier.value", "ODS code",
		},
		"an unknown need": {
			`{"reasonCode": [{"coding": [{"system": "https://local.example", "code": "N"}]}]}`,
			"ServiceRequest.reasonCode[0]", "no need that is known",
		},
		"a reason elsewhere": {
			`{"reasonReference": [{"reference": "Condition/1"}]}`, "ServiceRequest.reasonReference[0]",
			"not held here",
		},
		"a record out of use": {
			patient(own + `, "active": false`), "ServiceRequest.contained[0].active",
			"no longer uses",
		},
		"a linked record": {
			patient(own + `, "link": [{"other": {"reference": "Patient/2"}, "type": "seealso"}]`),
			"ServiceRequest.contained[0].link[0]", "linked this record",
		},
		"no identifier": {patient(`"name": [{"text": "Ann Example"}]`), "ServiceRequest.subject", "nothing can be written back"},
		"no number to ring": {
			`{"contained": [{"resourceType": "Patient", "id": "p", ` + own + `}], "subject": {"reference": "#p"}}`,
			"ServiceRequest.subject", "No phone number",
		},
		"a lapsed consent": {
			supporting(consent("inactive", `{"text": "x"}`)),
			"ServiceRequest.contained[0].status", "not in force",
		},
		"a consent with limits": {
			supporting(consent("active", `{"text": "x"}`, `"provision": {"provision": [{"type": "deny"}]}`)),
			"ServiceRequest.contained[0].provision.provision[0]", "exceptions",
		},
		"a refuted condition": {
			reason(condition(`{"text": "Debt"}`, `"verificationStatus": {"coding": [{"code": "refuted"}]}`)),
			"ServiceRequest.contained[0].code", "not taken as a need",
		},
	}
	for name, test := range tests {
		ref, err := referral.FromFHIR(with(t, test.elements), terms)

		placed := slices.ContainsFunc(ref.Warnings, func(e *fhir.Error) bool { return e.Warning && e.Expression == test.path })
		told := slices.ContainsFunc(ref.Case.Warnings, func(w string) bool { return strings.Contains(w, test.warning) })
		if err != nil || ref.Case.Status != cases.Received || !placed || !told {
			t.Errorf("%s: %s, warnings %v and %q, %v; want %q at %s",
				name, ref.Case.Status, ref.Warnings, ref.Case.Warnings, err, test.warning, test.path)
		}
	}
}

func TestReasonsAndFindingsBecomeNeedsOrRisks(t *testing.T) {
	t.Parallel()
	lonely, dog := sct("267076002"), `{"text": "Dog"}`
	tests := map[string]struct{ elements, needs, risks string }{
		"reasons in their order":      {`{"reasonCode": [{"text": "a"}, ` + lonely + `]}`, "unspecified loneliness-isolation", ""},
		"a reason in words elsewhere": {`{"reasonCode": null, "reasonReference": [{"display": "Debt"}]}`, "unspecified", ""},
		"no reason":                   {`{"reasonCode": null}`, "unspecified", ""},
		"a condition as reason":       {reason(condition(dog)), "unspecified", ""},
		"a condition that is over": {
			reason(condition(lonely, `"clinicalStatus": {"coding": [{"code": "resolved"}]}`)),
			"unspecified", "",
		},
		"a condition beside":         {supporting(condition(lonely)), "loneliness-isolation loneliness-isolation", ""},
		"a condition that is a risk": {supporting(condition(dog)), "loneliness-isolation", "Dog"},
		"what was observed": {
			reason(observation("final", dog, `"valueCodeableConcept": `+lonely)),
			"loneliness-isolation", "",
		},
		"observed: yes": {
			reason(observation("final", lonely, `"valueBoolean": true`)),
			"loneliness-isolation", "",
		},
		"observed: no": {
			supporting(observation("final", lonely, `"valueBoolean": false`)),
			"loneliness-isolation", "",
		},
		"observed: no, as a reason": {reason(observation("final", lonely, `"valueBoolean": false`)), "unspecified", ""},
		"a measurement beside": {
			supporting(observation("final", dog, `"valueInteger": 3`)), "loneliness-isolation",
			"",
		},
		"a measurement as reason": {
			reason(observation("final", lonely, `"valueInteger": 3`)), "loneliness-isolation",
			"",
		},
		"an observation not made": {
			supporting(observation("final", dog, `"dataAbsentReason": {"text": "x"}`)),
			"loneliness-isolation", "",
		},
		"an observation withdrawn":     {reason(observation("entered-in-error", lonely)), "unspecified", ""},
		"an observation that is words": {supporting(observation("final", dog)), "loneliness-isolation", "Dog"},
		"a flag": {
			supporting(flagged("active", dog)),
			"loneliness-isolation", "Dog",
		},
		"a flag by its display": {
			supporting(flagged("active", `{"coding": [{"display": "Dog"}]}`)),
			"loneliness-isolation", "Dog",
		},
		"a flag taken down": {
			supporting(flagged("inactive", dog)),
			"loneliness-isolation", "",
		},
	}
	for name, test := range tests {
		ref, err := referral.FromFHIR(with(t, test.elements), terms)

		var needs, risks []string
		for _, n := range ref.Case.Needs {
			needs = append(needs, n.Category)
		}
		for _, r := range ref.Case.Risks {
			risks = append(risks, r.Text)
		}
		if err != nil || strings.Join(needs, " ") != test.needs || strings.Join(risks, " ") != test.risks || !ref.Case.Needs[0].Primary {
			t.Errorf("%s: needs %v, risks %v, %v; want %q and %q", name, needs, risks, err, test.needs, test.risks)
		}
	}
}

func TestSensitiveNeedIsMarked(t *testing.T) {
	t.Parallel()
	ref, _ := referral.FromFHIR(with(t, `{"reasonCode": [`+sct("706893006")+`, {"text": "a"}]}`), terms)

	if n := ref.Case.Needs; !n[0].Sensitive || n[1].Sensitive {
		t.Errorf("needs %+v; want the first sensitive", n)
	}
}

func TestConsentIsThreeSwitches(t *testing.T) {
	t.Parallel()
	about := func(codes ...string) string {
		var all []string
		for _, c := range codes {
			all = append(all, `{"coding": [{"system": "https://caselink.example/fhir/CodeSystem/consent", "code": "`+c+`"}]}`)
		}
		return strings.Join(append(all, `{"text": "x"}`), ",")
	}
	tests := map[string]struct {
		categories, provision string
		want                  cases.Consent
	}{
		"direct care": {
			`{"coding": [{"code": "DRC"}]}`, "",
			cases.Consent{ToReferral: "yes", ToHold: "yes", ToShareBack: "not-stated"},
		},
		"everything": {
			about("to-referral", "to-hold", "share-back"), `"provision": {"type": "permit"}`,
			cases.Consent{ToReferral: "yes", ToHold: "yes", ToShareBack: "full"},
		},
		"codes alone": {
			about("share-back-coded-only"), "",
			cases.Consent{ToReferral: "not-stated", ToHold: "not-stated", ToShareBack: "coded-only"},
		},
		"nothing back": {
			about("share-back"), `"provision": {"type": "deny"}`,
			cases.Consent{ToReferral: "not-stated", ToHold: "not-stated", ToShareBack: "none"},
		},
		"refused": {
			about("to-referral"), `"provision": {"type": "deny"}`,
			cases.Consent{ToReferral: "no", ToHold: "not-stated", ToShareBack: "not-stated"},
		},
		"refused, whatever it was": {
			`{"text": "x"}`, `"provision": {"type": "deny"}`,
			cases.Consent{ToReferral: "no", ToHold: "no", ToShareBack: "not-stated"},
		},
		"named in the provision": {
			`{"text": "x"}`, `"provision": {"type": "deny", "code": [` + about("share-back") + `]}`,
			cases.Consent{ToReferral: "not-stated", ToHold: "not-stated", ToShareBack: "none"},
		},
		"about something not known": {
			about("to-fly"), "",
			cases.Consent{ToReferral: "not-stated", ToHold: "not-stated", ToShareBack: "not-stated"},
		},
	}
	for name, test := range tests {
		ref, err := referral.FromFHIR(with(t, supporting(consent("active", test.categories, test.provision))), terms)
		if err != nil || ref.Case.Consent != test.want {
			t.Errorf("%s: %+v, %v; want %+v", name, ref.Case.Consent, err, test.want)
		}
	}
}

func TestSourceIsWhatTheSenderSaysElseWhoAsked(t *testing.T) {
	t.Parallel()
	says := func(code string) string {
		return `{"extension": [{"url": "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-SourceOfServiceRequest",
			"valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": "` + code + `"}]}}]}`
	}
	tests := map[string]struct {
		elements string
		want     cases.Source
	}{
		"general practitioner":   {says("108161000000109"), "gp"},
		"nurse":                  {says("185362004"), "phct"},
		"pharmacist":             {says("185369008"), "pharmacy"},
		"social worker":          {says("185365002"), "social-care"},
		"carer":                  {says("1065391000000104"), "family-carer"},
		"self":                   {says("310434002"), "self"},
		"consultant":             {says("312357002"), "hospital"},
		"a code not in the list": {says("1234567890"), "other"},
		"nobody":                 {`{"requester": null}`, "gp"},
		"the person, logically":  {`{"requester": {"type": "Patient", "display": "Ann"}}`, "self"},
		"a relative, logically":  {`{"requester": {"type": "RelatedPerson", "display": "Bob"}}`, "family-carer"},
		"the person, contained": {
			strings.Replace(patient(own), `"subject"`, `"requester": {"reference": "#p"}, "subject"`, 1),
			"self",
		},
		"a relative, contained": {
			`{"contained": [{"resourceType": "RelatedPerson", "id": "r", "patient": {"display": "x"}}], "requester": {"reference": "#r"}}`,
			"family-carer",
		},
	}
	for name, test := range tests {
		ref, err := referral.FromFHIR(with(t, test.elements), terms)
		if err != nil || ref.Case.Source != test.want {
			t.Errorf("%s: %q, %v; want %q", name, ref.Case.Source, err, test.want)
		}
	}
}

func TestRestrictedPersonKeepsNoInventedAddress(t *testing.T) {
	t.Parallel()
	const label = own + `, "meta": {"security": [
		{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "%s"}]}%s`
	tests := map[string]struct {
		level, address       string
		restricted, withheld bool
	}{
		"restricted":              {"R", "", true, true},
		"very restricted":         {"V", "", true, true},
		"restricted, yet it came": {"R", `, "address": [{"city": "Testford"}]`, true, false},
		"unrestricted":            {"U", "", false, false},
	}
	for name, test := range tests {
		ref, err := referral.FromFHIR(with(t, patient(fmt.Sprintf(label, test.level, test.address))), terms)

		p := ref.Case.Patient
		if withheld := p.Address != nil && p.Address.Withheld; err != nil || p.Restricted != test.restricted || withheld != test.withheld {
			t.Errorf("%s: restricted %v, address %+v, %v", name, p.Restricted, p.Address, err)
		}
	}
}

func TestIdentifierOutOfUseIsNotTheirs(t *testing.T) {
	t.Parallel()
	ref, err := referral.FromFHIR(with(t, patient(`"identifier": [
		{"use": "old", "system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000026"},
		{"use": "official", "system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"}]`)), terms)

	if err != nil || ref.Case.Patient.NHSNumber != "9990000018" || len(ref.Case.Patient.Identifiers) != 0 {
		t.Errorf("NHS number %q, identifiers %v, %v", ref.Case.Patient.NHSNumber, ref.Case.Patient.Identifiers, err)
	}
}

func TestDatesStayAsPreciseAsTheyWereSent(t *testing.T) {
	t.Parallel()
	for _, sent := range []string{
		"2026", "2026-03", "2026-03-02", "2026-03-02T09:30:00Z", "2026-03-02T09:30:00+00:00", "2026-03-02T09:30:00+01:00",
		"2026-03-02T09:30:00.120-05:30", "1951-07-04T23:59:59.000001Z",
	} {
		ref, err := referral.FromFHIR(with(t, `{"authoredOn": "`+sent+`"}`), terms)
		if err != nil || ref.Case.Referral.AuthoredOn != sent {
			t.Errorf("authoredOn %q, %v; want %q", ref.Case.Referral.AuthoredOn, err, sent)
		}
	}
}

func TestPrimitiveWithoutAValueIsKept(t *testing.T) {
	t.Parallel()
	ref, err := referral.FromFHIR(with(t, patient(own+`, "_birthDate": {"extension": [
		{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}`)), terms)

	if err != nil || ref.Case.Patient.BirthDate != "" {
		t.Errorf("birthDate %q, %v; want none", ref.Case.Patient.BirthDate, err)
	}
	if s, ok := stepFor(byPath(ref.Trace()), "ServiceRequest.contained[0].birthDate"); !ok || s.Action != referral.Kept {
		t.Errorf("the trace says %+v of birthDate; want it kept", s)
	}
}

func TestLinkedResourceIsReadLikeAContainedOne(t *testing.T) {
	t.Parallel()
	const urn = "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"
	person := func(value string) referral.Linked {
		return referral.Linked{Reference: urn, Path: "Bundle.entry[1].resource", Resource: decode(t, []byte(`{
			"resourceType": "Patient", "identifier": [`+number(value)+`], "name": [{"text": "Ann Example"}],
			"photo": [{"title": "x"}], "telecom": [{"system": "phone", "value": "07700 900001"}]}`))}
	}
	request := with(t, `{"subject": {"reference": "`+urn+`"}}`)

	ref, err := referral.FromFHIR(request, terms, person("9990000018"))
	if err != nil || ref.Case.Patient.NHSNumber != "9990000018" || ref.Case.Patient.Name != "Ann Example" {
		t.Errorf("patient %+v, %v", ref.Case.Patient, err)
	}
	steps := byPath(ref.Trace())
	name, photo := steps["Bundle.entry[1].resource.name[0].text"], steps["Bundle.entry[1].resource.photo[0].title"]
	if name.To != "patient.name" || photo.Action != referral.Kept {
		t.Errorf("the trace does not account for the linked resource: %v", ref.Trace())
	}
	_, err = referral.FromFHIR(request, terms, person("9990000019"))
	if es := fhir.ErrorsOf(err); es[0].Expression != "Bundle.entry[1].resource.identifier[0].value" {
		t.Errorf("%v; want the fault in the entry", err)
	}
}

func TestReferencesInACircleEnd(t *testing.T) {
	t.Parallel()
	const urn = "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"
	role := referral.Linked{
		Reference: urn,
		Resource:  decode(t, []byte(`{"resourceType": "PractitionerRole", "organization": {"reference": "`+urn+`"}}`)),
	}

	ref, err := referral.FromFHIR(with(t, `{"requester": {"reference": "`+urn+`"}}`), terms, role)

	if err != nil || ref.Case.Referrer.Organisation != nil {
		t.Errorf("%+v, %v; want no organisation", ref.Case.Referrer, err)
	}
}

func TestOnlyAServiceRequestIsAReferral(t *testing.T) {
	t.Parallel()
	_, err := referral.FromFHIR(decode(t, []byte(`{"resourceType": "Patient"}`)), terms)

	if !fhir.Is(err, fhir.IssueInvalid) {
		t.Errorf("%v; want it invalid", err)
	}
	if (referral.Reading{}).Trace() != nil {
		t.Error("a referral that was never read has a trace")
	}
}

func FuzzFromFHIR(f *testing.F) {
	f.Add([]byte(ordinary))
	for _, name := range []string{"typical.json", "bars.json", "held.json", "refused.json", "logical.json"} {
		f.Add(fixture(f, name).JSON)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := r4.Unmarshal(raw)
		if err != nil || r.Type != "ServiceRequest" {
			return
		}
		ref, err := referral.FromFHIR(r, terms)
		if len(ref.Case.Needs) == 0 || len(ref.Trace()) == 0 {
			t.Errorf("a case without a need, or no trace")
		}
		if err == nil {
			return
		}
		for _, e := range fhir.ErrorsOf(err) {
			if !strings.HasPrefix(e.Expression, "ServiceRequest") || e.Warning {
				t.Errorf("a refusal at %q: %v", e.Expression, e)
			}
		}
	})
}
