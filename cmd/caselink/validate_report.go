package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"caselink.example/fhir"
)

// validateFormats are the ways to report what was found.
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
		outcomes[i] = fileOutcome{c.name, c.faults.OrNil() == nil, fhir.OperationOutcome(err)}
	}
	return writeJSON(out, outcomes)
}
