package kit

import (
	"fmt"
	"strings"
)

// changed makes the changes to a document and returns its text. Without a change the
// text stays as it is, byte for byte.
func changed(text string, changes []Change, vs *vars) (string, error) {
	for _, c := range changes {
		if c.Replace != "" {
			continue
		}
		document, err := parseJSON([]byte(text))
		if err != nil {
			return "", err
		}
		if document, err = c.edit(document, vs); err != nil {
			return "", err
		}
		text = writeJSON(document)
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

// edit removes or sets. A removal of what is not there is a fault of the suite, for
// the check would then try nothing.
func (c Change) edit(document any, vs *vars) (any, error) {
	p, err := parsePointer(c.Remove + c.Set)
	if err != nil {
		return nil, err
	}
	if c.Remove != "" {
		out, was := p.remove(document)
		if !was {
			return nil, fmt.Errorf("remove: nothing is at %s", c.Remove)
		}
		return out, nil
	}
	value, err := c.To.expand(vs)
	if err != nil {
		return nil, err
	}
	out, err := p.set(document, value)
	if err != nil {
		return nil, fmt.Errorf("set %s: %w", c.Set, err)
	}
	return out, nil
}
