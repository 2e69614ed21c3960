// Package report writes what a run found: for people, for pull requests, for CI and as FHIR.
// All writers say the same, from a kit.Report that holds no secret any more; a file for each.
// docs/words.md defines target, requirement and each verdict of a check.
package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"caselink.example/conformance/kit"
)

// writers are the reports by their file names. All say the same, for different readers.
var writers = []struct {
	file  string
	write func(kit.Report) ([]byte, error)
}{
	{"report.json", reportJSON},
	{"report.html", reportHTML},
	{"report.md", reportMarkdown},
	{"junit.xml", reportJUnit},
	{"TestReport.json", reportFHIR},
}

// Write puts all reports of r into the folder, which is made when it is missing.
func Write(r kit.Report, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, w := range writers {
		raw, err := w.write(r)
		if err != nil {
			return fmt.Errorf("%s: %w", w.file, err)
		}
		if err := os.WriteFile(filepath.Join(folder, w.file), raw, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// reportJSON is the report whole, for other programs.
func reportJSON(r kit.Report) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(r)
	return b.Bytes(), err
}
