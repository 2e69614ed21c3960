package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"caselink.example/conformance/kit"
)

// printReport shows every check on a terminal, in a pipe only what is not a pass.
func printReport(w io.Writer, r kit.Report) {
	terminal := newProgress(w).w != nil
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for c := range r.Checks() {
		if terminal || c.Verdict != kit.Pass {
			fmt.Fprintf(table, "%s\t%s\t%s\n", c.Verdict, c.ID, c.Title)
		}
		if c.Because != "" {
			fmt.Fprintf(table, "\t\t  %s\n", c.Because)
		}
	}
	table.Flush()
	fmt.Fprintf(w, "%s: %s in %s (seed %s)\n", strings.ToUpper(string(r.Verdict)), r.Summary(), r.Took(), r.Seed)
}
