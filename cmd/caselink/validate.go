package main

import (
	"context"
	"fmt"
	"io"
)

const validateHelp = `caselink validate: check FHIR R4 resources in files, as $validate does

Says of each fault the file, the FHIRPath of the element, the rule of the specification
and what would be right. POST /FHIR/R4/{type}/$validate gives the same verdict.

  caselink validate referral.json
  caselink validate examples/ 'more/*.json'         folders are searched for .json and .xml
  caselink validate - < referral.json
  caselink validate --format sarif examples/ > faults.sarif

Exit codes: 0 all are valid, 1 one has faults, 2 a file could not be read
`

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

	// Every file is checked before anything is printed: half a report would pass for a whole one.
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
