package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"caselink.example/connectors/delivery"
	"caselink.example/connectors/store"
	"caselink.example/connectors/store/ledger"
	"caselink.example/connectors/store/storetest"
	"caselink.example/fhir"
	"caselink.example/mapping/workflow"
)

// operator is who repairs the ledger in these tests.
var operator = fhir.Caller{Client: "caselink deliveries", UserName: "Sam Example", RequestID: "b1a1c6a5-0000-4000-8000-000000000001"}

// desk is a ledger whose clock stands, with what it is kept in.
type desk struct {
	*testing.T
	*ledger.Ledger
	target storetest.Target
}

func newDesk(t *testing.T) desk {
	t.Helper()
	target := storetest.Open(t)
	db, err := store.Open(t.Context(), store.Config{URL: target.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	now := storetest.Noon.Add(time.Hour)
	return desk{t, &ledger.Ledger{DB: db, Now: func() time.Time { return now }}, target}
}

// settle claims what is due at the destination and ends each claim with the verdict.
func (d desk) settle(destination string, v delivery.Verdict) (claimed int) {
	d.Helper()
	items, err := d.Claim(d.Context(), []delivery.Slots{{Destination: destination, Free: 9}}, time.Minute)
	if err != nil {
		d.Fatal(err)
	}
	var ends []delivery.Settlement
	for _, it := range items {
		ends = append(ends, delivery.Settlement{
			Item: it, Verdict: v, Answer: delivery.Answer{Status: 422}, Reason: "refused", RetryAt: d.Now(),
		})
	}
	if err := d.Settle(d.Context(), ends); err != nil {
		d.Fatal(err)
	}
	return len(items)
}

// states are what a list shows, as destination, place and state.
func (d desk) states(f ledger.Filter) (out []string) {
	d.Helper()
	entries, err := d.List(d.Context(), f)
	if err != nil {
		d.Fatal(err)
	}
	for _, e := range entries {
		out = append(out, fmt.Sprintf("%s %d/%d %s", e.Destination, e.N, e.Last, e.State))
	}
	return out
}

func (d desk) audited() []string {
	d.Helper()
	return storetest.Query[string](d, d.target, `select concat_ws(' ', role, client, user_name, action, resource_type, holder, referral)
		from caselink.audit where role = 'auditor' order by id`)
}

func TestListShowsWhatIsOpen(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first := storetest.Referral(t, d.DB, "Y99901", "svc-a")
	storetest.Accept(t, d.DB, first)
	storetest.Referral(t, d.DB, "Y99902", "svc-a")
	d.settle("Y99902", delivery.Parked)

	for _, c := range []struct {
		filter ledger.Filter
		want   []string
	}{
		{ledger.Filter{Destination: "Y99901"}, []string{"Y99901 1/2 owed", "Y99901 2/2 owed"}},
		{ledger.Filter{Destination: "Y99901", Limit: 1}, []string{"Y99901 1/2 owed"}},
		{ledger.Filter{State: "parked"}, []string{"Y99902 1/1 parked"}},
		{ledger.Filter{State: "acknowledged"}, nil},
	} {
		if diff := cmp.Diff(c.want, d.states(c.filter)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.filter, diff)
		}
	}
	if open := d.states(ledger.Filter{}); len(open) != 3 {
		t.Errorf("open are %v, want all three", open)
	}
	if _, err := d.List(t.Context(), ledger.Filter{State: "lost"}); !fhir.Is(err, fhir.IssueValue) {
		t.Errorf("an unknown state: %v", err)
	}
}

func TestShowTellsEveryAttempt(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	c := storetest.Referral(t, d.DB, "Y99901", "svc-a")
	d.settle("Y99901", delivery.Retry)
	d.settle("Y99901", delivery.Parked)

	entries, tried, err := d.Show(t.Context(), c.Referral.ID)
	if err != nil {
		t.Fatal(err)
	}

	settled := d.Now()
	want := []ledger.Entry{{
		Holder: "Y99901", Referral: c.Referral.ID, Destination: "Y99901", N: 1, Last: 1, State: "parked",
		Resource: "Task/" + c.Resources[1].ID + "/_history/1", RequestID: c.Owed[0].RequestID, OwedSince: storetest.Noon,
		Attempts: 2, Status: 422, Reason: "refused", SettledAt: &settled,
	}}
	if diff := cmp.Diff(want, entries); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	last := ledger.Tried{Destination: "Y99901", N: 1, At: settled, Verdict: delivery.Parked, Status: 422, Reason: "refused"}
	if len(tried) != 2 || tried[0].Verdict != delivery.Retry || tried[1] != last {
		t.Errorf("attempts are %+v", tried)
	}
}

func TestReplayedLaneGoesOnWhereItStood(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	c := storetest.Referral(t, d.DB, "Y99901", "svc-a")
	storetest.Accept(t, d.DB, c)
	d.settle("Y99901", delivery.Parked)
	if n := d.settle("Y99901", delivery.Acknowledged); n != 0 {
		t.Fatalf("claimed %d items of a parked lane", n)
	}

	lanes, err := d.Replay(t.Context(), operator, c.Referral.ID, "")

	if err != nil || lanes != 1 {
		t.Fatalf("replayed %d lanes, %v", lanes, err)
	}
	for want := range 2 {
		if n := d.settle("Y99901", delivery.Acknowledged); n != 1 {
			t.Errorf("after %d items %d were claimed, want the next", want, n)
		}
	}
	if diff := cmp.Diff([]string{"auditor caselink deliveries Sam Example U Delivery Y99901 " + c.Referral.ID}, d.audited()); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}

func TestNewItemLeavesLaneParked(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	c := storetest.Referral(t, d.DB, "Y99901", "svc-a")
	d.settle("Y99901", delivery.Parked)

	storetest.Accept(t, d.DB, c)

	if n := d.settle("Y99901", delivery.Acknowledged); n != 0 {
		t.Errorf("claimed %d items of a parked lane", n)
	}
	if diff := cmp.Diff([]string{"Y99901 1/2 parked", "Y99901 2/2 owed"}, d.states(ledger.Filter{})); diff != "" {
		t.Errorf("open (-want +got):\n%s", diff)
	}
}

func TestReplayedLaneIsDueAtOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	c := storetest.Referral(t, d.DB, "Y99901", "svc-a")
	slots := []delivery.Slots{{Destination: "Y99901", Free: 1}}
	tried, err := d.Claim(t.Context(), slots, time.Minute)
	if err != nil || len(tried) != 1 {
		t.Fatalf("claimed %d, %v", len(tried), err)
	}
	later := []delivery.Settlement{{Item: tried[0], Verdict: delivery.Retry, RetryAt: d.Now().Add(time.Hour)}}
	if err := d.Settle(t.Context(), later); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Park(t.Context(), operator, c.Referral.ID, ""); err != nil {
		t.Fatal(err)
	}

	if _, err := d.Replay(t.Context(), operator, c.Referral.ID, ""); err != nil {
		t.Fatal(err)
	}

	if again, err := d.Claim(t.Context(), slots, time.Minute); err != nil || len(again) != 1 || again[0].Attempt != 1 {
		t.Errorf("claimed %+v, %v; want the item, its back-off begun anew", again, err)
	}
}

func TestReplayOfDestinationTakesAllOfItsLanes(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for range 3 {
		storetest.Referral(t, d.DB, "Y99901", "svc-a")
	}
	storetest.Referral(t, d.DB, "Y99902", "svc-a")
	d.settle("Y99901", delivery.Parked)
	d.settle("Y99902", delivery.Parked)

	lanes, err := d.Replay(t.Context(), operator, "", "Y99901")

	if err != nil || lanes != 3 || len(d.audited()) != 3 {
		t.Errorf("replayed %d lanes with %d records, %v; want 3", lanes, len(d.audited()), err)
	}
	if diff := cmp.Diff([]string{"Y99902 1/1 parked"}, d.states(ledger.Filter{State: "parked"})); diff != "" {
		t.Errorf("still parked (-want +got):\n%s", diff)
	}
}

func TestParkStopsEvenWhatIsOnItsWay(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	c := storetest.Referral(t, d.DB, "Y99901", "svc-a")
	onItsWay, err := d.Claim(t.Context(), []delivery.Slots{{Destination: "Y99901", Free: 1}}, time.Minute)
	if err != nil || len(onItsWay) != 1 {
		t.Fatalf("claimed %d, %v", len(onItsWay), err)
	}

	lanes, err := d.Park(t.Context(), operator, c.Referral.ID, "Y99901")
	if err != nil || lanes != 1 {
		t.Fatalf("parked %d lanes, %v", lanes, err)
	}

	if err := d.Settle(t.Context(), []delivery.Settlement{{Item: onItsWay[0], Verdict: delivery.Retry, RetryAt: d.Now()}}); err != nil {
		t.Fatal(err)
	}
	if n := d.settle("Y99901", delivery.Acknowledged); n != 0 {
		t.Errorf("claimed %d items of a parked lane", n)
	}
	if diff := cmp.Diff([]string{"Y99901 1/1 parked"}, d.states(ledger.Filter{})); diff != "" {
		t.Errorf("open (-want +got):\n%s", diff)
	}
	if got := d.audited(); len(got) != 1 {
		t.Errorf("audit %v, want one record", got)
	}
}

func TestOperatorIsToldWhatCannotBeDone(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	c := storetest.Referral(t, d.DB, "Y99901", "svc-a")
	nobody := operator
	nobody.UserName = " "

	replay := func(referral, destination string) error {
		_, err := d.Replay(t.Context(), operator, referral, destination)
		return err
	}
	park := func(who fhir.Caller, referral string) error {
		_, err := d.Park(t.Context(), who, referral, "")
		return err
	}
	_, _, unknown := d.Show(t.Context(), operator.RequestID)
	for name, test := range map[string]struct {
		err  error
		want fhir.Code
	}{
		"replay of what is not parked": {replay(c.Referral.ID, ""), fhir.IssueNotFound},
		"replay of everything":         {replay("", ""), fhir.IssueRequired},
		"a referral that is no id":     {park(operator, "'; --"), fhir.IssueNotFound},
		"park by nobody":               {park(nobody, c.Referral.ID), fhir.IssueRequired},
		"show of an unknown referral":  {unknown, fhir.IssueNotFound},
	} {
		if !fhir.Is(test.err, test.want) {
			t.Errorf("%s: %v, want %s", name, test.err, test.want)
		}
	}
	if got := d.audited(); len(got) != 0 {
		t.Errorf("audit %v of what was not done", got)
	}
}

// TestNamelessItemNeverLeavesBehindReplayedOnes: a replay is for what is parked now.
func TestNamelessItemNeverLeavesBehindReplayedOnes(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	c := storetest.Opening("Y99901", "svc-a")
	c.Owed[0].Parked = "no identifier of the person that the GP system could resolve"
	if known, err := d.DB.Create(t.Context(), storetest.GP("Y99901"), c); err != nil || known != nil {
		t.Fatalf("Create: known %v, %v", known, err)
	}
	if _, err := d.Replay(t.Context(), operator, c.Referral.ID, ""); err != nil {
		t.Fatal(err)
	}
	onItsWay, err := d.Claim(t.Context(), []delivery.Slots{{Destination: "Y99901", Free: 1}}, time.Minute)
	if err != nil || len(onItsWay) != 1 {
		t.Fatalf("claimed %d, %v", len(onItsWay), err)
	}

	err = d.DB.Update(t.Context(), storetest.App("svc-a"), c.Case.ID, func(cur workflow.Current) (workflow.Change, error) {
		change, err := storetest.Accepted(cur)
		change.Owed[0].Parked = c.Owed[0].Parked
		return change, err
	})
	if err != nil {
		t.Fatal(err)
	}

	if err := d.Settle(t.Context(), []delivery.Settlement{{Item: onItsWay[0], Verdict: delivery.Acknowledged}}); err != nil {
		t.Fatal(err)
	}
	if n := d.settle("Y99901", delivery.Acknowledged); n != 0 {
		t.Errorf("an item that names nobody was claimed")
	}
}
