package delivery_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"caselink.example/connectors/delivery"
	"caselink.example/connectors/delivery/ledgertest"
	"caselink.example/fhir"
)

// bundle is what a test of a running worker needs: the worker, its ledger, and a
// clock that moves only when the test says so.
type bundle struct {
	*testing.T
	ledger *watched
	worker *delivery.Worker
	stop   func()
}

// to are the destinations of a worker.
type to = map[string]delivery.Receiver

// setup runs the test in a bubble, with a worker that is not running yet.
func setup(t *testing.T, receivers to, test func(*bundle)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bundle{T: t, ledger: &watched{memory: newMemory(time.Now)}, stop: func() {}}
		b.worker = newWorker(b.ledger, receivers, delivery.Config{})
		defer func() { b.stop() }()
		test(b)
	})
}

// start runs the worker until the test ends or calls stop.
func (b *bundle) start() {
	stop := run(b.T, b.worker)
	b.stop = func() { stop(); b.stop = func() {} }
}

// pass lets time pass until all that was due has happened.
func (b *bundle) pass(d time.Duration) {
	time.Sleep(d) // of the bubble
	synctest.Wait()
}

// owe commits items of lanes 0, 1, ... to the destination, so many for each.
func (b *bundle) owe(destination string, lanes, each int) {
	for n := range lanes {
		b.ledger.owe(ledgertest.Items(ledgertest.Lane("A99001", destination, n), each)...)
	}
}

// settledWithin is how long it takes until nothing is owed any more.
func (b *bundle) settledWithin() time.Duration {
	begun := time.Now()
	for b.ledger.owed() > 0 {
		b.pass(time.Millisecond)
	}
	return time.Since(begun)
}

func newWorker(l delivery.Ledger, receivers to, cfg delivery.Config) *delivery.Worker {
	w := delivery.New(l, receivers, cfg)
	w.Log = slog.New(slog.DiscardHandler)
	return w
}

// run starts the worker; the returned function stops it and waits for it.
func run(t *testing.T, w *delivery.Worker) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error)
	go func() { stopped <- w.Run(ctx) }()
	return func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Errorf("Run() = %v", err)
		}
	}
}

// receiver is a destination made of one function.
type receiver func(context.Context, delivery.Item) (delivery.Answer, error)

func (r receiver) Send(ctx context.Context, item delivery.Item) (delivery.Answer, error) {
	return r(ctx, item)
}

// takes takes everything after the given time.
func takes(after time.Duration) receiver {
	return func(ctx context.Context, _ delivery.Item) (delivery.Answer, error) {
		return delivery.Answer{Status: 200, ETag: `W/"1"`}, within(ctx, after)
	}
}

// answers gives one answer to everything.
func answers(a delivery.Answer, err error) receiver {
	return func(context.Context, delivery.Item) (delivery.Answer, error) { return a, err }
}

// down is what a destination says that is not there.
var down = fhir.Errorf(fhir.IssueTransient, "down")

// within lets the bubble's clock move on.
func within(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return nil
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return fhir.Errorf(fhir.IssueTransient, "no complete answer")
	}
}

// crowd counts how many items are being sent at the same time.
type crowd struct {
	mu                   sync.Mutex
	sending, most, tries int
}

// enter counts an attempt in, and the largest number when it is to be watched.
func (c *crowd) enter(watched bool) (leave func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sending, c.tries = c.sending+1, c.tries+1
	if watched {
		c.most = max(c.most, c.sending)
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.sending--
	}
}

func (c *crowd) counted() (most, tries int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.most, c.tries
}

func (m *memory) owed() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.lanes {
		n += len(l.owed)
	}
	return n
}

// watched keeps what was settled.
type watched struct {
	*memory
	mu      sync.Mutex
	settled []delivery.Settlement
}

func (w *watched) Settle(ctx context.Context, s []delivery.Settlement) error {
	w.mu.Lock()
	w.settled = append(w.settled, s...)
	w.mu.Unlock()
	return w.memory.Settle(ctx, s)
}

func (w *watched) count() map[delivery.Verdict]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := map[delivery.Verdict]int{}
	for _, s := range w.settled {
		n[s.Verdict]++
	}
	return n
}

// slow is a ledger whose every round trip takes 2 ms.
type slow struct{ delivery.Ledger }

func (s slow) Claim(ctx context.Context, slots []delivery.Slots, lease time.Duration) ([]delivery.Item, error) {
	if err := within(ctx, 2*time.Millisecond); err != nil {
		return nil, err
	}
	return s.Ledger.Claim(ctx, slots, lease)
}

func (s slow) Settle(ctx context.Context, settlements []delivery.Settlement) error {
	if err := within(ctx, 2*time.Millisecond); err != nil {
		return err
	}
	return s.Ledger.Settle(ctx, settlements)
}
