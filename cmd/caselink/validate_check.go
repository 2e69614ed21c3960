package main

import (
	"bytes"
	"cmp"
	"context"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
	"caselink.example/mapping/workflow"
)

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
	// Checking is work for the processor alone; more files at once would only hold memory.
	g.SetLimit(runtime.GOMAXPROCS(0))
	meaning := workflow.DefaultMeaning() // one for all: making it compiles every rule
	var mu sync.Mutex
	done := 0
	for i, name := range files {
		g.Go(func() error {
			raw, err := readResource(name)
			if err = cmp.Or(ctx.Err(), err); err != nil {
				return err
			}
			checked[i] = checkFile(meaning, name, raw, warnings)
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

func checkFile(meaning workflow.Meaning, name string, raw []byte, warnings bool) checkedFile {
	format := formatOf(raw)
	c := checkedFile{name: name}
	_, faults := meaning.Check(raw, format)
	for _, e := range faults {
		if warnings || !e.Warning {
			c.faults = append(c.faults, e)
		}
	}
	if len(c.faults) == 0 || format == fhir.XML {
		return c
	}
	// Bytes that are not JSON have no elements, and so no places.
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
