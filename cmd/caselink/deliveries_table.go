package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"caselink.example/connectors/store/ledger"
)

func (d *deliveries) list(ctx context.Context) error {
	entries, err := d.ledger.List(ctx, ledger.Filter{State: d.state, Destination: d.destination, Limit: d.limit})
	if err != nil {
		return err
	}
	if d.json {
		return writeJSON(d.out, entries)
	}
	if err := writeEntries(d.out, entries, d.ledger.Now()); err != nil {
		return err
	}
	if len(entries) == d.limit {
		_, err = fmt.Fprintln(d.out, "There may be more: --limit 0 lists all.")
	}
	return err
}

// shownDeliveries are the items of a referral and what was tried with them, as JSON.
type shownDeliveries struct {
	Attempts []ledger.Tried `json:"attempts"`
	Items    []ledger.Entry `json:"items"`
}

func (d *deliveries) show(ctx context.Context) error {
	entries, attempts, err := d.ledger.Show(ctx, d.referral)
	if err != nil {
		return err
	}
	if d.json {
		return writeJSON(d.out, shownDeliveries{attempts, entries})
	}
	if err := writeEntries(d.out, entries, d.ledger.Now()); err != nil {
		return err
	}
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nATTEMPT AT\tDESTINATION\tITEM\tVERDICT\tSTATUS\tREASON")
	for _, a := range attempts {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\n",
			a.At.Format(time.RFC3339), a.Destination, a.N, a.Verdict, number(a.Status), cmp.Or(a.Reason, "-"))
	}
	return w.Flush()
}

// writeEntries shows what is owed, one line for each item.
func writeEntries(out io.Writer, entries []ledger.Entry, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "STATE\tDESTINATION\tREFERRAL\tITEM\tOWED FOR\tATTEMPTS\tSTATUS\tNEXT\tRESOURCE\tREASON")
	for _, e := range entries {
		next := "-"
		if e.NextAt != nil {
			next = e.NextAt.Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d/%d\t%s\t%d\t%s\t%s\t%s\t%s\n",
			e.State, e.Destination, e.Referral, e.N, e.Last, owedFor(e, now),
			e.Attempts, number(e.Status), next, e.Resource, cmp.Or(e.Reason, "-"))
	}
	return w.Flush()
}

// owedFor is how long an item has been owed, or was when it was closed.
func owedFor(e ledger.Entry, now time.Time) string {
	// What is parked is owed still: its time goes on until a person has looked.
	if e.SettledAt != nil && e.State != "parked" {
		now = *e.SettledAt
	}
	age := now.Sub(e.OwedSince)
	switch {
	case age < time.Minute:
		return fmt.Sprintf("%ds", int(age.Seconds()))
	case age < time.Hour:
		return fmt.Sprintf("%dm", int(age.Minutes()))
	case age < 48*time.Hour:
		return fmt.Sprintf("%dh", int(age.Hours()))
	}
	return fmt.Sprintf("%dd", int(age.Hours()/24))
}

// number is a number that may be none.
func number(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}
