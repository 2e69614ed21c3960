package r4

import (
	"cmp"
	"slices"
	"strings"

	"caselink.example/fhir"
)

// MarshalXML writes a resource's JSON as XML, the elements in the order of the
// specification, without white space between them. JSON that does not decode, and the
// few texts that XML cannot hold, are refused.
func MarshalXML(json []byte) ([]byte, error) {
	root, err := parse(json)
	if err != nil {
		return nil, err
	}
	w := xmlWriter{out: make([]byte, 0, len(json)*3/2)}
	w.out = append(w.out, `<?xml version="1.0" encoding="UTF-8"?>`...)
	w.resource(root, ` xmlns="`+fhirSpace+`"`)
	return w.out, w.faults.OrNil()
}

type xmlWriter struct {
	out    []byte
	faults fhir.Errors
}

func (w *xmlWriter) resource(n Node, namespace string) {
	w.out = append(w.out, "<"+n.Type()+namespace...)
	w.content(n, n.Type())
}

// content writes the attributes and elements of n, whose start tag is open, and closes it.
func (w *xmlWriter) content(n Node, name string) {
	if n.HasValue() {
		w.attribute("value", n)
	}
	var children []Node
	for child := range n.Children() {
		if e := child.node().element; e.attribute && e.of.primitive != xhtmlType {
			w.attribute(e.name, child)
		} else {
			children = append(children, child)
		}
	}
	if len(children) == 0 {
		w.out = append(w.out, "/>"...)
		return
	}
	w.out = append(w.out, '>')

	// JSON has its members in any order, XML its elements in one; the items of a list keep theirs.
	slices.SortStableFunc(children, func(a, b Node) int { return cmp.Compare(a.node().element.order, b.node().element.order) })
	for _, child := range children {
		w.element(child)
	}
	w.out = append(w.out, "</"+name+">"...)
}

func (w *xmlWriter) element(n Node) {
	e := n.node().element
	switch {
	case e.of.primitive == xhtmlType:
		w.div(n)
	case n.IsResource():
		w.out = append(w.out, "<"+e.name+">"...)
		w.resource(n, "")
		w.out = append(w.out, "</"+e.name+">"...)
	default:
		w.out = append(w.out, "<"+e.name...)
		w.content(n, e.name)
	}
}

func (w *xmlWriter) div(n Node) {
	div := n.Text()
	elements, fault := scanXML([]byte(div))
	if fault != nil {
		w.faults = append(w.faults, fault.At(n.Path()).Breaks("txt-1"))
		return
	}
	root := elements[0]
	if root.name != "div" || root.space != xhtmlSpace || !root.own {
		fault := fhir.Errorf(fhir.IssueInvariant, `the narrative is one <div xmlns="%s">`, xhtmlSpace)
		w.faults = append(w.faults, fault.At(n.Path()).Breaks("txt-1"))
		return
	}

	// Not what stands around it in the string, such as a comment: one element stands here.
	w.out = append(w.out, div[root.at:root.end]...)
}

func (w *xmlWriter) attribute(name string, n Node) {
	text := n.Text()
	if !isXML([]byte(text)) {
		fault := fhir.Errorf(fhir.IssueNotSupported, "the text has a character that XML does not have; JSON can hold it")
		w.faults = append(w.faults, fault.At(n.Path()))
	}
	w.out = append(w.out, " "+name+`="`...)
	w.out = append(w.out, attributeEscapes.Replace(text)...)
	w.out = append(w.out, '"')
}

// attributeEscapes are for the characters that a reader would take for markup, and for the
// white space that it would turn into a space: XML 1.0, section 3.3.3.
var attributeEscapes = strings.NewReplacer(
	"&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "\t", "&#9;", "\n", "&#10;", "\r", "&#13;",
)
