package delivery

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"caselink.example/fhir"
)

// attempt sends the item once and decides what becomes of it.
func (w *Worker) attempt(ctx context.Context, r Receiver, item Item, cfg Config) Settlement {
	begun := w.Now()
	s := Settlement{Item: item, Verdict: Withheld, Reason: string(Withheld)}
	switch {
	// An earlier attempt may have arrived before the consent was taken back. Nothing more
	// is sent, not even to find out; a person has to look.
	case item.Withhold && item.Attempt > 1:
		s.Reason = ReasonUnknown
	case !item.Withhold:
		ctx, cancel := context.WithTimeout(ctx, cfg.AttemptTimeout)
		defer cancel()
		answer, err := w.send(ctx, r, item)
		s = w.judge(item, answer, err, cfg)
	}
	w.report(ctx, s, begun)
	return s
}

// send keeps a fault of this program from taking the process, and with it every other
// delivery, down again and again: the item is parked. The log gets the stack and
// not what the panic says, which may quote the item.
func (w *Worker) send(ctx context.Context, r Receiver, item Item) (answer Answer, err error) {
	defer func() {
		if recover() != nil {
			w.Log.LogAttrs(ctx, slog.LevelError, "delivery panicked",
				slog.String("event", item.EventID), slog.String("stack", string(debug.Stack())))
			answer, err = Answer{}, fhir.Errorf(fhir.IssueNotSupported, "Caselink failed on this item: report it, then replay")
		}
	}()
	return r.Send(ctx, item)
}

// judge turns the end of an attempt into a verdict.
func (w *Worker) judge(item Item, answer Answer, err error, cfg Config) Settlement {
	s := Settlement{Item: item, Answer: answer}
	switch {
	case err == nil && answer.Superseded:
		s.Verdict = Superseded
	case err == nil:
		s.Verdict = Acknowledged
	case isFinal(err):
		s.Verdict, s.Reason = Parked, reason(err)
	default:
		s.Verdict, s.Reason = Retry, reason(err)

		// Without end: only an answer, consent that ended, or a person closes an item. The
		// destination's own wish counts where it is longer than the pause, never to shorten it.
		s.RetryAt = w.Now().Add(max(w.pause(item.Attempt, cfg.BackoffMin, cfg.BackoffMax), retryAfter(answer)))
	}
	return s
}

// isFinal reports whether the same bytes would be refused again. 425 and 429 are about
// the moment and not about the bytes; a 5xx, which an error that nobody classified
// stands for too, leaves the outcome unknown.
func isFinal(err error) bool {
	status := fhir.Status(err)
	return status >= 400 && status < 500 && status != http.StatusTooEarly && status != http.StatusTooManyRequests
}

// reason is the public part of the error: it goes into the ledger and the log.
func reason(err error) string {
	e := fhir.ErrorsOf(err)[0]
	return string(e.Code) + ": " + e.Diagnostics
}

// retryAfter is how long the destination asks to be left alone, 0 when it does not. The
// bounds are the worker's: a slip of the destination must not stop a lane for a year.
func retryAfter(r Answer) time.Duration {
	if r.RetryAfter <= 0 {
		return 0
	}
	return min(max(r.RetryAfter, minRetryAfter), maxRetryAfter)
}

// pause is the time before try n (from 1) is repeated: a random part of a bound
// that doubles from lowest up to highest. At random, so that the lanes of a destination
// that failed together do not come back together.
func (w *Worker) pause(n int, lowest, highest time.Duration) time.Duration {
	bound := highest
	if n < 32 && lowest<<(n-1) > 0 { // days of attempts would shift the bound past its sign
		bound = min(highest, lowest<<(n-1))
	}
	return w.Jitter(bound)
}

// report writes the attempt's one log line and calls the observer.
func (w *Worker) report(ctx context.Context, s Settlement, begun time.Time) {
	now := w.Now()
	seen := Attempted{
		Destination: s.Destination, Verdict: s.Verdict, Status: s.Answer.Status,
		Took: now.Sub(begun), Age: now.Sub(s.OwedSince),
	}
	w.Observe(seen)
	w.Log.LogAttrs(ctx, level(s, seen.Age), "delivery",
		slog.String("destination", s.Destination), slog.String("event", s.EventID), slog.Int("attempt", s.Attempt),
		slog.String("verdict", string(s.Verdict)), slog.Int("status", seen.Status),
		slog.Int64("ms", seen.Took.Milliseconds()), slog.String("reason", s.Reason))
}

// level is an error when a person must act: on what is parked, on what may have
// been sent before it was withheld, and on what is owed for a day.
func level(s Settlement, age time.Duration) slog.Level {
	switch {
	case s.Verdict == Parked, s.Reason == ReasonUnknown, s.Verdict == Retry && age >= 24*time.Hour:
		return slog.LevelError
	case s.Verdict == Retry && age >= time.Hour:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}
