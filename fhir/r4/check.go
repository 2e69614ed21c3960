package r4

import (
	"bytes"
	"slices"
	"strings"

	"caselink.example/fhir"
)

// parse reads the bytes of a resource and checks them against R4's own types: names,
// cardinalities, formats, required codes, references, and the rules of JSON's
// representation (https://hl7.org/fhir/R4/json.html). It reports every fault, each at
// its FHIRPath, and none of them quotes a value.
func parse(raw []byte) (Node, error) {
	nodes, fault := scan(raw)
	if fault != nil {
		return Node{}, fhir.Errors{fault}
	}
	t := &tree{raw: raw, nodes: nodes}
	c := checker{tree: t}
	c.resource(0)

	// The scan bounds any payload as it would a Bundle, for it cannot know the type before
	// it has read the names. What is no Bundle is held to less here.
	if root := nodes[0].of; root == nil || root.name != "Bundle" {
		if len(raw) > maxBytes {
			return Node{}, fhir.Errors{tooLong(len(raw), maxBytes)}
		}
		if len(nodes) > maxNodes {
			return Node{}, fhir.Errors{fhir.Errorf(fhir.IssueTooCostly, "the JSON has more than %d values", maxNodes)}
		}
	}
	if len(c.faults) > 0 {
		return Node{}, c.faults
	}
	return Node{t, 0}, nil
}

// maxFaults bounds what one payload can make us write; an OperationOutcome shows MaxIssues.
const maxFaults = 2 * fhir.MaxIssues

type checker struct {
	*tree
	faults fhir.Errors
	inside bool      // within a contained resource
	local  *fragment // what "#id" may mean here
}

// fragment collects the contained resources of one resource, and what points at them.
type fragment struct {
	contained []int32
	pointers  []pointer
}

type pointer struct {
	reference Node
	to        string
	element   *element
}

func (c *checker) report(i int32, code fhir.Code, format string, args ...any) *fhir.Error {
	e := fhir.Errorf(code, format, args...)
	if len(c.faults) < maxFaults {
		c.faults = append(c.faults, e.At(c.path(i)))
	}
	return e
}

// name is the name of member i.
func (c *checker) name(i int32) []byte {
	// Names are compared as bytes and made into no string: there is one for each value.
	n := &c.nodes[i]
	if n.keyEscaped {
		return appendUnquoted(nil, c.raw[n.key-1:n.keyEnd+1])
	}
	return c.raw[n.key:n.keyEnd]
}

func (c *checker) text(i int32) []byte {
	n := &c.nodes[i]
	if n.escaped {
		return appendUnquoted(nil, c.raw[n.at:n.end])
	}
	return c.raw[n.at+1 : n.end-1]
}

const resourceType = "resourceType"

// resource checks node i as a resource of the type that it says it is.
func (c *checker) resource(i int32) {
	// It may stand anywhere among the members: JSON has no order.
	typed := int32(0)
	for m := c.nodes[i].child; m != 0; m = c.nodes[m].next {
		if string(c.name(m)) == resourceType {
			typed = m
			break
		}
	}
	switch {
	case typed == 0:
		c.report(i, fhir.IssueRequired, "resourceType is missing; it names the resource's type, such as ServiceRequest")
		return
	case c.nodes[typed].kind != stringKind:
		c.report(i, fhir.IssueStructure, "resourceType must be a string, not %s", kindNames[c.nodes[typed].kind])
		return
	}
	s := resourceSchema(c.text(typed))
	if s == nil {
		c.report(i, fhir.IssueStructure, "resourceType is not a resource type of FHIR R4 (4.0.1)")
		return
	}
	c.nodes[i].of = s

	// Within a contained resource "#id" means what it means around it: the resources that
	// the outermost one contains. Each entry of a Bundle begins anew.
	if c.inside {
		c.object(i)
		return
	}
	outer := c.local
	c.local = &fragment{}
	c.object(i)
	c.resolve()
	c.local = outer
}

// object checks the members of node i against its type.
func (c *checker) object(i int32) {
	if len(c.faults) >= maxFaults {
		return
	}
	s := c.nodes[i].of.read()
	if c.nodes[i].child == 0 {
		c.report(i, fhir.IssueInvariant, "an empty object: an element has a value, extensions or children; leave it out").Breaks("ele-1")
		return
	}

	// Pairs come before values: whether a null is right depends on what stands beside it.
	seen, asides := c.identify(i, s)
	if asides != 0 {
		c.pair(i)
	}
	for m := c.nodes[i].child; m != 0; m = c.nodes[m].next {
		c.member(m)
	}

	// An element that has only extensions, such as why its value is absent, is there.
	for _, name := range s.missing(s.required &^ (seen | asides)) {
		c.report(i, fhir.IssueRequired, "%s is required", name).At(join(c.path(i), name))
	}
	if s.name == "Extension" {
		c.extension(i, s, seen)
	}
}

// identify finds the element of each member, and returns the bits of those that have a
// value and of those that have a _name.
func (c *checker) identify(i int32, s *schema) (seen, asides uint64) {
	typed := false
	for m := c.nodes[i].child; m != 0 && len(c.faults) < maxFaults; m = c.nodes[m].next {
		name := c.name(m)
		if s.resource && string(name) == resourceType {
			if typed {
				c.report(i, fhir.IssueStructure, "resourceType stands twice")
			}
			typed = true
			continue
		}
		e, aside := s.element(name)
		if e == nil {
			c.unknown(m, s, name)
			continue
		}
		set := &seen
		if aside {
			set = &asides
		}

		// The bit says that something of this element is there; the members before say what.
		if (seen|asides)&e.bit != 0 && c.repeated(i, m, e, aside) {
			continue
		}
		*set |= e.bit
		c.nodes[m].element, c.nodes[m].of, c.nodes[m].aside = e, e.of, aside
	}
	return seen, asides
}

// element finds an element by its name in JSON; aside says that it is the _name of a primitive.
func (s *schema) element(name []byte) (e *element, aside bool) {
	if e := s.elements[string(name)]; e != nil {
		return e, false
	}
	if len(name) > 1 && name[0] == '_' {
		if e := s.elements[string(name[1:])]; e != nil && e.of.primitive != notPrimitive && !e.attribute {
			return e, true
		}
	}
	return nil, false
}

// repeated reports a name that stands twice, or a second type of a choice. A value and
// its _name are neither.
func (c *checker) repeated(i, m int32, e *element, aside bool) bool {
	for o := c.nodes[i].child; o != m; o = c.nodes[o].next {
		switch other := c.nodes[o].element; {
		case other == nil || other.bit != e.bit:
		case other != e:
			c.report(i, fhir.IssueStructure,
				"%s and %s: only one type of %s[x] may be sent", other.name, e.name, e.base).At(join(c.path(i), e.base))
			return true
		case c.nodes[o].aside == aside:
			c.report(i, fhir.IssueStructure,
				"the name stands twice; several values of one element are one array").At(join(c.path(i), e.base))
			return true
		}
	}
	return false
}

func (c *checker) unknown(m int32, s *schema, name []byte) {
	parent := c.nodes[m].parent
	of := s.name
	if of == "BackboneElement" {
		of = c.path(parent)
	}

	// A name that the sender made up may be a patient's: only what looks like one of FHIR's
	// is repeated to the client, and so to its logs.
	if !isIdentifier(name) {
		c.report(parent, fhir.IssueStructure, "%s has an element whose name is none of FHIR's", of)
		return
	}
	path := join(c.path(parent), string(name))
	for known := range s.elements {
		if strings.EqualFold(known, string(name)) {
			c.report(parent, fhir.IssueStructure, "%s has no element %s; names are case-sensitive: write %s", of, name, known).At(path)
			return
		}
	}
	c.report(parent, fhir.IssueStructure, "%s has no element %s in FHIR R4", of, name).At(path)
}

// isIdentifier reports whether a name may be repeated in a message: it looks like one of FHIR's.
func isIdentifier(name []byte) bool {
	name = bytes.TrimPrefix(name, []byte("_"))
	if len(name) == 0 || len(name) > 64 {
		return false
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// pair ties each value of the object to the _name beside it.
func (c *checker) pair(i int32) {
	for a := c.nodes[i].child; a != 0; a = c.nodes[a].next {
		if !c.nodes[a].aside {
			continue
		}
		// _name may stand before name, so each looks at all.
		for v := c.nodes[i].child; v != 0; v = c.nodes[v].next {
			if v != a && c.nodes[v].element == c.nodes[a].element {
				c.tie(v, a)
			}
		}
	}
}

// tie makes one element of a value and its aside, or of the items of two arrays.
func (c *checker) tie(value, aside int32) {
	// The walk over elements goes by the values. An aside has its own turn only where no
	// value stands beside it: an element with extensions alone.
	c.nodes[aside].hidden = true
	if c.nodes[value].kind != arrayKind || c.nodes[aside].kind != arrayKind {
		c.nodes[value].pair, c.nodes[aside].pair = aside, value
		return
	}
	v, a := c.nodes[value].child, c.nodes[aside].child
	for v != 0 && a != 0 {
		// A null in the aside's array gives nothing to the value. Two nulls side by side are
		// tied to nothing: the value's is then reported as one without reason.
		if c.nodes[a].kind != nullKind {
			c.nodes[v].pair, c.nodes[a].pair = a, v
		} else if c.nodes[v].kind != nullKind {
			c.nodes[a].pair = v
		}
		v, a = c.nodes[v].next, c.nodes[a].next
	}
	if v != 0 || a != 0 {
		name := c.nodes[value].element.name
		c.report(value, fhir.IssueStructure, "%s and _%s must have as many items: null stands where one has nothing", name, name)
	}
}

// member checks the value, or values, of one member.
func (c *checker) member(m int32) {
	n := &c.nodes[m]
	e := n.element
	switch {
	case e == nil:
	case !e.list && n.kind == arrayKind:
		c.report(m, fhir.IssueStructure, "%s takes one value, not an array", e.name)
	case !e.list:
		c.single(m)
	case n.kind != arrayKind:
		c.report(m, fhir.IssueStructure, "%s may repeat, so it is an array", e.name).At(join(c.path(n.parent), e.base))
	case n.child == 0:
		c.report(m, fhir.IssueStructure, "an empty array; leave the element out")
	default:
		for item := n.child; item != 0; item = c.nodes[item].next {
			c.nodes[item].element, c.nodes[item].of, c.nodes[item].aside = e, e.of, n.aside
			c.single(item)
		}
	}
}

// single checks one value of an element.
func (c *checker) single(i int32) {
	n := &c.nodes[i]
	e := n.element
	switch {
	case n.kind == nullKind:
		c.null(i)
	case n.aside && n.kind == objectKind:
		c.object(i)
	case n.aside:
		c.report(i, fhir.IssueStructure, "_%s holds an object with id or extension, not %s", e.name, kindNames[n.kind])
	case e.of.primitive != notPrimitive:
		c.primitive(i)
	case n.kind != objectKind:
		c.report(i, fhir.IssueStructure, "%s must be an object (%s), not %s", e.name, e.of.name, kindNames[n.kind])
	case e.of == anyResource && e.name == "contained":
		c.contained(i)
	case e.of == anyResource:
		// A Bundle's entry is a resource of its own, even where the Bundle is contained.
		inside := c.inside
		c.inside = false
		c.resource(i)
		c.inside = inside
	default:
		c.object(i)
		if e.of.name == "Reference" {
			c.reference(i, e)
		}
	}
}

// null may only stand in the array of a primitive, where the other array of the pair
// has something at the same place.
func (c *checker) null(i int32) {
	switch e := c.nodes[i].element; {
	case !e.list || e.of.primitive == notPrimitive:
		c.report(i, fhir.IssueStructure, "null is no value in FHIR; leave the element out")
	case c.nodes[i].pair == 0 && !c.nodes[c.nodes[i].parent].hidden: // else the array beside it says so
		c.report(i, fhir.IssueStructure, "null stands only where %s and _%s are both sent and the other has something", e.name, e.name)
	}
}

func (c *checker) contained(i int32) {
	if c.inside {
		c.report(i, fhir.IssueInvariant, "a contained resource contains none itself").Breaks("dom-2")
		return
	}
	c.inside = true
	c.resource(i)
	c.inside = false
	c.local.contained = append(c.local.contained, i)
}

// primitive checks the value of a primitive.
func (c *checker) primitive(i int32) {
	n := &c.nodes[i]
	s := n.of
	if want := s.primitive.kindIn(n.kind); want != "" {
		c.report(i, fhir.IssueStructure, "a value of the type %s is %s, not %s", s.name, want, kindNames[n.kind])
		return
	}

	// A number is judged by the text that was sent: 1.50 is not 1.5, and a float would say so.
	var text []byte
	if n.kind == stringKind {
		text = c.text(i)
		if len(text) == 0 {
			c.report(i, fhir.IssueValue, "an empty string; leave the element out")
			return
		}
	} else {
		text = c.raw[n.at:n.end]
	}
	if want := s.primitive.format(text); want != "" {
		c.report(i, fhir.IssueValue, "no value of the type %s: %s", s.name, want)
		return
	}
	if s.codes != nil {
		if _, ok := s.codes[string(text)]; !ok {
			c.report(i, fhir.IssueCodeInvalid, "not a code of %s%s", s.valueSet, s.codeList())
		}
	}
}

// codeList says which codes would do, when they are few.
func (s *schema) codeList() string {
	if len(s.codes) > 20 {
		return ""
	}
	numbers := make([]enumNumber, 0, len(s.texts))
	for n := range s.texts {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	list := make([]string, len(numbers))
	for i, n := range numbers {
		list[i] = s.texts[n]
	}
	return ": one of " + strings.Join(list, ", ")
}

// reservedExtensions is what google/fhir calls its own notes within a message. From
// outside they would change what the message means, or never let it be written.
const reservedExtensions = "https://g.co/fhir/"

func (c *checker) extension(i int32, s *schema, seen uint64) {
	if url := (Node{c.tree, i}).Get("url"); strings.HasPrefix(url.Text(), reservedExtensions) {
		c.report(url.i, fhir.IssueNotSupported, "extensions of %s are reserved", reservedExtensions)
	}
	// Any type of value will do: the types of a choice share one bit.
	value := seen&s.elements["valueString"].bit != 0
	nested := seen&s.elements["extension"].bit != 0
	if value == nested {
		c.report(i, fhir.IssueInvariant, "an extension has a value or extensions of its own, never both or neither").Breaks("ext-1")
	}
}

// reference checks Reference.reference, which element e holds: its form, and the type
// of resource that it names.
func (c *checker) reference(i int32, e *element) {
	n := Node{c.tree, i}.Get("reference")
	if !n.HasValue() || n.node().kind != stringKind {
		return
	}
	text := n.Text()

	// What "#id" leads to may still follow: it is looked up when the whole resource was seen.
	if to, ok := strings.CutPrefix(text, "#"); ok {
		if to != "" {
			c.local.pointers = append(c.local.pointers, pointer{n, to, e})
		}
		return
	}
	typ, want := referenceTo(text)
	if want != "" {
		c.report(n.i, fhir.IssueValue, "not a reference: %s", want)
		return
	}
	c.target(n.i, e, typ)
}

// target checks that element e may point to a resource of the type; "" is not known.
func (c *checker) target(i int32, e *element, typ string) {
	if typ != "" && len(e.targets) > 0 && !slices.Contains(e.targets, typ) {
		c.report(i, fhir.IssueValue, "%s may not refer to a %s; it refers to %s", e.base, typ, strings.Join(e.targets, ", "))
	}
}

// resolve finds the contained resource of each "#id".
func (c *checker) resolve() {
	if len(c.local.contained)+len(c.local.pointers) == 0 {
		return
	}
	ids := make(map[string]string, len(c.local.contained))
	for _, i := range c.local.contained {
		// Without an id it can be no target, and validate reports that (contained-id).
		id := Node{c.tree, i}.Get("id").Text()
		if _, twice := ids[id]; twice && id != "" {
			c.report(i, fhir.IssueInvariant, "another contained resource has the same id; within one resource they differ")
		}
		ids[id] = Node{c.tree, i}.Type()
	}
	for _, p := range c.local.pointers {
		typ, ok := ids[p.to]
		if !ok {
			c.report(p.reference.i, fhir.IssueInvariant, "no contained resource has this id").Breaks("ref-1")
			continue
		}
		c.target(p.reference.i, p.element, typ)
	}
}

// referenceTo returns the resource type that a literal reference names, "" when it does
// not say; want is what would be right when it is no reference.
// https://hl7.org/fhir/R4/references.html#literal
func referenceTo(text string) (typ, want string) {
	if strings.ContainsAny(text, " \t\r\n") {
		return "", "a URL has no white space"
	}
	if urn, ok := strings.CutPrefix(text, "urn:"); ok {
		return "", urnFault(urn)
	}
	relative := text
	absolute := hasScheme(text)
	if typ, _, ok := strings.Cut(text, "?"); ok && !absolute {
		if resourceSchema([]byte(typ)) == nil {
			return "", "a search begins with a resource type, as in Patient?identifier=..."
		}
		return typ, ""
	}

	// The end decides: [base]/Type/id, with a version behind it or not. An absolute URL that
	// does not end so may lead to a server that is no FHIR server, and is taken.
	parts := strings.Split(relative, "/")
	if n := len(parts); n > 3 && parts[n-2] == "_history" && isID(parts[n-1]) {
		parts = parts[:n-2]
	}
	n := len(parts)
	if n >= 2 && (absolute || n == 2) && isID(parts[n-1]) && resourceSchema([]byte(parts[n-2])) != nil {
		return parts[n-2], ""
	}
	if absolute {
		return "", ""
	}
	return "", "write Type/id, an absolute URL, urn:uuid:... or #id of a contained resource"
}

func urnFault(urn string) string {
	if id, ok := strings.CutPrefix(urn, "uuid:"); ok && !isUUID(strings.ToLower(id)) {
		return "urn:uuid: is followed by 8-4-4-4-12 hexadecimal digits"
	}
	if oid, ok := strings.CutPrefix(urn, "oid:"); ok && !isOID(oid) {
		return "urn:oid: is followed by an OID such as 2.16.840.1"
	}
	return ""
}

// hasScheme reports whether a URI is absolute: scheme ":" rest, RFC 3986 section 3.1.
func hasScheme(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z':
		case i > 0 && ('0' <= c && c <= '9' || c == '+' || c == '-' || c == '.'):
		default:
			return c == ':' && i > 0
		}
	}
	return false
}
