package r4

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// structureDefinition is what the schema takes from one: https://hl7.org/fhir/R4/structuredefinition.html
type structureDefinition struct {
	ResourceType, Kind, Type, Derivation string
	Abstract                             bool
	Snapshot                             struct{ Element []elementDefinition }
}

type elementDefinition struct {
	Path, Max, ContentReference string
	Min                         int
	Type                        []struct {
		Code          string
		TargetProfile []string
	}
}

// definitions are the resources and datatypes of hl7.fhir.r4.core in CASELINK_CORPUS.
func definitions(t *testing.T) []structureDefinition {
	t.Helper()
	packages, _ := filepath.Glob(filepath.Join(os.Getenv("CASELINK_CORPUS"), "r4", "*", "*.tgz"))
	var all []structureDefinition
	for _, name := range packages {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		unzipped, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		archive := tar.NewReader(unzipped)
		for {
			h, err := archive.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(filepath.Base(h.Name), "StructureDefinition-") {
				continue
			}
			var sd structureDefinition
			if err := json.NewDecoder(archive).Decode(&sd); err != nil {
				t.Fatal(h.Name, err)
			}
			if sd.Derivation == "specialization" && !sd.Abstract && (sd.Kind == "resource" || sd.Kind == "complex-type") {
				all = append(all, sd)
			}
		}
	}
	return all
}

// TestSchemaIsThatOfTheStructureDefinitions compares what the descriptors give with the
// specification itself: names, order, cardinalities, types, targets of references.
func TestSchemaIsThatOfTheStructureDefinitions(t *testing.T) {
	t.Parallel()
	types := map[string]*schema{}
	for name := range resources() {
		types[name] = resourceSchema([]byte(name))
		collect(types, types[name])
	}
	for _, sd := range definitions(t) {
		s := types[sd.Type]
		if s == nil {
			t.Errorf("%s is missing", sd.Type)
			continue
		}
		below := map[string][]string{}
		for _, ed := range sd.Snapshot.Element[1:] {
			parent, name := ed.Path[:strings.LastIndexByte(ed.Path, '.')], ed.Path[strings.LastIndexByte(ed.Path, '.')+1:]
			below[parent] = append(below[parent], strings.TrimSuffix(name, "[x]"))
			compare(t, at(t, s, parent), ed, name)
		}
		for parent, want := range below {
			if got := namesOf(at(t, s, parent)); !slices.Equal(got, want) {
				t.Errorf("%s has %v, want %v", parent, got, want)
			}
		}
	}
}

// collect gathers the types that s is made of, by name: not those that restrict another.
func collect(types map[string]*schema, s *schema) {
	for _, e := range s.read().elements {
		name := e.of.name
		if name == "BackboneElement" {
			name = string(e.of.desc.FullName())
		} else if e.of == anyResource || string(e.of.desc.Name()) != name {
			continue
		}
		if types[name] == nil {
			types[name] = e.of
			collect(types, e.of)
		}
	}
}

func namesOf(s *schema) (names []string) {
	for _, slot := range s.slots {
		names = append(names, slot.name)
	}
	return names
}

// at is the schema of the element with the path.
func at(t *testing.T, s *schema, path string) *schema {
	t.Helper()
	for _, step := range strings.Split(path, ".")[1:] {
		e := s.read().elements[step]
		if e == nil {
			t.Fatalf("%s is missing", path)
		}
		s = e.of
	}
	return s.read()
}

func compare(t *testing.T, s *schema, ed elementDefinition, name string) {
	t.Helper()
	for _, typ := range ed.Type {
		code := typ.Code[strings.LastIndexByte(typ.Code, '.')+1:]
		e := s.elements[name]
		if base, choice := strings.CutSuffix(name, "[x]"); choice {
			e = s.elements[base+upperFirst(code)]
		}
		if e == nil {
			if ed.Path != "Extension.value[x]" || code != "Meta" { // google/fhir has no place for it
				t.Errorf("%s is missing as %s", ed.Path, code)
			}
			continue
		}
		if got, want := e.list, ed.Max != "1"; got != want {
			t.Errorf("%s repeats: %t, want %t", ed.Path, got, want)
		}
		if got, want := s.required&e.bit != 0, ed.Min > 0; got != want {
			t.Errorf("%s required: %t, want %t", ed.Path, got, want)
		}
		if code == "Element" {
			code = "BackboneElement"
		}
		if e.of.name != code && code != "String" {
			t.Errorf("%s is a %s, want %s", ed.Path, e.of.name, code)
		}
		var targets []string
		for _, p := range typ.TargetProfile {
			targets = append(targets, p[strings.LastIndexByte(p, '/')+1:])
		}
		if slices.Contains(targets, "Resource") {
			targets = nil
		}
		if code == "Reference" && !slices.Equal(sorted(e.targets), sorted(targets)) {
			t.Errorf("%s refers to %v, want %v", ed.Path, e.targets, targets)
		}
	}
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }
