package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/sync/errgroup"

	"caselink.example/connectors/simulator"
)

const simulateHelp = `caselink simulate: run stand-ins for an OAuth 2 issuer and the practices' GP systems

They behave as the real ones do and keep what they know in folders, so that a restart
loses nothing. GET {gp}/Task shows what a GP system received; POST {gp}/$fault makes it
misbehave. caselink dev runs this with a configuration that it writes to
DATA/secrets/simulate.yaml: begin with a copy of that.

  caselink simulate --config simulate.yaml
`

func runSimulate(ctx context.Context, args []string, _, stderr io.Writer) error {
	f := newFlags("simulate", simulateHelp, stderr)
	config := f.String("config", "simulate.yaml", "the configuration `file`")
	if _, err := f.parseArgs(args); err != nil {
		return err
	}
	cfg, err := loadSimulateConfig(*config)
	if err != nil {
		return err
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	return simulate(ctx, cfg, readEnvironment())
}

// SimulateConfig is the configuration of caselink simulate.
type SimulateConfig struct {
	Issuer struct {
		Listen   string         `yaml:"listen"` // host:port
		URL      string         `yaml:"url"`
		Audience string         `yaml:"audience"`
		Folder   string         `yaml:"folder"` // for the signing keys
		Clients  []ClientConfig `yaml:"clients"`
	} `yaml:"issuer"`
	GPSystems struct {
		Listen    string   `yaml:"listen"` // host:port
		Folder    string   `yaml:"folder"` // for what they received
		Practices []string `yaml:"practices"`
	} `yaml:"gp_systems"`
}

// ClientConfig is a client that the issuer knows.
type ClientConfig struct {
	ID     string         `yaml:"id"`
	Secret string         `yaml:"secret"`
	Scope  string         `yaml:"scope"`
	Claims map[string]any `yaml:"claims,omitempty"` // of its tokens, whatever their type
}

func loadSimulateConfig(path string) (cfg SimulateConfig, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return cfg, err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&cfg); err != nil {
		return cfg, fmt.Errorf("%s: %w", path, err)
	}
	return cfg, nil
}

// simulate serves the issuer and the GP systems until ctx is done.
func simulate(ctx context.Context, cfg SimulateConfig, env environment) error {
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
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return serveUntil(ctx, lns[0], issuer) })
	g.Go(func() error { return serveUntil(ctx, lns[1], gps) })
	return g.Wait()
}

func newIssuer(cfg SimulateConfig) (*simulator.Issuer, error) {
	issuer := simulator.IssuerConfig{URL: cfg.Issuer.URL, Audience: cfg.Issuer.Audience, Folder: cfg.Issuer.Folder}
	for _, client := range cfg.Issuer.Clients {
		issuer.Clients = append(issuer.Clients, simulator.Client{
			ID: client.ID, Secret: client.Secret, Scope: client.Scope, Claims: client.Claims,
		})
	}
	return simulator.NewIssuer(issuer)
}

func newGPSystems(cfg SimulateConfig) (*simulator.GPSystems, error) {
	gps := simulator.GPConfig{Folder: cfg.GPSystems.Folder}
	for _, ods := range cfg.GPSystems.Practices {
		gps.Practices = append(gps.Practices, simulator.Practice{ODS: ods})
	}
	return simulator.NewGPSystems(gps)
}

// simulateListeners are the sockets of the issuer and of the GP systems, in this
// order: those that were passed to this process, else new ones.
func simulateListeners(cfg SimulateConfig, env environment) ([]net.Listener, error) {
	lns, err := passedListeners(env)
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
