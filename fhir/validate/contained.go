package validate

import (
	"strings"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
)

// locals collects, while a resource is walked, its contained resources and what points
// at them. https://hl7.org/fhir/R4/references.html#contained
type locals struct {
	contained []container
	inside    *container      // the contained resource that is being walked
	pointers  map[string]bool // the ids in "#id"
}

type container struct {
	node   r4.Node
	points bool // it refers to the resource that contains it, by "#"
}

func (l *locals) enter(n r4.Node) {
	l.contained = append(l.contained, container{node: n})
	l.inside = &l.contained[len(l.contained)-1]
}

func (l *locals) leave() { l.inside = nil }

// point notes what a fragment points at.
func (l *locals) point(id string) {
	switch {
	case id != "":
		if l.pointers == nil {
			l.pointers = map[string]bool{}
		}
		l.pointers[id] = true
	case l.inside != nil:
		l.inside.points = true
	}
}

// unreferenced are the contained resources that nobody refers to, and that do not
// refer to their container either.
func (l *locals) unreferenced() []r4.Node {
	var alone []r4.Node
	for _, c := range l.contained {
		if !c.points && !l.pointers[c.node.Get("id").Text()] {
			alone = append(alone, c.node)
		}
	}
	return alone
}

// point notes the references by fragment and by URN.
func (w *walk) point(n r4.Node) {
	switch n.Type() {
	case "uri", "url", "canonical":
	case "string":
		if n.Name() != "reference" {
			return
		}
	default:
		return
	}
	// Extensions refer by uri or canonical, not by Reference alone: any of them counts.
	text := n.Text()
	switch {
	case strings.HasPrefix(text, "#"):
		w.local.point(text[1:])
	case w.around != nil && n.Parent().Type() == "Reference" && strings.HasPrefix(text, "urn:uuid:") && !w.around.has(text):
		w.report(&unresolved, n)
	}
}

// dom3 is reported at the end of a resource, when all that points into it has been seen.
var dom3 = shall("dom-3", nil,
	"a contained resource is referred to from within the resource, or refers to it by #; leave it out or refer to it")

// containedResource is what a contained resource may not have.
var containedResource = &shape{rules: []rule{
	shall("dom-4", of("meta", lacks("versionId", "lastUpdated")),
		"a contained resource has no version: leave out meta.versionId and meta.lastUpdated"),
	shall("dom-5", of("meta", lacks("security")),
		"a contained resource has no security labels of its own: put them on the resource that contains it"),
	shall("contained-id", has("id"), "a contained resource has an id, for it is referred to by #id"),
}}

// anyResource is what each resource keeps.
var anyResource = &shape{rules: []rule{
	find("languages", badLanguage, language.right).as(fhir.IssueCodeInvalid),
}}

func badLanguage(n r4.Node) []r4.Node {
	if l := n.Get("language"); l.Type() == "code" && !language.holds(l) {
		return []r4.Node{l}
	}
	return nil
}

func isContained(n r4.Node) bool { return n.Name() == "contained" }

// domainResource is what every resource with a narrative keeps.
var domainResource = &shape{rules: []rule{
	should("dom-6", either(isContained, of("text", has("div"))), "a resource should have a narrative (text) for people"),
}}
