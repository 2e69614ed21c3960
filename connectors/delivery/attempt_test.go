package delivery_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"caselink.example/connectors/delivery"
	"caselink.example/connectors/delivery/ledgertest"
	"caselink.example/fhir"
)

// firstAttempt returns how the first attempt of an item was settled.
func firstAttempt(t *testing.T, r delivery.Receiver, like delivery.Item) (s delivery.Settlement) {
	t.Helper()
	setup(t, to{"gp-a": r}, func(b *bundle) {
		b.worker.Jitter = func(time.Duration) time.Duration { return 500 * time.Millisecond }
		item := ledgertest.Items(ledgertest.Lane("A99001", "gp-a", 1), 1)[0]
		item.Withhold, item.Attempt = like.Withhold, like.Attempt
		b.ledger.owe(item)

		b.start()
		synctest.Wait()
		b.stop()

		s = b.ledger.settled[0]
	})
	return s
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
			got := firstAttempt(t, answers(c.answer, c.err), delivery.Item{})
			if got.Verdict != c.want || got.Answer != c.answer {
				t.Errorf("settled as %s with %v, want %s with %v", got.Verdict, got.Answer, c.want, c.answer)
			}
		})
	}
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
		throttles := answers(delivery.Answer{RetryAfter: asked}, fhir.Errorf(fhir.IssueThrottled, "slow down"))
		got := firstAttempt(t, throttles, delivery.Item{})
		if pause := got.RetryAt.Sub(got.OwedSince); pause != want {
			t.Errorf("Retry-After %v: next attempt after %v, want %v", asked, pause, want)
		}
	}
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
	panics := receiver(func(context.Context, delivery.Item) (delivery.Answer, error) { panic("Mrs Smith") })
	got := firstAttempt(t, panics, delivery.Item{})
	if got.Verdict != delivery.Parked || strings.Contains(got.Reason, "Smith") {
		t.Errorf("settled as %s: %s", got.Verdict, got.Reason)
	}
}

func TestLogTellsOneLinePerAttempt(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	refuses := answers(delivery.Answer{Status: 500}, fhir.Errorf(fhir.IssueTransient, "refused"))
	setup(t, to{"gp-a": refuses}, func(b *bundle) {
		b.worker.Config.PollIdle = 10 * time.Second
		b.worker.Log = slog.New(slog.NewTextHandler(&out, nil))
		var observed []delivery.Attempted
		b.worker.Observe = func(a delivery.Attempted) { observed = append(observed, a) }
		b.owe("gp-a", 1, 1)

		b.start()
		time.Sleep(25 * time.Hour)
		b.stop()

		if lines := strings.Count(out.String(), "\n"); lines != len(observed) || lines < 50 {
			b.Errorf("%d lines for %d attempts", lines, len(observed))
		}
		last := observed[len(observed)-1]
		if last.Destination != "gp-a" || last.Verdict != delivery.Retry || last.Status != 500 || last.Age < 24*time.Hour {
			b.Errorf("observed %+v", last)
		}
	})
	for _, level := range []string{"INFO", "WARN", "ERROR"} { // within an hour, a day, and after
		if !strings.Contains(out.String(), "level="+level) {
			t.Errorf("no line of level %s", level)
		}
	}
	lane := ledgertest.Lane("A99001", "gp-a", 0)
	for _, secret := range []string{"resourceType", lane.Referral, lane.Holder} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("the log says %q", secret)
		}
	}
	line, _, _ := strings.Cut(out.String(), "\n")
	for _, want := range []string{"destination=gp-a event=e0000001", `verdict=retry status=500 ms=0 reason="transient: refused"`} {
		if !strings.Contains(line, want) {
			t.Errorf("line: %s", line)
		}
	}
}
