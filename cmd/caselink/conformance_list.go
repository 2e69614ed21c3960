package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"caselink.example/conformance/kit/suite"
)

func runConformanceList(_ context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlags("conformance", conformanceHelp, stderr)
	role := f.String("role", "", "checks for this `role` only: adapter or gp-system")
	if _, err := f.parseArgs(args); err != nil {
		return err
	}
	suites, err := suite.Suites(*role)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ROLE\tGROUP\tCHECK\tWHAT\tVERIFIES")
	for _, s := range suites {
		for g, c := range s.Checks() {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", s.Role, g.ID, c.ID, c.Title, strings.Join(c.Verifies, " "))
		}
	}
	return table.Flush()
}

func runConformanceCoverage(_ context.Context, args []string, stdout, stderr io.Writer) error {
	if _, err := newFlags("conformance", conformanceHelp, stderr).parseArgs(args); err != nil {
		return err
	}
	requirements, err := suite.Requirements()
	if err != nil {
		return err
	}
	suites, err := suite.Suites("")
	if err != nil {
		return err
	}
	if faults := printCoverage(stdout, suite.Coverage(requirements, suites)); faults > 0 {
		return fmt.Errorf("%d requirements are not accounted for", faults)
	}
	return nil
}

// printCoverage shows the requirements and returns how many are not accounted for.
func printCoverage(w io.Writer, covered []suite.Covered) (faults int) {
	tested := 0
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "REQUIREMENT\t\tWHAT\tCHECKS, OR WHY NONE")
	for _, c := range covered {
		how := strings.Join(c.Checks, " ")
		switch fault := c.Fault(); {
		case fault != "":
			how = "FAULT: " + fault
			faults++
		case how == "":
			how = c.Reason
		default:
			tested++
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", c.ID, c.Strength, c.Text, how)
	}
	table.Flush()
	fmt.Fprintf(w, "%d requirements: %d have checks, %d have a written reason, %d are not accounted for\n",
		len(covered), tested, len(covered)-tested-faults, faults)
	return faults
}
