package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"caselink.example/connectors/api/caseview"
	"caselink.example/mapping/referral"
	"caselink.example/mapping/workflow"
)

const mapHelp = `caselink map: show the case that a referral would become, and where each element went

Writes the case as JSON, as the case API would show it, and tells what the sender
should look at. Needs no server: which service works the case is not known here.

  caselink map referral.json
  caselink map referral.xml --trace                 also a table of every element
  caselink map - < referral.json | jq .patient

Exit codes: 0 it would be taken, if the request names it, 1 it would be refused
`

func runMap(_ context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlags("map", mapHelp, stderr)
	trace := f.Bool("trace", false, "also say of each element what became of it")
	files, err := f.parseArgs(args, "FILE")
	if err != nil {
		return err
	}
	raw, err := readResource(files[0])
	if err != nil {
		return err
	}
	mapped, faults := workflow.DefaultMeaning().Map(raw, formatOf(raw), time.Now().UTC().Truncate(time.Second))
	for _, e := range faults {
		kind := "refused"
		if e.Warning {
			kind = "advice"
		}
		fmt.Fprintf(stderr, "%s: %s: %s\n", kind, cmp.Or(e.Expression, string(e.Code)), e.Diagnostics)
	}
	refused := faults.OrNil() != nil
	if !refused {
		if err := writeJSON(stdout, caseview.Of(mapped.Case)); err != nil {
			return err
		}
	}
	if *trace {
		if err := writeTrace(stdout, mapped.Trace); err != nil {
			return err
		}
	}
	if refused {
		return exitFault
	}
	return nil
}

// writeTrace shows every element and what became of it.
func writeTrace(out io.Writer, steps []referral.Step) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nELEMENT\tIS\tFIELD")
	for _, s := range steps {
		fmt.Fprintf(w, "%s\t%s\t%s\n", s.Path, s.Action, cmp.Or(s.To, s.Why, "-"))
	}
	return w.Flush()
}
