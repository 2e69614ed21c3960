package profile

import (
	"regexp"
	"strconv"
	"time"

	"caselink.example/fhir"
)

// number is the value of a number, 0 for none. Numbers that differ only beyond 15
// digits may compare as equal, never the wrong way round.
func number(n fhir.Node) float64 {
	f, _ := strconv.ParseFloat(n.Text(), 64)
	return f
}

// sameUnit reports whether two quantities can be compared: by code and system where
// both have one, otherwise by the unit for people.
func sameUnit(a, b fhir.Node) bool {
	if a.Get("code").Exists() && b.Get("code").Exists() {
		return a.Get("code").Text() == b.Get("code").Text() && a.Get("system").Text() == b.Get("system").Text()
	}
	return a.Get("unit").Text() == b.Get("unit").Text()
}

// inOrder reports whether the two moments can be compared, and the first is not after
// the second. What is absent, or no moment at all, is in order.
func inOrder(first, second string) predicate {
	return func(n fhir.Node) bool {
		a, b := n.Get(first).Text(), n.Get(second).Text()
		return !moment.MatchString(a) || !moment.MatchString(b) || notAfter(a, b)
	}
}

var moment = regexp.MustCompile(`^\d{4}(-\d\d(-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?)?)?$`)

// notAfter compares two moments as FHIRPath does: part by part, and it cannot tell when
// all parts that both have are equal but one is more precise.
// https://hl7.org/fhirpath/N1/#comparison
func notAfter(a, b string) bool {
	if len(a) > len(time.DateOnly) && len(b) > len(time.DateOnly) {
		ta, errA := time.Parse(time.RFC3339, a)
		tb, errB := time.Parse(time.RFC3339, b)
		return errA != nil || errB != nil || !ta.After(tb) // a leap second is in order
	}
	day := min(len(a), len(b), len(time.DateOnly))
	return a[:day] < b[:day] || a == b
}

// same reports whether two elements are equal as FHIRPath's = has it: the same type,
// value and children, whatever their order.
func same(a, b fhir.Node) bool {
	if a.Type() != b.Type() || a.HasValue() != b.HasValue() || a.Text() != b.Text() {
		return false
	}
	return within(a, b) && within(b, a)
}

// within reports whether each child of a has its equal in b.
func within(a, b fhir.Node) bool {
	for child := range a.Children() {
		found := false
		for other := range b.All(child.Name()) {
			found = found || same(child, other)
		}
		if !found {
			return false
		}
	}
	return true
}

// repeats returns the elements whose text an earlier one has.
func repeats(elements []fhir.Node, text func(fhir.Node) string) []fhir.Node {
	var again []fhir.Node
	seen := make(map[string]bool, len(elements))
	for _, n := range elements {
		if seen[text(n)] {
			again = append(again, n)
		}
		seen[text(n)] = true
	}
	return again
}
