// Package jsontree finds and changes places in JSON documents of others: by JSON Pointer, and
// by the small part of FHIRPath that the suites use. It knows no FHIR: the kit judges bytes as
// they came, and a codec between it and them would mend what is wrong.
//
// A document is what ParseJSON returns; Path finds values in it, Pointer one place.
// docs/words.md defines kit and FHIRPath.
package jsontree

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
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
	// A decoder stops after the first value, and what follows would pass unseen.
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
		panic(err) // a value that ParseJSON returned always encodes
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// SameValue compares two values that ParseJSON returned; number text counts.
func SameValue(a, b any) bool { return reflect.DeepEqual(a, b) }

// Member returns the values of the member with the name, those of an array one by one;
// none where v is no object or lacks it.
func Member(v any, name string) []any { return member(name, false)([]any{v}) }
