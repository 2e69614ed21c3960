package r4

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"caselink.example/fhir"
)

// The namespaces that FHIR's XML has. https://hl7.org/fhir/R4/xml.html
const (
	fhirSpace  = "http://hl7.org/fhir"
	xhtmlSpace = "http://www.w3.org/1999/xhtml"
	xsiSpace   = "http://www.w3.org/2001/XMLSchema-instance"
	xmlSpace   = "http://www.w3.org/XML/1998/namespace"
)

// maxAttributes is what one element may have; FHIR needs three, XHTML a dozen.
const maxAttributes = 32

// xmlElement is one element of an XML text. Zero in a link means none, for element 0 is the root.
type xmlElement struct {
	space, name string
	attributes  []xmlAttribute // without the namespace declarations
	own         bool           // it declares its default namespace itself
	text        bool           // text other than white space stands in it
	at, end     int            // from its < to its last >
	child, next int32
}

// xmlAttribute is an attribute with its namespace, "" for none, and its normalised value.
type xmlAttribute struct{ space, name, value string }

// xmlScanner reads the part of XML 1.0 that FHIR needs, and refuses the rest: document
// types, entities of one's own, processing instructions, CDATA sections.
type xmlScanner struct {
	raw      []byte
	at       int
	depth    int
	scope    []binding
	elements []xmlElement
	fault    *fhir.Error
}

// binding says what namespace a prefix stands for, "" being the default.
type binding struct{ prefix, space string }

// scanXML reads the one element of an XML text and all within it. A byte order mark is
// skipped, as XML 1.0 has it.
func scanXML(raw []byte) ([]xmlElement, *fhir.Error) {
	// encoding/xml is not used: it takes prefixes that nobody declared, cannot distinguish a CDATA
	// section from text, and says of no fault in which column it stands.
	s := xmlScanner{raw: raw, scope: []binding{{"xml", xmlSpace}, {"", ""}}}
	switch {
	case len(raw) > maxBundleBytes:
		return nil, tooLong(len(raw), maxBundleBytes)
	case !utf8.Valid(raw):
		return nil, fhir.Errorf(fhir.IssueStructure, "the XML is not valid UTF-8")
	}
	s.skip("\uFEFF")
	s.declaration()
	s.misc()
	if s.peek() != '<' {
		s.wrong("a FHIR resource is an XML element")
	}
	s.element()
	s.misc()
	if s.at < len(s.raw) {
		s.wrong("nothing may follow the resource")
	}
	return s.elements, s.fault
}

func (s *xmlScanner) wrong(want string) {
	if s.fault == nil {
		line, column := position(s.raw, s.at)
		s.fault = fhir.Errorf(fhir.IssueStructure, "not XML as FHIR has it, at line %d, column %d: %s", line, column, want)
	}
	s.at = len(s.raw)
}

func (s *xmlScanner) peek() byte {
	if s.at < len(s.raw) {
		return s.raw[s.at]
	}
	return 0
}

// skip steps over the text and reports whether it stood there.
func (s *xmlScanner) skip(text string) bool {
	if !bytes.HasPrefix(s.raw[s.at:], []byte(text)) {
		return false
	}
	s.at += len(text)
	return true
}

// until steps over everything to the end of the text and returns what stood before it.
func (s *xmlScanner) until(end string) []byte {
	n := bytes.Index(s.raw[s.at:], []byte(end))
	if n < 0 {
		s.wrong(end + " is missing")
		return nil
	}
	before := s.raw[s.at : s.at+n]
	s.at += n + len(end)
	return before
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// space steps over white space and reports whether there was any.
func (s *xmlScanner) space() bool {
	start := s.at
	for isSpace(s.peek()) {
		s.at++
	}
	return s.at > start
}

// declaration steps over <?xml version="1.0" encoding="UTF-8"?>, which may only stand first.
func (s *xmlScanner) declaration() {
	if !bytes.HasPrefix(s.raw[s.at:], []byte("<?xml")) || s.at+5 < len(s.raw) && !isSpace(s.raw[s.at+5]) {
		return
	}
	s.at += len("<?xml")
	wanted := map[string][]string{"version": {"1.0"}, "encoding": {"utf-8", "us-ascii"}, "standalone": {"yes", "no"}}
	for s.space() && s.peek() != '?' {
		_, name := s.name()
		value := s.attributeValue()
		if !slices.Contains(wanted[name], strings.ToLower(value)) {
			s.wrong(`the XML declaration is <?xml version="1.0" encoding="UTF-8"?>`)
		}
	}
	if !s.skip("?>") {
		s.wrong("?> is missing")
	}
}

// misc steps over what may stand around the root element.
func (s *xmlScanner) misc() {
	for s.fault == nil {
		s.space()
		if !s.comment() {
			s.refuseMarkup()
			return
		}
	}
}

func (s *xmlScanner) comment() bool {
	if !s.skip("<!--") {
		return false
	}
	text := s.until("--")
	if !s.skip(">") || !isXML(text) {
		s.wrong("a comment ends with --> and has no -- within")
	}
	return true
}

func (s *xmlScanner) refuseMarkup() {
	// A DTD brings entities: a few lines that grow to gigabytes, or a file of the server in
	// an answer. CDATA and instructions have no counterpart in FHIR's JSON and would be lost.
	rest := s.raw[s.at:]
	switch {
	case bytes.HasPrefix(rest, []byte("<!DOCTYPE")):
		s.wrong("a document type (DTD) is not taken")
	case bytes.HasPrefix(rest, []byte("<![CDATA[")):
		s.wrong("CDATA sections are not taken; write &lt; and &amp;")
	case bytes.HasPrefix(rest, []byte("<?")):
		s.wrong("processing instructions are not taken")
	case bytes.HasPrefix(rest, []byte("<!")):
		s.wrong("only comments begin with <!")
	}
}

// element reads the element that starts here, with all it holds, and returns its place.
func (s *xmlScanner) element() int32 {
	i := int32(len(s.elements))
	switch {
	case i >= maxBundleNodes:
		s.tooCostly("the XML has more than %d elements", maxBundleNodes)
	case s.depth >= maxDepth:
		s.tooCostly("the XML is nested deeper than %d levels", maxDepth)
	}

	// The place is taken before the children take theirs, and filled in at the end: the
	// slice may have moved by then.
	e := xmlElement{at: s.at}
	s.elements = append(s.elements, e)
	outer := len(s.scope)
	s.at++
	prefix, name := s.name()
	e.name = name
	s.attributes(&e)
	e.space = s.resolve(prefix)
	s.depth++
	if s.skip("/>") {
		e.end = s.at
	} else if s.skip(">") {
		s.content(&e, qualified(prefix, name))
	} else {
		s.wrong("> is missing")
	}
	s.depth--
	s.scope = s.scope[:outer]
	s.elements[i] = e
	return i
}

func (s *xmlScanner) tooCostly(format string, limit int) {
	if s.fault == nil {
		s.fault = fhir.Errorf(fhir.IssueTooCostly, format, limit)
	}
	s.at = len(s.raw)
}

func qualified(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + ":" + name
}

// content reads what stands in e, to its end tag.
func (s *xmlScanner) content(e *xmlElement, name string) {
	last := int32(0)
	for s.fault == nil {
		e.text = s.text() || e.text
		switch {
		case s.skip("</"):
			// By the name as it was written: two prefixes of one namespace do not match.
			if !s.skip(name) {
				s.wrong("the end tag of another element is needed")
			}
			s.space()
			if !s.skip(">") {
				s.wrong("> is missing")
			}
			e.end = s.at
			return
		case s.comment():
		default:
			if s.refuseMarkup(); s.peek() != '<' {
				s.wrong("an element is not closed")
				return
			}
			child := s.element()
			if last == 0 {
				e.child = child
			} else {
				s.elements[last].next = child
			}
			last = child
		}
	}
}

// text steps over text and reports whether it was more than white space.
func (s *xmlScanner) text() (some bool) {
	start := s.at
	for s.at < len(s.raw) && s.raw[s.at] != '<' {
		switch c := s.raw[s.at]; {
		case c == '&':
			s.entity()
			some = true
			continue
		case !isSpace(c):
			some = true
		}
		s.at++
	}
	if text := s.raw[start:min(s.at, len(s.raw))]; s.fault == nil && (!isXML(text) || bytes.Contains(text, []byte("]]>"))) {
		s.wrong("text has no control characters and no ]]>")
	}
	return some
}

// attributes reads those of a start tag into e, and its namespace declarations into scope.
func (s *xmlScanner) attributes(e *xmlElement) {
	type raw struct{ prefix, name, value string }
	var all []raw
	for s.space() && s.peek() != '>' && s.peek() != '/' && s.fault == nil {
		prefix, name := s.name()
		a := raw{prefix, name, s.attributeValue()}
		if slices.ContainsFunc(all, func(b raw) bool { return b.prefix == prefix && b.name == name }) {
			s.wrong("an attribute stands twice")
		}
		if all = append(all, a); len(all) > maxAttributes {
			s.tooCostly("an element has more than %d attributes", maxAttributes)
		}
		switch {
		case prefix == "" && name == "xmlns":
			s.scope = append(s.scope, binding{"", a.value})
			e.own = true
		case prefix == "xmlns":
			s.scope = append(s.scope, binding{name, a.value})
		}
	}

	// Only now: an attribute may stand before the declaration of its prefix. One without a
	// prefix has no namespace, not even the default one.
	for _, a := range all {
		switch {
		case a.prefix == "xmlns" || a.prefix == "" && a.name == "xmlns":
		case a.prefix == "":
			e.attributes = append(e.attributes, xmlAttribute{"", a.name, a.value})
		default:
			e.attributes = append(e.attributes, xmlAttribute{s.resolve(a.prefix), a.name, a.value})
		}
	}
}

// resolve is the namespace of a prefix.
func (s *xmlScanner) resolve(prefix string) string {
	// The nearest declaration counts, and it is the last.
	for _, b := range slices.Backward(s.scope) {
		if b.prefix == prefix {
			return b.space
		}
	}
	s.wrong("a namespace prefix is not declared")
	return ""
}

// name reads a name of letters, digits, - _ and ., with at most one prefix.
func (s *xmlScanner) name() (prefix, name string) {
	name = s.part()
	if s.skip(":") {
		prefix, name = name, s.part()
	}
	return prefix, name
}

func (s *xmlScanner) part() string {
	start := s.at
	for c := s.peek(); isLetter(c) || s.at > start && (isDigit(c) || c == '-' || c == '.'); c = s.peek() {
		s.at++
	}
	if s.at == start {
		s.wrong("a name is needed")
		return ""
	}
	return string(s.raw[start:s.at])
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' }

// attributeValue reads = and a value in quotes. A line end or a tab in it is a space,
// unless it is written as a character reference: XML 1.0, section 3.3.3.
func (s *xmlScanner) attributeValue() string {
	s.space()
	if !s.skip("=") {
		s.wrong("= is missing")
	}
	s.space()
	quote := s.peek()
	if quote != '"' && quote != '\'' {
		s.wrong("a value in quotes is needed")
		return ""
	}
	var value []byte
	for s.at++; s.fault == nil; {
		switch c := s.peek(); {
		case s.at >= len(s.raw) || c == '<':
			s.wrong("a value in quotes is not closed")
		case c == quote:
			s.at++
			return string(value)
		case c == '&':
			value = utf8.AppendRune(value, s.entity())
		case c == '\r' && s.at+1 < len(s.raw) && s.raw[s.at+1] == '\n':
			s.at++ // a line end is one character
		case isSpace(c):
			value = append(value, ' ')
			s.at++
		default:
			value = s.character(value)
		}
	}
	return ""
}

// character steps over one character and appends it to value.
func (s *xmlScanner) character(value []byte) []byte {
	r, n := utf8.DecodeRune(s.raw[s.at:])
	if !isXMLChar(r) {
		s.wrong("XML has no such control character")
		return value
	}
	value = append(value, s.raw[s.at:s.at+n]...)
	s.at += n
	return value
}

// entity reads a character reference, or one of the five entities that XML itself has.
func (s *xmlScanner) entity() rune {
	// Every one that is taken ends within 12 bytes, even &#x0010FFFF; does.
	s.at++
	end := bytes.IndexByte(s.raw[s.at:min(s.at+12, len(s.raw))], ';')
	if end < 0 {
		s.wrong("& is written as &amp;")
		return 0
	}
	name := string(s.raw[s.at : s.at+end])
	r, ok := xmlEntities[name]
	if digits, hash := strings.CutPrefix(name, "#"); hash {
		r, ok = characterReference(digits)
	}
	if !ok {
		s.wrong("only &amp; &lt; &gt; &quot; &apos; and character references are taken")
		return 0
	}
	s.at += end + 1
	return r
}

var xmlEntities = map[string]rune{"amp": '&', "lt": '<', "gt": '>', "quot": '"', "apos": '\''}

func characterReference(digits string) (rune, bool) {
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	return rune(n), err == nil && n <= utf8.MaxRune && isXMLChar(rune(n))
}

// isXMLChar reports whether XML 1.0 has the character: section 2.2.
func isXMLChar(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || ' ' <= r && r <= 0xD7FF || 0xE000 <= r && r <= 0xFFFD || 0x10000 <= r && r <= utf8.MaxRune
}

func isXML(text []byte) bool {
	return bytes.IndexFunc(text, func(r rune) bool { return !isXMLChar(r) }) < 0
}
