package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
	"caselink.example/mapping/workflow"
)

const validateHelp = `caselink validate: check FHIR R4 resources in files, as a server would on receipt

Says of each fault the file, the FHIRPath of the element, the rule of the specification
and what would be right. POST /FHIR/R4/{type}/$validate gives the same verdict.

  caselink validate referral.json
  caselink validate examples/ 'more/*.json'         folders are searched for .json and .xml
  caselink validate - < referral.json
  caselink validate --format sarif examples/ > faults.sarif

Exit codes: 0 all are valid, 1 one has faults, 2 a file could not be read
`

// stdin is the argument that stands for standard input.
const stdin = "-"

func runValidate(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlags("validate", validateHelp, stderr)
	format := f.String("format", "table", "`table` for people; json (OperationOutcomes) or sarif for tools")
	warnings := f.Bool("warnings", false, "also tell what is advised but no reason to refuse")
	if err := f.Parse(args); err != nil {
		return err
	}
	write, known := validateFormats[*format]
	if !known || len(f.rest) == 0 {
		fmt.Fprintln(stderr, "wanted: --format table, json or sarif, and at least one file, folder or -")
		return f.misused()
	}
	files, err := resourceFiles(f.rest)
	if err != nil {
		return couldNotRun{err}
	}
	checked, err := checkFiles(ctx, files, *warnings, newProgress(stderr))
	if err != nil {
		return couldNotRun{err}
	}
	if err := write(stdout, checked); err != nil {
		return couldNotRun{err}
	}
	for _, c := range checked {
		if c.faults.OrNil() != nil {
			return exitFault
		}
	}
	return nil
}

// resourceFiles finds the files that the arguments name: files, patterns, and folders
// with what is below them.
func resourceFiles(args []string) ([]string, error) {
	var files []string
	for _, arg := range args {
		matches := []string{arg}
		if _, err := os.Stat(arg); arg != stdin && err != nil {
			found, globErr := filepath.Glob(arg)
			if globErr != nil || len(found) == 0 {
				return nil, cmp.Or(globErr, err)
			}
			matches = found
		}
		for _, match := range matches {
			before := len(files)
			if err := appendFiles(&files, match); err != nil {
				return nil, err
			}
			if len(files) == before {
				return nil, fmt.Errorf("%s: no .json or .xml file in it", match)
			}
		}
	}
	return files, nil
}

// appendFiles adds the file, or the resources in the folder. Hidden folders are left out.
func appendFiles(files *[]string, name string) error {
	if name == stdin {
		*files = append(*files, name)
		return nil
	}
	return filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != name && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir():
		case path == name, filepath.Ext(path) == ".json", filepath.Ext(path) == ".xml":
			*files = append(*files, path)
		}
		return nil
	})
}

// checkedFile is one file with what is wrong in it.
type checkedFile struct {
	name   string
	faults fhir.Errors
	places []place // of each fault; none for XML
}

// place is a position in a file, from 1; columns count characters.
type place struct{ line, column int }

// checkFiles checks the files on all cores, and returns them in the order given.
func checkFiles(ctx context.Context, files []string, warnings bool, show *progress) ([]checkedFile, error) {
	checked := make([]checkedFile, len(files))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	var mu sync.Mutex
	done := 0
	for i, name := range files {
		g.Go(func() error {
			raw, err := readResource(name)
			if err = cmp.Or(ctx.Err(), err); err != nil {
				return err
			}
			checked[i] = checkFile(name, raw, warnings)
			mu.Lock()
			defer mu.Unlock()
			done++
			show.step("checked", done, len(files))
			return nil
		})
	}
	err := g.Wait()
	show.end()
	return checked, err
}

func readResource(name string) ([]byte, error) {
	if name == stdin {
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(name)
}

// formatOf tells XML from JSON by its first character.
func formatOf(raw []byte) fhir.Format {
	if bytes.HasPrefix(bytes.TrimLeft(raw, "\uFEFF \t\r\n"), []byte("<")) {
		return fhir.XML
	}
	return fhir.JSON
}

func checkFile(name string, raw []byte, warnings bool) checkedFile {
	format := formatOf(raw)
	c := checkedFile{name: name}
	_, faults := workflow.Verdict(raw, format)
	for _, e := range faults {
		if warnings || !e.Warning {
			c.faults = append(c.faults, e)
		}
	}
	if len(c.faults) == 0 || format == fhir.XML {
		return c
	}
	root, _ := r4.Inspect(raw)
	for _, e := range c.faults {
		c.places = append(c.places, placeOf(raw, root, e.Expression))
	}
	return c
}

// placeOf is where the element of the FHIRPath stands, or the one that it would belong to.
func placeOf(raw []byte, root r4.Node, expression string) place {
	if !root.Exists() || expression == "" {
		return place{}
	}
	before := raw[:nearest(root, expression).Offset()]
	line := before[bytes.LastIndexByte(before, '\n')+1:]
	return place{line: 1 + bytes.Count(before, []byte("\n")), column: 1 + len([]rune(string(line)))}
}

// nearest is the element of the FHIRPath within n, or the last one on the way to it.
func nearest(n r4.Node, expression string) r4.Node {
	for child := range n.Children() {
		path := child.Path()
		if rest, ok := strings.CutPrefix(expression, path); ok && (rest == "" || rest[0] == '.') {
			return nearest(child, expression)
		}
	}
	return n
}
