package world

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"caselink.example/cmd/caselink/internal/config"
	"caselink.example/connectors/simulator"
)

// Simulate serves the issuer and the GP systems until ctx is done.
func Simulate(ctx context.Context, cfg config.Simulate, env config.Environment) error {
	issuer, err := newIssuer(cfg)
	if err != nil {
		return err
	}
	gps, err := newGPSystems(cfg)
	if err != nil {
		return err
	}
	defer gps.Close()
	lns, err := simulateListeners(cfg, env)
	if err != nil {
		return err
	}
	// One that fails ends the other: half a set of stand-ins would look like a fault of the
	// adapter.
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return serveUntil(ctx, lns[0], issuer) })
	g.Go(func() error { return serveUntil(ctx, lns[1], gps) })
	return g.Wait()
}

func newIssuer(cfg config.Simulate) (*simulator.Issuer, error) {
	issuer := simulator.IssuerConfig{URL: cfg.Issuer.URL, Audience: cfg.Issuer.Audience, Folder: cfg.Issuer.Folder}
	for _, client := range cfg.Issuer.Clients {
		issuer.Clients = append(issuer.Clients, simulator.Client{
			ID: client.ID, Secret: client.Secret, Scope: client.Scope, Claims: client.Claims,
		})
	}
	return simulator.NewIssuer(issuer)
}

func newGPSystems(cfg config.Simulate) (*simulator.GPSystems, error) {
	gps := simulator.GPConfig{Folder: cfg.GPSystems.Folder}
	for _, ods := range cfg.GPSystems.Practices {
		gps.Practices = append(gps.Practices, simulator.Practice{ODS: ods})
	}
	return simulator.NewGPSystems(gps)
}

// simulateListeners are the sockets of the issuer and of the GP systems, in this
// order: those that were passed to this process, else new ones.
func simulateListeners(cfg config.Simulate, env config.Environment) ([]net.Listener, error) {
	lns, err := config.Passed(env)
	if err != nil || len(lns) == 2 {
		return lns, err
	}
	if len(lns) != 0 {
		return nil, fmt.Errorf("%d sockets were passed (LISTEN_FDS), and two are used: issuer, GP systems", len(lns))
	}
	for _, address := range []string{cfg.Issuer.Listen, cfg.GPSystems.Listen} {
		ln, err := net.Listen("tcp", address)
		if err != nil {
			return nil, err
		}
		lns = append(lns, ln)
	}
	return lns, nil
}

// serveUntil serves until ctx is done, and then lets running requests end.
func serveUntil(ctx context.Context, ln net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	drained := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		drained <- server.Shutdown(deadline)
	})
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-drained
}
