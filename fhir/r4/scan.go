package r4

import (
	"bytes"
	"unicode/utf8"

	"caselink.example/fhir"
)

// What a payload may cost at most. A Bundle carries many resources, so it may be larger.
const (
	maxBytes        = 1 << 20
	maxBundleBytes  = 5 << 20
	maxDepth        = 64 // JSON objects and arrays within one another
	maxNodes        = 20_000
	maxBundleNodes  = 100_000
	maxNumberLength = 64 // bytes; a decimal of 31 digits with sign and exponent needs half
)

// kind is what JSON says a value is.
type kind uint8

const (
	objectKind kind = iota + 1
	arrayKind
	stringKind
	numberKind
	trueKind
	falseKind
	nullKind
)

var kindNames = [...]string{"", "an object", "an array", "a string", "a number", "a boolean", "a boolean", "null"}

// node is one JSON value: where it stands in the bytes, and around it in the tree. The
// check adds what FHIR says it is. Zero in a link means none, for node 0 is the root.
type node struct {
	element *element // nil for the root and for what FHIR does not know
	of      *schema  // the element's type; for a resource the type it says it is
	key     int32    // the member's name, without its quotes
	keyEnd  int32
	at, end int32 // the value, quotes included
	parent  int32
	next    int32 // the next member or item
	child   int32 // the first member or item
	pair    int32 // of a primitive: the object with its id and extensions (name and _name)
	index   int32 // among the items of its array
	kind    kind

	escaped, keyEscaped bool // the string, the name has a backslash

	aside  bool // stands under _name: a primitive's id and extensions
	hidden bool // aside of a value that is there
}

// scanner reads JSON as RFC 8259 has it, and no more, into nodes.
type scanner struct {
	raw   []byte
	at    int
	depth int
	nodes []node
	fault *fhir.Error
}

// scan reads the bytes of one JSON object, at most once.
func scan(raw []byte) ([]node, *fhir.Error) {
	switch {
	case len(raw) > maxBundleBytes:
		return nil, tooLong(len(raw), maxBundleBytes)
	case len(bytes.TrimLeft(raw, " \t\r\n")) == 0:
		return nil, fhir.Errorf(fhir.IssueStructure, "the body is empty; a FHIR resource in JSON is needed")
	case bytes.HasPrefix(raw, []byte("\xEF\xBB\xBF")):
		return nil, fhir.Errorf(fhir.IssueStructure, "the JSON starts with a byte order mark; send UTF-8 without one")
	case !utf8.Valid(raw):
		return nil, fhir.Errorf(fhir.IssueStructure, "the JSON is not valid UTF-8")
	}

	// A value of a resource takes about 16 bytes: most payloads need one allocation.
	s := scanner{raw: raw, nodes: make([]node, 0, len(raw)/16+16)}
	s.space()
	if s.peek() != '{' {
		return nil, s.wrong("a FHIR resource is a JSON object: it starts with {")
	}
	s.value(0)
	s.space()
	if s.fault == nil && s.at < len(raw) {
		s.wrong("nothing may follow the resource")
	}
	if s.fault != nil {
		return nil, s.fault
	}
	return s.nodes, nil
}

func tooLong(size, limit int) *fhir.Error {
	return fhir.Errorf(fhir.IssueTooLong, "the body has %d bytes; at most %d are taken", size, limit)
}

// wrong records the fault at the current byte. The first one ends the scan.
func (s *scanner) wrong(want string) *fhir.Error {
	if s.fault == nil {
		line, column := position(s.raw, s.at)
		s.fault = fhir.Errorf(fhir.IssueStructure, "not JSON at line %d, column %d: %s", line, column, want)
		s.at = len(s.raw) // every loop ends at the end of the bytes
	}
	return s.fault
}

// position is the line and the column, from 1, of a byte.
func position(raw []byte, at int) (line, column int) {
	before := raw[:min(at, len(raw))]
	return 1 + bytes.Count(before, []byte("\n")), len(before) - bytes.LastIndexByte(before, '\n')
}

func (s *scanner) tooCostly(format string, limit int) {
	if s.fault == nil {
		s.fault = fhir.Errorf(fhir.IssueTooCostly, format, limit)
		s.at = len(s.raw)
	}
}

func (s *scanner) peek() byte {
	if s.at < len(s.raw) {
		return s.raw[s.at]
	}
	return 0
}

func (s *scanner) space() {
	for s.at < len(s.raw) {
		switch s.raw[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

// value reads one value as a new node and returns its place.
func (s *scanner) value(parent int32) int32 {
	i := int32(len(s.nodes))
	if i >= maxBundleNodes {
		s.tooCostly("the JSON has more than %d values", maxBundleNodes)
		return i
	}
	s.nodes = append(s.nodes, node{at: int32(s.at), parent: parent})

	// The slice may move while what is within is read, so the node is written by its place.
	var k kind
	switch c := s.peek(); c {
	case '{':
		k = objectKind
		s.members(i)
	case '[':
		k = arrayKind
		s.items(i)
	case '"':
		k = stringKind
		s.nodes[i].escaped = s.text()
	case 't':
		k = s.literal("true", trueKind)
	case 'f':
		k = s.literal("false", falseKind)
	case 'n':
		k = s.literal("null", nullKind)
	default:
		k = numberKind
		s.number()
	}
	s.nodes[i].kind, s.nodes[i].end = k, int32(s.at)
	return i
}

func (s *scanner) literal(text string, k kind) kind {
	if !bytes.HasPrefix(s.raw[s.at:], []byte(text)) {
		s.wrong("a value is needed")
		return k
	}
	s.at += len(text)
	return k
}

// enter steps over the bracket that opens node i, and reports whether something stands within.
func (s *scanner) enter(end byte) bool {
	// The scan, the check and the decoder recurse, and a stack is not endless.
	s.at++
	if s.depth++; s.depth > maxDepth {
		s.tooCostly("the JSON is nested deeper than %d levels", maxDepth)
	}
	s.space()
	return s.peek() != end
}

// more steps over a comma, or over the closing bracket, where it reports false.
func (s *scanner) more(end byte, want string) bool {
	s.space()
	switch s.peek() {
	case ',':
		s.at++
		s.space()
		return true
	case end:
		return false
	}
	s.wrong(want)
	return false
}

func (s *scanner) leave() {
	s.at++
	s.depth--
}

func (s *scanner) members(i int32) {
	last := int32(0)
	for more := s.enter('}'); more && s.fault == nil; more = s.more('}', "a comma or } is needed") {
		if s.peek() != '"' {
			s.wrong("a name in double quotes is needed")
			return
		}
		key := s.at + 1
		escaped := s.text()
		keyEnd := s.at - 1
		s.space()
		if s.peek() != ':' {
			s.wrong("a colon is needed")
			return
		}
		s.at++
		s.space()
		last = s.link(i, last, s.value(i))
		if s.fault != nil {
			return
		}
		n := &s.nodes[last]
		n.key, n.keyEnd, n.keyEscaped = int32(key), int32(keyEnd), escaped
	}
	s.leave()
}

func (s *scanner) items(i int32) {
	last, index := int32(0), int32(0)
	for more := s.enter(']'); more && s.fault == nil; more = s.more(']', "a comma or ] is needed") {
		last = s.link(i, last, s.value(i))
		if s.fault != nil {
			return
		}
		s.nodes[last].index = index
		index++
	}
	s.leave()
}

func (s *scanner) link(parent, last, i int32) int32 {
	if last == 0 {
		s.nodes[parent].child = i
	} else {
		s.nodes[last].next = i
	}
	return i
}

// text steps over a string and reports whether it has a backslash.
func (s *scanner) text() (escaped bool) {
	s.at++
	for s.at < len(s.raw) {
		switch c := s.raw[s.at]; {
		case c == '"':
			s.at++
			return escaped
		case c == '\\':
			escaped = true
			s.escape()
		case c < ' ':
			s.wrong("control characters in a string are written as escapes")
		default:
			s.at++
		}
	}
	s.wrong("a string is not closed")
	return escaped
}

// escape steps over one escape; the two halves of a surrogate pair count as one.
func (s *scanner) escape() {
	if s.at+1 >= len(s.raw) {
		s.wrong("a string is not closed")
		return
	}
	switch s.raw[s.at+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at += 2
		return
	case 'u':
		// Half a pair is no character: it would not survive the way to XML or to PostgreSQL.
		if _, n := unicodeEscape(s.raw[s.at:]); n > 0 {
			s.at += n
			return
		}
	}
	s.wrong("a string has an escape that JSON does not know, or half a surrogate pair")
}

func (s *scanner) number() {
	start := s.at
	if s.peek() == '-' {
		s.at++
	}
	if s.peek() == '0' {
		s.at++
	} else if !s.digits() {
		s.at = start
		s.wrong("a value is needed")
		return
	}
	if s.peek() == '.' {
		s.at++
		if !s.digits() {
			s.wrong("digits are needed after the point")
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.at++
		if c := s.peek(); c == '+' || c == '-' {
			s.at++
		}
		if !s.digits() {
			s.wrong("digits are needed in the exponent")
		}
	}

	// A program that computes with it would need memory for all its digits.
	if s.at-start > maxNumberLength {
		s.tooCostly("a number has more than %d characters", maxNumberLength)
	}
}

func (s *scanner) digits() bool {
	start := s.at
	for c := s.peek(); '0' <= c && c <= '9'; c = s.peek() {
		s.at++
	}
	return s.at > start
}
