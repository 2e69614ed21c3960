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

// folders are the floors of the house, from the roof to the ground: a file imports
// from its own folder and from those below it.
var folders = []string{"cmd", "conformance", "connectors", "mapping", "fhir"}

// floors orders the rooms of each folder: a room imports rooms of lower numbers only.
// One that is not listed belongs to the nearest listed one above it.
var floors = map[string]int{
	"cmd/caselink": 4, "cmd/caselink/internal/load": 3, "cmd/caselink/internal/world": 2, "cmd/caselink/internal/adapter": 2, "cmd/caselink/internal/config": 1,

	"conformance/kit/report": 4, "conformance/kit": 3, "conformance/kit/suite": 2, "conformance/kit/jsontree": 1,

	"connectors/api/edge/edgetest": 6,
	"connectors/api/fhirapi":       5, "connectors/api/caseapi": 5, "connectors/store/fsck": 5,
	"connectors/api/edge": 4, "connectors/api/caseview": 4, "connectors/store/storetest": 4, "connectors/store/measure": 4, "connectors/store/ledger": 4, "connectors/store/feed": 4,
	"connectors/store": 3, "connectors/gpfhir": 3, "connectors/delivery/ledgertest": 3,
	"connectors/delivery": 2, "connectors/store/cluster": 2, "connectors/api/auth": 2, "connectors/simulator": 2, "connectors/httpclient": 1,

	"mapping/workflow": 4, "mapping/referral": 3, "mapping/status": 3, "mapping/outcome": 3, "mapping/cases/casestest": 3, "mapping/cases": 2, "mapping/terminology": 2,

	"fhir/validate": 3, "fhir/r4": 2, "fhir/nhs": 2, "fhir": 1,
}

// doors are the libraries that only the rooms named may import.
var doors = map[string][]string{
	"github.com/gin-gonic/gin":              {"connectors/api", "connectors/simulator"},
	"github.com/jackc/pgx/v5":               {"connectors/store"},
	"github.com/coreos/go-oidc/v3":          {"connectors/api/auth"},
	"github.com/hashicorp/go-retryablehttp": {"connectors/httpclient"},
	"github.com/google/fhir/go/jsonformat":  {"fhir/r4"},
}

func TestFoldersAreFloors(t *testing.T) {
	t.Parallel()
	for file, imports := range sources(t) {
		here := slices.Index(folders, folderOf(file))
		for _, path := range imports {
			inner, ours := strings.CutPrefix(path, module)
			if ours && slices.Index(folders, folderOf(inner)) < here {
				t.Errorf("%s imports %s: the folders are the floors, %s", file, inner, strings.Join(folders, " > "))
			}
		}
	}
}

func folderOf(path string) string { first, _, _ := strings.Cut(path, "/"); return first }

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
				if other, below := roomOf(inner); folderOf(other) == folderOf(room) && other != room && below >= floor {
					t.Errorf("%s (%s, floor %d) imports %s (floor %d): imports run down only", file, room, floor, other, below)
				}
				continue
			}
			for library, rooms := range doors {
				if within(path, library) && !slices.ContainsFunc(rooms, func(r string) bool { return within(room, r) }) {
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
