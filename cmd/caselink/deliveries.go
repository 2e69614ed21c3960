package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

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

// deliveries is one run of caselink deliveries.
type deliveries struct {
	*flags
	config, state, destination, as string
	limit                          int
	json                           bool
	referral                       string // "" where it is for several

	ledger *ledger.Ledger
	out    io.Writer
}

func runDeliveries(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlags("deliveries", deliveriesHelp, stderr)
	d := deliveries{flags: f, out: stdout}
	f.StringVar(&d.config, "config", defaultConfig, "the configuration `file`")
	f.StringVar(&d.state, "state", "", "list: one `state` only: owed, parked, acknowledged, superseded or withheld")
	f.StringVar(&d.destination, "destination", "", "one `destination` only, by its id")
	f.IntVar(&d.limit, "limit", 100, "list: at most `so many`; 0 for all")
	f.BoolVar(&d.json, "json", false, "list and show: JSON instead of a table")
	f.StringVar(&d.as, "as", "", "replay and park: your `name`, for the audit")
	if err := f.Parse(args); err != nil {
		return err
	}
	act := d.act()
	if act == nil {
		return f.misused()
	}
	db, err := openDatabase(ctx, d.config, 1)
	if err != nil {
		return err
	}
	defer db.Close()
	d.ledger = &ledger.Ledger{DB: db, Now: time.Now}
	return withoutCode(act(ctx))
}

// act is what the command line asks for; nil when it makes no sense.
func (d *deliveries) act() func(context.Context) error {
	if len(d.rest) == 0 || len(d.rest) > 2 {
		return nil
	}
	if len(d.rest) == 2 {
		d.referral = d.rest[1]
	}
	// A change has a name in the audit, and says what it changes: all that is owed to
	// everybody is too much for a slip of the hand.
	changes := d.as != "" && (d.referral != "" || d.destination != "")
	switch what := d.rest[0]; {
	case what == "list" && d.referral == "":
		return d.list
	case what == "show" && d.referral != "":
		return d.show
	case what == "replay" && changes:
		return d.replay
	case what == "park" && changes:
		return d.park
	}
	return nil
}

func (d *deliveries) replay(ctx context.Context) error {
	lanes, err := d.ledger.Replay(ctx, d.operator(), d.referral, d.destination)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(d.out, "%d replayed: delivery goes on where it stood\n", lanes)
	return err
}

func (d *deliveries) park(ctx context.Context) error {
	lanes, err := d.ledger.Park(ctx, d.operator(), d.referral, d.destination)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(d.out, "%d parked: caselink deliveries replay lets them go\n", lanes)
	return err
}

// operator is who acts, as the audit names them.
func (d *deliveries) operator() fhir.Caller {
	return fhir.Caller{Client: "caselink deliveries", UserName: d.as, RequestID: uuid.NewString()}
}

// withoutCode is the error without its code, which is for programs.
func withoutCode(err error) error {
	if err != nil && fhir.Status(err) < 500 {
		return fmt.Errorf("%s", fhir.ErrorsOf(err)[0].Diagnostics)
	}
	return err
}
