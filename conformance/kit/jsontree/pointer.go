package jsontree

import (
	"fmt"
	"strconv"
	"strings"
)

// Pointer is a JSON Pointer: https://www.rfc-editor.org/rfc/rfc6901
type Pointer []string

// ParsePointer reads a JSON Pointer: https://www.rfc-editor.org/rfc/rfc6901
func ParsePointer(s string) (Pointer, error) {
	if s == "" {
		return nil, nil
	}
	if s[0] != '/' {
		return nil, fmt.Errorf("JSON Pointer %q must begin with /", s)
	}
	parts := strings.Split(s[1:], "/")
	for i, p := range parts {
		// In one pass: ~01 is ~1, and would become / in two.
		parts[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(p)
	}
	return parts, nil
}

// Get returns the value at the pointer.
func (p Pointer) Get(v any) (any, bool) {
	for _, name := range p {
		switch in := v.(type) {
		case map[string]any:
			next, ok := in[name]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(in) {
				return nil, false
			}
			v = in[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// Set returns v with the value put at the pointer; "-" appends to an array. The place's
// parent must exist: a suite that means another place gets an error, and no change elsewhere.
// v itself is changed where it can be.
func (p Pointer) Set(v, value any) (any, error) {
	if len(p) == 0 {
		return value, nil
	}
	switch in := v.(type) {
	case map[string]any:
		changed, err := p[1:].Set(in[p[0]], value)
		in[p[0]] = changed
		return in, err
	case []any:
		if p[0] == "-" && len(p) == 1 {
			return append(in, value), nil
		}
		i, err := strconv.Atoi(p[0])
		if err != nil || i < 0 || i >= len(in) {
			return nil, fmt.Errorf("there is no element %s", p[0])
		}
		in[i], err = p[1:].Set(in[i], value)
		return in, err
	}
	return nil, fmt.Errorf("there is nothing to hold %s", p[0])
}

// Remove returns v without what is at the pointer, and whether it was there.
func (p Pointer) Remove(v any) (any, bool) {
	if len(p) == 0 {
		return v, false
	}
	last := p[len(p)-1]
	parent, ok := p[:len(p)-1].Get(v)
	if !ok {
		return v, false
	}
	switch in := parent.(type) {
	case map[string]any:
		_, was := in[last]
		delete(in, last)
		return v, was
	case []any:
		i, err := strconv.Atoi(last)
		if err != nil || i < 0 || i >= len(in) {
			return v, false
		}
		// A shorter array is another slice, so its parent has to get it. The bound of the
		// first part makes append copy it instead of moving what stands behind.
		changed, err := p[:len(p)-1].Set(v, append(in[:i:i], in[i+1:]...))
		return changed, err == nil
	}
	return v, false
}
