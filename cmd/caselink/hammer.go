package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"caselink.example/cmd/caselink/internal/load"
	"caselink.example/cmd/caselink/internal/world"
)

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

// hammerFlags are the command line of caselink hammer.
type hammerFlags struct {
	data, client         string
	clients, count, fill int
	duration             time.Duration
	json                 bool
}

func runHammer(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var h hammerFlags
	f := newFlags("hammer", hammerHelp, stderr)
	f.StringVar(&h.data, "data", world.DefaultFolder, "data folder of the caselink dev to hammer")
	f.StringVar(&h.client, "client", "gp-a", "the practice's client that sends")
	f.IntVar(&h.clients, "clients", 8, "how many send at once")
	f.IntVar(&h.count, "count", 0, "stop after this many acknowledged referrals; 0: after --duration")
	f.DurationVar(&h.duration, "duration", 10*time.Second, "how long to send")
	f.IntVar(&h.fill, "seed", 0, "fill the database with this many referrals and do not check them")
	f.BoolVar(&h.json, "json", false, "print the figures as JSON")
	if _, err := f.parseArgs(args); err != nil {
		return err
	}
	found, err := h.run(ctx, newProgress(stderr))
	if err != nil {
		return couldNotRun{err}
	}
	if err := found.print(stdout, h.json); err != nil {
		return couldNotRun{err}
	}
	if found.Lost+found.Doubled > 0 {
		return exitFault
	}
	return nil
}

// hammered is what caselink hammer prints.
type hammered struct {
	load.Figures
	Lost    int `json:"lost"`
	Doubled int `json:"doubled"`
}

func (h hammerFlags) run(ctx context.Context, show *progress) (found hammered, err error) {
	w, err := world.Read(h.data)
	if err != nil {
		return found, err
	}
	token, err := w.Token(ctx, world.NewHTTP(), h.client)
	if err != nil {
		return found, err
	}
	defer show.end()
	hammer := load.NewHammer(load.HammerConfig{
		Base: w.FHIRBase, ODS: w.Clients[h.client].ODS, Token: token, Clients: h.clients, Seed: rand.Uint64(),
	})
	start := time.Now()
	sending := func(done, of int) { show.step("sending", done, of) }
	if err := hammer.RunFor(ctx, cmp.Or(h.fill, h.count), h.duration, sending); err != nil {
		return found, err
	}
	found.Figures = hammer.Figures(time.Since(start))
	if h.fill > 0 {
		return found, nil
	}
	found.Lost, found.Doubled, err = hammer.Verify(ctx, func(done, of int) { show.step("checking", done, of) })
	return found, err
}

func (h hammered) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(h)
	}
	_, err := fmt.Fprintf(w, "%d referrals from %d clients: %.0f/s, p50 %.1f ms, p99 %.1f ms, %d repeated; lost %d, doubled %d\n",
		h.Referrals, h.Clients, h.PerSecond, h.P50, h.P99, h.Unknown, h.Lost, h.Doubled)
	return err
}
