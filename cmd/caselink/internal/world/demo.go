package world

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
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
var demoActor = map[string]string{"name": "Priya Shah", "role": "link worker", "organisation": "Riverside Social Prescribing"}

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
	if err := Demo(ctx, w); err != nil && ctx.Err() == nil {
		fmt.Fprintf(d.out, "The demo data is not complete: %v\n", err)
	}
}

// Demo sends the demo referrals and works two of them.
func Demo(ctx context.Context, w World) error {
	ids, err := sendDemoReferrals(ctx, w)
	if err != nil {
		return err
	}
	app, err := newDemoCaller(ctx, w, "linkworker")
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
			continue // older than a page: an earlier start has worked it
		}
		if err := app.work(ctx, w.CaseAPI+"/cases/"+page.Cases[i].ID, page.Cases[i], moves); err != nil {
			return err
		}
	}
	return nil
}

// sendDemoReferrals returns the ids of the ServiceRequests, those of gp-a first.
func sendDemoReferrals(ctx context.Context, w World) (ids []string, err error) {
	for _, from := range demoReferrals {
		gp, err := newDemoCaller(ctx, w, from.client)
		if err != nil {
			return nil, err
		}
		ods := w.Clients[from.client].ODS
		for n := range from.count {
			rng := rand.New(rand.NewPCG(demoSeed, uint64(len(ids))))
			r := simulator.NewSample(rng, ods, fmt.Sprintf("demo-%s-%d", ods, n+1))
			resp, err := gp.send(ctx, http.MethodPost, w.FHIRBase+"/ServiceRequest", "application/fhir+json", "", r.JSON)
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

// demoCaller sends requests as one client.
type demoCaller struct{ token string }

func newDemoCaller(ctx context.Context, w World, client string) (demoCaller, error) {
	token, err := w.Token(ctx, client)
	return demoCaller{token}, err
}

// work makes those of the moves that are still ahead, and records the answers once
// the person is engaged.
func (c demoCaller) work(ctx context.Context, url string, at demoCase, moves []string) error {
	done := slices.Index(moves, at.Status) + 1
	if done == 0 && at.Status != "received" {
		return nil // somebody has taken it elsewhere
	}
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

func (c demoCaller) get(ctx context.Context, url string, into any) error {
	resp, err := c.send(ctx, http.MethodGet, url, "", "", nil)
	if err != nil {
		return err
	}
	return json.Unmarshal(resp.body, into)
}

// post sends JSON and reads the answer into what is not nil.
func (c demoCaller) post(ctx context.Context, url, ifMatch string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	resp, err := c.send(ctx, http.MethodPost, url, "application/json", ifMatch, text)
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal(resp.body, into)
}

type demoAnswer struct {
	http.Header
	body []byte
}

// send returns the answer, which is an error unless it is 2xx.
func (c demoCaller) send(ctx context.Context, method, url, mediaType, ifMatch string, body []byte) (demoAnswer, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return demoAnswer{}, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	for name, value := range map[string]string{"Content-Type": mediaType, "If-Match": ifMatch} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	resp, err := HTTP.Do(req)
	if err != nil {
		return demoAnswer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s", method, req.URL.Path, resp.Status)
	}
	return demoAnswer{resp.Header, text}, err
}
