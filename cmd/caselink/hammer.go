package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"caselink.example/connectors/simulator"
	"caselink.example/fhir/store"
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
	ledger  acknowledged
	sent    atomic.Int64
	unknown atomic.Int64 // attempts whose outcome was not known
}

// acknowledged is what the clients were told: the referral and the id it got.
type acknowledged struct {
	mu   sync.Mutex
	list []acknowledgement
}

type acknowledgement struct {
	referral simulator.Referral
	location string
	took     time.Duration
}

func newHammer(base, ods, token string, clients int, seed uint64) *hammer {
	return &hammer{
		base: base, ods: ods, token: token, clients: clients, seed: seed, patient: time.Minute,
		http: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: clients, MaxConnsPerHost: clients}},
	}
}

// run sends until count referrals are acknowledged (count 0: until ctx ends).
func (h *hammer) run(ctx context.Context, count int) error {
	var wg sync.WaitGroup
	errs := make(chan error, h.clients)
	var next atomic.Int64
	for client := range h.clients {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(h.seed, uint64(client)))
			for ctx.Err() == nil && (count == 0 || next.Add(1) <= int64(count)) {
				id, _ := uuid.NewRandomFromReader(randReader{rng}) // a generator never fails
				if err := h.send(ctx, simulator.NewReferral(rng, h.ods, id.String())); err != nil {
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
func (h *hammer) send(ctx context.Context, r simulator.Referral) error {
	requestID := uuid.NewString()
	giveUp := time.Now().Add(h.patient)
	for start := time.Now(); ; start = time.Now() {
		status, location, err := h.post(ctx, r, requestID)
		switch {
		case err == nil && (status == http.StatusCreated || status == http.StatusOK):
			h.sent.Add(1)
			h.ledger.add(acknowledgement{r, location, time.Since(start)})
			return nil
		case ctx.Err() != nil:
			return nil
		case err == nil && status < 500 && status != http.StatusTooManyRequests && status != http.StatusTooEarly:
			return fmt.Errorf("referral %s was refused with status %d", r.Identifier, status)
		case time.Now().After(giveUp):
			return fmt.Errorf("referral %s had no answer for %s", r.Identifier, h.patient)
		}
		h.unknown.Add(1)
		if !store.Pause(ctx, 20*time.Millisecond) {
			return nil
		}
	}
}

func (h *hammer) post(ctx context.Context, r simulator.Referral, requestID string) (status int, location string, err error) {
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
	a.list = append(a.list, ack)
}

// verify sends every acknowledged referral again: it must be known, under the id
// that was given. It returns how many are lost and how many are doubled.
func (h *hammer) verify(ctx context.Context, progress func(done, of int)) (lost, doubled int, err error) {
	for i, ack := range h.ledger.list {
		status, location, err := h.post(ctx, ack.referral, uuid.NewString())
		switch {
		case err != nil:
			return lost, doubled, err
		case status == http.StatusCreated:
			lost++
		case status != http.StatusOK:
			return lost, doubled, fmt.Errorf("referral %s: status %d on repeat", ack.referral.Identifier, status)
		case resource(location) != resource(ack.location):
			doubled++
		}
		progress(i+1, len(h.ledger.list))
	}
	return lost, doubled, nil
}

// resource is a location without its version.
func resource(location string) string {
	r, _, _ := strings.Cut(location, "/_history/")
	return r
}

// figures are what a run measured.
type figures struct {
	Clients   int     `json:"clients"`
	Referrals int     `json:"referrals"`
	PerSecond float64 `json:"perSecond"`
	P50       float64 `json:"p50ms"`
	P99       float64 `json:"p99ms"`
	Max       float64 `json:"maxMs"`
	Unknown   int64   `json:"unknown"`
}

func (h *hammer) figures(took time.Duration) figures {
	times := make([]time.Duration, len(h.ledger.list))
	for i, ack := range h.ledger.list {
		times[i] = ack.took
	}
	slices.SortFunc(times, cmp.Compare)
	f := figures{Clients: h.clients, Referrals: len(times), PerSecond: float64(len(times)) / took.Seconds(), Unknown: h.unknown.Load()}
	if len(times) > 0 {
		f.P50, f.P99, f.Max = milliseconds(times[len(times)/2]), milliseconds(times[len(times)*99/100]), milliseconds(times[len(times)-1])
	}
	return f
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

const hammerHelp = `caselink hammer: send many fictional referrals and check that none is lost or doubled

Keeps a ledger of its own of every acknowledged referral. While an answer is
unknown (a broken connection, a 5xx) it repeats the identical request, as a GP
system should. At the end it sends each acknowledged referral again: a 201 means
that it was lost, another id that it was doubled.

  caselink hammer                      10 seconds from 8 clients, against var/dev
  caselink hammer --count 1000         until 1,000 are acknowledged
  caselink hammer --seed 100000        fill the database with 100,000 referrals

Exit code 0: nothing lost or doubled; 1: something was; 2: it could not run.
`

func runHammer(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := newFlags("hammer", hammerHelp, stderr)
	data := fs.String("data", defaultData, "data folder of the caselink dev to hammer")
	client := fs.String("client", "gp-a", "the practice's client that sends")
	clients := fs.Int("clients", 8, "how many send at once")
	count := fs.Int("count", 0, "stop after this many acknowledged referrals; 0: after --duration")
	duration := fs.Duration("duration", 10*time.Second, "how long to send")
	fill := fs.Int("seed", 0, "fill the database with this many referrals and do not check them")
	asJSON := fs.Bool("json", false, "print the figures as JSON")
	if err := fs.Parse(args); err != nil {
		return err
	}
	world, err := readDevWorld(*data)
	if err != nil {
		return err
	}
	token, err := world.token(ctx, *client)
	if err != nil {
		return err
	}
	h := newHammer(world.FHIRBase, world.Clients[*client].ODS, token, *clients, rand.Uint64())
	if *fill > 0 {
		*count = *fill
	}
	show := newProgress(stderr)
	start := time.Now()
	if err := h.runFor(ctx, *count, *duration, show); err != nil {
		return err
	}
	f := h.figures(time.Since(start))
	if *fill > 0 {
		return printFigures(stdout, *asJSON, f, 0, 0)
	}
	lost, doubled, err := h.verify(ctx, func(done, of int) { show.step("checking", done, of) })
	show.end()
	if err != nil {
		return err
	}
	if err := printFigures(stdout, *asJSON, f, lost, doubled); err != nil {
		return err
	}
	if lost+doubled > 0 {
		return exitFault
	}
	return nil
}

// runFor runs until the count or the time is over, and shows how far it is.
func (h *hammer) runFor(ctx context.Context, count int, duration time.Duration, show *progress) error {
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
				show.step("sending", int(h.sent.Load()), count)
			}
		}
	})
	err := h.run(ctx, count)
	close(done)
	wg.Wait()
	show.end()
	return err
}

func printFigures(w io.Writer, asJSON bool, f figures, lost, doubled int) error {
	if asJSON {
		return json.NewEncoder(w).Encode(struct {
			figures
			Lost    int `json:"lost"`
			Doubled int `json:"doubled"`
		}{f, lost, doubled})
	}
	_, err := fmt.Fprintf(w, "%d referrals from %d clients: %.0f/s, p50 %.1f ms, p99 %.1f ms, %d repeated; lost %d, doubled %d\n",
		f.Referrals, f.Clients, f.PerSecond, f.P50, f.P99, f.Unknown, lost, doubled)
	return err
}
