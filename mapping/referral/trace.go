package referral

import (
	"slices"
	"strconv"

	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"caselink.example/fhir"
)

// Action is what became of an element.
type Action string

// The actions.
const (
	Mapped  Action = "mapped"  // it is part of a field of the case
	Kept    Action = "kept"    // it stays with the ServiceRequest alone
	Refused Action = "refused" // it is a reason to refuse the referral
)

// Step says what became of an element and of everything in it, but for what has a
// step of its own.
type Step struct {
	Path   string `json:"path"` // FHIRPath
	Action Action `json:"action"`
	To     string `json:"to,omitempty"`  // mapped: the field of the case
	Why    string `json:"why,omitempty"` // refused: what is wrong
}

// Trace accounts for every element that arrived, in the order of the specification.
func (r Reading) Trace() []Step {
	if r.reading == nil {
		return nil
	}
	return r.reading.trace()
}

// trace walks everything that arrived.
func (r *reading) trace() []Step {
	w := walk{reading: r, to: make(map[proto.Message]string, len(r.claims)), why: map[proto.Message]*fhir.Error{}}
	for _, c := range r.claims {
		if _, ok := w.to[c.element]; !ok {
			w.to[c.element] = c.to
		}
	}
	for _, f := range r.faults {
		switch {
		case f.err.Warning:
		case f.element == nil:
			w.steps = append(w.steps, Step{Path: f.err.Expression, Action: Refused, Why: f.err.Diagnostics})
		default:
			w.why[f.element] = f.err
		}
	}
	w.everything()
	return w.steps
}

// locate names the FHIRPath of every fault that has an element.
func (r *reading) locate() {
	w := walk{reading: r, paths: map[proto.Message]string{}}
	for _, f := range r.faults {
		if f.element != nil {
			w.paths[f.element] = ""
		}
	}
	if len(w.paths) == 0 {
		return
	}
	w.everything()
	for _, f := range r.faults {
		if f.element != nil {
			f.err.Expression = w.paths[f.element]
		}
	}
}

// walk visits every element of a reading once.
type walk struct {
	*reading
	to    map[proto.Message]string
	why   map[proto.Message]*fhir.Error
	paths map[proto.Message]string // filled in for its keys
	steps []Step
}

func (w *walk) everything() {
	w.children("ServiceRequest", w.request.ProtoReflect())
	for _, h := range w.held {
		if h.path != "" {
			w.element(h.path, h.resource.ProtoReflect())
		}
	}
}

// element visits one element and, unless it is decided as a whole, what is in it.
func (w *walk) element(path string, m protoreflect.Message) {
	message := m.Interface()
	if _, wanted := w.paths[message]; wanted {
		w.paths[message] = path
	}
	if err := w.why[message]; err != nil {
		w.steps = append(w.steps, Step{Path: path, Action: Refused, Why: err.Diagnostics})
		return
	}
	first := len(w.steps)
	to, mapped := w.to[message]
	switch {
	case mapped:
		w.steps = append(w.steps, Step{Path: path, Action: Mapped, To: to})
	case primitive(m):
		w.steps = append(w.steps, Step{Path: path, Action: Kept})
	}
	w.children(path, m)
	w.merge(path, first)
}

// merge replaces the steps of an element by one when all say the same.
func (w *walk) merge(path string, first int) {
	if len(w.steps) <= first+1 {
		return
	}
	one := w.steps[first]
	if one.Action == Refused || slices.ContainsFunc(w.steps[first:], func(s Step) bool { return s.Action != one.Action || s.To != one.To }) {
		return
	}
	one.Path = path
	w.steps = append(w.steps[:first], one)
}

// children visits the elements of m in the order of the specification.
func (w *walk) children(path string, m protoreflect.Message) {
	type child struct {
		field protoreflect.FieldDescriptor
		value protoreflect.Value
	}
	var children []child
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		if field.Message() != nil {
			children = append(children, child{field, value})
		}
		return true
	})
	slices.SortFunc(children, func(a, b child) int { return int(a.field.Number() - b.field.Number()) })
	for _, c := range children {
		at := path + "." + step(c.field)
		if choice(m.Descriptor()) {
			at = path
		}
		switch {
		case c.field.Name() == "contained" && c.field.IsList():
			w.contained(at)
		case c.field.IsList():
			for i := range c.value.List().Len() {
				w.element(at+"["+strconv.Itoa(i)+"]", c.value.List().Get(i).Message())
			}
		default:
			w.element(at, c.value.Message())
		}
	}
}

// contained visits the contained resources, which were unpacked in their order. Those
// of a linked resource stay packed, and with it.
func (w *walk) contained(path string) {
	if path != "ServiceRequest.contained" {
		w.steps = append(w.steps, Step{Path: path, Action: Kept})
		return
	}
	for i, h := range w.held {
		if h.path == "" {
			w.element(path+"["+strconv.Itoa(i)+"]", h.resource.ProtoReflect())
		}
	}
}

// step is an element's name as FHIRPath spells it.
func step(field protoreflect.FieldDescriptor) string {
	if one := field.ContainingOneof(); one != nil && one.Name() == literal.Name() {
		return "reference"
	}
	return field.JSONName()
}

// choice reports whether a message only holds one of several types: it is no element
// of its own, FHIRPath says value for valueString.
func choice(d protoreflect.MessageDescriptor) bool {
	return d.Oneofs().Len() > 0 && d.Oneofs().Get(0).Name() == "choice"
}

// primitive reports whether an element has a value of its own rather than elements.
func primitive(m protoreflect.Message) bool {
	if _, ok := m.Interface().(*dtpb.ReferenceId); ok {
		return true
	}
	fields := m.Descriptor().Fields()
	for _, name := range []protoreflect.Name{"value", "value_us", "div"} {
		if f := fields.ByName(name); f != nil && f.Message() == nil {
			return true
		}
	}
	return false
}
