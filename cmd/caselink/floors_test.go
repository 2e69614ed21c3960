package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "caselink.example/"

// floors says which room stands on which floor. A room may import rooms of lower
// floors only; a room that is not listed belongs to the nearest listed one above it.
var floors = map[string]int{
	"cmd/caselink": 70,

	"fhir/rest": 60, "connectors/caseapi": 60, "conformance/kit": 60,

	"fhir/edge": 55, "fhir/edge/edgetest": 58,

	"fhir/store/storetest": 52, "fhir/store/measure": 52, "fhir/store/fsck": 54, "fhir/store/ledger": 52, "fhir/store/feed": 52,
	"fhir/store": 50, "fhir/store/cluster": 50, "fhir/auth": 50, "connectors/gpfhir": 50, "connectors/simulator": 50, "conformance/capability": 50,

	"fhir/workflow": 40, "connectors/delivery": 40, "connectors/delivery/ledgertest": 45,

	"mapping/referral": 35, "mapping/status": 35, "mapping/outcome": 36,

	"mapping/cases": 30, "mapping/terminology": 30, "conformance/profile": 30,

	"fhir/nhs": 20, "connectors/httpclient": 20,

	"fhir": 10,
}

// doors are the libraries that only the rooms named may import.
var doors = map[string][]string{
	"github.com/gin-gonic/gin":              {"fhir/edge", "fhir/rest", "connectors/caseapi", "connectors/simulator", "cmd/caselink"},
	"github.com/jackc/pgx/v5":               {"fhir/store"},
	"github.com/coreos/go-oidc/v3":          {"fhir/auth"},
	"github.com/hashicorp/go-retryablehttp": {"connectors/httpclient"},
	"github.com/google/fhir/go/jsonformat":  {"fhir"},
}

func TestImportsRunDownTheFloors(t *testing.T) {
	t.Parallel()
	seen := 0
	for file, imports := range sources(t) {
		room, floor := roomOf(filepath.ToSlash(filepath.Dir(file)))
		if room == "" {
			t.Errorf("%s: its folder is in no room of the house: add it to floors", file)
			continue
		}
		seen++
		for _, path := range imports {
			if inner, ours := strings.CutPrefix(path, module); ours {
				if other, below := roomOf(inner); other != room && below >= floor {
					t.Errorf("%s (%s, floor %d) imports %s (floor %d): imports run down only", file, room, floor, other, below)
				}
				continue
			}
			for library, rooms := range doors {
				if within(path, library) && !slices.ContainsFunc(rooms, func(r string) bool { return within(room, r) && (r != "fhir" || room == "fhir") }) {
					t.Errorf("%s imports %s, whose door is in %v", file, library, rooms)
				}
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d files seen: the test does not look at the house", seen)
	}
}

func within(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

// roomOf is the room that a folder belongs to, and its floor.
func roomOf(dir string) (string, int) {
	for d := dir; d != "." && d != "/"; d = filepath.ToSlash(filepath.Dir(d)) {
		if floor, ok := floors[d]; ok {
			return d, floor
		}
	}
	return "", 0
}

// sources reads the imports of every Go file that is no test. It opens the files, so
// that a cached answer cannot hide a change.
func sources(t *testing.T) map[string][]string {
	t.Helper()
	root := os.DirFS("../..")
	out := map[string][]string{}
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "var" || d.Name() == "bin") {
			return errorsOrSkip(err)
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		src, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, src, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range f.Imports {
			p, _ := strconv.Unquote(i.Path.Value) // the parser checked it
			out[path] = append(out[path], p)
		}
		if out[path] == nil {
			out[path] = []string{}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func errorsOrSkip(err error) error {
	if err != nil {
		return err
	}
	return fs.SkipDir
}
