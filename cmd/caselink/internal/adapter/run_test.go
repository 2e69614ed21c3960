package adapter

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"caselink.example/cmd/caselink/internal/config"
	"caselink.example/connectors/store/storetest"
)

// newAdapter is an adapter with a database of its own, and the socket for it.
func newAdapter(t *testing.T) (Adapter, net.Listener) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() }) // Run has closed it already
	cfg := config.Config{
		PublicURL: "http://" + ln.Addr().String(),
		Database:  config.Database{URL: storetest.Open(t).URL, MaxConnections: 4},
		Issuers:   []config.Issuer{{URL: "https://issuer.example", Audience: "caselink"}},
	}
	return Adapter{Config: cfg, Release: "1.2.3", Log: slog.New(slog.DiscardHandler)}, ln
}

// running is Run in the background; the channel has what it returns.
func running(ctx context.Context, a Adapter, ln net.Listener) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, ln) }()
	return ended
}

// ending waits for Run to return.
func ending(t *testing.T, ended <-chan error) error {
	t.Helper()
	select {
	case err := <-ended:
		return err
	case <-time.After(time.Minute):
		t.Fatal("Run does not return")
		return nil
	}
}

func TestRunServesUntilItIsToldToStop(t *testing.T) {
	t.Parallel()
	a, ln := newAdapter(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := running(ctx, a, ln)
	// The socket is open, so the answer comes as soon as the adapter is ready.
	resp, err := http.Get(a.Config.PublicURL + "/readyz")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("it does not serve: %v, %v", resp, err)
	}
	_ = resp.Body.Close()

	stop()

	if err := ending(t, ended); err != nil {
		t.Errorf("Run() = %v, want a drain without error", err)
	}
	if conn, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		_ = conn.Close()
		t.Error("the socket is still open")
	}
}

func TestRunEndsWithItsSocket(t *testing.T) {
	t.Parallel()
	a, ln := newAdapter(t)
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}

	err := ending(t, running(t.Context(), a, ln))

	if err == nil {
		t.Error("Run() has no error though nothing can be served")
	}
}

func TestRunRefusesADatabaseThatBreaksAPromise(t *testing.T) {
	t.Parallel()
	a, ln := newAdapter(t)
	a.Config.Database.URL = storetest.Open(t).OwnerURL

	err := ending(t, running(t.Context(), a, ln))

	if err == nil {
		t.Error("Run() serves as the owner of the tables, whom no policy holds")
	}
}
