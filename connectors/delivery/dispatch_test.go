package delivery_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"caselink.example/connectors/delivery"
	"caselink.example/connectors/delivery/ledgertest"
	"caselink.example/fhir"
)

func TestDeadDestinationDelaysNobody(t *testing.T) {
	t.Parallel()
	blackHole := takes(time.Hour)
	setup(t, to{"gp-a": blackHole, "gp-b": takes(time.Millisecond)}, func(b *bundle) {
		b.owe("gp-a", 1000, 1)
		b.owe("gp-b", 100, 3)

		b.start()
		b.pass(100 * time.Millisecond)

		if n := b.ledger.owed(); n != 1000 {
			b.Errorf("%d items owed after 100 ms, want the 1000 of the dead destination", n)
		}
	})
}

func TestDownDestinationIsProbedByOne(t *testing.T) {
	t.Parallel()
	var c crowd
	var known, up time.Time // from when it is known to be down, and when it is up again
	returns := receiver(func(ctx context.Context, _ delivery.Item) (delivery.Answer, error) {
		defer c.enter(time.Now().After(known) && time.Now().Before(up))()
		if time.Now().Before(up) {
			within(ctx, time.Second)
			return delivery.Answer{}, down
		}
		return delivery.Answer{Status: 200}, within(ctx, time.Millisecond)
	})
	setup(t, to{"gp-a": returns}, func(b *bundle) {
		known, up = time.Now().Add(5*time.Second), time.Now().Add(3*time.Hour)
		b.owe("gp-a", 500, 1)

		b.start()
		time.Sleep(3 * time.Hour)

		if most, tries := c.counted(); most != 1 || tries < 100 || tries > 1000 {
			b.Errorf("%d attempts in 3 h, %d at once; want some hundreds, 1 at once", tries, most)
		}
		time.Sleep(2 * time.Minute)
		if n := b.ledger.owed(); n > 330 { // those that were tried wait for their own time
			b.Errorf("%d of 500 owed two minutes after the destination came back", n)
		}
		time.Sleep(16 * time.Minute)
		if n := b.ledger.owed(); n != 0 {
			b.Errorf("%d of 500 owed after the longest pause", n)
		}
	})
}

// TestWithheldItemDoesNotEndDown: what was not sent says nothing about who would have got it.
func TestWithheldItemDoesNotEndDown(t *testing.T) {
	t.Parallel()
	var c crowd
	never := receiver(func(ctx context.Context, item delivery.Item) (delivery.Answer, error) {
		defer c.enter(item.Referral != ledgertest.Lane("", "", 0).Referral)()
		within(ctx, 100*time.Millisecond)
		return delivery.Answer{}, down
	})
	setup(t, to{"gp-a": never}, func(b *bundle) {
		b.worker.Jitter = func(bound time.Duration) time.Duration { return bound }
		b.owe("gp-a", 1, 1)
		b.start()
		b.pass(3500 * time.Millisecond) // three failures, so it is down

		for n := range 9 {
			item := ledgertest.Items(ledgertest.Lane("A99001", "gp-a", 1+n), 1)[0]
			item.Withhold = n == 0
			b.ledger.owe(item)
		}
		b.pass(2 * time.Second)

		if n := b.ledger.count()[delivery.Withheld]; n != 1 {
			b.Fatalf("%d items were withheld, want the first of the new ones", n)
		}
		if most, _ := c.counted(); most != 1 {
			b.Errorf("%d were sent at once to a destination that is down, want 1", most)
		}
	})
}

func TestPausesGrowAndAreBounded(t *testing.T) {
	t.Parallel()
	var at []time.Time
	never := receiver(func(context.Context, delivery.Item) (delivery.Answer, error) {
		at = append(at, time.Now())
		return delivery.Answer{}, down
	})
	setup(t, to{"gp-a": never}, func(b *bundle) {
		b.worker.Config = delivery.Config{Poll: 100 * time.Millisecond, PollIdle: 100 * time.Millisecond}
		b.worker.Jitter = func(bound time.Duration) time.Duration { return bound }
		b.owe("gp-a", 1, 1)

		b.start()
		time.Sleep(time.Hour)
		b.stop()

		var got []time.Duration
		for i := 1; i < len(at); i++ {
			got = append(got, at[i].Sub(at[i-1]).Round(time.Second))
		}
		want := []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900}
		for i := range want {
			want[i] *= time.Second
		}
		if diff := cmp.Diff(want, got); diff != "" {
			b.Errorf("pauses (-want +got):\n%s", diff)
		}
	})
}

func TestRetryAfterIsForAllLanesOfDestination(t *testing.T) {
	t.Parallel()
	var at []time.Time
	throttles := receiver(func(context.Context, delivery.Item) (delivery.Answer, error) {
		if at = append(at, time.Now()); len(at) == 1 {
			return delivery.Answer{RetryAfter: time.Hour}, fhir.Errorf(fhir.IssueThrottled, "slow down")
		}
		return delivery.Answer{}, nil
	})
	setup(t, to{"gp-a": throttles}, func(b *bundle) {
		b.worker.Config = delivery.Config{PerDestination: 1, Batch: 1}
		b.owe("gp-a", 2, 1)

		b.start()
		time.Sleep(2 * time.Hour)
		b.stop()

		if len(at) != 3 || at[1].Sub(at[0]) < time.Hour {
			b.Errorf("attempts at %v, want the other lane to wait an hour as well", at)
		}
	})
}

func TestWaitingItemsAreReleasedWhenDestinationFails(t *testing.T) {
	t.Parallel()
	tries := 0
	breaks := receiver(func(ctx context.Context, _ delivery.Item) (delivery.Answer, error) {
		if tries++; tries > 100 {
			return delivery.Answer{}, down
		}
		return delivery.Answer{}, within(ctx, time.Millisecond)
	})
	setup(t, to{"gp-a": breaks}, func(b *bundle) {
		b.worker.Config.PerDestination = 1
		b.owe("gp-a", 200, 1)

		b.start()
		b.pass(101 * time.Millisecond)
		b.stop()

		got := b.ledger.count()
		if got[delivery.Acknowledged] != 100 || got[delivery.Released] < 10 {
			b.Errorf("settled %v, want 100 acknowledged and the waiting ones released", got)
		}
		for _, s := range b.ledger.settled {
			if s.Verdict == delivery.Released && s.Attempt != 1 {
				b.Errorf("released attempt %d", s.Attempt)
			}
		}
	})
}

func TestClaimThatMeetsFailureIsReleased(t *testing.T) {
	t.Parallel()
	tries := 0
	throttles := receiver(func(ctx context.Context, _ delivery.Item) (delivery.Answer, error) {
		tries++
		within(ctx, 3*time.Millisecond) // the second claim is under way
		return delivery.Answer{RetryAfter: time.Hour}, fhir.Errorf(fhir.IssueThrottled, "slow down")
	})
	setup(t, to{"gp-a": throttles}, func(b *bundle) {
		b.worker.Ledger = slow{b.ledger}
		b.owe("gp-a", 1, 1)
		b.start()
		time.Sleep(3500 * time.Microsecond) // the first claim took 2 ms; its item is being sent

		b.ledger.owe(ledgertest.Items(ledgertest.Lane("A99001", "gp-a", 2), 1)...)
		b.worker.Wake()
		time.Sleep(time.Minute)
		b.stop()

		want := map[delivery.Verdict]int{delivery.Retry: 1, delivery.Released: 1}
		if diff := cmp.Diff(want, b.ledger.count()); diff != "" || tries != 1 {
			b.Errorf("%d attempts, settled (-want +got):\n%s", tries, diff)
		}
	})
}

func TestLapsingLeaseIsNotSent(t *testing.T) {
	t.Parallel()
	dawdles := receiver(func(ctx context.Context, item delivery.Item) (delivery.Answer, error) {
		if item.FirstAttempt.Add(time.Minute).Before(time.Now().Add(30 * time.Second)) {
			t.Errorf("sent %v after the claim, with a lease of a minute", time.Since(item.FirstAttempt))
		}
		return delivery.Answer{}, within(ctx, 25*time.Second)
	})
	setup(t, to{"gp-a": dawdles}, func(b *bundle) {
		b.worker.Config = delivery.Config{PerDestination: 1, Batch: 8, Lease: time.Minute}
		b.owe("gp-a", 6, 1)

		b.start()
		time.Sleep(10 * time.Minute)
		b.stop()

		if got := b.ledger.count(); got[delivery.Acknowledged] != 6 || got[delivery.Released] == 0 {
			b.Errorf("settled %v, want 6 acknowledged, some after a release", got)
		}
	})
}
