// Package ledgertest holds every delivery.Ledger to its contract.
// docs/words.md defines ledger, lane, claim and settle.
package ledgertest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"caselink.example/connectors/delivery"
	"caselink.example/fhir"
)

// Owe commits items as owed, in order, at the ledger's present moment. It takes
// their Lane, Seq, ids, ResourceType, ResourceID, Version, Body and Withhold; the
// ledger itself gives N, Fence, Attempt, ETag and the times.
type Owe func(t *testing.T, items ...delivery.Item)

// Open returns an empty ledger that knows the destinations gp-a and gp-b and
// tells the time by now.
type Open func(t *testing.T, now func() time.Time) (delivery.Ledger, Owe)

// Run runs the suite.
func Run(t *testing.T, open Open) {
	for name, test := range map[string]func(*testing.T, *fixture){
		"Item":                     testItem,
		"LaneInOrder":              testLaneInOrder,
		"ClosingVerdicts":          testClosingVerdicts,
		"LeaseExcludesOthers":      testLeaseExcludesOthers,
		"LapsedLeaseFencesClaimer": testLapsedLeaseFencesClaimer,
		"SettledOnce":              testSettledOnce,
		"RetryWaits":               testRetryWaits,
		"ParkedStopsItsLaneAlone":  testParkedStopsItsLaneAlone,
		"NewItemLeavesLaneParked":  testNewItemLeavesLaneParked,
		"ReleasedLeavesNoTrace":    testReleasedLeavesNoTrace,
		"SlotsBoundDestinations":   testSlotsBoundDestinations,
		"LongestOwedFirst":         testLongestOwedFirst,
		"ETagFollowsResource":      testETagFollowsResource,
		"SupersededKeepsETag":      testSupersededKeepsETag,
		"HoldersApart":             testHoldersApart,
		"ClaimersApart":            testClaimersApart,
		"EndedContext":             testEndedContext,
	} {
		t.Run(name, func(t *testing.T) {
			f := &fixture{T: t, now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
			f.ledger, f.owe = open(t, f.clock)
			test(t, f)
		})
	}
	t.Run("Worker", func(t *testing.T) { testWorker(t, open) })
}

const lease = time.Minute

// fixture is a ledger, and a clock that the test moves.
type fixture struct {
	*testing.T
	ledger delivery.Ledger
	owe    Owe
	mu     sync.Mutex
	now    time.Time
}

func (f *fixture) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fixture) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

// claim claims up to free items of each destination.
func (f *fixture) claim(free int, destinations ...string) []delivery.Item {
	f.Helper()
	var slots []delivery.Slots
	for _, d := range destinations {
		slots = append(slots, delivery.Slots{Destination: d, Free: free})
	}
	items, err := f.ledger.Claim(f.Context(), slots, lease)
	if err != nil {
		f.Fatalf("Claim() error = %v", err)
	}
	return items
}

// claimOne claims what must be the only due item.
func (f *fixture) claimOne() delivery.Item {
	f.Helper()
	items := f.claim(10, "gp-a", "gp-b")
	if len(items) != 1 {
		f.Fatalf("claimed %v, want one item", places(items))
	}
	return items[0]
}

func (f *fixture) claimNone() {
	f.Helper()
	if items := f.claim(10, "gp-a", "gp-b"); len(items) != 0 {
		f.Fatalf("claimed %v, want nothing", places(items))
	}
}

func (f *fixture) settle(s ...delivery.Settlement) {
	f.Helper()
	if err := f.ledger.Settle(f.Context(), s); err != nil {
		f.Fatalf("Settle() error = %v", err)
	}
}

func acknowledged(item delivery.Item, etag string) delivery.Settlement {
	return delivery.Settlement{Item: item, Verdict: delivery.Acknowledged, Answer: delivery.Answer{Status: 200, ETag: etag}}
}

// Lane returns the lane of a made-up referral.
func Lane(holder, destination string, n int) delivery.Lane {
	return delivery.Lane{Holder: holder, Referral: fmt.Sprintf("00000000-0000-4000-8000-%012d", n), Destination: destination}
}

// Items returns what the first count events of a lane owe: versions of one Task.
func Items(lane delivery.Lane, count int) []delivery.Item {
	items := make([]delivery.Item, count)
	for i := range items {
		task := "7a51c0de" + lane.Referral[8:]
		items[i] = delivery.Item{
			Lane: lane, Seq: i + 1, Version: i + 1, ResourceType: "Task", ResourceID: task,
			EventID:       fmt.Sprintf("e%07d", i+1) + lane.Referral[8:],
			RequestID:     fmt.Sprintf("b%07d", i+1) + lane.Referral[8:],
			CorrelationID: fmt.Sprintf("c%07d", i+1) + lane.Referral[8:],
			Body:          fmt.Appendf(nil, `{"resourceType":"Task","id":%q,"description":"%d"}`, task, i+1),
		}
	}
	return items
}

func places(items []delivery.Item) []string {
	out := make([]string, len(items))
	for i, item := range items {
		out[i] = fmt.Sprintf("%s/%s/%s#%d", item.Destination, item.Holder, item.Referral[24:], item.N)
	}
	return out
}

func testItem(t *testing.T, f *fixture) {
	want := Items(Lane("A99001", "gp-a", 1), 1)[0]
	f.owe(t, want)
	owed := f.clock()
	f.pass(time.Second)
	got := f.claimOne()
	want.N, want.Attempt, want.OwedSince, want.FirstAttempt = 1, 1, owed, f.clock()
	want.Fence = got.Fence
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("first claim (-want +got):\n%s", diff)
	}
	f.pass(lease)
	again := f.claimOne()
	want.Attempt, want.Fence = 2, again.Fence
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("second claim (-want +got):\n%s", diff)
	}
	if again.Fence <= got.Fence {
		t.Errorf("fence %d after %d, want it to grow", again.Fence, got.Fence)
	}
}

func testLaneInOrder(t *testing.T, f *fixture) {
	f.owe(t, Items(Lane("A99001", "gp-a", 1), 3)...)
	for n := int64(1); n <= 3; n++ {
		item := f.claimOne()
		if item.N != n || item.Seq != int(n) {
			t.Fatalf("claimed position %d, event %d; want %d", item.N, item.Seq, n)
		}
		f.settle(acknowledged(item, ""))
	}
	f.claimNone()
	late := Items(Lane("A99001", "gp-a", 1), 4)[3]
	f.owe(t, late)
	if item := f.claimOne(); item.N != 4 {
		t.Errorf("claimed position %d of a lane that was empty, want 4", item.N)
	}
}

func testClosingVerdicts(t *testing.T, f *fixture) {
	f.owe(t, Items(Lane("A99001", "gp-a", 1), 4)...)
	for _, v := range []delivery.Verdict{delivery.Acknowledged, delivery.Superseded, delivery.Withheld} {
		f.settle(delivery.Settlement{Item: f.claimOne(), Verdict: v})
	}
	if item := f.claimOne(); item.N != 4 {
		t.Errorf("claimed position %d, want 4", item.N)
	}
}

func testLeaseExcludesOthers(t *testing.T, f *fixture) {
	f.owe(t, Items(Lane("A99001", "gp-a", 1), 2)...)
	f.claimOne()
	f.claimNone()
	f.pass(lease - time.Millisecond)
	f.claimNone()
	f.pass(time.Millisecond)
	if item := f.claimOne(); item.N != 1 || item.Attempt != 2 {
		t.Errorf("claimed position %d, attempt %d; want 1, 2", item.N, item.Attempt)
	}
}

func testLapsedLeaseFencesClaimer(t *testing.T, f *fixture) {
	f.owe(t, Items(Lane("A99001", "gp-a", 1), 2)...)
	stale := f.claimOne()
	f.pass(lease)
	held := f.claimOne()
	for _, v := range []delivery.Verdict{delivery.Acknowledged, delivery.Parked, delivery.Retry, delivery.Released, delivery.Withheld} {
		f.settle(delivery.Settlement{Item: stale, Verdict: v, RetryAt: f.clock()})
		f.claimNone()
	}
	f.settle(acknowledged(held, ""))
	if item := f.claimOne(); item.N != 2 {
		t.Errorf("claimed position %d, want 2", item.N)
	}
}

func testSettledOnce(t *testing.T, f *fixture) {
	f.owe(t, Items(Lane("A99001", "gp-a", 1), 3)...)
	first := f.claimOne()
	f.settle(acknowledged(first, ""))
	f.settle(acknowledged(first, ""))
	second := f.claimOne()
	f.settle(acknowledged(first, ""))
	f.claimNone()
	f.settle(acknowledged(second, ""))
	if item := f.claimOne(); item.N != 3 {
		t.Errorf("claimed position %d, want 3", item.N)
	}
}

func testRetryWaits(t *testing.T, f *fixture) {
	f.owe(t, Items(Lane("A99001", "gp-a", 1), 2)...)
	first := f.claimOne()
	f.settle(delivery.Settlement{Item: first, Verdict: delivery.Retry, RetryAt: f.clock().Add(time.Hour), Reason: "transient: later"})
	f.pass(time.Hour - time.Millisecond)
	f.claimNone()
	f.pass(time.Millisecond)
	again := f.claimOne()
	if again.N != 1 || again.Attempt != 2 || !again.FirstAttempt.Equal(first.FirstAttempt) {
		t.Errorf("claimed position %d, attempt %d, first at %v; want 1, 2, %v",
			again.N, again.Attempt, again.FirstAttempt, first.FirstAttempt)
	}
}

func testParkedStopsItsLaneAlone(t *testing.T, f *fixture) {
	f.owe(t, Items(Lane("A99001", "gp-a", 1), 2)...)
	f.settle(delivery.Settlement{Item: f.claimOne(), Verdict: delivery.Parked, Reason: "invalid: 422"})
	f.pass(1000 * time.Hour)
	f.claimNone()
	f.owe(t, Items(Lane("A99001", "gp-b", 1), 1)...)
	f.owe(t, Items(Lane("A99001", "gp-a", 2), 1)...)
	if got := f.claim(10, "gp-a", "gp-b"); len(got) != 2 {
		t.Errorf("claimed %v, want the two other lanes", places(got))
	}
}

func testNewItemLeavesLaneParked(t *testing.T, f *fixture) {
	items := Items(Lane("A99001", "gp-a", 1), 2)
	f.owe(t, items[0])
	f.settle(delivery.Settlement{Item: f.claimOne(), Verdict: delivery.Parked, Reason: "invalid: 422"})
	f.owe(t, items[1])
	f.claimNone()
	f.pass(1000 * time.Hour)
	f.claimNone()
}

func testReleasedLeavesNoTrace(t *testing.T, f *fixture) {
	f.owe(t, Items(Lane("A99001", "gp-a", 1), 2)...)
	f.settle(delivery.Settlement{Item: f.claimOne(), Verdict: delivery.Released})
	f.pass(time.Second)
	item := f.claimOne()
	if item.N != 1 || item.Attempt != 1 || !item.FirstAttempt.Equal(f.clock()) {
		t.Errorf("claimed position %d, attempt %d, first at %v; want 1, 1, now", item.N, item.Attempt, item.FirstAttempt)
	}
	f.settle(delivery.Settlement{Item: item, Verdict: delivery.Retry, RetryAt: f.clock()})
	f.settle(delivery.Settlement{Item: f.claimOne(), Verdict: delivery.Released})
	if item := f.claimOne(); item.Attempt != 2 {
		t.Errorf("attempt %d after one that counted and one that did not, want 2", item.Attempt)
	}
}

func testSlotsBoundDestinations(t *testing.T, f *fixture) {
	for n := range 5 {
		f.owe(t, Items(Lane("A99001", "gp-a", n), 2)...)
		f.owe(t, Items(Lane("A99001", "gp-b", n), 2)...)
	}
	got, err := f.ledger.Claim(t.Context(), []delivery.Slots{{Destination: "gp-a", Free: 2}, {Destination: "gp-b", Free: 3}}, lease)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, item := range got {
		count[item.Destination]++
	}
	if diff := cmp.Diff(map[string]int{"gp-a": 2, "gp-b": 3}, count); diff != "" {
		t.Errorf("items by destination (-want +got):\n%s", diff)
	}
	if got := f.claim(10, "gp-b"); len(got) != 2 || got[0].Destination != "gp-b" || got[1].Destination != "gp-b" {
		t.Errorf("claimed %v, want the two that gp-b has left", places(got))
	}
	if got := f.claim(0, "gp-a"); len(got) != 0 {
		t.Errorf("claimed %v without a free slot", places(got))
	}
	if got := f.claim(10); len(got) != 0 {
		t.Errorf("claimed %v for no destination", places(got))
	}
}

func testLongestOwedFirst(t *testing.T, f *fixture) {
	for _, n := range []int{3, 1, 2} {
		f.owe(t, Items(Lane("A99001", "gp-a", n), 1)...)
		f.pass(time.Second)
	}
	for _, n := range []int{3, 1, 2} {
		got := f.claim(1, "gp-a")
		if len(got) != 1 || got[0].Lane != Lane("A99001", "gp-a", n) {
			t.Errorf("claimed %v, want the lane of referral %d", places(got), n)
		}
	}
}

func testETagFollowsResource(t *testing.T, f *fixture) {
	items := Items(Lane("A99001", "gp-a", 1), 6)
	items[1].ResourceType, items[1].ResourceID, items[1].Version = "Observation", "0b5e0000-0000-4000-8000-000000000001", 1
	f.owe(t, items...)
	for i, step := range []struct {
		want    string
		verdict delivery.Verdict
		given   string
	}{
		{"", delivery.Acknowledged, `W/"1"`},
		{"", delivery.Acknowledged, `"obs"`},
		{`W/"1"`, delivery.Acknowledged, `W/"3"`},
		{`W/"3"`, delivery.Withheld, ""},
		{`W/"3"`, delivery.Acknowledged, ""},
		{"", delivery.Acknowledged, ""},
	} {
		item := f.claimOne()
		if item.ETag != step.want {
			t.Errorf("item %d: ETag %q, want %q", i+1, item.ETag, step.want)
		}
		f.settle(delivery.Settlement{Item: item, Verdict: step.verdict, Answer: delivery.Answer{ETag: step.given}})
	}
	f.owe(t, Items(Lane("A99001", "gp-b", 1), 1)...)
	if item := f.claimOne(); item.ETag != "" {
		t.Errorf("ETag %q of another destination", item.ETag)
	}
}

func testSupersededKeepsETag(t *testing.T, f *fixture) {
	f.owe(t, Items(Lane("A99001", "gp-a", 1), 2)...)
	f.settle(delivery.Settlement{Item: f.claimOne(), Verdict: delivery.Superseded, Answer: delivery.Answer{Status: 412, ETag: `W/"9"`}})
	if item := f.claimOne(); item.ETag != `W/"9"` {
		t.Errorf("ETag %q, want that of the version which the destination holds", item.ETag)
	}
}

func testHoldersApart(t *testing.T, f *fixture) {
	a, b := Lane("A99001", "gp-a", 1), Lane("B99002", "gp-a", 1)
	f.owe(t, Items(a, 1)...)
	f.owe(t, Items(b, 1)...)
	got := f.claim(10, "gp-a")
	if len(got) != 2 || got[0].Holder == got[1].Holder {
		t.Fatalf("claimed %v, want a lane of each holder", places(got))
	}
	f.settle(acknowledged(got[0], ""))
	f.pass(lease)
	if item := f.claimOne(); item.Lane != got[1].Lane {
		t.Errorf("claimed %v, want the other holder's", places([]delivery.Item{item}))
	}
}

func testClaimersApart(t *testing.T, f *fixture) {
	const lanes = 40
	for n := range lanes {
		f.owe(t, Items(Lane("A99001", "gp-a", n), 1)...)
	}
	claimed := make(chan []delivery.Item)
	for range 4 {
		go func() {
			var mine []delivery.Item
			for range lanes {
				items, err := f.ledger.Claim(t.Context(), []delivery.Slots{{Destination: "gp-a", Free: 3}}, lease)
				if err != nil {
					t.Errorf("Claim() error = %v", err)
				}
				mine = append(mine, items...)
			}
			claimed <- mine
		}()
	}
	var all []delivery.Item
	for range 4 {
		all = append(all, <-claimed...)
	}
	got := places(all)
	slices.Sort(got)
	if n := len(slices.Compact(got)); n != lanes || len(all) != lanes {
		t.Errorf("%d claims of %d lanes, want each of %d once", len(all), n, lanes)
	}
}

func testEndedContext(t *testing.T, f *fixture) {
	f.owe(t, Items(Lane("A99001", "gp-a", 1), 1)...)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.ledger.Claim(ended, []delivery.Slots{{Destination: "gp-a", Free: 1}}, lease); err == nil {
		t.Error("Claim() under an ended context gives no error")
	}
	item := f.claimOne()
	if err := f.ledger.Settle(ended, []delivery.Settlement{acknowledged(item, "")}); err == nil {
		t.Error("Settle() under an ended context gives no error")
	}
	f.claimNone()
}

// testWorker lets two workers share the ledger, by the machine's clock, and sends
// to a destination that fails at every third try.
func testWorker(t *testing.T, open Open) {
	ledger, owe := open(t, time.Now)
	const lanes, each = 20, 5
	r := &recorder{seen: map[delivery.Lane][]int{}, all: make(chan struct{}), want: lanes * each}
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error)
	for range 2 {
		w := delivery.New(ledger, map[string]delivery.Receiver{"gp-a": r, "gp-b": r}, delivery.Config{
			BackoffMin: time.Millisecond, BackoffMax: time.Millisecond, ProbeMax: time.Millisecond,
			Poll: time.Millisecond, PollIdle: 5 * time.Millisecond,
		})
		w.Log = slog.New(slog.DiscardHandler)
		go func() { stopped <- w.Run(ctx) }()
	}
	for n := range lanes {
		owe(t, Items(Lane("A99001", []string{"gp-a", "gp-b"}[n%2], n), each)...)
	}
	select {
	case <-r.all:
	case <-time.After(time.Minute):
		t.Error("not everything was delivered within a minute")
	}
	cancel()
	for range 2 {
		if err := <-stopped; err != nil {
			t.Errorf("Run() = %v", err)
		}
	}
	for lane, seqs := range r.seen {
		if diff := cmp.Diff([]int{1, 2, 3, 4, 5}, seqs); diff != "" {
			t.Errorf("lane %v (-want +got):\n%s", lane, diff)
		}
	}
	items, err := ledger.Claim(t.Context(), []delivery.Slots{{Destination: "gp-a", Free: 99}, {Destination: "gp-b", Free: 99}}, lease)
	if err != nil || len(items) != 0 {
		t.Errorf("after all was delivered Claim() = %v, %v", places(items), err)
	}
}

// recorder fails at every third try and keeps, per lane, what it took, in order.
type recorder struct {
	mu          sync.Mutex
	tries, took int
	want        int
	seen        map[delivery.Lane][]int
	all         chan struct{}
}

func (r *recorder) Send(_ context.Context, item delivery.Item) (delivery.Answer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tries++; r.tries%3 == 0 {
		return delivery.Answer{Status: 503}, fhir.Errorf(fhir.IssueTransient, "not now")
	}
	r.seen[item.Lane] = append(r.seen[item.Lane], item.Seq)
	if r.took++; r.took == r.want {
		close(r.all)
	}
	return delivery.Answer{Status: 200, ETag: fmt.Sprintf(`W/"%d"`, item.Seq)}, nil
}
