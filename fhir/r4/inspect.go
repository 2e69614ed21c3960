package r4

import (
	"caselink.example/fhir"
)

// Inspect reads the bytes of a resource as Unmarshal does, and returns its elements
// even where R4's own types refuse some of them, so that the rules can be asked of the
// rest and every fault be reported at once. What is refused is not in the tree, or has no
// usable value. The Node is none when the bytes are not JSON, or too many.
func Inspect(raw []byte) (Node, fhir.Errors) {
	root, err := parse(raw)
	if err == nil {
		return root, nil
	}

	// parse keeps its tree to itself, for what is in it could be mistaken for a sound
	// resource. The second reading costs only the senders of broken ones.
	nodes, fault := scan(raw)
	if fault != nil {
		return Node{}, fhir.Errors{fault}
	}
	c := checker{tree: &tree{raw: raw, nodes: nodes}}
	c.resource(0)
	if len(c.faults) == 0 || len(c.faults) >= maxFaults {
		return Node{}, fhir.ErrorsOf(err) // too large, or too broken to say more
	}
	return Node{c.tree, 0}, c.faults
}

// InspectXML is Inspect for XML. The elements are those of the JSON that it becomes.
func InspectXML(raw []byte) (Node, fhir.Errors) {
	elements, fault := scanXML(raw)
	if fault != nil {
		return Node{}, fhir.Errors{fault}
	}
	d := xmlDecoder{raw: raw, elements: elements}
	d.resource(0, elements[0].name)
	root, faults := Inspect(d.out)
	return root, append(d.faults, faults...)
}
