package r4

import (
	"iter"
	"strconv"
)

// Node is one element of a decoded resource, as FHIRPath sees it: the items of a list
// are siblings of one name, a choice is called by its base name, and a primitive has
// its value, its id and its extensions in one. The zero Node is no element; asking it
// for anything is safe and finds nothing. Nodes are read-only and may be shared.
type Node struct {
	tree *tree
	i    int32
}

type tree struct {
	raw   []byte
	nodes []node
}

func (n Node) node() *node { return &n.tree.nodes[n.i] }

// Exists reports whether there is such an element.
func (n Node) Exists() bool { return n.tree != nil }

// Name is the element's name in FHIRPath: value for valueQuantity, "" for the root.
func (n Node) Name() string {
	if !n.Exists() || n.node().element == nil {
		return ""
	}
	return n.node().element.base
}

// Type is the FHIR type of the element: a resource type, a datatype such as Quantity,
// a primitive such as dateTime, or BackboneElement.
func (n Node) Type() string {
	if !n.Exists() || n.node().of == nil {
		return ""
	}
	return n.node().of.name
}

// IsResource reports whether the element is a resource: the root, a contained one or
// that of a Bundle entry.
func (n Node) IsResource() bool { return n.Exists() && n.node().of != nil && n.node().of.resource }

// HasValue reports whether the element is a primitive with a value.
func (n Node) HasValue() bool {
	return n.Exists() && !n.node().aside && n.node().kind >= stringKind && n.node().kind != nullKind
}

// Text is the value of a primitive: a string without its escapes, a number or a
// boolean as it was sent; "" for anything else.
func (n Node) Text() string {
	switch {
	case !n.HasValue():
		return ""
	case n.node().kind != stringKind:
		return string(n.Raw())
	case n.node().escaped:
		return unquote(n.Raw())
	}
	raw := n.Raw()
	return string(raw[1 : len(raw)-1])
}

// Raw is the JSON of the element as it was sent. It must not be changed.
func (n Node) Raw() []byte {
	if !n.Exists() {
		return nil
	}
	return n.tree.raw[n.node().at:n.node().end]
}

// Offset is where the element's value begins in the bytes of the resource, from 0.
func (n Node) Offset() int {
	if !n.Exists() {
		return 0
	}
	return int(n.node().at)
}

// Path is the FHIRPath of the element, such as Bundle.entry[0].resource.subject.
func (n Node) Path() string {
	if !n.Exists() {
		return ""
	}
	return n.tree.path(n.i)
}

func (t *tree) path(i int32) string {
	n := &t.nodes[i]
	switch up := &t.nodes[n.parent]; {
	case n.element == nil && n.of == nil:
		return ""
	case n.element == nil:
		return n.of.name
	case up.kind == arrayKind:
		return t.path(n.parent) + "[" + strconv.Itoa(int(n.index)) + "]"
	default:
		return join(t.path(n.parent), n.element.base)
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// Parent is the element that this one belongs to; none for the root.
func (n Node) Parent() Node {
	if !n.Exists() || n.i == 0 {
		return Node{}
	}
	// An array is no element of FHIR: its items belong to the object around it.
	up := n.tree.nodes[n.i].parent
	if n.tree.nodes[up].kind == arrayKind {
		up = n.tree.nodes[up].parent
	}
	return n.tree.value(up)
}

// value is the element of node i: for the aside of a value that is there, the value.
func (t *tree) value(i int32) Node {
	n := &t.nodes[i]
	if !n.aside || n.pair == 0 {
		return Node{t, i}
	}
	return Node{t, n.pair}
}

// Children are the element's own elements in the order they were sent.
func (n Node) Children() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		if !n.Exists() {
			return
		}
		// A value's own children are those of its aside: id and extensions.
		at := n.node()
		if at.of != nil && at.of.primitive != notPrimitive && !at.aside {
			if at.pair == 0 {
				return
			}
			at = &n.tree.nodes[at.pair]
		}
		for i := at.child; i != 0; i = n.tree.nodes[i].next {
			if !n.tree.each(i, yield) {
				return
			}
		}
	}
}

// each yields member i, or its items when it is an array.
func (t *tree) each(i int32, yield func(Node) bool) bool {
	n := &t.nodes[i]
	switch {
	case n.element == nil || n.hidden:
		return true
	case n.kind != arrayKind:
		return yield(Node{t, i})
	}
	for item := n.child; item != 0; item = t.nodes[item].next {
		if !yield(Node{t, item}) {
			return false
		}
	}
	return true
}

// All are the children of the name.
func (n Node) All(name string) iter.Seq[Node] {
	return func(yield func(Node) bool) {
		for child := range n.Children() {
			if child.Name() == name && !yield(child) {
				return
			}
		}
	}
}

// Get follows the names down, taking the first child of each name.
func (n Node) Get(names ...string) Node {
	for _, name := range names {
		next := Node{}
		for child := range n.All(name) {
			next = child
			break
		}
		n = next
	}
	return n
}
