// Package validate says whether a resource keeps the rules of FHIR R4 that its types
// alone cannot express: the invariants of the specification, the narrative, contained
// resources, Bundles, and the required bindings that are no enumeration.
//
// Rules are a value: R4 makes those of the specification, the wiring of the service hands
// them down, and two sets may be used side by side. The tables that R4 is made of stand in
// a file for each module of FHIR, as its pages are: https://hl7.org/fhir/R4/modules.html
//
// Names, cardinalities, formats and references are checked before, while package r4
// reads the bytes; this package walks the tree that it has built, once.
// docs/words.md defines invariant, rule, element and contained.
package validate

import (
	"slices"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
)

// maxFaults bounds how many faults, and how many warnings, one resource can make us
// write; an OperationOutcome shows fewer.
const maxFaults = 2 * fhir.MaxIssues

// Validate reports every rule of FHIR R4 that the resource breaks, each at its FHIRPath
// with the key that the specification prints; the warnings come last. A Warning is no
// reason to refuse; a valid resource without narrative has one (dom-6).
func (rules Rules) Validate(r r4.Resource) fhir.Errors {
	w := walk{rules: rules}
	w.element(r.Root, nil)
	return append(w.faults, w.warnings...)
}

// Check reads one resource and validates it. It reports what the types refuse together
// with what the rules refuse. The resource is the zero value when the types refuse it.
func (rules Rules) Check(raw []byte, format fhir.Format) (r4.Resource, fhir.Errors) {
	unmarshal, inspect := r4.Unmarshal, r4.Inspect
	if format == fhir.XML {
		unmarshal, inspect = r4.UnmarshalXML, r4.InspectXML
	}
	r, err := unmarshal(raw)
	if err == nil {
		return r, rules.Validate(r)
	}

	// The rules are asked of what is left all the same: a sender that has to mend its types
	// learns of the rules now, not after a second try.
	root, faults := inspect(raw)
	for _, e := range rules.Validate(r4.Resource{Root: root}) {
		// The types and a rule can see the same fault, such as a fragment that leads nowhere.
		reported := func(f *fhir.Error) bool { return f.Rule == e.Rule && f.Expression == e.Expression }
		if !slices.ContainsFunc(faults, reported) {
			faults = append(faults, e)
		}
	}
	return r4.Resource{}, faults
}

// walk visits each element of a resource once.
type walk struct {
	rules    Rules
	faults   fhir.Errors
	warnings fhir.Errors
	local    *locals       // the contained resources of the resource that is being walked
	around   *surroundings // nil outside a Bundle
}

// element checks n by the rules of its type and by those of its place. place is nil
// where the specification adds none.
func (w *walk) element(n r4.Node, place *shape) {
	own := w.rules.shapes[n.Type()]
	w.apply(own, n)
	w.apply(place, n)
	if n.IsResource() {
		w.resource(n, own)
		return
	}
	w.point(n)
	w.children(n, own, place)
}

func (w *walk) children(n r4.Node, own, place *shape) {
	for child := range n.Children() {
		w.element(child, own.child(child, place))
	}
}

// resource walks a resource with what its fragments and its Bundle mean to it.
func (w *walk) resource(n r4.Node, own *shape) {
	w.apply(anyResource, n)
	switch n.Type() {
	case "Bundle", "Parameters", "Binary": // R4's three resources that are no DomainResource
	default:
		w.apply(domainResource, n)
	}

	// A contained resource shares the fragments of the one around it, so the walk goes on
	// with the same locals.
	if isContained(n) {
		w.local.enter(n)
		w.apply(containedResource, n)
		w.children(n, own, nil)
		w.local.leave()
		return
	}

	// Any other begins with its own, and what the resource around it knows is put back
	// afterwards: *w is copied for its two pointers. The faults go on growing in w itself,
	// so the copy as a whole is never written back.
	outer := *w
	w.local = &locals{}
	if n.Type() == "Bundle" {
		w.around = surroundingsOf(n, w.around)
	}
	w.children(n, own, nil)

	// Only now: what refers to a contained resource may stand behind it.
	for _, c := range w.local.unreferenced() {
		w.report(&dom3, c)
	}
	w.local, w.around = outer.local, outer.around
}

func (w *walk) apply(s *shape, n r4.Node) {
	if s == nil {
		return
	}
	for i := range s.rules {
		switch r := &s.rules[i]; {
		case r.broken != nil:
			for _, at := range r.broken(n) {
				w.report(r, at)
			}
		case !r.holds(n):
			w.report(r, n)
		}
	}
}

func (w *walk) report(r *rule, at r4.Node) {
	to := &w.faults
	if r.warning {
		to = &w.warnings
	}
	// Warnings have room of their own: they must not crowd out a reason to refuse.
	if len(*to) < maxFaults {
		e := fhir.Errorf(r.code, "%s", r.right).At(at.Path()).Breaks(r.key)
		e.Warning = r.warning
		*to = append(*to, e)
	}
}
