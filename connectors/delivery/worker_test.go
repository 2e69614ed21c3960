package delivery_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"caselink.example/connectors/delivery"
	"caselink.example/connectors/delivery/ledgertest"
	"caselink.example/fhir"
)

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

func refuses(code fhir.Code) receiver {
	return func(context.Context, delivery.Item) (delivery.Answer, error) {
		return delivery.Answer{Status: 500}, fhir.Errorf(code, "refused")
	}
}

func newWorker(l delivery.Ledger, to map[string]delivery.Receiver, cfg delivery.Config) *delivery.Worker {
	w := delivery.New(l, to, cfg)
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

func (m *memory) owed() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.lanes {
		n += len(l.owed)
	}
	return n
}

var laneA = ledgertest.Lane("A99001", "gp-a", 1)

func TestWakeSendsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(time.Now)
		w := newWorker(m, map[string]delivery.Receiver{"gp-a": takes(0)}, delivery.Config{})
		defer run(t, w)()
		time.Sleep(time.Hour) // of the bubble: the worker has become idle
		synctest.Wait()
		before := time.Now()
		m.owe(ledgertest.Items(laneA, 1)...)
		w.Wake()
		synctest.Wait()
		if n := m.owed(); n != 0 || !time.Now().Equal(before) {
			t.Errorf("%d owed after %v, want none after no time", n, time.Since(before))
		}
	})
}

func TestNextOfLaneGoesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(time.Now)
		m.owe(ledgertest.Items(laneA, 50)...)
		begun := time.Now()
		defer run(t, newWorker(m, map[string]delivery.Receiver{"gp-a": takes(time.Millisecond)}, delivery.Config{}))()
		for m.owed() > 0 {
			time.Sleep(time.Millisecond)
			synctest.Wait()
		}
		if took := time.Since(begun); took != 50*time.Millisecond {
			t.Errorf("50 items of 1 ms took %v", took)
		}
	})
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

func TestRoundTripsDoNotBoundThroughput(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(time.Now)
		for n := range 4000 {
			m.owe(ledgertest.Items(ledgertest.Lane("A99001", "gp-a", n), 1)...)
		}
		begun := time.Now()
		defer run(t, newWorker(slow{m}, map[string]delivery.Receiver{"gp-a": takes(time.Millisecond)}, delivery.Config{}))()
		for m.owed() > 0 {
			time.Sleep(time.Millisecond)
			synctest.Wait()
		}
		if took := time.Since(begun); took > 1100*time.Millisecond {
			t.Errorf("4000 items, 4 at once, 1 ms each, took %v", took)
		}
	})
}

func TestDeadDestinationDelaysNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(time.Now)
		for n := range 1000 {
			m.owe(ledgertest.Items(ledgertest.Lane("A99001", "gp-a", n), 1)...)
		}
		for n := range 100 {
			m.owe(ledgertest.Items(ledgertest.Lane("B99002", "gp-b", n), 3)...)
		}
		blackHole := takes(time.Hour)
		w := newWorker(m, map[string]delivery.Receiver{"gp-a": blackHole, "gp-b": takes(time.Millisecond)}, delivery.Config{})
		defer run(t, w)()
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if n := m.owed(); n != 1000 {
			t.Errorf("%d items owed after 100 ms, want the 1000 of the dead destination", n)
		}
	})
}

func TestDownDestinationIsProbedByOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(time.Now)
		for n := range 500 {
			m.owe(ledgertest.Items(ledgertest.Lane("A99001", "gp-a", n), 1)...)
		}
		begun := time.Now()
		up := begun.Add(3 * time.Hour)
		var mu sync.Mutex
		sending, most, tries := 0, 0, 0
		w := newWorker(m, map[string]delivery.Receiver{"gp-a": receiver(func(ctx context.Context, _ delivery.Item) (delivery.Answer, error) {
			mu.Lock()
			sending, tries = sending+1, tries+1
			if time.Since(begun) > 5*time.Second && time.Now().Before(up) {
				most = max(most, sending)
			}
			mu.Unlock()
			defer func() { mu.Lock(); sending--; mu.Unlock() }()
			if time.Now().Before(up) {
				within(ctx, time.Second)
				return delivery.Answer{}, fhir.Errorf(fhir.IssueTransient, "down")
			}
			return delivery.Answer{Status: 200}, within(ctx, time.Millisecond)
		})}, delivery.Config{})
		defer run(t, w)()
		time.Sleep(3 * time.Hour)
		mu.Lock()
		if most != 1 || tries < 100 || tries > 1000 {
			t.Errorf("%d attempts in 3 h, %d at once; want some hundreds, 1 at once", tries, most)
		}
		mu.Unlock()
		time.Sleep(2 * time.Minute)
		if n := m.owed(); n > 330 { // those that were tried wait for their own time
			t.Errorf("%d of 500 owed two minutes after the destination came back", n)
		}
		time.Sleep(16 * time.Minute)
		if n := m.owed(); n != 0 {
			t.Errorf("%d of 500 owed after the longest pause", n)
		}
	})
}

func TestPausesGrowAndAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(time.Now)
		m.owe(ledgertest.Items(laneA, 1)...)
		var at []time.Time
		w := newWorker(m, map[string]delivery.Receiver{"gp-a": receiver(func(context.Context, delivery.Item) (delivery.Answer, error) {
			at = append(at, time.Now())
			return delivery.Answer{}, fhir.Errorf(fhir.IssueTransient, "down")
		})}, delivery.Config{Poll: 100 * time.Millisecond, PollIdle: 100 * time.Millisecond})
		w.Jitter = func(bound time.Duration) time.Duration { return bound }
		stop := run(t, w)
		time.Sleep(time.Hour)
		stop()
		var got []time.Duration
		for i := 1; i < len(at); i++ {
			got = append(got, at[i].Sub(at[i-1]).Round(time.Second))
		}
		want := []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900}
		for i := range want {
			want[i] *= time.Second
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pauses (-want +got):\n%s", diff)
		}
	})
}

func TestRetryAfterIsHonouredWithinBounds(t *testing.T) {
	t.Parallel()
	for asked, want := range map[time.Duration]time.Duration{
		0:                      500 * time.Millisecond, // the worker's own pause
		-1 * time.Second:       500 * time.Millisecond,
		time.Nanosecond:        time.Second,
		100 * time.Millisecond: time.Second,
		30 * time.Second:       30 * time.Second,
		time.Hour:              time.Hour,
		10 * 365 * time.Hour:   time.Hour,
	} {
		got := firstAttempt(t, receiver(func(context.Context, delivery.Item) (delivery.Answer, error) {
			return delivery.Answer{RetryAfter: asked}, fhir.Errorf(fhir.IssueThrottled, "slow down")
		}), delivery.Item{})
		if pause := got.RetryAt.Sub(got.OwedSince); pause != want {
			t.Errorf("Retry-After %v: next attempt after %v, want %v", asked, pause, want)
		}
	}
}

func TestRetryAfterIsForAllLanesOfDestination(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(time.Now)
		for n := range 2 {
			m.owe(ledgertest.Items(ledgertest.Lane("A99001", "gp-a", n), 1)...)
		}
		var at []time.Time
		w := newWorker(m, map[string]delivery.Receiver{"gp-a": receiver(func(context.Context, delivery.Item) (delivery.Answer, error) {
			if at = append(at, time.Now()); len(at) == 1 {
				return delivery.Answer{RetryAfter: time.Hour}, fhir.Errorf(fhir.IssueThrottled, "slow down")
			}
			return delivery.Answer{}, nil
		})}, delivery.Config{PerDestination: 1, Batch: 1})
		stop := run(t, w)
		time.Sleep(2 * time.Hour)
		stop()
		if len(at) != 3 || at[1].Sub(at[0]) < time.Hour {
			t.Errorf("attempts at %v, want the other lane to wait an hour as well", at)
		}
	})
}

func TestVerdictFollowsError(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer delivery.Answer
		err    error
		want   delivery.Verdict
	}{
		"taken":           {delivery.Answer{Status: 201}, nil, delivery.Acknowledged},
		"late repeat":     {delivery.Answer{Status: 412, Superseded: true}, nil, delivery.Superseded},
		"transient":       {delivery.Answer{}, fhir.Errorf(fhir.IssueTransient, "x"), delivery.Retry},
		"timeout":         {delivery.Answer{}, fhir.Errorf(fhir.IssueTimeout, "x"), delivery.Retry},
		"throttled":       {delivery.Answer{}, fhir.Errorf(fhir.IssueThrottled, "x"), delivery.Retry},
		"too early":       {delivery.Answer{}, fhir.Errorf(fhir.IssueTooEarly, "x"), delivery.Retry},
		"exception":       {delivery.Answer{}, fhir.Errorf(fhir.IssueException, "x"), delivery.Retry},
		"unknown error":   {delivery.Answer{}, errors.New("x"), delivery.Retry},
		"invalid":         {delivery.Answer{}, fhir.Errorf(fhir.IssueInvalid, "x"), delivery.Parked},
		"forbidden":       {delivery.Answer{}, fhir.Errorf(fhir.IssueForbidden, "x"), delivery.Parked},
		"conflict":        {delivery.Answer{}, fhir.Errorf(fhir.IssueConflict, "x"), delivery.Parked},
		"business rule":   {delivery.Answer{}, fhir.Errorf(fhir.IssueBusinessRule, "x"), delivery.Parked},
		"wrapped refusal": {delivery.Answer{}, fmt.Errorf("send: %w", fhir.Errorf(fhir.IssueNotFound, "x")), delivery.Parked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := firstAttempt(t, receiver(func(context.Context, delivery.Item) (delivery.Answer, error) { return c.answer, c.err }), delivery.Item{})
			if got.Verdict != c.want || got.Answer != c.answer {
				t.Errorf("settled as %s with %v, want %s with %v", got.Verdict, got.Answer, c.want, c.answer)
			}
		})
	}
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

// firstAttempt returns how the first attempt of an item was settled.
func firstAttempt(t *testing.T, r delivery.Receiver, like delivery.Item) (s delivery.Settlement) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &watched{memory: newMemory(time.Now)}
		item := ledgertest.Items(laneA, 1)[0]
		item.Withhold, item.Attempt = like.Withhold, like.Attempt
		l.owe(item)
		w := newWorker(l, map[string]delivery.Receiver{"gp-a": r}, delivery.Config{})
		w.Jitter = func(time.Duration) time.Duration { return 500 * time.Millisecond }
		stop := run(t, w)
		synctest.Wait()
		stop()
		s = l.settled[0]
	})
	return s
}

func TestWithheldItemIsNotSent(t *testing.T) {
	t.Parallel()
	never := receiver(func(context.Context, delivery.Item) (delivery.Answer, error) {
		t.Error("it was sent")
		return delivery.Answer{}, nil
	})
	for earlier, reason := range []string{"withheld", delivery.ReasonUnknown} {
		got := firstAttempt(t, never, delivery.Item{Withhold: true, Attempt: earlier})
		if got.Verdict != delivery.Withheld || got.Reason != reason {
			t.Errorf("after %d attempts: %s %q, want withheld %q", earlier, got.Verdict, got.Reason, reason)
		}
	}
}

func TestPanicParksItemAlone(t *testing.T) {
	t.Parallel()
	got := firstAttempt(t, receiver(func(context.Context, delivery.Item) (delivery.Answer, error) { panic("Mrs Smith") }), delivery.Item{})
	if got.Verdict != delivery.Parked || strings.Contains(got.Reason, "Smith") {
		t.Errorf("settled as %s: %s", got.Verdict, got.Reason)
	}
}

func TestDrainLetsAttemptsFinish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &watched{memory: newMemory(time.Now)}
		for n := range 10 {
			l.owe(ledgertest.Items(ledgertest.Lane("A99001", "gp-a", n), 1)...)
		}
		w := newWorker(l, map[string]delivery.Receiver{"gp-a": takes(5 * time.Second)}, delivery.Config{PerDestination: 2, Batch: 2})
		stop := run(t, w)
		synctest.Wait()
		begun := time.Now()
		stop()
		if took := time.Since(begun); took != 5*time.Second {
			t.Errorf("Run() ended %v after it was told to", took)
		}
		if diff := cmp.Diff(map[delivery.Verdict]int{delivery.Acknowledged: 2}, l.count()); diff != "" {
			t.Errorf("settled (-want +got):\n%s", diff)
		}
	})
}

func TestDrainEndsWhatDoesNotFinish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &watched{memory: newMemory(time.Now)}
		l.owe(ledgertest.Items(laneA, 1)...)
		stop := run(t, newWorker(l, map[string]delivery.Receiver{"gp-a": takes(time.Hour)}, delivery.Config{Drain: 3 * time.Second}))
		synctest.Wait()
		begun := time.Now()
		stop()
		if took := time.Since(begun); took != 3*time.Second {
			t.Errorf("Run() ended %v after it was told to", took)
		}
		if diff := cmp.Diff(map[delivery.Verdict]int{delivery.Retry: 1}, l.count()); diff != "" {
			t.Errorf("settled (-want +got):\n%s", diff)
		}
	})
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

func TestWaitingItemsAreReleasedWhenDestinationFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &watched{memory: newMemory(time.Now)}
		for n := range 200 {
			l.owe(ledgertest.Items(ledgertest.Lane("A99001", "gp-a", n), 1)...)
		}
		tries := 0
		stop := run(t, newWorker(l, map[string]delivery.Receiver{"gp-a": receiver(func(ctx context.Context, _ delivery.Item) (delivery.Answer, error) {
			if tries++; tries > 100 {
				return delivery.Answer{}, fhir.Errorf(fhir.IssueTransient, "down")
			}
			return delivery.Answer{}, within(ctx, time.Millisecond)
		})}, delivery.Config{PerDestination: 1}))
		time.Sleep(101 * time.Millisecond)
		synctest.Wait()
		stop()
		got := l.count()
		if got[delivery.Acknowledged] != 100 || got[delivery.Released] < 10 {
			t.Errorf("settled %v, want 100 acknowledged and the waiting ones released", got)
		}
		for _, s := range l.settled {
			if s.Verdict == delivery.Released && s.Attempt != 1 {
				t.Errorf("released attempt %d", s.Attempt)
			}
		}
	})
}

func TestClaimThatMeetsFailureIsReleased(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &watched{memory: newMemory(time.Now)}
		l.owe(ledgertest.Items(laneA, 1)...)
		tries := 0
		w := newWorker(slow{l}, map[string]delivery.Receiver{"gp-a": receiver(func(ctx context.Context, _ delivery.Item) (delivery.Answer, error) {
			tries++
			within(ctx, 3*time.Millisecond) // the second claim is under way
			return delivery.Answer{RetryAfter: time.Hour}, fhir.Errorf(fhir.IssueThrottled, "slow down")
		})}, delivery.Config{})
		stop := run(t, w)
		time.Sleep(3500 * time.Microsecond) // the first claim took 2 ms; its item is being sent
		l.owe(ledgertest.Items(ledgertest.Lane("A99001", "gp-a", 2), 1)...)
		w.Wake()
		time.Sleep(time.Minute)
		stop()
		if diff := cmp.Diff(map[delivery.Verdict]int{delivery.Retry: 1, delivery.Released: 1}, l.count()); diff != "" || tries != 1 {
			t.Errorf("%d attempts, settled (-want +got):\n%s", tries, diff)
		}
	})
}

// failing is a ledger whose first settlement is refused.
type failing struct {
	*memory
	failed bool
}

func (f *failing) Settle(ctx context.Context, s []delivery.Settlement) error {
	if !f.failed {
		f.failed = true
		return errors.New("the ledger is away")
	}
	return f.memory.Settle(ctx, s)
}

func TestSettlementOutlivesFailureOfLedger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &failing{memory: newMemory(time.Now)}
		l.owe(ledgertest.Items(laneA, 1)...)
		sent := 0
		stop := run(t, newWorker(l, map[string]delivery.Receiver{"gp-a": receiver(func(context.Context, delivery.Item) (delivery.Answer, error) {
			sent++
			return delivery.Answer{}, nil
		})}, delivery.Config{}))
		time.Sleep(time.Hour)
		stop()
		if n := l.owed(); n != 0 || sent != 1 {
			t.Errorf("%d owed, sent %d times; want it settled after one attempt", n, sent)
		}
	})
}

func TestLapsingLeaseIsNotSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &watched{memory: newMemory(time.Now)}
		for n := range 6 {
			l.owe(ledgertest.Items(ledgertest.Lane("A99001", "gp-a", n), 1)...)
		}
		claimed := map[delivery.Lane]time.Time{}
		stop := run(t, newWorker(l, map[string]delivery.Receiver{"gp-a": receiver(func(ctx context.Context, item delivery.Item) (delivery.Answer, error) {
			if item.FirstAttempt.Add(time.Minute).Before(time.Now().Add(30 * time.Second)) {
				t.Errorf("sent %v after the claim, with a lease of a minute", time.Since(item.FirstAttempt))
			}
			claimed[item.Lane] = time.Now()
			return delivery.Answer{}, within(ctx, 25*time.Second)
		})}, delivery.Config{PerDestination: 1, Batch: 8, Lease: time.Minute}))
		time.Sleep(10 * time.Minute)
		stop()
		if got := l.count(); got[delivery.Acknowledged] != 6 || got[delivery.Released] == 0 {
			t.Errorf("settled %v, want 6 acknowledged, some after a release", got)
		}
	})
}

func TestLogTellsOneLinePerAttempt(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(time.Now)
		m.owe(ledgertest.Items(laneA, 1)...)
		w := newWorker(m, map[string]delivery.Receiver{"gp-a": refuses(fhir.IssueTransient)}, delivery.Config{PollIdle: 10 * time.Second})
		w.Log = slog.New(slog.NewTextHandler(&out, nil))
		var observed []delivery.Attempted
		w.Observe = func(a delivery.Attempted) { observed = append(observed, a) }
		stop := run(t, w)
		time.Sleep(25 * time.Hour)
		stop()
		if lines := strings.Count(out.String(), "\n"); lines != len(observed) || lines < 50 {
			t.Errorf("%d lines for %d attempts", lines, len(observed))
		}
		last := observed[len(observed)-1]
		if last.Destination != "gp-a" || last.Verdict != delivery.Retry || last.Status != 500 || last.Age < 24*time.Hour {
			t.Errorf("observed %+v", last)
		}
	})
	for _, level := range []string{"INFO", "WARN", "ERROR"} { // within an hour, a day, and after
		if !strings.Contains(out.String(), "level="+level) {
			t.Errorf("no line of level %s", level)
		}
	}
	for _, secret := range []string{"resourceType", laneA.Referral, laneA.Holder} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("the log says %q", secret)
		}
	}
	if line, _, _ := strings.Cut(out.String(), "\n"); !strings.Contains(line, "destination=gp-a event=e0000001") || !strings.Contains(line, "verdict=retry status=500 ms=0 reason=\"transient: refused\"") {
		t.Errorf("line: %s", line)
	}
}
