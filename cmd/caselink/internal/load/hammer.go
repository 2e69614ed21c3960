// Package load drives a running Caselink as many GP systems would: Hammer checks that
// nothing is lost or doubled on the way, Bench measures how fast it goes and what it costs.
//
// Both see the adapter from outside, over HTTP and in its database, so that what they say
// does not rest on what the adapter says of itself.
// docs/words.md defines hammer, adapter and GP system.
package load

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"caselink.example/cmd/caselink/internal/world"
	"caselink.example/connectors/simulator"
)

// HammerConfig says whose referrals go where.
type HammerConfig struct {
	Base    string // of the FHIR API
	ODS     string // the practice that sends
	Token   string
	Clients int    // how many send at once
	Seed    uint64 // the same seed gives the same referrals
}

// A Hammer sends fictional referrals from many clients at once and keeps a ledger of
// its own of what was answered, so that anything lost or doubled shows.
type Hammer struct {
	cfg      HammerConfig
	http     *http.Client
	sent     atomic.Int64
	repeated atomic.Int64
	ledger   acknowledged
}

// acknowledged is what the clients were answered: the referral and the id it got.
type acknowledged struct {
	mu   sync.Mutex
	list []acknowledgement
}

type acknowledgement struct {
	referral simulator.Sample
	location string
	took     time.Duration // of the attempt that was answered
}

const (
	giveUpAfter   = time.Minute // without an answer that says what became of a referral
	requestAtMost = 30 * time.Second
)

// NewHammer returns a Hammer that has sent nothing.
func NewHammer(cfg HammerConfig) *Hammer {
	// Each client has a connection and keeps it: with Go's default of two idle ones the
	// opening of connections would be what is measured.
	transport := &http.Transport{MaxIdleConnsPerHost: cfg.Clients, MaxConnsPerHost: cfg.Clients}
	return &Hammer{cfg: cfg, http: &http.Client{Timeout: requestAtMost, Transport: transport}}
}

// Sent is how many referrals are acknowledged so far.
func (h *Hammer) Sent() int { return int(h.sent.Load()) }

// Repeated is how many attempts were repeated, because their outcome was not known.
func (h *Hammer) Repeated() int { return int(h.repeated.Load()) }

// Run sends until count referrals are acknowledged (count 0: until ctx ends).
func (h *Hammer) Run(ctx context.Context, count int) error {
	var wg sync.WaitGroup
	errs := make(chan error, h.cfg.Clients)
	var next atomic.Int64
	for client := range h.cfg.Clients {
		wg.Go(func() {
			// A generator for each client: how the clients take turns must not decide what
			// they send.
			rng := rand.New(rand.NewPCG(h.cfg.Seed, uint64(client)))
			for ctx.Err() == nil && (count == 0 || next.Add(1) <= int64(count)) {
				id, _ := uuid.NewRandomFromReader(randReader{rng}) // a generator never fails
				if err := h.send(ctx, simulator.NewSample(rng, h.cfg.ODS, id.String())); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

// RunFor runs until the count or the time is over, and reports to show how far it is.
func (h *Hammer) RunFor(ctx context.Context, count int, duration time.Duration, show func(done, of int)) error {
	if count == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, duration)
		defer cancel()
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				show(h.Sent(), count)
			}
		}
	})
	err := h.Run(ctx, count)
	// show draws for this call alone: it is over before the caller draws something else.
	close(done)
	wg.Wait()
	return err
}

type randReader struct{ *rand.Rand }

func (r randReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return len(p), nil
}

// send posts one referral and repeats the identical request while its outcome is
// unknown. Any final answer but 200 and 201 is an error.
func (h *Hammer) send(ctx context.Context, r simulator.Sample) error {
	// One id for all attempts: the adapter may know a repeat by it.
	requestID := uuid.NewString()
	giveUp := time.Now().Add(giveUpAfter)
	// Each attempt has its own time: how long an adapter was gone is no latency of one that
	// is there.
	for start := time.Now(); ; start = time.Now() {
		status, location, err := h.post(ctx, r, requestID)
		switch {
		// 200 as well: the answer to an earlier attempt was lost on the way, and the
		// referral is there.
		case err == nil && (status == http.StatusCreated || status == http.StatusOK):
			h.sent.Add(1)
			h.ledger.add(acknowledgement{r, location, time.Since(start)})
			return nil
		// The end of the run cut the request off. Nobody has an answer that the referral is
		// there, so it is in no ledger and may be there or not.
		case ctx.Err() != nil:
			return nil
		// These alone are final. After a broken connection or a 5xx the referral may be
		// there, and a client that made a new one of it would double it.
		case err == nil && status < 500 && status != http.StatusTooManyRequests && status != http.StatusTooEarly:
			return fmt.Errorf("referral %s was refused with status %d", r.Identifier, status)
		case time.Now().After(giveUp):
			return fmt.Errorf("referral %s had no answer for %s", r.Identifier, giveUpAfter)
		}
		h.repeated.Add(1)
		if !world.Pause(ctx, 20*time.Millisecond) {
			return nil
		}
	}
}

// post sends the referral once.
func (h *Hammer) post(ctx context.Context, r simulator.Sample, requestID string) (status int, location string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.cfg.Base+"/ServiceRequest", bytes.NewReader(r.JSON))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+h.cfg.Token)
	req.Header.Set("Content-Type", "application/fhir+json")
	req.Header.Set("X-Request-Id", requestID)
	resp, err := h.http.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	// To the end, so that the connection can be used again. A body that breaks off is an
	// answer that did not arrive, whatever its status.
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Header.Get("Location"), err
}

func (a *acknowledged) add(ack acknowledgement) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, ack)
}

// Verify sends every acknowledged referral again: it must be known, under the id
// that was given. It returns how many are lost and how many are doubled.
func (h *Hammer) Verify(ctx context.Context, progress func(done, of int)) (lost, doubled int, err error) {
	for i, ack := range h.ledger.list {
		// With a new request id: the referral must be known by its own identifier, as by a
		// GP system that has forgotten what it sent.
		status, location, err := h.post(ctx, ack.referral, uuid.NewString())
		switch {
		case err != nil:
			return lost, doubled, err
		// Created now means that it was not there, though somebody has an answer that it was.
		case status == http.StatusCreated:
			lost++
		case status != http.StatusOK:
			return lost, doubled, fmt.Errorf("referral %s: status %d on repeat", ack.referral.Identifier, status)
		// Known under another id means that two were made of one, and each of two clients
		// has an answer of its own. The version may differ: the case has moved.
		case world.Resource(location) != world.Resource(ack.location):
			doubled++
		}
		progress(i+1, len(h.ledger.list))
	}
	return lost, doubled, nil
}
