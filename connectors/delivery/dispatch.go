package delivery

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// dispatch is what a running Worker has claimed: waiting, being sent, finished.
type dispatch struct {
	worker   *Worker
	cfg      Config
	ctx      context.Context // of the attempts; outlives Run's own by Drain
	order    []*destination  // by id
	finished chan struct{}   // holds a token when there is something to settle

	mu      sync.Mutex // of what follows and of every destination's own fields
	done    []Settlement
	senders int           // goroutines that send
	idle    chan struct{} // set by stop, closed when the last sender ends
}

// destination is how one destination fares. It gets PerDestination items at once,
// and up to Batch claimed ahead while it answers. When it fails probeAfter times
// in a row it is down: one item at a time then, with growing pauses, until it answers.
type destination struct {
	id        string
	receiver  Receiver
	queue     []claimed
	sending   int
	window    int       // items that may be claimed at once
	failures  int       // transient ones in a row
	restUntil time.Time // nothing is claimed before
}

// claimed is an item that waits, and the end of its lease by our own clock.
type claimed struct {
	item  Item
	until time.Time
}

func newDispatch(ctx context.Context, w *Worker, cfg Config) *dispatch {
	d := &dispatch{worker: w, cfg: cfg, ctx: ctx, finished: make(chan struct{}, 1)}
	for _, id := range slices.Sorted(maps.Keys(w.Receivers)) {
		d.order = append(d.order, &destination{id: id, receiver: w.Receivers[id], window: cfg.PerDestination})
	}
	return d
}

// free lists the destinations that may get more.
func (d *dispatch) free() []Slots {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.worker.Now()
	var slots []Slots
	for _, to := range d.order {
		if n := to.free(now); n > 0 {
			slots = append(slots, Slots{Destination: to.id, Free: n})
		}
	}
	return slots
}

func (to *destination) free(now time.Time) int {
	switch {
	case now.Before(to.restUntil):
		return 0
	case to.isDown(): // one item probes it; the others would only fail, each in its own time
		return max(0, 1-to.sending-len(to.queue))
	}
	return max(0, to.window-to.sending-len(to.queue))
}

func (to *destination) isDown() bool { return to.failures >= probeAfter }

// start sends the items, as many at once as each destination takes; the others
// wait. A destination that failed since the claim gets nothing.
func (d *dispatch) start(items []Item, until time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, item := range items {
		i, ok := slices.BinarySearchFunc(d.order, item.Destination, func(to *destination, id string) int {
			return cmp.Compare(to.id, id)
		})
		if !ok {
			continue // no destination of this worker: the lease runs out
		}
		to := d.order[i]

		// The destination may have asked to be left alone while the claim was under way.
		if d.worker.Now().Before(to.restUntil) {
			d.release(claimed{item, until})
			continue
		}
		to.queue = append(to.queue, claimed{item, until})
		if to.sending < d.cfg.PerDestination {
			to.sending++
			d.senders++
			go d.send(to)
		}
	}
}

// send is one sender of a destination: it works until nothing waits.
func (d *dispatch) send(to *destination) {
	for {
		item, ok := d.next(to)
		if !ok {
			return
		}
		d.finish(to, d.worker.attempt(d.ctx, to.receiver, item, d.cfg))
	}
}

// next takes the first item that waits, or ends the sender.
func (d *dispatch) next(to *destination) (Item, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()

	// A lease that runs out during the attempt would let another worker send the same
	// item, or the one after it, at the same time: the fence keeps the ledger right and
	// not the destination. What has waited too long for that is given back unsent.
	latest := d.worker.Now().Add(d.cfg.AttemptTimeout)
	for len(to.queue) > 0 {
		first := to.queue[0]
		to.queue = to.queue[1:]
		if first.until.After(latest) {
			return first.item, true
		}
		d.release(first)
	}

	// The sender is counted out under the lock under which start looks for a free one, so
	// an item that is queued now finds a sender or starts its own.
	to.sending--
	d.senders--
	if d.senders == 0 && d.idle != nil {
		close(d.idle)
	}
	return Item{}, false
}

// finish keeps the settlement and learns from it how the destination fares.
func (d *dispatch) finish(to *destination, s Settlement) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.done = append(d.done, s)
	nudge(d.finished)
	switch s.Verdict {
	case Withheld: // nothing was sent, so nothing is learned
	case Retry:
		d.failed(to, s.Answer)

	// A refusal is an answer as well: a destination that refuses an item is up. The window grows by one
	// item for each, so that a destination that just came back is not given 64 at once.
	default:
		to.failures = 0
		to.window = min(to.window+1, d.cfg.Batch)
	}
}

// failed slows the destination down. When it is down or asks to be left alone,
// what waits for it is released.
func (d *dispatch) failed(to *destination, r Answer) {
	to.failures++
	to.window = d.cfg.PerDestination

	// One failure is the lane's own affair: it waits, the other lanes go on. Only several
	// in a row are the destination's.
	pause := retryAfter(r)
	if to.isDown() {
		pause = max(pause, d.worker.pause(to.failures-probeAfter+1, d.cfg.BackoffMin, d.cfg.ProbeMax))
	}

	// Nothing waits through a pause: its lease would run down, and another worker could
	// not have it either.
	if pause > 0 {
		to.restUntil = d.worker.Now().Add(pause)
		d.releaseAll(to)
	}
}

func (d *dispatch) releaseAll(to *destination) {
	for _, c := range to.queue {
		d.release(c)
	}
	to.queue = nil
}

func (d *dispatch) release(c claimed) {
	d.done = append(d.done, Settlement{Item: c.item, Verdict: Released})
	nudge(d.finished)
}

// take hands over what has finished; putBack returns it when it could not be settled.
func (d *dispatch) take() []Settlement {
	d.mu.Lock()
	defer d.mu.Unlock()
	done := d.done
	d.done = nil
	return done
}

func (d *dispatch) putBack(done []Settlement) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.done = append(done, d.done...) // in front, for what finished since came later
}

// stop releases everything that waits. The channel is closed when no attempt runs.
func (d *dispatch) stop() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, to := range d.order {
		d.releaseAll(to)
	}
	d.idle = make(chan struct{})
	if d.senders == 0 {
		close(d.idle)
	}
	return d.idle
}
