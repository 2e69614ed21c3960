package gpfhir_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"caselink.example/connectors/delivery"
	"caselink.example/connectors/gpfhir"
	"caselink.example/connectors/httpclient"
	"caselink.example/fhir"
	"caselink.example/mapping/cases"
)

const (
	referral = "3f0f6a52-6c1c-4d56-9d2c-6a0b8a4d3f11"
	taskID   = "b1d7c1f2-2f0a-4d8e-8a38-0a8a8d1d7a01"
	scoreID  = "c2e8d203-3a1b-4e9f-9b49-1b9b9e2e8b02"
)

// task is what event seq of the referral owes.
func task(seq int) delivery.Item {
	event := cases.EventID(referral, seq)
	return delivery.Item{
		Lane: delivery.Lane{Holder: "A99001", Referral: referral, Destination: "gp-a"},
		N:    int64(seq), Attempt: 1, Seq: seq, Version: seq, EventID: event,
		RequestID: fmt.Sprintf("5f1f7c1a-0000-4000-8000-%012d", seq), CorrelationID: "9a9d2c5e-0000-4000-8000-000000000001",
		ResourceType: "Task", ResourceID: taskID, Body: taskBody(event),
	}
}

func taskBody(event string) []byte {
	return fmt.Appendf(nil, `{"resourceType":"Task","id":%q,"status":"accepted","intent":"order",`+
		`"identifier":[{"system":%q,"value":"case-1"},{"system":%q,"value":%q}]}`,
		taskID, fhir.SystemCase, fhir.SystemEvent, event)
}

// score is the version of an Observation that was issued in the given minute.
func score(seq int, status string, value, minute int) delivery.Item {
	item := task(seq)
	item.ResourceType, item.ResourceID = "Observation", scoreID
	item.Body = fmt.Appendf(nil, `{"resourceType":"Observation","id":%q,"identifier":[{"system":%q,"value":"o1/worthwhile"}],`+
		`"status":%q,"issued":"2026-11-22T12:%02d:00.123Z","valueInteger":%d}`,
		scoreID, fhir.SystemOutcome, status, minute, value)
	return item
}

// gp is a small GP system that keeps versions and honours conditions, and that a
// test may let misbehave.
type gp struct {
	*httptest.Server
	answer http.HandlerFunc // instead of the right answer to a write; nil for none
	reads  http.HandlerFunc // instead of the right answer to a read; nil for none
	quiet  bool             // answers writes without a body
	bare   bool             // gives no ETag

	mu      sync.Mutex
	held    map[string][][]byte // versions by type and id
	created int
	seen    []*http.Request
	bodies  []string
}

func newGP(t *testing.T) *gp {
	t.Helper()
	g := &gp{held: map[string][][]byte{}}
	g.Server = httptest.NewServer(g)
	t.Cleanup(g.Close)
	return g
}

func (g *gp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	g.mu.Lock()
	g.seen, g.bodies = append(g.seen, r), append(g.bodies, string(body))
	g.mu.Unlock()
	misbehave := g.answer
	if r.Method == http.MethodGet {
		misbehave = g.reads
	}
	if misbehave != nil {
		misbehave(w, r)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	key := strings.TrimPrefix(r.URL.Path, "/R4/")
	switch r.Method {
	case http.MethodPut:
		g.put(w, r, key, body)
	case http.MethodPost:
		g.post(w, r, key, body)
	case http.MethodGet:
		g.get(w, r, key)
	}
}

func (g *gp) put(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	n := len(g.held[key])
	unless, match := r.Header.Get("If-None-Match"), r.Header.Get("If-Match")
	if unless == "*" && n > 0 || match != "" && match != fmt.Sprintf(`W/"%d"`, n) {
		w.WriteHeader(http.StatusPreconditionFailed)
		return
	}
	g.held[key] = append(g.held[key], body)
	g.show(w, key, map[bool]int{true: 201, false: 200}[n == 0], !g.quiet)
}

func (g *gp) post(w http.ResponseWriter, r *http.Request, kind string, body []byte) {
	for key, versions := range g.held {
		if strings.HasPrefix(key, kind+"/") && has(versions[0], strings.TrimPrefix(r.Header.Get("If-None-Exist"), "identifier=")) {
			g.show(w, key, 200, !g.quiet)
			return
		}
	}
	g.created++
	key := fmt.Sprintf("%s/%d", kind, g.created)
	g.held[key] = [][]byte{[]byte(strings.NewReplacer(taskID, fmt.Sprint(g.created), scoreID, fmt.Sprint(g.created)).Replace(string(body)))}
	g.show(w, key, 201, !g.quiet)
}

func (g *gp) get(w http.ResponseWriter, r *http.Request, key string) {
	token := r.URL.Query().Get("identifier")
	switch {
	case token != "":
		var entries []string
		for k, versions := range g.held {
			if strings.HasPrefix(k, key+"/") && has(versions[0], token) {
				entries = append(entries, fmt.Sprintf(`{"resource":%s}`, versions[0]))
			}
		}
		fmt.Fprintf(w, `{"resourceType":"Bundle","type":"searchset","entry":[%s]}`, strings.Join(entries, ","))
	case len(g.held[key]) == 0:
		w.WriteHeader(http.StatusNotFound)
	default:
		g.show(w, key, 200, true)
	}
}

func (g *gp) show(w http.ResponseWriter, key string, status int, whole bool) {
	if versions := g.held[key]; !g.bare {
		w.Header().Set("ETag", fmt.Sprintf(`W/"%d"`, len(versions)))
	}
	w.WriteHeader(status)
	if whole {
		w.Write(g.held[key][len(g.held[key])-1])
	}
}

func has(body []byte, token string) bool {
	var r struct {
		Identifier []fhir.Identifier `json:"identifier"`
	}
	if json.Unmarshal(body, &r) != nil {
		return false
	}
	for _, id := range r.Identifier {
		if id.System+"|"+id.Value == token {
			return true
		}
	}
	return false
}

// hold gives the GP system a version of the item's resource.
func (g *gp) hold(items ...delivery.Item) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, item := range items {
		key := item.ResourceType + "/" + item.ResourceID
		g.held[key] = append(g.held[key], item.Body)
	}
}

// versions are what the GP system holds of the item's resource.
func (g *gp) versions(item delivery.Item) (all []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, v := range g.held[item.ResourceType+"/"+item.ResourceID] {
		all = append(all, string(v))
	}
	return all
}

// calls are the methods that the GP system was called with.
func (g *gp) calls() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []string
	for _, r := range g.seen {
		all = append(all, r.Method)
	}
	return strings.Join(all, " ")
}

func (g *gp) receiver(t *testing.T, cfg gpfhir.Config) *gpfhir.Receiver {
	t.Helper()
	return newReceiver(t, g.URL, cfg, time.Minute)
}

func newReceiver(t *testing.T, url string, cfg gpfhir.Config, timeout time.Duration) *gpfhir.Receiver {
	t.Helper()
	cfg.Base = url + "/R4/"
	r, err := gpfhir.New(cfg, httpclient.New(httpclient.Config{AttemptTimeout: timeout}))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// verdict is what delivery makes of an attempt: see delivery.Receiver.
func verdict(answer delivery.Answer, err error) delivery.Verdict {
	switch status := fhir.Status(err); {
	case err == nil && answer.Superseded:
		return delivery.Superseded
	case err == nil:
		return delivery.Acknowledged
	case status >= 400 && status < 500 && status != 425 && status != 429:
		return delivery.Parked
	}
	return delivery.Retry
}
