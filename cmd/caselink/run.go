package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"caselink.example/connectors/caseapi"
	"caselink.example/connectors/delivery"
	"caselink.example/connectors/gpfhir"
	"caselink.example/connectors/httpclient"
	"caselink.example/fhir"
	"caselink.example/fhir/auth"
	"caselink.example/fhir/edge"
	"caselink.example/fhir/nhs"
	"caselink.example/fhir/rest"
	"caselink.example/fhir/store"
	"caselink.example/fhir/store/feed"
	"caselink.example/fhir/store/ledger"
	"caselink.example/fhir/workflow"
)

// drain is how long requests in flight may take after the first SIGTERM.
const drain = 20 * time.Second

// gcPercent lets the heap grow further between collections than Go's default: it is
// small (some 30 MB) and a referral makes much garbage.
const gcPercent = 400

// runServe wires the adapter and serves on ln until ctx ends, then drains: no new
// connection, requests in flight finish, deliveries settle or let their lease run out.
func runServe(ctx context.Context, cfg Config, ln net.Listener, log *slog.Logger) error {
	if readEnvironment()["GOGC"] == "" {
		debug.SetGCPercent(gcPercent)
	}
	db, err := store.Open(ctx, store.Config{URL: cfg.Database.URL, MaxConnections: int32(cfg.Database.MaxConnections)})
	if err != nil {
		return err
	}
	defer db.Close()
	if err := whenSafe(ctx, db, log); err != nil {
		return err
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	owed := &ledger.Ledger{DB: db, Now: time.Now}
	courier, err := newCourier(cfg, owed, reg, log)
	if err != nil {
		return err
	}
	sealer := &feed.Sealer{DB: db, Log: log}
	server := newServer(newEngine(cfg, db, courier.Wake, reg, log))

	working, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	var g errgroup.Group
	g.Go(func() error { return sealer.Run(working) })
	g.Go(func() error { return owed.Run(working) })
	g.Go(func() error { return courier.Run(working) })
	g.Go(func() error {
		<-ctx.Done()
		defer stopWork()
		draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
		defer cancel()
		return server.Shutdown(draining)
	})
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return g.Wait()
}

// whenSafe waits for the database and refuses one that would break a promise.
func whenSafe(ctx context.Context, db *store.DB, log *slog.Logger) error {
	for {
		err := db.Check(ctx)
		if err == nil || !fhir.Is(err, fhir.IssueTransient) && !fhir.Is(err, fhir.IssueTimeout) {
			return err
		}
		log.Warn("waiting for the database", slog.String("error", err.Error()))
		if !store.Pause(ctx, 500*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// newEngine puts both APIs and the operator's routes on one engine.
func newEngine(cfg Config, db *store.DB, wake func(), reg *prometheus.Registry, log *slog.Logger) *gin.Engine {
	base := cfg.PublicURL + "/FHIR/R4"
	flow := &workflow.Flow{Store: db, Directory: newDirectory(cfg), Base: base, Now: time.Now, NewID: newID, Wake: wake}
	e := edge.New(auth.New(authConfig(cfg)), log, reg)
	engine := e.Engine()
	(&rest.API{Flow: flow, Versions: db, Edge: e, Base: base, Release: version(), Issuer: cfg.Issuers[0].URL, TokenURL: cfg.Issuers[0].TokenURL, Now: time.Now}).Mount(engine)
	(&caseapi.API{Flow: flow, Cases: db, Edge: e}).Mount(engine)
	edge.MountHealth(engine, db.Ready)
	engine.GET("/metrics", gin.WrapH(promhttp.HandlerFor(reg, promhttp.HandlerOpts{})))
	return engine
}

func newServer(engine *gin.Engine) *http.Server {
	return &http.Server{
		Handler:           engine,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // its lines can hold what a client sent
	}
}

// newID draws a UUIDv7: new rows then stand together in PostgreSQL's indexes.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

func authConfig(cfg Config) auth.Config {
	var out auth.Config
	for _, i := range cfg.Issuers {
		out.Issuers = append(out.Issuers, auth.Issuer{
			URL: i.URL, Audience: i.Audience, Algorithms: i.Algorithms,
			Claims: auth.ClaimNames{ODS: i.Claims.ODS, Services: i.Claims.Services, Scope: i.Claims.Scope},
		})
	}
	return out
}

// newCourier is the delivery worker with one receiver for each destination.
func newCourier(cfg Config, owed delivery.Ledger, reg prometheus.Registerer, log *slog.Logger) (*delivery.Worker, error) {
	to, err := receivers(cfg)
	if err != nil {
		return nil, err
	}
	w := delivery.New(owed, to, delivery.Config{AttemptTimeout: 10 * time.Second, Lease: 30 * time.Second})
	w.Log = log
	attempts := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "caselink_delivery_attempt_seconds", Help: "Time of one attempt, by destination and verdict.",
		Buckets: prometheus.ExponentialBuckets(0.001, 2, 16),
	}, []string{"destination", "verdict"})
	age := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "caselink_delivery_age_seconds", Help: "Time from the commit to the end of an attempt, by destination and verdict.",
		Buckets: prometheus.ExponentialBuckets(0.002, 3, 16),
	}, []string{"destination", "verdict"})
	reg.MustRegister(attempts, age)
	w.Observe = func(a delivery.Attempted) {
		attempts.WithLabelValues(a.Destination, string(a.Verdict)).Observe(a.Took.Seconds())
		age.WithLabelValues(a.Destination, string(a.Verdict)).Observe(a.Age.Seconds())
	}
	return w, nil
}

// receivers are the GP systems of the configuration, by destination. They may be
// reached at the addresses that it names and at no others.
func receivers(cfg Config) (map[string]delivery.Receiver, error) {
	var allowed []string
	destinations := map[string]DestinationConfig{}
	for _, p := range cfg.Practices {
		for _, d := range p.Destinations {
			if d.Kind != kindFHIR {
				continue
			}
			base, err := url.Parse(d.Base)
			if err != nil {
				return nil, err
			}
			allowed = append(allowed, httpclient.Address(base))
			destinations[d.ID] = d
		}
	}
	client := httpclient.New(httpclient.Config{Allow: allowed})
	out := map[string]delivery.Receiver{}
	for id, d := range destinations {
		r, err := gpfhir.New(gpfhir.Config{Base: d.Base, Mode: gpfhir.Mode(d.Mode), Token: staticToken(d.Token)}, client)
		if err != nil {
			return nil, fmt.Errorf("destination %s: %w", id, err)
		}
		out[id] = r
	}
	return out, nil
}

// staticToken is a destination's token that does not change; nil for none.
func staticToken(token string) func(context.Context, string) (string, error) {
	if token == "" {
		return nil
	}
	return func(context.Context, string) (string, error) { return token, nil }
}

// directory is the practices and services of the configuration.
type directory struct {
	practices map[string]workflow.Practice
	services  map[string]workflow.Service
	named     map[fhir.Identifier]string // service id by what performer may say
}

func newDirectory(cfg Config) directory {
	d := directory{practices: map[string]workflow.Practice{}, services: map[string]workflow.Service{}, named: map[fhir.Identifier]string{}}
	for _, p := range cfg.Practices {
		practice := workflow.Practice{ODS: p.ODS, Name: p.Name, DefaultService: p.DefaultService}
		for _, dest := range p.Destinations {
			if dest.Kind == kindFHIR {
				practice.Destinations = append(practice.Destinations, dest.ID)
			}
		}
		d.practices[p.ODS] = practice
	}
	for _, s := range cfg.Services {
		d.services[s.ID] = workflow.Service{ID: s.ID, Name: s.Name}
		for _, id := range serviceIdentifiers(s) {
			d.named[spelled(id)] = s.ID
		}
	}
	return d
}

// serviceIdentifiers are the names by which a referral may ask for the service.
func serviceIdentifiers(s ServiceConfig) []fhir.Identifier {
	ids := append([]fhir.Identifier{{System: fhir.SystemService, Value: s.ID}}, s.Identifiers...)
	if s.ODS != "" {
		ids = append(ids, fhir.Identifier{System: nhs.SystemODS, Value: s.ODS})
	}
	return ids
}

// spelled is the identifier with its system as the national guides print it, for
// official examples differ in case, scheme and spelling.
func spelled(id fhir.Identifier) fhir.Identifier {
	return fhir.Identifier{System: nhs.System(id.System), Value: strings.TrimSpace(id.Value)}
}

func (d directory) Practice(ods string) (workflow.Practice, bool) {
	p, ok := d.practices[ods]
	return p, ok
}

func (d directory) Service(id string) (workflow.Service, bool) {
	s, ok := d.services[id]
	return s, ok
}

func (d directory) ServiceBy(id fhir.Identifier) (workflow.Service, bool) {
	return d.Service(d.named[spelled(id)])
}

var _ workflow.Directory = directory{}
