package main

import (
	"io"
	"net/url"
	"path/filepath"
)

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
			run.Results = append(run.Results, sarifResult{
				RuleID: rule, RuleIndex: index[rule], Level: level,
				Message: sarifText{e.Diagnostics}, Locations: []sarifLocation{c.location(i)},
			})
		}
	}
	return writeJSON(out, sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
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

// artifactURI is the file's name as a URI: a blank or a bracket in it is escaped.
func artifactURI(name string) string {
	if name == stdin {
		return "stdin"
	}
	return (&url.URL{Path: filepath.ToSlash(name)}).String()
}
