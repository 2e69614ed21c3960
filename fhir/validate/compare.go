package validate

import (
	"slices"
	"strconv"
	"strings"

	"caselink.example/fhir/r4"
)

// number is the value of a number, 0 for none. Numbers that differ only beyond 15
// digits may compare as equal, never the wrong way round.
func number(n r4.Node) float64 {
	f, _ := strconv.ParseFloat(n.Text(), 64)
	return f
}

// sameUnit reports whether two quantities can be compared: by code and system where
// both have one, otherwise by the unit for people.
func sameUnit(a, b r4.Node) bool {
	// The unit for people is no proof: mg and milligram are one code.
	if a.Get("code").Exists() && b.Get("code").Exists() {
		return a.Get("code").Text() == b.Get("code").Text() && a.Get("system").Text() == b.Get("system").Text()
	}
	return a.Get("unit").Text() == b.Get("unit").Text()
}

// inOrder reports whether the two moments can be compared, and the first is not after
// the second. What is absent, or no moment at all, is in order.
func inOrder(first, second string) predicate {
	return func(n r4.Node) bool { return r4.NotAfter(n.Get(first).Text(), n.Get(second).Text()) }
}

// spelling is one text for all elements that are equal as FHIRPath's = has it: the same
// type, value and children, whatever the order of their names.
func spelling(n r4.Node) string {
	var children []string
	for child := range n.Children() {
		children = append(children, strconv.Quote(child.Name())+spelling(child))
	}
	slices.Sort(children) // JSON has its members in any order
	return n.Type() + strconv.Quote(n.Text()) + "(" + strings.Join(children, ",") + ")"
}

// repeats returns the elements whose text an earlier one has.
func repeats(elements []r4.Node, text func(r4.Node) string) []r4.Node {
	var again []r4.Node
	seen := make(map[string]bool, len(elements))
	for _, n := range elements {
		if seen[text(n)] {
			again = append(again, n)
		}
		seen[text(n)] = true
	}
	return again
}
