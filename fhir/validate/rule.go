package validate

import (
	"slices"
	"strings"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
)

// rule is one rule of the specification. It either holds for an element, or names the
// elements that break it.
type rule struct {
	key     string // as the specification prints it, such as obs-7
	holds   predicate
	broken  func(r4.Node) []r4.Node
	right   string // what would be right; the client reads it
	code    fhir.Code
	warning bool
}

// shall is a rule whose breach is a reason to refuse.
func shall(key string, holds predicate, right string) rule {
	return rule{key: key, holds: holds, right: right, code: fhir.IssueInvariant}
}

// should is a rule whose breach is a warning.
func should(key string, holds predicate, right string) rule {
	return rule{key: key, holds: holds, right: right, code: fhir.IssueInvariant, warning: true}
}

// find is a rule that names the elements at fault.
func find(key string, broken func(r4.Node) []r4.Node, right string) rule {
	return rule{key: key, broken: broken, right: right, code: fhir.IssueInvariant}
}

// warn makes the breach a warning.
func (r rule) warn() rule { r.warning = true; return r }

// as changes the kind of refusal.
func (r rule) as(code fhir.Code) rule { r.code = code; return r }

// shape is what the rules say of one type, or of one place within a type.
type shape struct {
	rules    []rule
	children map[string]*shape // by element name
}

// child is the place of a child: its type's own, or that of the element it belongs to.
func (s *shape) child(n r4.Node, place *shape) *shape {
	// A type knows its elements. A backbone element has no type of its own: its elements are
	// known by the place that it has.
	if s != nil && s.children != nil {
		if c := s.children[n.Name()]; c != nil {
			return c
		}
	}
	if place != nil && place.children != nil {
		return place.children[n.Name()]
	}
	return nil
}

// Rules are what a resource is held to: at most one shape for each type, by its name.
// They are never changed once they are made, so that many may use them at once. The zero
// value holds resources to the rules of every resource alone, such as dom-6.
type Rules struct {
	shapes map[string]*shape
}

// R4 is the rules that FHIR R4 itself makes: a fresh value, which shares no shape with
// another.
func R4() Rules {
	compiled := map[string]*shape{}
	for _, table := range []map[string][]rule{
		datatypes, bundles, foundation, administration, clinical, workflow, questionnaires, definitions, bindings(),
	} {
		// Two tables may speak of one path, and two paths of one table meet in a shape.
		for path, rules := range table {
			s := shapeAt(compiled, path)
			s.rules = append(s.rules, rules...)
		}
	}

	// Last, for the shapes that these share must be complete.
	for path, same := range recursive {
		i := strings.LastIndexByte(path, '.')
		shapeAt(compiled, path[:i]).children[path[i+1:]] = shapeAt(compiled, same)
	}
	return Rules{shapes: compiled}
}

// recursive are the elements that the specification defines as being like another.
var recursive = map[string]string{
	"Parameters.parameter.part":              "Parameters.parameter",
	"Composition.section.section":            "Composition.section",
	"Questionnaire.item.item":                "Questionnaire.item",
	"QuestionnaireResponse.item.item":        "QuestionnaireResponse.item",
	"QuestionnaireResponse.item.answer.item": "QuestionnaireResponse.item",
}

func shapeAt(compiled map[string]*shape, path string) *shape {
	names := strings.Split(path, ".")
	s := compiled[names[0]]
	if s == nil {
		s = &shape{children: map[string]*shape{}}
		compiled[names[0]] = s
	}
	for _, name := range names[1:] {
		if s.children[name] == nil {
			s.children[name] = &shape{children: map[string]*shape{}}
		}
		s = s.children[name]
	}
	return s
}

// predicate is a question about an element. The functions below spell the simple
// invariants as their FHIRPath does: has is exists(), lacks is empty().
type predicate func(r4.Node) bool

// has reports whether one of the children is there.
func has(names ...string) predicate {
	return func(n r4.Node) bool { return count(n, names) > 0 }
}

// lacks reports whether none of the children is there.
func lacks(names ...string) predicate {
	return func(n r4.Node) bool { return count(n, names) == 0 }
}

// atMostOne reports whether no two of the names are there.
func atMostOne(names ...string) predicate {
	return func(n r4.Node) bool { return count(n, names) <= 1 }
}

// exactlyOne reports whether one of the names is there, and no other.
func exactlyOne(names ...string) predicate {
	return func(n r4.Node) bool { return count(n, names) == 1 }
}

// together reports whether all of the names are there, or none.
func together(names ...string) predicate {
	return func(n r4.Node) bool { c := count(n, names); return c == 0 || c == len(names) }
}

// both reports whether all of the names are there.
func both(names ...string) predicate {
	return func(n r4.Node) bool { return count(n, names) == len(names) }
}

// of asks p of the child, which may be none.
func of(name string, p predicate) predicate {
	return func(n r4.Node) bool { return p(n.Get(name)) }
}

// count is how many of the names have a child; a list counts once.
func count(n r4.Node, names []string) int {
	c := 0
	for _, name := range names {
		if n.Get(name).Exists() {
			c++
		}
	}
	return c
}

// needs reports whether the child is not there without the others.
func needs(name string, others ...string) predicate {
	return func(n r4.Node) bool {
		return !n.Get(name).Exists() || count(n, others) == len(others)
	}
}

// is reports whether the child has one of the values.
func is(name string, values ...string) predicate {
	return func(n r4.Node) bool { return slices.Contains(values, n.Get(name).Text()) }
}

// coded reports whether a coding of the child has the system and one of the codes.
func coded(name, system string, codes ...string) predicate {
	return func(n r4.Node) bool {
		for concept := range n.All(name) {
			for coding := range concept.All("coding") {
				if coding.Get("system").Text() == system && slices.Contains(codes, coding.Get("code").Text()) {
					return true
				}
			}
		}
		return false
	}
}

// every reports whether p holds for each child of the name.
func every(name string, p predicate) predicate {
	return func(n r4.Node) bool {
		for child := range n.All(name) {
			if !p(child) {
				return false
			}
		}
		return true
	}
}

func not(p predicate) predicate {
	return func(n r4.Node) bool { return !p(n) }
}

func all(ps ...predicate) predicate {
	return func(n r4.Node) bool {
		return !slices.ContainsFunc(ps, func(p predicate) bool { return !p(n) })
	}
}

func either(ps ...predicate) predicate {
	return func(n r4.Node) bool {
		return slices.ContainsFunc(ps, func(p predicate) bool { return p(n) })
	}
}

// when reports whether then holds wherever p does: FHIRPath's implies.
func when(p, then predicate) predicate {
	return func(n r4.Node) bool { return !p(n) || then(n) }
}

// atMost reports whether the name has no more children than limit.
func atMost(limit int, name string) predicate {
	return func(n r4.Node) bool { return len(collect(n, name)) <= limit }
}

func collect(n r4.Node, name string) []r4.Node { return slices.Collect(n.All(name)) }

// twice returns the children of the name whose key an earlier one has.
func twice(n r4.Node, name, key string) []r4.Node {
	return repeats(collect(n, name), func(child r4.Node) string { return child.Get(key).Text() })
}
