// Package edgetest gives tests of the HTTP edges a world of their own: a PostgreSQL
// database, an issuer that signs tokens, and a server on the loopback.
// docs/words.md defines edge, practice and service.
package edgetest

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"caselink.example/connectors/api/auth"
	"caselink.example/connectors/api/edge"
	"caselink.example/connectors/simulator"
	"caselink.example/connectors/store"
	"caselink.example/connectors/store/storetest"
	"caselink.example/mapping/workflow"
)

const audience = "caselink"

// World is the server of one test, seen from outside.
type World struct {
	testing.TB
	Target storetest.Target // the zero value in a world without a database
	DB     *store.DB
	Flow   *workflow.Flow
	Edge   *edge.Edge
	Engine *gin.Engine
	URL    string
	Logged *Log
	Read   *atomic.Int64 // bytes that the server has read from its clients
	issuer *simulator.Issuer
	tokens sync.Map // of clients that asked before
}

// Log is what the server logged.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// New starts a world; mount puts the API that is tested on its engine.
func New(tb testing.TB, mount func(*World)) *World {
	tb.Helper()
	target := storetest.Open(tb)
	return start(tb, target, target.URL, mount)
}

// WithoutDatabase is New where nothing answers at the database's address.
func WithoutDatabase(tb testing.TB, mount func(*World)) *World {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	address := ln.Addr().String()
	if err := ln.Close(); err != nil {
		tb.Fatal(err)
	}
	return start(tb, storetest.Target{}, "postgres://caselink@"+address+"/none", mount)
}

func start(tb testing.TB, target storetest.Target, databaseURL string, mount func(*World)) *World {
	tb.Helper()
	db, err := store.Open(tb.Context(), store.Config{URL: databaseURL})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(db.Close)
	w := &World{TB: tb, Target: target, DB: db, Logged: &Log{}, Read: &atomic.Int64{}}
	w.startIssuer()
	verifier := auth.New(auth.Config{Issuers: []auth.Issuer{{
		URL: strings.TrimSuffix(w.issuer.TokenURL(), "/oauth2/token"), Audience: audience,
	}}})
	w.Edge = edge.New(verifier, slog.New(slog.NewJSONHandler(w.Logged, nil)), prometheus.NewRegistry())
	w.Engine = w.Edge.Engine()
	server := httptest.NewUnstartedServer(w.Engine)
	server.Listener = &counting{server.Listener, w.Read}
	w.URL = "http://" + server.Listener.Addr().String()
	w.Flow = &workflow.Flow{
		Meaning: workflow.DefaultMeaning(), Store: db, Directory: Directory{},
		Base: w.URL + "/FHIR/R4", Now: time.Now, NewID: uuid.NewString, Wake: func() {},
	}
	mount(w)
	server.Start()
	tb.Cleanup(server.Close)
	return w
}

func (w *World) startIssuer() {
	// The issuer has to know its own URL, which the server has only once it listens.
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { handler.ServeHTTP(rw, r) }))
	w.Cleanup(server.Close)
	issuer, err := simulator.NewIssuer(simulator.IssuerConfig{URL: server.URL, Audience: audience, Clients: clients})
	if err != nil {
		w.Fatal(err)
	}
	w.issuer, handler = issuer, issuer
}

// Token is an access token of the client; see clients.
func (w *World) Token(client string) string {
	w.Helper()
	if token, ok := w.tokens.Load(client); ok {
		return token.(string)
	}
	resp, err := http.PostForm(w.issuer.TokenURL(), url.Values{
		"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {secret},
	})
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	var granted struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&granted); err != nil || granted.Token == "" {
		w.Fatalf("no token for %s: status %d, %v", client, resp.StatusCode, err)
	}
	w.tokens.Store(client, granted.Token)
	return granted.Token
}

// Do sends one request with a token of the client, "" for none. Headers are names and
// values in turn; without a Content-Type of its own a body is FHIR in JSON for the FHIR
// API and JSON elsewhere.
func (w *World) Do(client, method, path, body string, headers ...string) Answer {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), method, w.URL+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	switch {
	case body == "":
	case strings.HasPrefix(path, "/FHIR/"):
		req.Header.Set("Content-Type", "application/fhir+json")
	default:
		req.Header.Set("Content-Type", "application/json")
	}
	if client != "" {
		req.Header.Set("Authorization", "Bearer "+w.Token(client))
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return w.Send(req)
}

// Send sends a request as it is.
func (w *World) Send(req *http.Request) Answer {
	w.Helper()
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		w.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	return Answer{w, resp.StatusCode, resp.Header, body}
}

// Refer sends a new referral of the client's practice. It returns the referral and the
// id of its ServiceRequest.
func (w *World) Refer(client string) (simulator.Sample, string) {
	w.Helper()
	r := NewReferral(ODS(client))
	id, _ := w.Do(client, "POST", "/FHIR/R4/ServiceRequest", string(r.JSON)).Wants(http.StatusCreated).At("id").(string)
	return r, id
}

// NewReferral is a fictional referral of the practice that nobody sent before.
func NewReferral(ods string) simulator.Sample {
	return simulator.NewSample(rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), ods, uuid.NewString())
}

// Answer is what came back.
type Answer struct {
	tb     testing.TB
	Status int
	Header http.Header
	Body   []byte
}

// Wants ends the test when the status is another.
func (a Answer) Wants(status int) Answer {
	a.tb.Helper()
	if a.Status != status {
		a.tb.Fatalf("status %d, want %d\n%s", a.Status, status, a.Body)
	}
	return a
}

// At reads a value of the answer's JSON by its path, such as "cases", 0, "id"; nil for none.
func (a Answer) At(path ...any) any { return At(a.Body, path...) }

// At reads a value of a JSON text by its path; nil for none.
func At(text []byte, path ...any) any {
	var v any
	if json.Unmarshal(text, &v) != nil {
		return nil
	}
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

// Issues are the issues of an OperationOutcome, each as "code at expression".
func (a Answer) Issues() []string {
	a.tb.Helper()
	if a.At("resourceType") != "OperationOutcome" {
		a.tb.Errorf("the answer is no OperationOutcome:\n%s", a.Body)
	}
	issues, _ := a.At("issue").([]any)
	var out []string
	for i := range issues {
		text, _ := a.At("issue", i, "code").(string)
		if at, ok := a.At("issue", i, "expression", 0).(string); ok {
			text += " at " + at
		}
		out = append(out, text)
	}
	return out
}

// Says reports whether any issue's diagnostics hold the text.
func (a Answer) Says(text string) bool {
	issues, _ := a.At("issue").([]any)
	for i := range issues {
		if d, _ := a.At("issue", i, "diagnostics").(string); strings.Contains(d, text) {
			return true
		}
	}
	return false
}

// counting is a listener that counts what its connections read.
type counting struct {
	net.Listener
	read *atomic.Int64
}

func (l *counting) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return &countedConn{conn, l.read}, err
}

type countedConn struct {
	net.Conn
	read *atomic.Int64
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}
