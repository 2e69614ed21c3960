package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
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
	"cmd/caselink":                  4, // the verbs
	"cmd/caselink/internal/load":    3,
	"cmd/caselink/internal/adapter": 2,
	"cmd/caselink/internal/world":   2,
	"cmd/caselink/internal/config":  1,

	"conformance/kit/report":   4,
	"conformance/kit":          3,
	"conformance/kit/suite":    2,
	"conformance/kit/jsontree": 1,

	"connectors/api/edge/edgetest":   6,
	"connectors/api/fhirapi":         5,
	"connectors/api/caseapi":         5,
	"connectors/store/fsck":          5,
	"connectors/api/edge":            4,
	"connectors/api/caseview":        4,
	"connectors/store/storetest":     4,
	"connectors/store/measure":       4,
	"connectors/store/ledger":        4,
	"connectors/store/feed":          4,
	"connectors/store":               3,
	"connectors/gpfhir":              3,
	"connectors/delivery/ledgertest": 3,
	"connectors/delivery":            2,
	"connectors/store/cluster":       2,
	"connectors/api/auth":            2,
	"connectors/simulator":           2,
	"connectors/httpclient":          1,

	"mapping/workflow":        4,
	"mapping/referral":        3,
	"mapping/status":          3,
	"mapping/outcome":         3,
	"mapping/cases/casestest": 3,
	"mapping/cases":           2,
	"mapping/terminology":     1,

	"fhir/validate": 3,
	"fhir/r4":       2,
	"fhir/nhs":      2,
	"fhir":          1, // the words, from the standard library alone
}

// doors are the libraries that only the rooms named may import.
var doors = map[string][]string{
	"github.com/gin-gonic/gin":              {"connectors/api", "connectors/simulator"},
	"github.com/jackc/pgx/v5":               {"connectors/store"},
	"github.com/coreos/go-oidc/v3":          {"connectors/api/auth"},
	"github.com/hashicorp/go-retryablehttp": {"connectors/httpclient"},
	"github.com/google/fhir/go/jsonformat":  {"fhir/r4"},
	"google.golang.org/protobuf/reflect":    {"fhir/r4"},
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

// A judge that shared a rule with what it judges would find it sound.
func TestJudgeSharesNoRuleWithWhatItJudges(t *testing.T) {
	t.Parallel()
	for file, imports := range sources(t) {
		if folderOf(file) != "conformance" {
			continue
		}
		for _, path := range imports {
			inner, ours := strings.CutPrefix(path, module)
			if folder := folderOf(inner); ours && folder != "conformance" && folder != "fhir" {
				t.Errorf("%s imports %s: conformance knows fhir alone", file, inner)
			}
		}
	}
}

func TestWordsNeedTheStandardLibraryAlone(t *testing.T) {
	t.Parallel()
	for file, imports := range sources(t) {
		if filepath.ToSlash(filepath.Dir(file)) != "fhir" {
			continue
		}
		for _, path := range imports {
			if strings.Contains(folderOf(path), ".") {
				t.Errorf("%s imports %s: every room uses the words, and would carry it", file, path)
			}
		}
	}
}

// folderOf is the first name of a path: the folder of a file, the host of a library.
func folderOf(path string) string {
	first, _, _ := strings.Cut(path, "/")
	return first
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
			inner, ours := strings.CutPrefix(path, module)
			other, below := roomOf(inner)
			if ours && folderOf(other) == folderOf(room) && other != room && below >= floor {
				t.Errorf("%s (%s, floor %d) imports %s (floor %d): imports run down only", file, room, floor, other, below)
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d files seen: the test does not look at the house", seen)
	}
}

func TestLibrariesHaveOneDoor(t *testing.T) {
	t.Parallel()
	for file, imports := range sources(t) {
		room, _ := roomOf(filepath.ToSlash(filepath.Dir(file)))
		for _, path := range imports {
			for library, rooms := range doors {
				isDoor := slices.ContainsFunc(rooms, func(r string) bool { return within(room, r) })
				if within(path, library) && !isDoor {
					t.Errorf("%s imports %s, whose door is in %v", file, library, rooms)
				}
			}
		}
	}
}

// A setting that is read elsewhere is in no list of settings, and is checked by nobody.
func TestEnvironmentHasOneReader(t *testing.T) {
	t.Parallel()
	reads := regexp.MustCompile(`\bos\.(Getenv|LookupEnv|Environ|ExpandEnv)\(`)
	for file := range sources(t) {
		src, err := os.ReadFile(filepath.Join("../..", filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		if found := reads.Find(src); found != nil && !within(file, "cmd/caselink/internal/config") {
			t.Errorf("%s calls %s): cmd/caselink/internal/config alone reads the environment", file, found)
		}
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
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "var" || d.Name() == "bin"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
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
		out[path] = []string{}
		for _, i := range f.Imports {
			p, _ := strconv.Unquote(i.Path.Value) // the parser checked it
			out[path] = append(out[path], p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
