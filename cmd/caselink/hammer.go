package main

import (
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

func runHammer(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := newFlags("hammer", hammerHelp, stderr)
	data := fs.String("data", world.DefaultFolder, "data folder of the caselink dev to hammer")
	client := fs.String("client", "gp-a", "the practice's client that sends")
	clients := fs.Int("clients", 8, "how many send at once")
	count := fs.Int("count", 0, "stop after this many acknowledged referrals; 0: after --duration")
	duration := fs.Duration("duration", 10*time.Second, "how long to send")
	fill := fs.Int("seed", 0, "fill the database with this many referrals and do not check them")
	asJSON := fs.Bool("json", false, "print the figures as JSON")
	if err := fs.Parse(args); err != nil {
		return err
	}
	w, err := world.Read(*data)
	if err != nil {
		return err
	}
	token, err := w.Token(ctx, *client)
	if err != nil {
		return err
	}
	h := load.NewHammer(w.FHIRBase, w.Clients[*client].ODS, token, *clients, rand.Uint64())
	if *fill > 0 {
		*count = *fill
	}
	show := newProgress(stderr)
	start := time.Now()
	err = h.RunFor(ctx, *count, *duration, show.step)
	show.end()
	if err != nil {
		return err
	}
	f := h.Figures(time.Since(start))
	if *fill > 0 {
		return printFigures(stdout, *asJSON, f, 0, 0)
	}
	lost, doubled, err := h.Verify(ctx, func(done, of int) { show.step("checking", done, of) })
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

func printFigures(w io.Writer, asJSON bool, f load.Figures, lost, doubled int) error {
	if asJSON {
		return json.NewEncoder(w).Encode(struct {
			load.Figures
			Lost    int `json:"lost"`
			Doubled int `json:"doubled"`
		}{f, lost, doubled})
	}
	_, err := fmt.Fprintf(w, "%d referrals from %d clients: %.0f/s, p50 %.1f ms, p99 %.1f ms, %d repeated; lost %d, doubled %d\n",
		f.Referrals, f.Clients, f.PerSecond, f.P50, f.P99, f.Unknown, lost, doubled)
	return err
}
