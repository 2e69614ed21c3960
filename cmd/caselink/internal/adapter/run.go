// Package adapter introduces the rooms to each other, runs them, and drains.
package adapter

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"caselink.example/cmd/caselink/internal/config"
	"caselink.example/connectors/api/auth"
	"caselink.example/connectors/api/caseapi"
	"caselink.example/connectors/api/edge"
	"caselink.example/connectors/api/fhirapi"
	"caselink.example/connectors/store"
	"caselink.example/connectors/store/feed"
	"caselink.example/connectors/store/ledger"
	"caselink.example/fhir"
	"caselink.example/mapping/workflow"
)

// drain is how long requests in flight may take after the first SIGTERM.
const drain = 20 * time.Second

// gcPercent lets the heap grow further between collections than Go's default: it is
// small (some 30 MB) and a referral makes much garbage.
const gcPercent = 400

// Run wires the adapter and serves on ln until ctx ends, then drains: no new
// connection, requests in flight finish, deliveries settle or let their lease run out.
func Run(ctx context.Context, cfg config.Config, release string, ln net.Listener, log *slog.Logger) error {
	if config.Environ()["GOGC"] == "" {
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
	server := newServer(newEngine(cfg, release, db, courier.Wake, reg, log))

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
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// newEngine puts both APIs and the operator's routes on one engine.
func newEngine(cfg config.Config, release string, db *store.DB, wake func(), reg *prometheus.Registry, log *slog.Logger) http.Handler {
	base := cfg.PublicURL + "/FHIR/R4"
	flow := &workflow.Flow{Store: db, Directory: NewDirectory(cfg), Base: base, Now: time.Now, NewID: NewID, Wake: wake}
	e := edge.New(auth.New(authConfig(cfg)), log, reg)
	engine := e.Engine()
	(&fhirapi.API{
		Flow: flow, Resources: db, Practices: flow.Directory, Edge: e, Base: base, Release: release,
		Issuer: cfg.Issuers[0].URL, TokenURL: cfg.Issuers[0].TokenURL, Now: time.Now,
	}).Mount(engine)
	(&caseapi.API{Flow: flow, Cases: db, Edge: e}).Mount(engine)
	edge.MountHealth(engine, db.Ready)
	edge.MountMetrics(engine, promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	return engine
}

func newServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // its lines can hold what a client sent
	}
}

// NewID draws a UUIDv7: new rows then stand together in PostgreSQL's indexes.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

func authConfig(cfg config.Config) auth.Config {
	var out auth.Config
	for _, i := range cfg.Issuers {
		out.Issuers = append(out.Issuers, auth.Issuer{
			URL: i.URL, Audience: i.Audience, Algorithms: i.Algorithms,
			Claims: auth.ClaimNames{ODS: i.Claims.ODS, Services: i.Claims.Services, Scope: i.Claims.Scope},
		})
	}
	return out
}
