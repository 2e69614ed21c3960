package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"caselink.example/fhir"
)

// stdin is the argument that stands for standard input.
const stdin = "-"

// resourceFiles finds the files that the arguments name: files, patterns, and folders
// with what is below them.
func resourceFiles(args []string) ([]string, error) {
	var files []string
	for _, arg := range args {
		// The name as it is comes first: a file may have a bracket in its name. A shell that
		// found nothing, or a pattern in quotes, leaves the pattern to this program.
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
			// A folder without a resource is a mistyped path; "0 checked" would look like success.
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

// readResource reads a file, or standard input.
func readResource(name string) ([]byte, error) {
	if name == stdin {
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(name)
}

// formatOf recognises XML and JSON by the first character.
func formatOf(raw []byte) fhir.Format {
	if bytes.HasPrefix(bytes.TrimLeft(raw, "\uFEFF \t\r\n"), []byte("<")) {
		return fhir.XML
	}
	return fhir.JSON
}
