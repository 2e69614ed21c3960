// Package load drives a running Caselink as many GP systems would, and measures it.
package load

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"caselink.example/cmd/caselink/internal/world"
	"caselink.example/connectors/simulator"
)

// A hammer sends fictional referrals from many clients at once and keeps a ledger of
// its own of what it was told, so that anything lost or doubled shows.
type hammer struct {
	base    string // of the FHIR API
	ods     string // the practice that sends
	token   string
	clients int
	seed    uint64
	http    *http.Client
	patient time.Duration // how long one referral is repeated while the answer is unknown
	Ledger  acknowledged
	Sent    atomic.Int64
	Unknown atomic.Int64 // attempts whose outcome was not known
}

// acknowledged is what the clients were told: the referral and the id it got.
type acknowledged struct {
	mu   sync.Mutex
	List []acknowledgement
}

type acknowledgement struct {
	referral simulator.Sample
	location string
	took     time.Duration
}

// NewHammer sends as the practice ods, from so many clients at once.
func NewHammer(base, ods, token string, clients int, seed uint64) *hammer {
	return &hammer{
		base: base, ods: ods, token: token, clients: clients, seed: seed, patient: time.Minute,
		http: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: clients, MaxConnsPerHost: clients}},
	}
}

// Run sends until count referrals are acknowledged (count 0: until ctx ends).
func (h *hammer) Run(ctx context.Context, count int) error {
	var wg sync.WaitGroup
	errs := make(chan error, h.clients)
	var next atomic.Int64
	for client := range h.clients {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(h.seed, uint64(client)))
			for ctx.Err() == nil && (count == 0 || next.Add(1) <= int64(count)) {
				id, _ := uuid.NewRandomFromReader(randReader{rng}) // a generator never fails
				if err := h.send(ctx, simulator.NewSample(rng, h.ods, id.String())); err != nil {
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

type randReader struct{ *rand.Rand }

func (r randReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return len(p), nil
}

// send posts one referral and repeats the identical request while its outcome is
// unknown. Any final answer but 200 and 201 is an error.
func (h *hammer) send(ctx context.Context, r simulator.Sample) error {
	requestID := uuid.NewString()
	giveUp := time.Now().Add(h.patient)
	for start := time.Now(); ; start = time.Now() {
		status, location, err := h.post(ctx, r, requestID)
		switch {
		case err == nil && (status == http.StatusCreated || status == http.StatusOK):
			h.Sent.Add(1)
			h.Ledger.add(acknowledgement{r, location, time.Since(start)})
			return nil
		case ctx.Err() != nil:
			return nil
		case err == nil && status < 500 && status != http.StatusTooManyRequests && status != http.StatusTooEarly:
			return fmt.Errorf("referral %s was refused with status %d", r.Identifier, status)
		case time.Now().After(giveUp):
			return fmt.Errorf("referral %s had no answer for %s", r.Identifier, h.patient)
		}
		h.Unknown.Add(1)
		if !world.Pause(ctx, 20*time.Millisecond) {
			return nil
		}
	}
}

func (h *hammer) post(ctx context.Context, r simulator.Sample, requestID string) (status int, location string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.base+"/ServiceRequest", bytes.NewReader(r.JSON))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+h.token)
	req.Header.Set("Content-Type", "application/fhir+json")
	req.Header.Set("X-Request-Id", requestID)
	resp, err := h.http.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Header.Get("Location"), err
}

func (a *acknowledged) add(ack acknowledgement) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.List = append(a.List, ack)
}

// Verify sends every acknowledged referral again: it must be known, under the id
// that was given. It returns how many are lost and how many are doubled.
func (h *hammer) Verify(ctx context.Context, progress func(done, of int)) (lost, doubled int, err error) {
	for i, ack := range h.Ledger.List {
		status, location, err := h.post(ctx, ack.referral, uuid.NewString())
		switch {
		case err != nil:
			return lost, doubled, err
		case status == http.StatusCreated:
			lost++
		case status != http.StatusOK:
			return lost, doubled, fmt.Errorf("referral %s: status %d on repeat", ack.referral.Identifier, status)
		case world.Resource(location) != world.Resource(ack.location):
			doubled++
		}
		progress(i+1, len(h.Ledger.List))
	}
	return lost, doubled, nil
}

// Figures are what a run measured.
type Figures struct {
	Clients   int     `json:"clients"`
	Referrals int     `json:"referrals"`
	PerSecond float64 `json:"perSecond"`
	P50       float64 `json:"p50ms"`
	P99       float64 `json:"p99ms"`
	Max       float64 `json:"maxMs"`
	Unknown   int64   `json:"unknown"`
}

func (h *hammer) Figures(took time.Duration) Figures {
	times := make([]time.Duration, len(h.Ledger.List))
	for i, ack := range h.Ledger.List {
		times[i] = ack.took
	}
	slices.SortFunc(times, cmp.Compare)
	f := Figures{Clients: h.clients, Referrals: len(times), PerSecond: float64(len(times)) / took.Seconds(), Unknown: h.Unknown.Load()}
	if len(times) > 0 {
		f.P50, f.P99, f.Max = milliseconds(times[len(times)/2]), milliseconds(times[len(times)*99/100]), milliseconds(times[len(times)-1])
	}
	return f
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// RunFor runs until the count or the time is over, and tells show how far it is.
func (h *hammer) RunFor(ctx context.Context, count int, duration time.Duration, show func(what string, done, of int)) error {
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
				show("sending", int(h.Sent.Load()), count)
			}
		}
	})
	err := h.Run(ctx, count)
	close(done)
	wg.Wait()
	return err
}
