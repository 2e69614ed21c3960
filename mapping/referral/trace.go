package referral

import (
	"slices"

	"google.golang.org/protobuf/proto"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
)

// Action is what became of an element.
type Action string

// The actions.
const (
	Mapped  Action = "mapped"  // it is part of a field of the case
	Kept    Action = "kept"    // it stays with the ServiceRequest alone
	Refused Action = "refused" // it is a reason to refuse the referral
)

// Step says what became of an element and of everything in it that has no step of its
// own.
type Step struct {
	Path   string // FHIRPath
	Action Action
	To     string // mapped: the field of the case
	Why    string // refused: what is wrong
}

// Trace accounts for every element that arrived, in the order of the specification.
func (r Reading) Trace() []Step {
	if r.account == nil {
		return nil
	}
	t := tracer{to: make(map[proto.Message]string, len(r.account.entries)), refused: map[proto.Message]*fhir.Error{}}

	// An element may be entered twice, such as a status that decides about two fields: the
	// first entry is the one that is shown.
	for _, e := range r.account.entries {
		if _, ok := t.to[e.element]; !ok {
			t.to[e.element] = e.to
		}
	}
	for _, f := range r.account.faults {
		switch {
		case f.err.Warning:
		case f.element == nil:
			t.steps = append(t.steps, Step{Path: f.err.Expression, Action: Refused, Why: f.err.Diagnostics})
		default:
			t.refused[f.element] = f.err
		}
	}

	// The ServiceRequest has no step itself: one that says "all of it was kept" says nothing.
	for e := range r.account.root.Children() {
		t.element(e)
	}
	for _, h := range r.account.held[r.account.linked:] {
		t.element(h.resource)
	}
	return t.steps
}

// tracer makes the steps of a reading.
type tracer struct {
	to      map[proto.Message]string      // what is mapped
	refused map[proto.Message]*fhir.Error // what is refused
	steps   []Step
}

// element adds the steps of an element and of what is in it.
func (t *tracer) element(e r4.Element) {
	if err := t.refused[e.Message]; err != nil {
		t.steps = append(t.steps, Step{Path: e.Path(), Action: Refused, Why: err.Diagnostics})
		return // what is in it does not matter: it is refused as a whole
	}
	first := len(t.steps)
	to, mapped := t.to[e.Message]
	switch {
	case mapped:
		t.steps = append(t.steps, Step{Path: e.Path(), Action: Mapped, To: to})
	case e.IsPrimitive():
		t.steps = append(t.steps, Step{Path: e.Path(), Action: Kept})
	}
	for child := range e.Children() {
		t.element(child)
	}
	t.merge(e, first)
}

// merge replaces the steps of an element, from first on, by one when all say the same.
func (t *tracer) merge(e r4.Element, first int) {
	if len(t.steps) <= first+1 {
		return
	}
	one := t.steps[first]
	differs := func(s Step) bool { return s.Action != one.Action || s.To != one.To }
	if one.Action == Refused || slices.ContainsFunc(t.steps[first:], differs) {
		return // each refusal keeps its own place and reason
	}
	one.Path = e.Path()
	t.steps = append(t.steps[:first], one)
}
