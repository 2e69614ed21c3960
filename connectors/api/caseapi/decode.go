package caseapi

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"caselink.example/connectors/api/edge"
	"caselink.example/fhir"
)

// decode reads the body, one JSON object, into a pointer to a struct. Strictly: names
// count letter by letter, and no member is unknown, given twice or of another type.
// Every fault is listed.
func decode(c *gin.Context, into any) error {
	if c.ContentType() != "application/json" {
		return fhir.Errorf(fhir.IssueMediaType, "send the body as application/json")
	}
	raw, err := edge.Body(c, MaxBody)
	if err != nil {
		return err
	}
	if !json.Valid(raw) || !utf8.Valid(raw) {
		return fhir.Errorf(fhir.IssueStructure, "the body must be one JSON object in UTF-8, and nothing else")
	}
	if err := check(raw, reflect.TypeOf(into).Elem(), "").OrNil(); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fhir.Errorf(fhir.IssueStructure, "the body is not what is expected here: see /api/v1/openapi.json").Because(err)
	}
	return nil
}

// check lists what is wrong with a JSON value for the type. Null stands for absent.
func check(raw []byte, t reflect.Type, path string) fhir.Errors {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	raw = bytes.TrimSpace(raw)

	// A type that reads itself, such as an instant, is one value whatever it is made of.
	readsItself := reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]())
	object := !readsItself && (t.Kind() == reflect.Struct || t.Kind() == reflect.Map)
	switch {
	case string(raw) == "null" && path != "":
		return nil
	case object && raw[0] == '{':
		return checkMembers(raw, t, path)
	case object || json.Unmarshal(raw, reflect.New(t).Interface()) != nil:
		return fhir.Errors{fhir.Errorf(fhir.IssueValue, "%s is needed here: see /api/v1/openapi.json", kind(t)).At(path)}
	}
	return nil
}

func checkMembers(raw []byte, t reflect.Type, path string) (faults fhir.Errors) {
	names, types := members(t)
	seen := map[string]bool{}
	d := json.NewDecoder(bytes.NewReader(raw))
	_, _ = d.Token() // the brace; the bytes are valid JSON
	for d.More() {
		token, _ := d.Token()
		name := token.(string)
		var value json.RawMessage
		_ = d.Decode(&value)
		of, known := types[name]
		if t.Kind() == reflect.Map {
			of, known = t.Elem(), true
		}
		switch {
		case !known:
			// Nor is its name repeated: a form that is filled in wrongly has people's words there.
			faults = append(faults, fhir.Errorf(fhir.IssueStructure,
				"a member is not known here; the members are %s", strings.Join(names, ", ")).At(path))
		case seen[name]:
			faults = append(faults, fhir.Errorf(fhir.IssueStructure, "a member is given twice").At(path))
		default:
			faults = append(faults, check(value, of, strings.TrimPrefix(path+"."+name, "."))...)
		}
		seen[name] = true
	}
	return faults
}

// members are the JSON names of a struct's fields, in their order, and their types.
func members(t reflect.Type) (names []string, types map[string]reflect.Type) {
	types = map[string]reflect.Type{}
	if t.Kind() == reflect.Struct {
		for _, f := range reflect.VisibleFields(t) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			names, types[name] = append(names, name), f.Type
		}
	}
	return names, types
}

// kind is what JSON calls a value of the type.
func kind(t reflect.Type) string {
	switch {
	case t.Kind() == reflect.String:
		return "a string"
	case reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()):
		return "an instant such as 2026-01-31T09:00:00Z"
	}
	return "an object"
}
