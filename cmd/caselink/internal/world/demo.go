package world

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path"
	"slices"

	"github.com/google/uuid"

	"caselink.example/connectors/simulator"
)

// demoSeed makes the demo referrals the same at each start, so that they are sent
// again and are still the same cases.
const demoSeed = 20260301

// demoReferrals are who sends how many.
var demoReferrals = []struct {
	client string
	count  int
}{{"gp-a", 4}, {"gp-b", 2}}

// demoPaths are the moves of the first cases of gp-a, by its link worker.
var demoPaths = [][]string{
	{"accepted", "contacting", "active"},
	{"accepted"},
}

// demoActor is who makes them.
var demoActor = map[string]string{
	"name": "Priya Shah", "role": "link worker", "organisation": "Riverside Social Prescribing",
}

// demoAnswers are those of the first case to ONS4 at its beginning.
var demoAnswers = map[string]int{"life-satisfaction": 4, "worthwhile": 5, "happy-yesterday": 3, "anxious-yesterday": 7}

// newExample is a referral of gp-a for a newcomer to send: a new one at each start.
func newExample() []byte {
	rng := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	return simulator.NewSample(rng, practices[0].ODS, uuid.NewString()).JSON
}

// Demo sends the demo referrals through the API and works two of them. What an
// earlier start has done already stays as it is.
func (d *Dev) Demo(ctx context.Context) {
	d.mu.Lock()
	w := d.world
	d.mu.Unlock()
	// The world runs without it: a fault of the demo is printed and ends nothing.
	if err := Demo(ctx, d.http, w); err != nil && ctx.Err() == nil {
		fmt.Fprintf(d.out, "The demo data is not complete: %v\n", err)
	}
}

// Demo sends the demo referrals and works two of them. A second call changes nothing.
func Demo(ctx context.Context, client *http.Client, w World) error {
	ids, err := sendDemoReferrals(ctx, client, w)
	if err != nil {
		return err
	}
	app, err := newCaller(ctx, client, w, "linkworker")
	if err != nil {
		return err
	}
	var page struct {
		Cases []demoCase `json:"cases"`
	}
	if err := app.get(ctx, w.CaseAPI+"/cases?limit=200", &page); err != nil {
		return err
	}
	for n, moves := range demoPaths {
		i := slices.IndexFunc(page.Cases, func(c demoCase) bool { return c.Referral.ID == ids[n] })
		if i < 0 {
			continue // older than the page: an earlier start has worked it
		}
		if err := app.work(ctx, w.CaseAPI+"/cases/"+page.Cases[i].ID, page.Cases[i], moves); err != nil {
			return err
		}
	}
	return nil
}

// sendDemoReferrals returns the ids of the ServiceRequests, those of gp-a first.
func sendDemoReferrals(ctx context.Context, client *http.Client, w World) (ids []string, err error) {
	for _, from := range demoReferrals {
		gp, err := newCaller(ctx, client, w, from.client)
		if err != nil {
			return nil, err
		}
		ods := w.Clients[from.client].ODS
		for n := range from.count {
			// The same seed and identifier at each start: to the adapter it is a repeat.
			rng := rand.New(rand.NewPCG(demoSeed, uint64(len(ids))))
			r := simulator.NewSample(rng, ods, fmt.Sprintf("demo-%s-%d", ods, n+1))
			resp, err := gp.send(ctx, call{
				method: http.MethodPost, url: w.FHIRBase + "/ServiceRequest", mediaType: "application/fhir+json", body: r.JSON,
			})
			if err != nil {
				return nil, err
			}
			ids = append(ids, idIn(resp.Header.Get("Location")))
		}
	}
	return ids, nil
}

// idIn is the id in a Location such as .../ServiceRequest/{id}/_history/1.
// https://hl7.org/fhir/R4/http.html#create
func idIn(location string) string { return path.Base(Resource(location)) }

// demoCase is what the demo reads of a case.
type demoCase struct {
	ID       string `json:"id"`
	Version  int    `json:"version"`
	Status   string `json:"status"`
	Referral struct {
		ID string `json:"id"`
	} `json:"referral"`
	Outcomes []json.RawMessage `json:"outcomes"`
}

// work makes those of the moves that are still ahead, and records the answers once
// the person is engaged.
func (c caller) work(ctx context.Context, url string, at demoCase, moves []string) error {
	done := slices.Index(moves, at.Status) + 1
	if done == 0 && at.Status != "received" {
		return nil // somebody has taken it elsewhere
	}
	// Each move has the version of the one before: a link worker who moves the case by hand
	// meanwhile wins, and the demo stops here.
	for _, to := range moves[done:] {
		etag := fmt.Sprintf(`W/"%d"`, at.Version)
		if err := c.post(ctx, url+"/transitions", etag, map[string]any{"to": to, "actor": demoActor}, &at); err != nil {
			return err
		}
	}
	if at.Status != "active" || len(at.Outcomes) > 0 {
		return nil
	}
	answers := map[string]any{"instrument": "ons4", "point": "baseline", "answers": demoAnswers, "actor": demoActor}
	return c.post(ctx, url+"/outcomes", "", answers, nil)
}
