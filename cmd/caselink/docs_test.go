package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	link     = regexp.MustCompile(`\]\(([^)#]+)[^)]*\)`)
	quoted   = regexp.MustCompile("`([^`]+)`")
	exported = regexp.MustCompile(`^([a-z0-9]+)\.([A-Z]\w*)(?:\.[A-Z]\w*)?$`)
	testName = regexp.MustCompile(`^(?:Test|Fuzz|Benchmark)[A-Z]\w+$`)
)

// TestDocumentsNameWhatExists: a link, a path, an exported name and a test that a
// document names are there. Documents are trusted by those who cannot check them.
func TestDocumentsNameWhatExists(t *testing.T) {
	t.Parallel()
	root := os.DirFS("../..")
	names, tests := declared(t)
	documents, err := fs.Glob(root, "*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"docs/*.md", "docs/*/*.md"} {
		more, err := fs.Glob(root, pattern)
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, more...)
	}
	if len(documents) < 10 {
		t.Errorf("only %d documents seen: the test does not look at them", len(documents))
	}
	for _, document := range documents {
		text, err := fs.ReadFile(root, document)
		if err != nil {
			t.Fatal(err)
		}
		exists := func(named string) bool { _, err := fs.Stat(root, path.Clean(named)); return err == nil }
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if !strings.Contains(m[1], "://") && !exists(path.Join(path.Dir(document), m[1])) {
				t.Errorf("%s links to %s, which is not there", document, m[1])
			}
		}
		for _, m := range quoted.FindAllStringSubmatch(string(text), -1) {
			word := m[1]
			switch name := exported.FindStringSubmatch(word); {
			case slices.Contains(folders, folderOf(word)) && strings.Contains(word, "/") && !strings.ContainsAny(word, " *"):
				if !exists(word) && !strings.Contains(word, "NAME") {
					t.Errorf("%s names %s, which is not there", document, word)
				}
			case name != nil && names[name[1]] != nil && !names[name[1]][name[2]]:
				t.Errorf("%s names %s, which package %s does not declare", document, word, name[1])
			case testName.MatchString(word) && !tests[word]:
				t.Errorf("%s names %s, which no test is called", document, word)
			}
		}
	}
}

// TestArchitectureNamesEveryRoom: the page that says how the house is built lists its rooms,
// each by its path within its folder, before the picture.
func TestArchitectureNamesEveryRoom(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	listed, _, _ := strings.Cut(string(page), "```mermaid")
	for room := range floors {
		if name := strings.TrimPrefix(room, folderOf(room)+"/"); !strings.Contains(listed, "`"+name+"`") {
			t.Errorf("docs/architecture.md does not list %s: name `%s` in the row of its floor", room, name)
		}
	}
}

// declared is what each package of the house declares, and the names of all tests.
func declared(t *testing.T) (names map[string]map[string]bool, tests map[string]bool) {
	t.Helper()
	names, tests = map[string]map[string]bool{}, map[string]bool{}
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join("../..", folder), func(file string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(file, ".go") {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			into := tests
			if !strings.HasSuffix(file, "_test.go") {
				if into = names[f.Name.Name]; into == nil {
					into = map[string]bool{}
					names[f.Name.Name] = into
				}
			}
			for _, d := range f.Decls {
				declare(into, d)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return names, tests
}

// declare adds the names of a declaration; a method counts by its own name.
func declare(into map[string]bool, d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		into[d.Name.Name] = true
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				into[s.Name.Name] = true
			case *ast.ValueSpec:
				for _, n := range s.Names {
					into[n.Name] = true
				}
			}
		}
	}
}
