package caseapi

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/go-cmp/cmp"

	"caselink.example/connectors/api/caseview"
	"caselink.example/connectors/api/edge"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/workflow"
)

// schema is what the tests read of a JSON Schema.
type schema struct {
	Ref                  string             `json:"$ref"`
	Type                 any                `json:"type"`
	Format               string             `json:"format"`
	Enum                 []string           `json:"enum"`
	Required             []string           `json:"required"`
	Properties           map[string]*schema `json:"properties"`
	Items                *schema            `json:"items"`
	AnyOf                []*schema          `json:"anyOf"`
	AdditionalProperties *schema            `json:"additionalProperties"`
}

type document struct {
	OpenAPI    string                                `json:"openapi"`
	Paths      map[string]map[string]json.RawMessage `json:"paths"`
	Components struct {
		Schemas map[string]*schema `json:"schemas"`
	} `json:"components"`
}

func described(t *testing.T) document {
	t.Helper()
	raw, err := description()
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// resolve follows a reference; of several schemas it is the first, and the others say null.
func (d document) resolve(t *testing.T, s *schema) *schema {
	t.Helper()
	if s != nil && len(s.AnyOf) > 0 {
		s = s.AnyOf[0]
	}
	if s == nil || s.Ref == "" {
		return s
	}
	found := d.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
	if found == nil {
		t.Fatalf("%s leads nowhere", s.Ref)
	}
	return found
}

func TestDescriptionNamesEveryRoute(t *testing.T) {
	t.Parallel()
	engine := gin.New()
	(&API{Edge: &edge.Edge{}, Flow: &workflow.Flow{}}).Mount(engine)
	var want []string
	for _, r := range engine.Routes() {
		if r.Method != "HEAD" {
			want = append(want, r.Method+" "+strings.ReplaceAll(strings.TrimPrefix(r.Path, "/api/v1"), ":id", "{id}"))
		}
	}
	slices.Sort(want)

	var got []string
	for path, methods := range described(t).Paths {
		for method := range methods {
			if method != "parameters" {
				got = append(got, strings.ToUpper(method)+" "+path)
			}
		}
	}
	slices.Sort(got)

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes (-served +described):\n%s", diff)
	}
}

func TestDescriptionHasEveryMember(t *testing.T) {
	t.Parallel()
	d := described(t)
	for name, of := range map[string]reflect.Type{
		"CaseView": reflect.TypeFor[caseView](), "CaseList": reflect.TypeFor[caseList](), "EventList": reflect.TypeFor[eventList](),
		"Trace": reflect.TypeFor[traceView](), "InstrumentList": reflect.TypeFor[instrumentList](),
		"Outcome":     reflect.TypeFor[caseview.Outcome](),
		"MoveRequest": reflect.TypeFor[moveRequest](), "OutcomeRequest": reflect.TypeFor[outcomeRequest](),
	} {
		d.compare(t, name, d.Components.Schemas[name], of)
	}
}

// compare holds a schema against the type whose JSON it describes.
func (d document) compare(t *testing.T, path string, s *schema, of reflect.Type) {
	t.Helper()
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	s = d.resolve(t, s)
	want := kindOf(of)
	got, _ := s.Type.(string)
	if both, ok := s.Type.([]any); ok {
		got, _ = both[0].(string)
	}
	if want != "" && got != want {
		t.Errorf("%s is described as %q and is %q", path, got, want)
		return
	}
	switch want {
	case "object":
		if of.Kind() == reflect.Struct {
			d.compareMembers(t, path, s, of)
		} else {
			d.compare(t, path+".*", s.AdditionalProperties, of.Elem())
		}
	case "array":
		d.compare(t, path+"[]", s.Items, of.Elem())
	}
}

func (d document) compareMembers(t *testing.T, path string, s *schema, of reflect.Type) {
	t.Helper()
	var names, required []string
	for _, f := range reflect.VisibleFields(of) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || !f.IsExported() || name == "-" {
			continue
		}
		names = append(names, name)
		if options != "omitempty" {
			required = append(required, name)
		}
		if s.Properties[name] != nil {
			d.compare(t, path+"."+name, s.Properties[name], f.Type)
		}
	}
	slices.Sort(names)
	if diff := cmp.Diff(names, slices.Sorted(maps.Keys(s.Properties))); diff != "" {
		t.Errorf("%s (-is +described):\n%s", path, diff)
	}
	slices.Sort(required)
	if diff := cmp.Diff(required, slices.Sorted(slices.Values(s.Required))); diff != "" {
		t.Errorf("%s, what is always there (-is +described):\n%s", path, diff)
	}
}

// kindOf is the JSON Schema type of a Go type's JSON; "" for one of any type.
func kindOf(of reflect.Type) string {
	switch {
	case of == reflect.TypeFor[json.RawMessage]():
		return ""
	case of == reflect.TypeFor[time.Time]():
		return "string"
	case of == reflect.TypeFor[json.Number]():
		return "number"
	}
	return map[reflect.Kind]string{
		reflect.Struct: "object", reflect.Map: "object", reflect.Slice: "array", reflect.String: "string", reflect.Bool: "boolean",
		reflect.Int: "integer", reflect.Int64: "integer",
	}[of.Kind()]
}

func TestDescriptionListsEveryCode(t *testing.T) {
	t.Parallel()
	d := described(t)
	var states []string
	for _, s := range cases.States() {
		states = append(states, string(s))
	}

	var points []string
	for _, p := range cases.Points() {
		points = append(points, string(p))
	}
	for name, want := range map[string][]string{"State": states, "Point": points} {
		if diff := cmp.Diff(want, d.Components.Schemas[name].Enum); diff != "" {
			t.Errorf("%s (-is +described):\n%s", name, diff)
		}
	}
	if d.OpenAPI != "3.1.1" {
		t.Errorf("openapi is %s", d.OpenAPI)
	}
}

func TestEveryReferenceLeadsSomewhere(t *testing.T) {
	t.Parallel()
	raw, err := description()
	if err != nil {
		t.Fatal(err)
	}
	var d any
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	for part := range strings.SplitSeq(string(raw), `"$ref":"#/`) {
		pointer, _, _ := strings.Cut(part, `"`)
		if strings.HasPrefix(pointer, "{") {
			continue // what comes before the first
		}
		at := d
		for step := range strings.SplitSeq(pointer, "/") {
			m, _ := at.(map[string]any)
			at = m[step]
		}
		if at == nil {
			t.Errorf("#/%s leads nowhere", pointer)
		}
	}
}

// TestDescriptionHasNoNameWithABlank: a comma in words that no quotes hold ends them, and
// what follows becomes a member of the description.
func TestDescriptionHasNoNameWithABlank(t *testing.T) {
	t.Parallel()
	raw, err := description()
	if err != nil {
		t.Fatal(err)
	}
	var all any
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	var look func(path string, v any)
	look = func(path string, v any) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				look(path, item)
			}
		case map[string]any:
			for name, member := range v {
				if strings.ContainsAny(name, " ,") {
					t.Errorf("%s has the member %q: put its words in quotes", path, name)
				}
				look(path+"/"+name, member)
			}
		}
	}
	look("", all)
}
