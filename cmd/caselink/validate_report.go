package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"text/tabwriter"

	"caselink.example/fhir"
)

// validateFormats are the ways to tell what was found.
var validateFormats = map[string]func(io.Writer, []checkedFile) error{
	"table": writeTable,
	"json":  writeOutcomes,
	"sarif": writeSARIF,
}

// writeTable is for people: the faults of each file that has some, and the sum.
func writeTable(out io.Writer, checked []checkedFile) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	refused := 0
	for _, c := range checked {
		if c.faults.OrNil() != nil {
			refused++
		}
		if len(c.faults) > 0 {
			fmt.Fprintln(w, c.name)
		}
		for _, e := range c.faults {
			fmt.Fprintf(w, "  %s\t%s\t%s\n", cmp.Or(e.Expression, "-"), ruleOf(e), advice(e))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "%d checked: %d valid, %d with faults\n", len(checked), len(checked)-refused, refused)
	return err
}

// ruleOf is the rule's key, or what kind of fault it is where no rule has a key.
func ruleOf(e *fhir.Error) string { return cmp.Or(e.Rule, string(e.Code)) }

func advice(e *fhir.Error) string {
	if e.Warning {
		return "advice: " + e.Diagnostics
	}
	return e.Diagnostics
}

// fileOutcome is what the format json says of one file.
type fileOutcome struct {
	File    string          `json:"file"`
	Valid   bool            `json:"valid"`
	Outcome json.RawMessage `json:"outcome"`
}

// writeOutcomes is for tools that know FHIR: an OperationOutcome for each file.
func writeOutcomes(out io.Writer, checked []checkedFile) error {
	outcomes := make([]fileOutcome, len(checked))
	for i, c := range checked {
		var err error
		if len(c.faults) > 0 {
			err = c.faults
		}
		outcomes[i] = fileOutcome{c.name, c.faults.OrNil() == nil, fhir.Outcome(err)}
	}
	return writeIndented(out, outcomes)
}

func writeIndented(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// What we write of SARIF 2.1.0.
// https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID string `json:"id"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
	}
)

// writeSARIF is for tools that show faults where they stand in the file.
func writeSARIF(out io.Writer, checked []checkedFile) error {
	run := sarifRun{
		Tool:       sarifTool{sarifDriver{Name: "caselink", Version: version(), Rules: []sarifRule{}}},
		ColumnKind: "unicodeCodePoints",
		Results:    []sarifResult{},
	}
	index := map[string]int{}
	for _, c := range checked {
		for i, e := range c.faults {
			rule := ruleOf(e)
			if _, known := index[rule]; !known {
				index[rule] = len(run.Tool.Driver.Rules)
				run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{rule})
			}
			level := "error"
			if e.Warning {
				level = "warning"
			}
			run.Results = append(run.Results, sarifResult{rule, index[rule], level, sarifText{e.Diagnostics}, []sarifLocation{c.location(i)}})
		}
	}
	return writeIndented(out, sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}

// location says where fault i stands.
func (c checkedFile) location(i int) sarifLocation {
	l := sarifLocation{Physical: sarifPhysical{Artifact: sarifArtifact{artifactURI(c.name)}}}
	if len(c.places) > 0 && c.places[i].line > 0 {
		l.Physical.Region = &sarifRegion{c.places[i].line, c.places[i].column}
	}
	if path := c.faults[i].Expression; path != "" {
		l.Logical = []sarifLogical{{path}}
	}
	return l
}

func artifactURI(name string) string {
	if name == stdin {
		return "stdin"
	}
	return (&url.URL{Path: filepath.ToSlash(name)}).String()
}
