// Package jsontree finds and changes places in JSON documents: by JSON Pointer, and by the
// small part of FHIRPath that the suites use.
package jsontree

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
)

// ParseJSON reads one JSON value. Numbers keep their text, so 1.0 is not 1.
func ParseJSON(raw []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("something follows the JSON value")
	}
	return v, nil
}

// WriteJSON is the value as JSON, members in the order of their names.
func WriteJSON(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // a value that parseJSON returned always encodes
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// SameValue compares two values that parseJSON returned; number text counts.
func SameValue(a, b any) bool { return reflect.DeepEqual(a, b) }

// pointer is a JSON Pointer: https://www.rfc-editor.org/rfc/rfc6901
type pointer []string

// ParsePointer reads a JSON Pointer: https://www.rfc-editor.org/rfc/rfc6901
func ParsePointer(s string) (pointer, error) {
	if s == "" {
		return nil, nil
	}
	if s[0] != '/' {
		return nil, fmt.Errorf("JSON Pointer %q must begin with /", s)
	}
	parts := strings.Split(s[1:], "/")
	for i, p := range parts {
		parts[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(p)
	}
	return parts, nil
}

// Get returns the value at the pointer.
func (p pointer) Get(v any) (any, bool) {
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

// Set returns v with the value put at the pointer; "-" appends to an array. The
// place's parent must exist.
func (p pointer) Set(v, value any) (any, error) {
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
func (p pointer) Remove(v any) (any, bool) {
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
		changed, err := p[:len(p)-1].Set(v, append(in[:i:i], in[i+1:]...))
		return changed, err == nil
	}
	return v, false
}
