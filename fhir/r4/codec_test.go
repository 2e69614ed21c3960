package r4

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	bcrpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/bundle_and_contained_resource_go_proto"
	obpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/observation_go_proto"
	srpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/service_request_go_proto"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"caselink.example/fhir"
)

// request is a sound ServiceRequest with the members added.
func request(members string) string {
	if members != "" {
		members = "," + members
	}
	return `{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"Patient/1"}` + members + `}`
}

// requestFor is the request whose subject is another.
func requestFor(subject, members string) string {
	return strings.Replace(request(members), `"Patient/1"`, `"`+subject+`"`, 1)
}

// batch is a Bundle of the resources.
func batch(resources ...string) string {
	return `{"resourceType":"Bundle","type":"batch","entry":[{"resource":` + strings.Join(resources, `},{"resource":`) + `}]}`
}

func observation(members string) string {
	return `{"resourceType":"Observation","status":"final","code":{"text":"x"},` + members + `}`
}

// faults are the errors as "code path rule".
func faults(err error) []string {
	var list []string
	if err != nil {
		for _, e := range fhir.ErrorsOf(err) {
			list = append(list, strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Code, e.Expression, e.Rule)))
		}
	}
	return list
}

func TestEachFaultHasItsCodeAndPath(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"linkId":"1","type":"group","item":[`, 40) + strings.Repeat(`]}`, 40)
	for name, test := range map[string]struct{ json, want string }{
		// not JSON
		"nothing":                {``, "structure"},
		"white space":            {" \n", "structure"},
		"no object":              {`[]`, "structure"},
		"byte order mark":        {"\uFEFF" + request(``), "structure"},
		"invalid UTF-8":          {request(`"patientInstruction":"` + "\xff" + `"`), "structure"},
		"UTF-16":                 {"{\x00\"\x00", "structure"},
		"trailing data":          {request(``) + `{}`, "structure"},
		"trailing comma":         {`{"resourceType":"Patient",}`, "structure"},
		"comment":                {`{"resourceType":"Patient"/* */}`, "structure"},
		"single quotes":          {`{'resourceType':'Patient'}`, "structure"},
		"raw control character":  {request("\"patientInstruction\":\"a\x01\""), "structure"},
		"raw NUL":                {request("\"patientInstruction\":\"a\x00\""), "structure"},
		"half a surrogate pair":  {request(`"patientInstruction":"\ud800"`), "structure"},
		"two first halves":       {request(`"patientInstruction":"\ud800\ud800"`), "structure"},
		"unknown escape":         {request(`"patientInstruction":"\x41"`), "structure"},
		"leading zero":           {observation(`"valueInteger":01`), "structure"},
		"plus sign":              {observation(`"valueInteger":+1`), "structure"},
		"no number":              {observation(`"valueInteger":NaN`), "structure"},
		"open string":            {`{"resourceType":"Pat`, "structure"},
		"open object":            {`{"resourceType":"Patient"`, "structure"},
		"too deep":               {`{"resourceType":"Questionnaire","status":"active","item":[` + deep + `]}`, "too-costly"},
		"number too long":        {observation(`"valueQuantity":{"value":` + strings.Repeat("1", 65) + `}`), "too-costly"},
		"too many values":        {request(`"instantiatesUri":[` + strings.Repeat(`"a",`, maxNodes) + `"a"]`), "too-costly"},
		"body too long":          {request(`"patientInstruction":"` + strings.Repeat("a", maxBytes) + `"`), "too-long"},
		"Bundle too long":        {strings.Repeat(" ", maxBundleBytes+1), "too-long"},
		"spaces beyond the size": {request(``) + strings.Repeat(" ", maxBytes), "too-long"},

		// not FHIR
		"no resourceType":            {`{"status":"active"}`, "required"},
		"resourceType null":          {`{"resourceType":null}`, "structure"},
		"resourceType unknown":       {`{"resourceType":"Referral"}`, "structure"},
		"resourceType of STU3":       {`{"resourceType":"ReferralRequest"}`, "structure"},
		"resourceType in lower case": {`{"resourceType":"patient"}`, "structure"},
		"resourceType twice":         {`{"resourceType":"Patient","resourceType":"Patient"}`, "structure Patient"},
		"unknown element":            {request(`"colour":"red"`), "structure ServiceRequest.colour"},
		"comments of DSTU2":          {request(`"fhir_comments":["x"]`), "structure ServiceRequest"},
		"name that is no name":       {request(`"Joe Bloggs 9990000018":"x"`), "structure ServiceRequest"},
		"wrong case":                 {request(`"PatientInstruction":"x"`), "structure ServiceRequest.PatientInstruction"},
		"twice":                      {request(`"status":"draft"`), "structure ServiceRequest.status"},
		"twice by an escape":         {request(`"st\u0061tus":"draft"`), "structure ServiceRequest.status"},
		"null":                       {request(`"patientInstruction":null`), "structure ServiceRequest.patientInstruction"},
		"null for a required code":   {strings.Replace(request(``), `"active"`, "null", 1), "structure ServiceRequest.status"},
		"empty required code":        {strings.Replace(request(``), `"active"`, `""`, 1), "value ServiceRequest.status"},
		"empty string":               {request(`"patientInstruction":""`), "value ServiceRequest.patientInstruction"},
		"empty array":                {request(`"note":[]`), "structure ServiceRequest.note"},
		"empty object":               {request(`"code":{}`), "invariant ServiceRequest.code ele-1"},
		"empty item":                 {request(`"note":[{}]`), "invariant ServiceRequest.note[0] ele-1"},
		"null item":                  {request(`"note":[null]`), "structure ServiceRequest.note[0]"},
		"array in array":             {request(`"note":[[{"text":"x"}]]`), "structure ServiceRequest.note[0]"},
		"array for one":              {request(`"code":[{"text":"x"}]`), "structure ServiceRequest.code"},
		"one for an array":           {request(`"note":{"text":"x"}`), "structure ServiceRequest.note"},
		"string for an object":       {request(`"code":"x"`), "structure ServiceRequest.code"},
		"object for a string":        {request(`"patientInstruction":{"value":"x"}`), "structure ServiceRequest.patientInstruction"},
		"string for a boolean":       {request(`"doNotPerform":"true"`), "structure ServiceRequest.doNotPerform"},
		"number for a string":        {request(`"patientInstruction":1`), "structure ServiceRequest.patientInstruction"},
		"string for a number":        {observation(`"valueInteger":"1"`), "structure Observation.value"},
		"required element":           {request(`"note":[{"time":"2026-05-14"}]`), "required ServiceRequest.note[0].text"},
		"two types of a choice":      {observation(`"valueInteger":1,"valueString":"x"`), "structure Observation.value"},
		"two types, one aside":       {observation(`"valueInteger":1,"_valueString":{"id":"a"}`), "structure Observation.value"},
		"choice without type":        {observation(`"value":1`), "structure Observation.value"},
		"object as div":              {request(`"text":{"status":"empty","div":{}}`), "structure ServiceRequest.text.div"},
		"deep path": {
			batch(request(`"code":{"coding":[{"sys":"x"}]}`)),
			"structure Bundle.entry[0].resource.code.coding[0].sys",
		},
		"entry is no resource": {
			batch(`{"id":"1"}`),
			"required Bundle.entry[0].resource",
		},

		// primitives
		"code in the wrong case":  {strings.Replace(request(``), "active", "ACTIVE", 1), "code-invalid ServiceRequest.status"},
		"code by its Go name":     {strings.Replace(request(``), "order", "original_order", 1), "code-invalid ServiceRequest.intent"},
		"code with a space":       {request(`"code":{"coding":[{"code":" x"}]}`), "value ServiceRequest.code.coding[0].code"},
		"code with two spaces":    {request(`"code":{"coding":[{"code":"x  y"}]}`), "value ServiceRequest.code.coding[0].code"},
		"id with a slash":         {request(`"id":"a/b"`), "value ServiceRequest.id"},
		"id of 65":                {request(`"id":"` + strings.Repeat("a", 65) + `"`), "value ServiceRequest.id"},
		"escaped NUL":             {request(`"patientInstruction":"a\u0000"`), "value ServiceRequest.patientInstruction"},
		"escaped NUL in markdown": {request(`"note":[{"text":"\u0000"}]`), "value ServiceRequest.note[0].text"},
		"uri with a space":        {request(`"implicitRules":"http://a b"`), "value ServiceRequest.implicitRules"},
		"30 February":             {request(`"authoredOn":"2026-02-30"`), "value ServiceRequest.authoredOn"},
		"29 February of 2026":     {request(`"authoredOn":"2026-02-29"`), "value ServiceRequest.authoredOn"},
		"month 13":                {request(`"authoredOn":"2026-13"`), "value ServiceRequest.authoredOn"},
		"year 0":                  {request(`"authoredOn":"0000"`), "value ServiceRequest.authoredOn"},
		"no zone":                 {request(`"authoredOn":"2026-05-14T09:30:00"`), "value ServiceRequest.authoredOn"},
		"no seconds":              {request(`"authoredOn":"2026-05-14T09:30Z"`), "value ServiceRequest.authoredOn"},
		"24 o'clock":              {request(`"authoredOn":"2026-05-14T24:00:00Z"`), "value ServiceRequest.authoredOn"},
		"zone of 15 hours":        {request(`"authoredOn":"2026-05-14T09:30:00+15:00"`), "value ServiceRequest.authoredOn"},
		"space for T":             {request(`"authoredOn":"2026-05-14 09:30:00Z"`), "value ServiceRequest.authoredOn"},
		"date with a time":        {`{"resourceType":"Patient","birthDate":"1951-03-07T00:00:00Z"}`, "value Patient.birthDate"},
		"instant without a time":  {observation(`"issued":"2026-05-14"`), "value Observation.issued"},
		"time without seconds":    {observation(`"valueTime":"09:30"`), "value Observation.value"},
		"integer beyond 32 bits":  {observation(`"valueInteger":2147483648`), "value Observation.value"},
		"integer with a point":    {observation(`"valueInteger":1.0`), "value Observation.value"},
		"positiveInt of 0":        {`{"resourceType":"Patient","telecom":[{"rank":0}]}`, "value Patient.telecom[0].rank"},
		"unsignedInt below 0":     {`{"resourceType":"Bundle","type":"searchset","total":-1}`, "value Bundle.total"},
		"decimal beyond a float":  {observation(`"valueQuantity":{"value":1e400}`), "value Observation.value.value"},
		"base64 without padding":  {`{"resourceType":"Binary","contentType":"a/b","data":"YQ"}`, "value Binary.data"},
		"oid without urn": {
			`{"resourceType":"Observation","status":"final","code":{"extension":[{"url":"u:a","valueOid":"1.2"}]}}`,
			"value Observation.code.extension[0].value",
		},
		"uuid in upper case": {
			request(`"extension":[{"url":"u:a","valueUuid":"urn:uuid:53FEFA32-FCBB-4FF8-8A92-55EE120877B7"}]`),
			"value ServiceRequest.extension[0].value",
		},
		"attachment url with spaces": {`{"resourceType":"Patient","photo":[{"url":"a b"}]}`, "value Patient.photo[0].url"},

		// name and _name
		"extensions without _": {
			request(`"authoredOn":{"extension":[{"url":"u:a","valueCode":"b"}]}`),
			"structure ServiceRequest.authoredOn",
		},
		"value with _":        {request(`"_authoredOn":"2026"`), "structure ServiceRequest.authoredOn"},
		"_ of a complex type": {request(`"_code":{"id":"a"}`), "structure ServiceRequest._code"},
		"_ with a value":      {request(`"_authoredOn":{"value":"2026"}`), "structure ServiceRequest.authoredOn.value"},
		"_ empty":             {request(`"_authoredOn":{}`), "invariant ServiceRequest.authoredOn ele-1"},
		"_id of an element":   {request(`"code":{"text":"a","_id":{"id":"a"}}`), "structure ServiceRequest.code._id"},
		"fewer items aside": {
			`{"resourceType":"Patient","name":[{"given":["a","b"],"_given":[{"id":"x"}]}]}`,
			"structure Patient.name[0].given",
		},
		"more items aside": {
			`{"resourceType":"Patient","name":[{"given":["a"],"_given":[null,{"id":"x"}]}]}`,
			"structure Patient.name[0].given",
		},
		"null on both sides": {
			`{"resourceType":"Patient","name":[{"given":["a",null],"_given":[{"id":"x"},null]}]}`,
			"structure Patient.name[0].given[1]",
		},
		"null on no other side": {`{"resourceType":"Patient","name":[{"given":["a",null]}]}`, "structure Patient.name[0].given[1]"},

		// extensions
		"no url":                   {request(`"extension":[{"valueCode":"b"}]`), "required ServiceRequest.extension[0].url"},
		"neither value nor nested": {request(`"extension":[{"url":"u:a"}]`), "invariant ServiceRequest.extension[0] ext-1"},
		"both value and nested": {
			request(`"extension":[{"url":"u:a","valueCode":"b","extension":[{"url":"c","valueCode":"d"}]}]`),
			"invariant ServiceRequest.extension[0] ext-1",
		},
		"extension that would hang": {
			`{"resourceType":"Binary","contentType":"a/b","data":"aGVs","_data":{"extension":[` +
				`{"url":"https://g.co/fhir/StructureDefinition/base64Binary-separatorStride","valueBoolean":true}]}}`,
			"not-supported Binary.data.extension[0].url",
		},
		"extension that hides": {
			request(`"_authoredOn":{"extension":[` +
				`{"url":"https://g.co/fhir/StructureDefinition/primitiveHasNoValue","valueBoolean":true}]}`),
			"not-supported ServiceRequest.authoredOn.extension[0].url",
		},
		"reserved url by an escape": {
			request(`"extension":[{"url":"https:\/\/g.co\/fhir\/x","valueBoolean":true}]`),
			"not-supported ServiceRequest.extension[0].url",
		},

		// references and contained resources
		"no type": {requestFor("1", ""), "value ServiceRequest.subject.reference"},
		"unknown type": {
			requestFor("Person1/1", ""),
			"value ServiceRequest.subject.reference",
		},
		"id that is none": {
			requestFor("Patient/{id}", ""),
			"value ServiceRequest.subject.reference",
		},
		"reference with a space": {
			requestFor("Patient/1 ", ""),
			"value ServiceRequest.subject.reference",
		},
		"urn that is no uuid": {
			requestFor("urn:uuid:1", ""),
			"value ServiceRequest.subject.reference",
		},
		"target of another type": {requestFor("Task/1", ""), "value ServiceRequest.subject.reference"},
		"absolute, of another type": {
			requestFor("https://a.example/b/Task/1/_history/2", ""),
			"value ServiceRequest.subject.reference",
		},
		"fragment of nothing": {
			requestFor("#a", ""),
			"invariant ServiceRequest.subject.reference ref-1",
		},
		"fragment of another type": {
			requestFor("#a", `"contained":[{"resourceType":"Task","id":"a","status":"draft","intent":"order"}]`),
			"value ServiceRequest.subject.reference",
		},
		"fragment into another entry": {
			batch(`{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"a","name":"x"}]}`, requestFor("#a", "")),
			"invariant Bundle.entry[1].resource.subject.reference ref-1",
		},
		"contained twice": {
			request(`"contained":[{"resourceType":"Patient","id":"a"},{"resourceType":"Patient","id":"a"}]`),
			"invariant ServiceRequest.contained[1]",
		},
		"contained in contained": {
			request(`"contained":[{"resourceType":"Patient","id":"a","contained":[{"resourceType":"Patient","id":"b"}]}]`),
			"invariant ServiceRequest.contained[0].contained[0] dom-2",
		},
		"fault in contained": {
			request(`"contained":[{"resourceType":"Patient","id":"a","identifier":[{"value":""}]}]`),
			"value ServiceRequest.contained[0].identifier[0].value",
		},
		"required in contained": {
			request(`"contained":[{"resourceType":"Observation","id":"a","status":"final"}]`),
			"required ServiceRequest.contained[0].code",
		},
		"contained without a type": {request(`"contained":[{"id":"a"}]`), "required ServiceRequest.contained[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Unmarshal([]byte(test.json))
			if got := faults(err); !slices.Equal(got, []string{test.want}) {
				t.Errorf("faults = %q, want %q", got, test.want)
			}
		})
	}
}

func TestEveryFaultIsReported(t *testing.T) {
	t.Parallel()
	_, err := Unmarshal([]byte(`{"resourceType":"ServiceRequest","status":"ACTIVE","subject":{},"authoredOn":"soon","colour":1,
		"contained":[{"resourceType":"Patient","birthDate":"1951-02-30"}]}`))
	want := []string{
		"structure ServiceRequest.colour", "code-invalid ServiceRequest.status", "invariant ServiceRequest.subject ele-1",
		"value ServiceRequest.authoredOn", "value ServiceRequest.contained[0].birthDate", "required ServiceRequest.intent",
	}
	if diff := cmp.Diff(want, faults(err)); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}

func TestFaultsAreCapped(t *testing.T) {
	t.Parallel()
	_, err := Unmarshal([]byte(request(`"note":[` + strings.Repeat(`{},`, 10_000) + `{}]`)))
	if got := len(fhir.ErrorsOf(err)); got != maxFaults {
		t.Errorf("%d faults, want %d", got, maxFaults)
	}
}

func TestNoFaultQuotesAValue(t *testing.T) {
	t.Parallel()
	const secret = "Bloggs9990000018"
	for _, json := range []string{
		strings.Replace(request(``), "active", secret, 1),
		request(`"authoredOn":"` + secret + `"`),
		request(`"doNotPerform":"` + secret + `"`),
		requestFor(secret, ""),
		request(`"id":"_` + secret + `"`),
		request(`"_authoredOn":"` + secret + `"`),
		`{"resourceType":"` + secret + `"}`,
		request(`"extension":[{"url":"https://g.co/fhir/` + secret + `","valueCode":"a"}]`),
		`{"resourceType":"Patient","` + secret,
	} {
		_, err := Unmarshal([]byte(json))
		if err == nil || strings.Contains(err.Error(), secret) || strings.Contains(string(fhir.OperationOutcome(err)), secret) {
			t.Errorf("the error quotes the value, or there is none: %v", err)
		}
	}
}

// Sound FHIR that google/fhir's own decoder refuses, or that is easily refused by mistake.
func TestSoundResourcesAreTaken(t *testing.T) {
	t.Parallel()
	const unknown = `{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}`
	for name, json := range map[string]string{
		"code with an extension only":   request(`"code":{"coding":[{"_code":` + unknown + `}]}`),
		"status with an extension only": strings.Replace(request(``), `"status":"active"`, `"_status":`+unknown, 1),
		"id with an extension":          request(`"id":"a","_id":` + unknown),
		"resource within Parameters":    `{"resourceType":"Parameters","parameter":[{"name":"a","resource":` + request(``) + `}]}`,
		"base64 with escapes":           `{"resourceType":"Binary","contentType":"a/b","data":"\/\/\/\/\nAAAA"}`,
		"leap second":                   request(`"authoredOn":"2016-12-31T23:59:60Z"`),
		"decimal of 31 digits":          observation(`"valueQuantity":{"value":1.234567890123456789012345678901}`),
		"decimal with an exponent":      observation(`"valueQuantity":{"value":-1.0E-2}`),
		"null beside an extension":      `{"resourceType":"Patient","name":[{"given":["a",null],"_given":[null,` + unknown + `]}]}`,
		"_name before name":             request(`"_authoredOn":{"id":"a"},"authoredOn":"2026"`),
		"_name of a list alone":         `{"resourceType":"Patient","name":[{"_given":[{"extension":[{"url":"u:a","valueCode":"b"}]}]}]}`,
		"_reference":                    strings.Replace(request(``), `"Patient/1"`, `"Patient/1","_reference":{"id":"a"}`, 1),
		"resourceType last":             `{"id":"1","contained":[{"id":"a","resourceType":"Organization"}],"resourceType":"Patient"}`,
		"name with an escape":           `{"resourceType":"Patient","birth\u0044ate":"1951-03-07"}`,
		"characters beyond a plane":     request(`"patientInstruction":"\ud83d\ude00 \u00e9 \/ \"\\ \t"`),
		"conditional reference":         requestFor("Patient?identifier=a|b", ""),
		"urn":                           requestFor("urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7", ""),
		"version":                       requestFor("Patient/1/_history/2", ""),
		"container":                     request(`"contained":[{"resourceType":"Condition","id":"a","subject":{"reference":"#"}}]`),
		"fragment":                      requestFor("#a", `"contained":[{"resourceType":"Patient","id":"a"}]`),
		"Bundle beyond one resource":    batch(request(`"patientInstruction":"` + strings.Repeat("a", maxBytes) + `"`)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := Unmarshal([]byte(json))
			if err != nil {
				t.Fatal(err)
			}
			out, err := Marshal(r.Proto)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Unmarshal(out)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(r.Proto, again.Proto, protocmp.Transform()); diff != "" {
				t.Errorf("decoded again (-want +got):\n%s", diff)
			}
			if string(r.JSON) != json {
				t.Error("the bytes are not those received")
			}
		})
	}
}

func TestIdAndExtensionsOfAReferenceAreKept(t *testing.T) {
	t.Parallel()
	for _, reference := range []string{"Patient/1", "Patient/1/_history/2", "#a", "https://a.example/Patient/1"} {
		json := `{"resourceType":"ServiceRequest","contained":[{"resourceType":"Patient","id":"a"}],"status":"active","intent":"order",` +
			`"subject":{"reference":"` + reference + `","_reference":{"id":"x","extension":[{"url":"u:a","valueCode":"b"}]}}}`
		r, err := Unmarshal([]byte(json))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Marshal(r.Proto)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != json {
			t.Errorf("Marshal = %s\nwant      %s", got, json)
		}
	}
}

func TestUnmarshalTypeNamesWhatIsNeeded(t *testing.T) {
	t.Parallel()
	if _, err := UnmarshalType([]byte(request(``)), "ServiceRequest"); err != nil {
		t.Error(err)
	}
	_, err := UnmarshalType([]byte(`{"resourceType":"Patient"}`), "ServiceRequest")
	if got := faults(err); !slices.Equal(got, []string{"invalid Patient"}) {
		t.Errorf("faults = %q", got)
	}
}

func TestMarshalWritesTheOrderOfTheSpecification(t *testing.T) {
	t.Parallel()
	no := &dtpb.Extension_ValueX{Choice: &dtpb.Extension_ValueX_Boolean{Boolean: &dtpb.Boolean{}}}
	sr := &srpb.ServiceRequest{
		Subject: &dtpb.Reference{
			Reference: &dtpb.Reference_PatientId{PatientId: &dtpb.ReferenceId{Value: "1"}}, Type: &dtpb.Uri{Value: "Patient"},
			Extension: []*dtpb.Extension{{Url: &dtpb.Uri{Value: "u:a"}, Value: no}},
		},
		Intent: &srpb.ServiceRequest_IntentCode{Value: 4},
		Status: &srpb.ServiceRequest_StatusCode{Value: 2},
		Id:     &dtpb.Id{Value: "x"},
	}

	got, err := Marshal(&bcrpb.ContainedResource{OneofResource: &bcrpb.ContainedResource_ServiceRequest{ServiceRequest: sr}})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"resourceType":"ServiceRequest","id":"x","status":"active","intent":"order","subject":` +
		`{"extension":[{"url":"u:a","valueBoolean":false}],"reference":"Patient/1","type":"Patient"}}`
	if string(got) != want {
		t.Errorf("Marshal = %s\nwant      %s", got, want)
	}
}

func TestWhatWouldNotDecodeIsOurOwnFault(t *testing.T) {
	t.Parallel()
	final := &obpb.Observation_StatusCode{Value: 3}
	for name, m := range map[string]proto.Message{
		"required element missing": &obpb.Observation{Status: final},
		"code not set":             &obpb.Observation{Status: &obpb.Observation_StatusCode{}, Code: Concept("x")},
		"precision not set":        &obpb.Observation{Status: final, Code: Concept("x"), Issued: &dtpb.Instant{ValueUs: 1}},
		"empty string":             &obpb.Observation{Status: final, Code: &dtpb.CodeableConcept{Text: &dtpb.String{}}},
		"no resource":              &dtpb.String{Value: "x"},
		"empty container":          &bcrpb.ContainedResource{},
	} {
		_, err := Marshal(m)
		if got := faults(err); !slices.Equal(got, []string{"exception"}) {
			t.Errorf("%s: faults = %q", name, got)
		}
	}
}

func TestOutermostErrorSpeaks(t *testing.T) {
	t.Parallel()
	err := fhir.Errorf(fhir.IssueTransient, "try again").Because(fhir.Errors{fhir.Errorf(fhir.IssueValue, "inner")})
	if got := faults(fmt.Errorf("send: %w", err)); !slices.Equal(got, []string{"transient"}) {
		t.Errorf("faults = %q", got)
	}
	if got := faults(errors.New("disk full")); !slices.Equal(got, []string{"exception"}) {
		t.Errorf("faults = %q", got)
	}
}

func TestCodecIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	raw := fixture(t, "transaction.json")
	r, err := Unmarshal(raw)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			out, err := Marshal(r.Proto)
			if err != nil || Digest(out) != Digest(raw) {
				t.Errorf("Marshal says something else, or fails: %v", err)
			}
			again, err := Unmarshal(out)
			if err != nil || !proto.Equal(again.Proto, r.Proto) {
				t.Errorf("Unmarshal says something else, or fails: %v", err)
			}
		})
	}
	wg.Wait()
}

func TestNodesSpeakFHIRPath(t *testing.T) {
	t.Parallel()
	r, err := Unmarshal([]byte(`{"resourceType":"Bundle","type":"collection","entry":[{"resource":{
		"resourceType":"Observation","status":"final",
		"code":{"text":"a\u0062c"},"valueQuantity":{"value":1.50},
		"contained":[{"resourceType":"Patient","id":"p","name":[
			{"_given":[{"id":"g0"},{"id":"g1"}]},
			{"given":["A",null],"_given":[null,{"id":"g"}]}]}]}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	var walk func(n Node)
	walk = func(n Node) {
		got = append(got, strings.TrimSpace(n.Path()+" "+n.Type()+" "+n.Text()))
		for child := range n.Children() {
			if child.Parent() != n {
				t.Errorf("%s: the parent of a child is %s", n.Path(), child.Parent().Path())
			}
			walk(child)
		}
	}
	walk(r.Root)
	want := []string{
		"Bundle Bundle",
		"Bundle.type code collection",
		"Bundle.entry[0] BackboneElement",
		"Bundle.entry[0].resource Observation",
		"Bundle.entry[0].resource.status code final",
		"Bundle.entry[0].resource.code CodeableConcept",
		"Bundle.entry[0].resource.code.text string abc",
		"Bundle.entry[0].resource.value Quantity",
		"Bundle.entry[0].resource.value.value decimal 1.50",
		"Bundle.entry[0].resource.contained[0] Patient",
		"Bundle.entry[0].resource.contained[0].id id p",
		"Bundle.entry[0].resource.contained[0].name[0] HumanName",
		"Bundle.entry[0].resource.contained[0].name[0].given[0] string",
		"Bundle.entry[0].resource.contained[0].name[0].given[0].id string g0",
		"Bundle.entry[0].resource.contained[0].name[0].given[1] string",
		"Bundle.entry[0].resource.contained[0].name[0].given[1].id string g1",
		"Bundle.entry[0].resource.contained[0].name[1] HumanName",
		"Bundle.entry[0].resource.contained[0].name[1].given[0] string A",
		"Bundle.entry[0].resource.contained[0].name[1].given[1] string",
		"Bundle.entry[0].resource.contained[0].name[1].given[1].id string g",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("nodes (-want +got):\n%s", diff)
	}
	if none := r.Root.Get("entry", "nothing", "id"); none.Exists() || none.Text() != "" || none.Path() != "" || none.Parent().Exists() {
		t.Error("an element that is not there says something")
	}
}
