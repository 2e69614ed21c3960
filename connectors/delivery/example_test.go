package delivery_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"caselink.example/connectors/delivery"
	"caselink.example/fhir"
)

// practice is a Receiver: the GP system of one practice. It is busy at first, takes
// what it is sent the second time, and knows nobody after that.
type practice struct{ tries int }

func (p *practice) Send(context.Context, delivery.Item) (delivery.Answer, error) {
	switch p.tries++; p.tries {
	case 1:
		return delivery.Answer{Status: 503}, fhir.Errorf(fhir.IssueTransient, "the practice is busy")
	case 2:
		return delivery.Answer{Status: 200, ETag: `W/"1"`}, nil
	}
	return delivery.Answer{Status: 422}, fhir.Errorf(fhir.IssueBusinessRule, "no patient of this practice")
}

// oneLane is the least that a Ledger can be: one lane, one worker, and no clock.
type oneLane struct {
	owed   []delivery.Item
	leased bool
	parked func() // called when a person is needed
}

func (l *oneLane) Claim(context.Context, []delivery.Slots, time.Duration) ([]delivery.Item, error) {
	if l.leased || len(l.owed) == 0 {
		return nil, nil
	}
	l.leased = true
	l.owed[0].Attempt++
	return l.owed[:1], nil
}

func (l *oneLane) Settle(_ context.Context, settlements []delivery.Settlement) error {
	for _, s := range settlements {
		fmt.Printf("%s, attempt %d: %s %q\n", s.ResourceID, s.Attempt, s.Verdict, s.Reason)
		switch s.Verdict {
		case delivery.Retry:
			l.leased = false
		case delivery.Acknowledged:
			l.leased, l.owed = false, l.owed[1:]
		case delivery.Parked:
			l.parked() // the lease stays, so nothing of the lane is sent
		}
	}
	return nil
}

// What a Receiver returns decides what becomes of an item: an error that a later try
// may mend is tried again, no error closes the item and lets the next one go, and a
// refusal stops the lane until a person has seen to it.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	lane := delivery.Lane{Holder: "Y99901", Referral: "referral-1", Destination: "gp"}
	ledger := &oneLane{parked: stop, owed: []delivery.Item{
		{Lane: lane, ResourceType: "Task", ResourceID: "task-1"},
		{Lane: lane, ResourceType: "Task", ResourceID: "task-2"},
		{Lane: lane, ResourceType: "Task", ResourceID: "task-3"},
	}}
	worker := delivery.New(ledger, map[string]delivery.Receiver{"gp": &practice{}}, delivery.Config{})
	worker.Log = slog.New(slog.DiscardHandler)

	if err := worker.Run(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// task-1, attempt 1: retry "transient: the practice is busy"
	// task-1, attempt 2: acknowledged ""
	// task-2, attempt 1: parked "business-rule: no patient of this practice"
}
