package r4

import (
	"strconv"

	"caselink.example/fhir"
)

// UnmarshalXML decodes one resource from XML: it becomes FHIR JSON with nothing lost but
// comments and white space between elements, and is then held to all that Unmarshal
// demands. Resource.JSON is that JSON. https://hl7.org/fhir/R4/xml.html
func UnmarshalXML(raw []byte) (Resource, error) {
	elements, fault := scanXML(raw)
	if fault != nil {
		return Resource{}, fhir.Errors{fault}
	}

	// XML becomes JSON and takes its way: there is one check and one decoder, so the two
	// formats cannot come to differ in what they take.
	d := xmlDecoder{raw: raw, elements: elements, out: make([]byte, 0, len(raw))}
	path := ""
	if name := elements[0].name; resourceSchema([]byte(name)) != nil {
		path = name
	}
	d.resource(0, path)

	// Both sorts of fault are reported: those of the XML, and what the JSON shows to be wrong.
	r, err := Unmarshal(d.out)
	if err != nil {
		d.faults = append(d.faults, fhir.ErrorsOf(err)...)
	}
	if err := d.faults.OrNil(); err != nil {
		return Resource{}, err
	}
	return r, nil
}

// xmlDecoder writes FHIR JSON as the schema says. Faults that JSON could show as
// well are left in the JSON, for Unmarshal to report.
type xmlDecoder struct {
	raw      []byte
	elements []xmlElement
	out      []byte
	faults   fhir.Errors
}

func (d *xmlDecoder) report(path, format string, args ...any) {
	if len(d.faults) < maxFaults {
		d.faults = append(d.faults, fhir.Errorf(fhir.IssueStructure, format, args...).At(path))
	}
}

// resource writes element x, which is named as its resource type.
func (d *xmlDecoder) resource(x int32, path string) {
	e := &d.elements[x]
	d.out = append(d.out, `{"resourceType":`...)
	d.out = appendQuoted(d.out, e.name)
	if e.space != fhirSpace {
		d.report(path, `a resource is in the namespace %s`, fhirSpace)
	} else if s := resourceSchema([]byte(e.name)); s != nil {
		d.attributes(x, s.read(), path)
		d.members(x, s, path)
	}
	d.out = append(d.out, '}')
}

// attributes writes id and url where they are attributes, each with a comma before it.
func (d *xmlDecoder) attributes(x int32, s *schema, path string) {
	for _, a := range d.elements[x].attributes {
		e := s.elements[a.name]
		switch {
		case a.space == xsiSpace && a.name == "schemaLocation":
		case a.space == "" && e != nil && e.attribute:
			d.out = appendQuoted(appendName(d.out, "", e.name), a.value)
		case a.space == "" && a.name == "value" && s.primitive != notPrimitive:
		default:
			d.report(path, "the attribute %s does not belong here; elements are written as elements", printableName(a.name))
		}
	}
}

// members writes the elements within x, each name with a comma before it.
func (d *xmlDecoder) members(x int32, s *schema, path string) {
	if d.elements[x].text {
		d.report(path, "text stands between the elements; a value is written as value=\"...\"")
	}
	order := -1
	for child := d.elements[x].child; child != 0; {
		name, items := d.elements[child].name, []int32(nil)
		for ; child != 0 && d.elements[child].name == name; child = d.elements[child].next {
			if space := d.elements[child].space; space != fhirSpace && (space != xhtmlSpace || name != "div") {
				d.report(path, "an element is in another namespace than %s", fhirSpace)
				continue
			}
			items = append(items, child)
		}
		e := s.elements[name]
		switch {
		case len(items) == 0:
		case e == nil:
			// Unmarshal says that FHIR has no such element, and what it may have meant.
			d.out = append(appendQuoted(append(d.out, ','), name), ":true"...)
		case e.attribute && e.of.primitive != xhtmlType:
			d.report(join(path, e.base), "%s is an attribute in XML", name)
		case e.order < order:
			d.report(join(path, e.base), "%s stands out of order; XML has the elements in the order of the specification", name)
		default:
			order = e.order
			d.element(e, items, join(path, e.base))
		}
	}
}

// element writes the items of one name.
func (d *xmlDecoder) element(e *element, items []int32, path string) {
	if e.of.primitive != notPrimitive && e.of.primitive != xhtmlType {
		d.list("", e, items, path, d.value)
		d.list("_", e, items, path, d.aside)
		return
	}
	d.list("", e, items, path, d.complex)
}

// list writes what each does for the items, null where it has nothing; nothing at all
// when no item has any.
func (d *xmlDecoder) list(prefix string, e *element, items []int32, path string, each func(x int32, e *element, path string)) {
	start, some := len(d.out), false

	// Several where one may stand are an array, too: Unmarshal refuses it at its path.
	array := e.list || len(items) > 1
	d.out = appendName(d.out, prefix, e.name)
	if array {
		d.out = append(d.out, '[')
	}
	for i, x := range items {
		at := path
		if e.list {
			at += "[" + strconv.Itoa(i) + "]"
		}
		d.out = comma(d.out, i)
		before := len(d.out)
		each(x, e, at)
		if len(d.out) == before {
			d.out = append(d.out, "null"...)
		} else {
			some = true
		}
	}
	if array {
		d.out = append(d.out, ']')
	}
	if !some {
		d.out = d.out[:start]
	}
}

func (d *xmlDecoder) complex(x int32, e *element, path string) {
	switch {
	case e.of.primitive == xhtmlType:
		d.div(x, path)
	case e.of == anyResource:
		d.container(x, path)
	default:
		start := len(d.out)
		d.attributes(x, e.of.read(), path)
		d.members(x, e.of, path)
		d.out = brace(d.out, start)
	}
}

// container writes the one resource within contained or resource.
func (d *xmlDecoder) container(x int32, path string) {
	e := &d.elements[x]
	if e.child == 0 || d.elements[e.child].next != 0 || e.text || len(e.attributes) > 0 {
		d.report(path, "exactly one resource stands here, and nothing else")
		d.out = append(d.out, "{}"...)
		return
	}
	d.resource(e.child, path)
}

// div writes the narrative as it stands.
func (d *xmlDecoder) div(x int32, path string) {
	for _, fault := range checkDiv(d.elements, x) {
		d.faults = append(d.faults, fault.At(path))
	}

	// As it stands, white space and all: what a person reads is not written anew.
	d.out = appendQuoted(d.out, string(d.raw[d.elements[x].at:d.elements[x].end]))
}

// value writes the value of a primitive, or nothing when it has none.
func (d *xmlDecoder) value(x int32, e *element, _ string) {
	for _, a := range d.elements[x].attributes {
		if a.space != "" || a.name != "value" {
			continue
		}

		// XML has text alone. What JSON could not write as a number or a boolean becomes a
		// string, which Unmarshal refuses with the type that is wanted.
		if e.of.primitive.kindIn(stringKind) != "" && isLiteral(a.value) {
			d.out = append(d.out, a.value...)
		} else {
			d.out = appendQuoted(d.out, a.value)
		}
	}
}

// isLiteral reports whether text is a number or a boolean as JSON writes it.
func isLiteral(text string) bool {
	if text == "true" || text == "false" {
		return true
	}
	s := scanner{raw: []byte(text)}
	s.number()
	return s.fault == nil && s.at == len(text)
}

// aside writes the id and the extensions of a primitive, or nothing when it has none
// beside a value.
func (d *xmlDecoder) aside(x int32, e *element, path string) {
	start := len(d.out)
	d.attributes(x, e.of.read(), path)
	d.members(x, e.of, path)
	if len(d.out) > start || !d.hasValue(x) {
		d.out = brace(d.out, start)
	}
}

func (d *xmlDecoder) hasValue(x int32) bool {
	for _, a := range d.elements[x].attributes {
		if a.space == "" && a.name == "value" {
			return true
		}
	}
	return false
}
