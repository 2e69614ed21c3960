package kit

import (
	"fmt"
	"strings"

	"caselink.example/conformance/kit/jsontree"
	"caselink.example/conformance/kit/suite"
)

// changed makes the changes to a document and returns its text. Without a change the
// text stays as it is, byte for byte.
func changed(text string, changes []suite.Change, vs *vars) (string, error) {
	// Edits of the tree first: they write the document anew, and would lose what a
	// replacement of text is for, a member twice or a number with odd digits.
	for _, c := range changes {
		if c.Replace != "" {
			continue
		}
		document, err := jsontree.ParseJSON([]byte(text))
		if err != nil {
			return "", err
		}
		if document, err = edited(document, c, vs); err != nil {
			return "", err
		}
		text = jsontree.WriteJSON(document)
	}
	for _, c := range changes {
		if c.Replace == "" {
			continue
		}
		if !strings.Contains(text, c.Replace) {
			return "", fmt.Errorf("replace: %q is not there", c.Replace)
		}
		by, err := vs.expand(c.By, asIs)
		if err != nil {
			return "", err
		}
		text = strings.Replace(text, c.Replace, by, 1)
	}
	return text, nil
}

// edited removes or sets. A removal of what is not there is a fault of the suite, for
// the check would then try nothing.
func edited(document any, c suite.Change, vs *vars) (any, error) {
	p, err := jsontree.ParsePointer(c.Remove + c.Set)
	if err != nil {
		return nil, err
	}
	if c.Remove != "" {
		out, was := p.Remove(document)
		if !was {
			return nil, fmt.Errorf("remove: nothing is at %s", c.Remove)
		}
		return out, nil
	}
	value, err := expandValue(c.To.JSON, vs)
	if err != nil {
		return nil, err
	}
	out, err := p.Set(document, value)
	if err != nil {
		return nil, fmt.Errorf("set %s: %w", c.Set, err)
	}
	return out, nil
}
