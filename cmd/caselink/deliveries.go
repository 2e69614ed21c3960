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
	db, err := openDatabase(ctx, *f.config, 1)
	if err != nil {
		return err
	}
	defer db.Close()
	return withoutCode(act(ctx, &ledger.Ledger{DB: db, Now: time.Now}, referral, f, stdout))
}

// deliveriesAct is what one run does; referral is "" where it is for several.
type deliveriesAct func(ctx context.Context, l *ledger.Ledger, referral string, f deliveriesFlags, out io.Writer) error

// act is what the command line asks for, and of which referral; "" for none.
func (f deliveriesFlags) act() (act deliveriesAct, referral string, ok bool) {
	if len(f.rest) == 0 || len(f.rest) > 2 {
		return nil, "", false
	}
	if len(f.rest) == 2 {
		referral = f.rest[1]
	}
	// A change has a name in the audit, and says what it changes: all that is owed to
	// everybody is too much for a slip of the hand.
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

// withoutCode is the error without its code, which is for programs.
func withoutCode(err error) error {
	if err != nil && fhir.Status(err) < 500 {
		return fmt.Errorf("%s", fhir.ErrorsOf(err)[0].Diagnostics)
	}
	return err
}
