package delivery

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Config sets a Worker up; the zero value works.
type Config struct {
	PerDestination int           // items that one destination is sent at once; 4 when zero
	Batch          int           // items of one destination claimed at once, while it answers well; 64 when zero
	Poll           time.Duration // between looks at the ledger, when it was just busy; 50 ms when zero
	PollIdle       time.Duration // between looks at an idle ledger; 500 ms when zero
	AttemptTimeout time.Duration // one attempt; 30 s when zero
	Lease          time.Duration // how long a claim holds; more than AttemptTimeout, 2 min when zero
	BackoffMin     time.Duration // bound of the pause after the first failure, doubled by each further one; 1 s when zero
	BackoffMax     time.Duration // the highest bound; 15 min when zero
	ProbeMax       time.Duration // the highest bound between probes of a destination that does not answer; 1 min when zero
	Drain          time.Duration // how long Run lets attempts finish once it is asked to stop; 10 s when zero
}

// Retry-After is honoured within these bounds.
const (
	minRetryAfter = time.Second
	maxRetryAfter = time.Hour
)

// probeAfter is how many transient failures in a row mean that a destination is down.
// One or two happen to a system that is up, such as while it is restarted.
const probeAfter = 3

// Worker sends what the ledger owes. Its exported fields may be set until Run.
type Worker struct {
	Ledger    Ledger
	Receivers map[string]Receiver // by the destination's id
	Now       func() time.Time
	Jitter    func(bound time.Duration) time.Duration // a pause in (0, bound]
	Log       *slog.Logger
	Observe   func(Attempted) // sees each attempt; called from many goroutines
	Config    Config

	wake chan struct{}
}

// New returns a Worker with the machine's clock and full jitter, which logs to
// the default logger and is not observed.
func New(ledger Ledger, receivers map[string]Receiver, cfg Config) *Worker {
	return &Worker{
		Ledger: ledger, Receivers: receivers, Config: cfg,
		Now: time.Now, Jitter: fullJitter, Log: slog.Default(), Observe: func(Attempted) {},
		wake: make(chan struct{}, 1),
	}
}

func fullJitter(bound time.Duration) time.Duration { return 1 + rand.N(bound) }

// Wake lets the worker know that something has just been committed as owed. It never
// blocks, and many calls may become one look at the ledger.
func (w *Worker) Wake() { nudge(w.wake) }

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run sends until ctx ends. It then claims nothing more, releases what was not
// sent, lets running attempts finish for as long as Drain, settles, and returns
// nil. What could not be settled is due again when its lease has run out.
func (w *Worker) Run(ctx context.Context) error {
	cfg := w.Config.withDefaults()

	// Attempts outlive ctx by Drain: one that is cut off in its middle leaves an outcome
	// that nobody knows, and costs the destination a repeat.
	sending, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	d := newDispatch(sending, w, cfg)

	// Wake is a hint that may be lost, such as with the process that committed. The timer
	// makes sure of what it misses, and of what is due again or was leased by the dead.
	poll, timer := cfg.Poll, time.NewTimer(0)
	for {
		select {
		case <-ctx.Done():
			w.drain(d, abort)
			return nil
		case <-d.finished:
		case <-w.wake:
			poll = cfg.Poll
		case <-timer.C:
		}
		if w.turn(ctx, d) > 0 {
			poll = cfg.Poll
		} else {
			poll = min(2*poll, cfg.PollIdle)
		}
		timer.Reset(poll)
	}
}

// turn settles what has finished, claims what fits and starts it. It returns how
// many items it claimed. A ledger that does not answer costs nothing: settlements
// wait for the next turn.
func (w *Worker) turn(ctx context.Context, d *dispatch) int {
	// Settling comes first: it is what makes the next item of a lane due, for this very
	// claim. Without it no claim is made, or what has been sent would pile up unsettled.
	if err := w.settle(ctx, d); err != nil {
		w.logFailure(ctx, "settle", err)
		return 0
	}

	slots := d.free()
	if len(slots) == 0 {
		return 0
	}

	// The end of the lease is reckoned from before the call: the ledger's own clock
	// starts it later, so an item is never thought leased longer than it is.
	until := w.Now().Add(d.cfg.Lease)
	items, err := w.Ledger.Claim(ctx, slots, d.cfg.Lease)
	if err != nil {
		w.logFailure(ctx, "claim", err)
		return 0
	}
	d.start(items, until)
	return len(items)
}

func (w *Worker) settle(ctx context.Context, d *dispatch) error {
	done := d.take()
	if len(done) == 0 {
		return nil
	}
	if err := w.Ledger.Settle(ctx, done); err != nil {
		d.putBack(done) // it may have been settled all the same: the fence ignores the repeat
		return err
	}
	return nil
}

// logFailure logs a failure of the ledger; a stop in the middle of a turn is none.
func (w *Worker) logFailure(ctx context.Context, step string, err error) {
	if ctx.Err() == nil {
		w.Log.LogAttrs(ctx, slog.LevelWarn, "delivery ledger", slog.String("step", step), slog.Any("error", err))
	}
}

// drain ends in this order: what waits is released, what is being sent gets its time,
// and what has finished is settled last, when there is nothing more to come.
func (w *Worker) drain(d *dispatch, abort context.CancelFunc) {
	idle := d.stop()

	// An attempt that is aborted still ends by itself, as a retry, and is settled below:
	// the next process need not wait for its lease.
	timer := time.NewTimer(d.cfg.Drain)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
		abort()
		<-idle
	}

	// Run's own ctx has ended, so the last settlement has a time of its own; should that
	// not do, leases run out.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := w.settle(ctx, d); err != nil {
		w.logFailure(ctx, "settle", err)
	}
}

func (c Config) withDefaults() Config {
	c.PerDestination = or(c.PerDestination, 4)
	c.Batch = max(or(c.Batch, 64), c.PerDestination)
	c.Poll = or(c.Poll, 50*time.Millisecond)
	c.PollIdle = max(or(c.PollIdle, 500*time.Millisecond), c.Poll)
	c.AttemptTimeout = or(c.AttemptTimeout, 30*time.Second)
	c.Lease = max(or(c.Lease, 2*time.Minute), 2*c.AttemptTimeout) // an item may wait for as long as it may be sent
	c.BackoffMin = or(c.BackoffMin, time.Second)
	c.BackoffMax = max(or(c.BackoffMax, 15*time.Minute), c.BackoffMin)
	c.ProbeMax = max(or(c.ProbeMax, time.Minute), c.BackoffMin)
	c.Drain = or(c.Drain, 10*time.Second)
	return c
}

func or[T int | time.Duration](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}
