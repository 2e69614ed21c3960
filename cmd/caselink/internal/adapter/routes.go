package adapter

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"caselink.example/cmd/caselink/internal/config"
	"caselink.example/connectors/api/auth"
	"caselink.example/connectors/api/caseapi"
	"caselink.example/connectors/api/edge"
	"caselink.example/connectors/api/fhirapi"
	"caselink.example/connectors/store"
	"caselink.example/mapping/workflow"
)

// routes puts both APIs and the operator's routes on one engine. wake is called after each
// commit that owes something.
func (a Adapter) routes(db *store.DB, wake func(), metrics *prometheus.Registry) http.Handler {
	base := a.Config.PublicURL + "/FHIR/R4"
	flow := &workflow.Flow{
		Meaning: workflow.DefaultMeaning(), Store: db, Directory: NewDirectory(a.Config),
		Base: base, Now: time.Now, NewID: NewID, Wake: wake,
	}

	e := edge.New(auth.New(authConfig(a.Config.Issuers)), a.Log, metrics)
	engine := e.Engine()
	fhirAPI := &fhirapi.API{
		Flow: flow, Resources: db, Practices: flow.Directory, Edge: e, Base: base, Release: a.Release, Now: time.Now,
		// smart-configuration has room for one issuer: the first is the one to name.
		Issuer: a.Config.Issuers[0].URL, TokenURL: a.Config.Issuers[0].TokenURL,
	}
	fhirAPI.Mount(engine)
	(&caseapi.API{Flow: flow, Cases: db, Edge: e}).Mount(engine)
	edge.MountHealth(engine, db.Ready)
	edge.MountMetrics(engine, promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	return engine
}

// newServer bounds how long a client may hold a connection: Go's own server waits for ever.
func newServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		// Its lines can hold what a client sent, and a client may send an NHS number.
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
}

// NewID draws a UUIDv7: new rows then stand together in PostgreSQL's indexes.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

func authConfig(issuers []config.Issuer) auth.Config {
	var out auth.Config
	for _, i := range issuers {
		out.Issuers = append(out.Issuers, auth.Issuer{
			URL: i.URL, Audience: i.Audience, Algorithms: i.Algorithms,
			Claims: auth.ClaimNames{ODS: i.Claims.ODS, Services: i.Claims.Services, Scope: i.Claims.Scope},
		})
	}
	return out
}
