package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"caselink.example/cmd/caselink/internal/config"
	"caselink.example/connectors/store"
	"caselink.example/connectors/store/ledger"
	"caselink.example/fhir"
)

const deliveriesHelp = `caselink deliveries: show what is owed to GP systems, and repair it

What is owed goes out by itself, in order, for as long as it takes. What a GP system
refuses for good is parked: nothing behind it leaves until a person has looked.

  caselink deliveries list                          all that is open, the longest owed first
  caselink deliveries list --state parked --destination Y99901
  caselink deliveries show REFERRAL                 every item of a referral, and every attempt
  caselink deliveries replay REFERRAL --as 'Sam Example'
  caselink deliveries replay --destination Y99901 --as 'Sam Example'
  caselink deliveries park REFERRAL --as 'Sam Example'

REFERRAL is the id of the ServiceRequest. replay and park are audited with the name
after --as. A replay may repeat what the GP system has: that changes nothing there.

Exit code 0: it was done; 1: it was not, or nothing matches.
`

// deliveriesFlags are the command line of caselink deliveries.
type deliveriesFlags struct {
	*flags
	config, state, destination, as *string
	limit                          *int
	json                           *bool
}

func newDeliveriesFlags(stderr io.Writer) deliveriesFlags {
	f := newFlags("deliveries", deliveriesHelp, stderr)
	return deliveriesFlags{
		flags: f, config: configFlag(f),
		state:       f.String("state", "", "list: one `state` only: owed, parked, acknowledged, superseded or withheld"),
		destination: f.String("destination", "", "one `destination` only, by its id"),
		limit:       f.Int("limit", 100, "list: at most `so many`; 0 for all"),
		json:        f.Bool("json", false, "list and show: JSON instead of a table"),
		as:          f.String("as", "", "replay and park: your `name`, for the audit"),
	}
}

func runDeliveries(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newDeliveriesFlags(stderr)
	if err := f.Parse(args); err != nil {
		return err
	}
	act, referral, ok := f.act()
	if !ok {
		return f.misused()
	}
	cfg, err := config.Load(*f.config, config.Environ())
	if err != nil {
		return err
	}
	db, err := store.Open(ctx, store.Config{URL: cfg.Database.URL, MaxConnections: 1})
	if err != nil {
		return err
	}
	defer db.Close()
	return told(act(ctx, &ledger.Ledger{DB: db, Now: time.Now}, referral, f, stdout))
}

type deliveriesAct func(ctx context.Context, l *ledger.Ledger, referral string, f deliveriesFlags, out io.Writer) error

// act is what the command line asks for, and of which referral; "" for none.
func (f deliveriesFlags) act() (act deliveriesAct, referral string, ok bool) {
	if len(f.rest) == 0 || len(f.rest) > 2 {
		return nil, "", false
	}
	if len(f.rest) == 2 {
		referral = f.rest[1]
	}
	changes := *f.as != "" && (referral != "" || *f.destination != "")
	switch f.rest[0] {
	case "list":
		return listDeliveries, "", referral == ""
	case "show":
		return showDeliveries, referral, referral != ""
	case "replay":
		return replayDeliveries, referral, changes
	case "park":
		return parkDeliveries, referral, changes
	}
	return nil, "", false
}

// told is the error without its code, which is for programs.
func told(err error) error {
	if err != nil && fhir.Status(err) < 500 {
		return fmt.Errorf("%s", fhir.ErrorsOf(err)[0].Diagnostics)
	}
	return err
}

func listDeliveries(ctx context.Context, l *ledger.Ledger, _ string, f deliveriesFlags, out io.Writer) error {
	entries, err := l.List(ctx, ledger.Filter{State: *f.state, Destination: *f.destination, Limit: *f.limit})
	if err != nil {
		return err
	}
	if *f.json {
		return writeJSON(out, entries)
	}
	if err := writeEntries(out, entries, l.Now()); err != nil {
		return err
	}
	if len(entries) == *f.limit {
		_, err = fmt.Fprintln(out, "There may be more: --limit 0 lists all.")
	}
	return err
}

func showDeliveries(ctx context.Context, l *ledger.Ledger, referral string, f deliveriesFlags, out io.Writer) error {
	entries, attempts, err := l.Show(ctx, referral)
	if err != nil {
		return err
	}
	if *f.json {
		return writeJSON(out, map[string]any{"items": entries, "attempts": attempts})
	}
	if err := writeEntries(out, entries, l.Now()); err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nATTEMPT AT\tDESTINATION\tITEM\tVERDICT\tSTATUS\tREASON")
	for _, a := range attempts {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\n", a.At.Format(time.RFC3339), a.Destination, a.N, a.Verdict, number(a.Status), cmp.Or(a.Reason, "-"))
	}
	return w.Flush()
}

func replayDeliveries(ctx context.Context, l *ledger.Ledger, referral string, f deliveriesFlags, out io.Writer) error {
	lanes, err := l.Replay(ctx, f.operator(), referral, *f.destination)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%d replayed: delivery goes on where it stood\n", lanes)
	return err
}

func parkDeliveries(ctx context.Context, l *ledger.Ledger, referral string, f deliveriesFlags, out io.Writer) error {
	lanes, err := l.Park(ctx, f.operator(), referral, *f.destination)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%d parked: caselink deliveries replay lets them go\n", lanes)
	return err
}

// operator is who acts, as the audit names them.
func (f deliveriesFlags) operator() fhir.Caller {
	return fhir.Caller{Client: "caselink deliveries", UserName: *f.as, RequestID: uuid.NewString()}
}

func writeEntries(out io.Writer, entries []ledger.Entry, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "STATE\tDESTINATION\tREFERRAL\tITEM\tOWED FOR\tATTEMPTS\tSTATUS\tNEXT\tRESOURCE\tREASON")
	for _, e := range entries {
		next := "-"
		if e.NextAt != nil {
			next = e.NextAt.Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d/%d\t%s\t%d\t%s\t%s\t%s\t%s\n", e.State, e.Destination, e.Referral, e.N, e.Last, owedFor(e, now),
			e.Attempts, number(e.Status), next, e.Resource, cmp.Or(e.Reason, "-"))
	}
	return w.Flush()
}

// owedFor is how long an item has been owed, or was when it was closed.
func owedFor(e ledger.Entry, now time.Time) string {
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
