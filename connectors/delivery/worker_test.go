package delivery_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"caselink.example/connectors/delivery"
)

func TestWakeSendsAtOnce(t *testing.T) {
	t.Parallel()
	setup(t, to{"gp-a": takes(0)}, func(b *bundle) {
		b.start()
		b.pass(time.Hour) // the worker has become idle
		before := time.Now()

		b.owe("gp-a", 1, 1)
		b.worker.Wake()
		synctest.Wait()

		if n := b.ledger.owed(); n != 0 || !time.Now().Equal(before) {
			b.Errorf("%d owed after %v, want none after no time", n, time.Since(before))
		}
	})
}

func TestNextOfLaneGoesAtOnce(t *testing.T) {
	t.Parallel()
	setup(t, to{"gp-a": takes(time.Millisecond)}, func(b *bundle) {
		b.owe("gp-a", 1, 50)

		b.start()

		if took := b.settledWithin(); took != 50*time.Millisecond {
			b.Errorf("50 items of 1 ms took %v", took)
		}
	})
}

func TestRoundTripsDoNotBoundThroughput(t *testing.T) {
	t.Parallel()
	setup(t, to{"gp-a": takes(time.Millisecond)}, func(b *bundle) {
		b.worker.Ledger = slow{b.ledger}
		b.owe("gp-a", 4000, 1)

		b.start()

		if took := b.settledWithin(); took > 1100*time.Millisecond {
			b.Errorf("4000 items, 4 at once, 1 ms each, took %v", took)
		}
	})
}

func TestDrainLetsAttemptsFinish(t *testing.T) {
	t.Parallel()
	setup(t, to{"gp-a": takes(5 * time.Second)}, func(b *bundle) {
		b.worker.Config = delivery.Config{PerDestination: 2, Batch: 2}
		b.owe("gp-a", 10, 1)
		b.start()
		synctest.Wait()
		begun := time.Now()

		b.stop()

		if took := time.Since(begun); took != 5*time.Second {
			b.Errorf("Run() ended %v after it was told to", took)
		}
		if diff := cmp.Diff(map[delivery.Verdict]int{delivery.Acknowledged: 2}, b.ledger.count()); diff != "" {
			b.Errorf("settled (-want +got):\n%s", diff)
		}
	})
}

func TestDrainEndsWhatDoesNotFinish(t *testing.T) {
	t.Parallel()
	setup(t, to{"gp-a": takes(time.Hour)}, func(b *bundle) {
		b.worker.Config.Drain = 3 * time.Second
		b.owe("gp-a", 1, 1)
		b.start()
		synctest.Wait()
		begun := time.Now()

		b.stop()

		if took := time.Since(begun); took != 3*time.Second {
			b.Errorf("Run() ended %v after it was told to", took)
		}
		if diff := cmp.Diff(map[delivery.Verdict]int{delivery.Retry: 1}, b.ledger.count()); diff != "" {
			b.Errorf("settled (-want +got):\n%s", diff)
		}
	})
}

// failing is a ledger whose first settlement is refused.
type failing struct {
	delivery.Ledger
	failed bool
}

func (f *failing) Settle(ctx context.Context, s []delivery.Settlement) error {
	if !f.failed {
		f.failed = true
		return errors.New("the ledger is away")
	}
	return f.Ledger.Settle(ctx, s)
}

func TestSettlementOutlivesFailureOfLedger(t *testing.T) {
	t.Parallel()
	sent := 0
	counts := receiver(func(context.Context, delivery.Item) (delivery.Answer, error) {
		sent++
		return delivery.Answer{}, nil
	})
	setup(t, to{"gp-a": counts}, func(b *bundle) {
		b.worker.Ledger = &failing{Ledger: b.ledger}
		b.owe("gp-a", 1, 1)

		b.start()
		b.pass(time.Hour)
		b.stop()

		if n := b.ledger.owed(); n != 0 || sent != 1 {
			b.Errorf("%d owed, sent %d times; want it settled after one attempt", n, sent)
		}
	})
}
