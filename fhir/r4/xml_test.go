package r4

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// requestXML is a sound ServiceRequest with the elements added, which come after subject.
func requestXML(elements string) string {
	return `<ServiceRequest xmlns="http://hl7.org/fhir"><status value="active"/><intent value="order"/>` +
		`<subject><reference value="Patient/1"/></subject>` + elements + `</ServiceRequest>`
}

func textXML(div string) string {
	return `<Patient xmlns="http://hl7.org/fhir"><text><status value="generated"/>` + div + `</text></Patient>`
}

// attributes are n different ones.
func attributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ` a%d="b"`, i)
	}
	return b.String()
}

func TestEachFaultOfXMLHasItsCodeAndPath(t *testing.T) {
	t.Parallel()
	const div = `<div xmlns="http://www.w3.org/1999/xhtml">`
	for name, test := range map[string]struct{ xml, want string }{
		// not XML, or more of it than FHIR needs
		"nothing":               {``, "structure"},
		"JSON":                  {request(``), "structure"},
		"UTF-16":                {"\xff\xfe<\x00a\x00", "structure"},
		"another encoding":      {`<?xml version="1.0" encoding="ISO-8859-1"?>` + requestXML(``), "structure"},
		"XML 1.1":               {`<?xml version="1.1"?>` + requestXML(``), "structure"},
		"declaration not first": {` <?xml version="1.0"?>` + requestXML(``), "structure"},
		"document type": {
			`<!DOCTYPE ServiceRequest [<!ENTITY a SYSTEM "file:///etc/passwd">]>` + requestXML(`<patientInstruction value="&a;"/>`),
			"structure",
		},
		"entity":                 {requestXML(`<patientInstruction value="&nbsp;"/>`), "structure"},
		"bare ampersand":         {requestXML(`<patientInstruction value="a & b"/>`), "structure"},
		"reference to NUL":       {requestXML(`<patientInstruction value="&#0;"/>`), "structure"},
		"reference to a control": {requestXML(`<patientInstruction value="&#x1;"/>`), "structure"},
		"half a surrogate pair":  {requestXML(`<patientInstruction value="&#xD800;"/>`), "structure"},
		"stylesheet":             {`<?xml-stylesheet href="a.xsl"?>` + requestXML(``), "structure"},
		"instruction within":     {requestXML(`<?php exec() ?>`), "structure"},
		"CDATA":                  {requestXML(`<![CDATA[a]]>`), "structure"},
		"open element":           {`<Patient xmlns="http://hl7.org/fhir">`, "structure"},
		"open comment":           {requestXML(`<!-- a`), "structure"},
		"comment in a comment":   {requestXML(`<!-- a -- b -->`), "structure"},
		"crossed tags":           {requestXML(`<note><text value="a"></note></text>`), "structure"},
		"two roots":              {requestXML(``) + requestXML(``), "structure"},
		"attribute twice":        {requestXML(`<patientInstruction value="a" value="b"/>`), "structure"},
		"attribute unquoted":     {requestXML(`<patientInstruction value=a/>`), "structure"},
		"< in an attribute":      {requestXML(`<patientInstruction value="a<b"/>`), "structure"},
		"prefix not declared":    {requestXML(`<f:patientInstruction value="a"/>`), "structure"},
		"]]> in text":            {textXML(div + `]]></div>`), "structure"},
		"too deep": {
			requestXML(strings.Repeat(`<extension url="u:a">`, maxDepth) + strings.Repeat(`</extension>`, maxDepth)),
			"too-costly",
		},
		"many attributes": {`<Patient` + attributes(maxAttributes+1) + `/>`, "too-costly"},
		"too long":        {strings.Repeat(" ", maxBundleBytes+1), "too-long"},

		// not FHIR
		"no namespace":      {`<Patient/>`, "structure Patient"},
		"another namespace": {`<Patient xmlns="http://hl7.org/fhir/v3"/>`, "structure Patient"},
		"unknown resource":  {`<ReferralRequest xmlns="http://hl7.org/fhir"/>`, "structure"},
		"unknown element":   {requestXML(`<colour value="red"/>`), "structure ServiceRequest.colour"},
		"foreign element":   {requestXML(`<a:note xmlns:a="urn:a"/>`), "structure ServiceRequest"},
		"XInclude": {
			requestXML(`<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="file:///etc/passwd"/>`),
			"structure ServiceRequest",
		},
		"unknown attribute": {
			requestXML(`<performerType colour="red"><text value="a"/></performerType>`),
			"structure ServiceRequest.performerType",
		},
		"foreign attribute": {
			requestXML(`<performerType xmlns:a="urn:a" a:id="b"><text value="a"/></performerType>`),
			"structure ServiceRequest.performerType",
		},
		"attribute for element": {requestXML(`<note text="a"><text value="a"/></note>`), "structure ServiceRequest.note[0]"},
		"value of a complex": {
			requestXML(`<performerType value="a"><text value="a"/></performerType>`),
			"structure ServiceRequest.performerType",
		},
		"id of a resource": {`<Patient xmlns="http://hl7.org/fhir" id="a"><active value="true"/></Patient>`, "structure Patient"},
		"element for url": {
			requestXML(`<note><extension><url value="u:a"/><valueCode value="a"/></extension><text value="a"/></note>`),
			"structure ServiceRequest.note[0].extension[0].url required ServiceRequest.note[0].extension[0].url",
		},
		"text": {
			requestXML(`<patientInstruction>a</patientInstruction>`),
			"structure ServiceRequest.patientInstruction invariant ServiceRequest.patientInstruction ele-1",
		},
		"text between":  {requestXML(`a`), "structure ServiceRequest"},
		"empty element": {requestXML(`<authoredOn/>`), "invariant ServiceRequest.authoredOn ele-1"},
		"empty complex": {requestXML(`<performerType/>`), "invariant ServiceRequest.performerType ele-1"},
		"empty value":   {requestXML(`<authoredOn value=""/>`), "value ServiceRequest.authoredOn"},
		"out of order": {
			requestXML(`<note><text value="a"/></note><authoredOn value="2026"/>`),
			"structure ServiceRequest.authoredOn",
		},
		"repeated": {
			requestXML(`<authoredOn value="2026"/><authoredOn value="2027"/>`),
			"structure ServiceRequest.authoredOn",
		},
		"boolean as a word":   {`<Patient xmlns="http://hl7.org/fhir"><active value="yes"/></Patient>`, "structure Patient.active"},
		"boolean as a number": {`<Patient xmlns="http://hl7.org/fhir"><active value="1"/></Patient>`, "structure Patient.active"},
		"number with a plus": {
			`<Bundle xmlns="http://hl7.org/fhir"><type value="searchset"/><total value="+1"/></Bundle>`,
			"structure Bundle.total",
		},
		"no resource within": {
			`<Bundle xmlns="http://hl7.org/fhir"><type value="batch"/><entry><resource/></entry></Bundle>`,
			"structure Bundle.entry[0].resource required Bundle.entry[0].resource",
		},
		"two resources within": {
			`<Bundle xmlns="http://hl7.org/fhir"><type value="batch"/><entry><resource><Patient/><Patient/></resource></entry></Bundle>`,
			"structure Bundle.entry[0].resource required Bundle.entry[0].resource",
		},
		"fault in contained": {
			`<Patient xmlns="http://hl7.org/fhir">` +
				`<contained><Patient><id value="a"/><birthDate value="x"/></Patient></contained></Patient>`,
			"value Patient.contained[0].birthDate",
		},

		// narrative
		"script":         {textXML(div + `<script>a()</script></div>`), "invariant Patient.text.div txt-1"},
		"event handler":  {textXML(div + `<p onclick="a()">a</p></div>`), "invariant Patient.text.div txt-1"},
		"script in link": {textXML(div + `<a href="java&#10;script:a()">a</a></div>`), "invariant Patient.text.div txt-1"},
		"frame":          {textXML(div + `<iframe src="https://a.example"/></div>`), "invariant Patient.text.div txt-1"},
		"SVG":            {textXML(div + `<svg xmlns="http://www.w3.org/2000/svg"/></div>`), "invariant Patient.text.div txt-1"},
		"div of FHIR":    {textXML(`<div>a</div>`), "invariant Patient.text.div txt-1"},
		"prefixed div":   {textXML(`<h:div xmlns:h="http://www.w3.org/1999/xhtml">a</h:div>`), "invariant Patient.text.div txt-1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := UnmarshalXML([]byte(test.xml))
			if got := strings.Join(faults(err), " "); got != test.want {
				t.Errorf("faults = %q, want %q\n%v", got, test.want, err)
			}
		})
	}
}

func TestXMLBecomesJSONWithNothingLost(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ xml, want string }{
		"around the root": {
			"\uFEFF" + `<?xml version="1.0" encoding="utf-8" standalone="yes"?><!-- a -->` + "\r\n" +
				`<f:Patient xmlns:f="http://hl7.org/fhir" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"` +
				` xsi:schemaLocation="http://hl7.org/fhir a.xsd"><f:active value='true'/></f:Patient><!--b-->`,
			`{"resourceType":"Patient","active":true}`,
		},
		"primitives": {
			`<Observation xmlns="http://hl7.org/fhir"><status value="final"/>` +
				`<code><text value="&#x1F600; &lt;&quot;&#10;&apos;"/></code>` +
				`<valueQuantity><value value="1.00"/></valueQuantity></Observation>`,
			`{"resourceType":"Observation","status":"final","code":{"text":"😀 <\"\n'"},"valueQuantity":{"value":1.00}}`,
		},
		"line ends are spaces": {
			"<Patient xmlns=\"http://hl7.org/fhir\"><name><text value=\"a\r\nb\tc\"/></name></Patient>",
			`{"resourceType":"Patient","name":[{"text":"a b c"}]}`,
		},
		"ids and extensions of primitives": {
			`<Patient xmlns="http://hl7.org/fhir"><name id="n"><given value="a"/>` +
				`<given id="g"><extension url="u:a"><valueCode value="b"/></extension></given></name></Patient>`,
			`{"resourceType":"Patient","name":[{"id":"n","given":["a",null],` +
				`"_given":[null,{"id":"g","extension":[{"url":"u:a","valueCode":"b"}]}]}]}`,
		},
		"narrative as it stands": {
			textXML("<div xmlns=\"http://www.w3.org/1999/xhtml\" class='x'>\r\n<p>a &amp; &#169;<br/><!-- c --></p></div>"),
			`{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\" class='x'>` +
				`\r\n<p>a &amp; &#169;<br/><!-- c --></p></div>"}}`,
		},
		"resources within": {
			`<Bundle xmlns="http://hl7.org/fhir"><type value="batch"/><entry><resource>` +
				`<Patient><contained><Organization><id value="a"/></Organization></contained></Patient>` +
				`</resource></entry></Bundle>`,
			batch(`{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"a"}]}`),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := UnmarshalXML([]byte(test.xml))
			if err != nil {
				t.Fatal(err)
			}
			if string(r.JSON) != test.want {
				t.Errorf("JSON = %s\nwant   %s", r.JSON, test.want)
			}
		})
	}
}

func TestXMLHasTheOrderOfTheSpecification(t *testing.T) {
	t.Parallel()
	got, err := MarshalXML([]byte(`{
		"text":{"div":" <div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>","status":"empty"},
		"name":[{"family":"a\n<&\"","id":"n","_family":{"extension":[{"valueCode":"b","url":"u:a"}]}},{"text":"c"}],
		"id":"1","contained":[{"active":false,"id":"o","resourceType":"Organization"}],"resourceType":"Patient"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := `<?xml version="1.0" encoding="UTF-8"?><Patient xmlns="http://hl7.org/fhir"><id value="1"/>` +
		`<text><status value="empty"/><div xmlns="http://www.w3.org/1999/xhtml">a</div></text>` +
		`<contained><Organization><id value="o"/><active value="false"/></Organization></contained>` +
		`<name id="n"><family value="a&#10;&lt;&amp;&quot;"><extension url="u:a"><valueCode value="b"/></extension></family></name>` +
		`<name><text value="c"/></name></Patient>`
	if string(got) != want {
		t.Errorf("MarshalXML = %s\nwant         %s", got, want)
	}
}

func TestWhatXMLCannotHoldIsRefused(t *testing.T) {
	t.Parallel()
	narrative := func(div string) string {
		return `{"resourceType":"Patient","text":{"status":"empty","div":"` + div + `"}}`
	}
	for json, want := range map[string]string{
		`{"resourceType":"Patient","name":[{"text":"a\uffff"}]}`: "not-supported Patient.name[0].text",
		narrative(`a < b`):        "structure Patient.text.div txt-1",
		narrative(`<div>a</div>`): "invariant Patient.text.div txt-1",
		narrative(`<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div><active/>`): "structure Patient.text.div txt-1",
		`{"resourceType":"Patient","colour":"red"}`:                               "structure Patient.colour",
	} {
		_, err := MarshalXML([]byte(json))
		if got := faults(err); !slices.Equal(got, []string{want}) {
			t.Errorf("faults of %s = %q, want %q", json, got, want)
		}
	}
}

// acrossXML writes a resource as XML and reads it again.
func acrossXML(t *testing.T, name string, json []byte) {
	t.Helper()
	xml, err := MarshalXML(json)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	r, err := UnmarshalXML(xml)
	if err != nil {
		t.Errorf("%s: %v\n%s", name, err, xml)
		return
	}
	if diff := cmp.Diff(document(t, json), document(t, r.JSON)); diff != "" {
		t.Errorf("%s is another after XML (-want +got):\n%s", name, diff)
	}
}

// testdata/referral.xml says what testdata/referral.json says.
func TestReferralIsTheSameInXMLAndJSON(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("testdata", "referral.xml"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := UnmarshalXML(raw)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(document(t, fixture(t, "referral.json")), document(t, r.JSON)); diff != "" {
		t.Errorf("XML is another referral (-JSON +XML):\n%s", diff)
	}
}

func TestExamplesAreTheSameAcrossXML(t *testing.T) {
	t.Parallel()
	for name, raw := range corpus(t, ".json", jsonFolders...) {
		if _, err := Unmarshal(raw); err == nil {
			acrossXML(t, name, raw)
		}
	}
}

func TestXMLExamplesDecode(t *testing.T) {
	t.Parallel()
	rows := refusals(t)
	for name, raw := range corpus(t, ".xml", "bars/ig/Examples", "ukcore/examples", "gpconnect") {
		r, ok := taken(t, rows, name, raw, UnmarshalXML)
		if ok && filepath.Dir(name) == "gpconnect" && r.Type == "Bundle" {
			t.Errorf("%s is a message of STU3, but taken as R4", name)
		}
		if ok {
			acrossXML(t, name, r.JSON)
		}
	}
}

// What is taken as XML is the same after JSON and XML again.
func FuzzXML(f *testing.F) {
	for _, raw := range corpus(f, ".xml") {
		f.Add(raw)
	}
	f.Add([]byte(requestXML(`<note id="n"><text value="&#x41;"/></note>`)))
	f.Add([]byte(textXML(`<div xmlns="http://www.w3.org/1999/xhtml"><p class='a'>b<br/></p></div>`)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := UnmarshalXML(raw)
		if err != nil {
			return
		}
		xml, err := MarshalXML(r.JSON)
		if err != nil {
			t.Fatal(err)
		}
		again, err := UnmarshalXML(xml)
		if err != nil {
			t.Fatal(err)
		}
		if Digest(again.JSON) != Digest(r.JSON) {
			t.Errorf("%s becomes %s", r.JSON, again.JSON)
		}
	})
}
