// Package adapter introduces the rooms of Caselink to each other, runs them and drains. It
// decides nothing about a referral: what it holds is what is built from which setting, and
// the order in which it begins and ends.
//
// Begin with Run, which is that order. routes.go puts the APIs on one engine, courier.go
// makes a receiver for each destination, directory.go answers the workflow's questions
// about practices and services.
// docs/words.md defines room, adapter, courier, receiver and directory.
package adapter

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"caselink.example/cmd/caselink/internal/config"
	"caselink.example/connectors/store"
	"caselink.example/connectors/store/feed"
	"caselink.example/connectors/store/ledger"
	"caselink.example/fhir"
)

// Adapter is one process that serves. Several may share a database.
type Adapter struct {
	Config  config.Config
	Release string // the version of this program, for the CapabilityStatement
	Log     *slog.Logger
}

// drainWithin is how long requests in flight may take once the adapter is asked to stop.
const drainWithin = 20 * time.Second

// Run serves on ln until ctx ends, then drains: no new connection, requests in flight
// finish, deliveries settle or let their lease run out. The error says that the database
// was refused, that the socket failed, or that a request did not end in time.
func (a Adapter) Run(ctx context.Context, ln net.Listener) error {
	database := a.Config.Database
	db, err := store.Open(ctx, store.Config{URL: database.URL, MaxConnections: int32(database.MaxConnections)})
	if err != nil {
		return err
	}
	defer db.Close()

	// Nothing is answered before the database is known to keep its promises: a 201 from
	// one without row-level security could not be taken back. A client that connects
	// meanwhile waits in the queue of the socket, which is open.
	if err := a.whenSafe(ctx, db); err != nil {
		return err
	}

	metrics := newMetrics()
	sealer := &feed.Sealer{DB: db, Log: a.Log}
	owed := &ledger.Ledger{DB: db, Now: time.Now}
	courier, err := a.newCourier(owed, metrics)
	if err != nil {
		return err
	}
	// After the courier, because a commit wakes it: what is owed leaves at once, and not
	// with the courier's next look at the ledger.
	server := newServer(a.routes(db, courier.Wake, metrics))

	// The work behind the requests does not end with ctx: a request that is still running
	// commits events to be numbered and write-backs to be sent.
	working, stopWorking := context.WithCancel(context.WithoutCancel(ctx))
	var behind errgroup.Group
	behind.Go(func() error { return sealer.Run(working) })
	behind.Go(func() error { return owed.Run(working) })
	behind.Go(func() error { return courier.Run(working) })

	// Requests come first to an end, so that none meets a pool that is closed or a courier
	// that takes nothing more.
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	select {
	case err = <-served:
	case <-ctx.Done():
		err = shutdown(ctx, server)
	}

	// Only now. The courier settles what it has sent, and the pool closes after it: an answer
	// that is not written down is asked for again.
	stopWorking()
	return errors.Join(err, behind.Wait())
}

// whenSafe waits for the database and refuses one that would break a promise.
func (a Adapter) whenSafe(ctx context.Context, db *store.DB) error {
	for {
		err := db.Check(ctx)
		// A database that does not answer will: both were started together, or it fails
		// over. A wrong schema or role does not mend itself, and is an error at once.
		if err == nil || !fhir.Is(err, fhir.IssueTransient) && !fhir.Is(err, fhir.IssueTimeout) {
			return err
		}
		a.Log.Warn("waiting for the database", slog.String("error", err.Error()))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// shutdown closes the socket and waits for the requests in flight. ctx has ended: it gives
// its values alone.
func shutdown(ctx context.Context, server *http.Server) error {
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainWithin)
	defer cancel()
	return server.Shutdown(draining)
}
