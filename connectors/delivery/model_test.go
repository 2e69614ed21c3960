package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"caselink.example/connectors/delivery"
	"caselink.example/connectors/delivery/ledgertest"
	"caselink.example/fhir"
)

// chance is a source of faults that repeats by its seed.
type chance struct {
	mu  sync.Mutex
	rnd *rand.Rand
}

func newChance(seed uint64) *chance { return &chance{rnd: rand.New(rand.NewPCG(seed, 0))} }

func (c *chance) of(n int) bool { return c.upTo(n) == 0 }

func (c *chance) upTo(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rnd.IntN(n)
}

// gpModel is a GP system that takes an event once, whatever is repeated, and
// tells less than the truth: it refuses, dawdles, and loses its own answers.
type gpModel struct {
	chance *chance
	up     time.Time // nothing is taken before

	mu   sync.Mutex
	seen map[delivery.Lane][]string // events in the order in which they were first taken
	has  map[string]bool
}

func (g *gpModel) Send(ctx context.Context, item delivery.Item) (delivery.Answer, error) {
	within(ctx, time.Duration(g.chance.upTo(200))*time.Millisecond)
	switch {
	case time.Now().Before(g.up) && g.chance.of(2): // a black hole
		return delivery.Answer{}, within(ctx, time.Hour)
	case time.Now().Before(g.up), g.chance.of(5):
		return delivery.Answer{Status: 503}, fhir.Errorf(fhir.IssueTransient, "not now")
	case g.chance.of(20):
		return delivery.Answer{Status: 429, RetryAfter: time.Minute}, fhir.Errorf(fhir.IssueThrottled, "slow down")
	}
	g.take(item)
	if g.chance.of(5) {
		return delivery.Answer{}, errors.New("the answer is lost")
	}
	return delivery.Answer{Status: 200, ETag: fmt.Sprintf(`W/"%d"`, item.Seq)}, nil
}

func (g *gpModel) take(item delivery.Item) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.has[item.EventID] {
		g.has[item.EventID] = true
		g.seen[item.Lane] = append(g.seen[item.Lane], item.EventID)
	}
}

// unsteady is a ledger that fails before or after it has done what it was asked.
type unsteady struct {
	delivery.Ledger
	chance *chance
}

func (u unsteady) Claim(ctx context.Context, slots []delivery.Slots, lease time.Duration) ([]delivery.Item, error) {
	if u.chance.of(20) {
		return nil, errors.New("the ledger is away")
	}
	items, err := u.Ledger.Claim(ctx, slots, lease)
	if u.chance.of(20) {
		return nil, errors.New("the ledger's answer is lost")
	}
	return items, err
}

func (u unsteady) Settle(ctx context.Context, s []delivery.Settlement) error {
	if u.chance.of(10) {
		return errors.New("the ledger is away")
	}
	if err := u.Ledger.Settle(ctx, s); err != nil || !u.chance.of(10) {
		return err
	}
	return errors.New("the ledger's answer is lost")
}

// TestOutageOfTenDaysLosesNothing lets two workers, which die and start again,
// deliver to three GP systems, one of which is away for 240 hours.
func TestOutageOfTenDaysLosesNothing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { outage(t, newChance(seed)) })
		})
	}
}

func outage(t *testing.T, c *chance) {
	const lanes, each = 8, 6
	m := newMemory(time.Now)
	systems := map[string]*gpModel{}
	receivers := to{}
	for _, id := range []string{"gp-a", "gp-b", "gp-c"} {
		systems[id] = &gpModel{chance: c, seen: map[delivery.Lane][]string{}, has: map[string]bool{}}
		receivers[id] = systems[id]
	}
	systems["gp-c"].up = time.Now().Add(240 * time.Hour)
	var all []delivery.Lane
	for n := range lanes {
		for id := range systems {
			all = append(all, ledgertest.Lane("A99001", id, n))
		}
	}

	for i := range each { // two lifetimes of both workers for each event of all lanes
		for _, l := range all {
			m.owe(ledgertest.Items(l, each)[i])
		}
		for range 2 {
			lifetime(t, unsteady{m, c}, receivers, time.Duration(1+c.upTo(240/each))*time.Hour, c)
		}
	}
	lifetime(t, m, receivers, time.Until(systems["gp-c"].up)+48*time.Hour, c)

	if n := m.owed(); n != 0 {
		t.Errorf("%d items are still owed", n)
	}
	for _, l := range all {
		var want []string
		for _, item := range ledgertest.Items(l, each) {
			want = append(want, item.EventID)
		}
		if diff := cmp.Diff(want, systems[l.Destination].seen[l]); diff != "" {
			t.Errorf("%s, referral %s (-want +got):\n%s", l.Destination, l.Referral, diff)
		}
	}
}

// lifetime runs two workers for about as long as is given.
func lifetime(t *testing.T, l delivery.Ledger, receivers to, d time.Duration, c *chance) {
	t.Helper()
	var stops []func()
	for range 2 {
		w := newWorker(l, receivers, delivery.Config{
			Poll: time.Second, PollIdle: time.Minute, Drain: time.Duration(1+c.upTo(5)) * time.Second,
		})
		stops = append(stops, run(t, w))
	}
	for _, stop := range stops {
		time.Sleep(d)
		stop()
	}
}
