package main

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"runtime/debug"

	"caselink.example/cmd/caselink/internal/adapter"
	"caselink.example/cmd/caselink/internal/config"
)

const serveHelp = `caselink serve: run the adapter, for production

Serves the FHIR API and the case API of one caselink.yaml, and writes back to the GP
systems. The database must have the current schema: see caselink migrate.

  caselink serve --config /etc/caselink/caselink.yaml

Several may serve one database. The first SIGTERM drains: no new connection, the
running requests end, then exit 0; a second one ends it at once. A socket that systemd
passes (LISTEN_FDS) is used instead of --listen. The log is JSON lines on stderr.
`

func runServe(ctx context.Context, args []string, _, stderr io.Writer) error {
	f := newFlags("serve", serveHelp, stderr)
	file := configFlag(f)
	listen := f.String("listen", "", "`host:port` instead of the configuration's; port 0 picks a free one")
	if _, err := f.parseArgs(args); err != nil {
		return err
	}
	env := config.Environ()
	cfg, err := config.Load(*file, env)
	if err != nil {
		return err
	}
	ln, err := config.Listen(cmp.Or(*listen, cfg.Listen), env)
	if err != nil {
		return err
	}
	if env.Get("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	log := newLogger(stderr, cfg.Log.Level)
	// A script that chose port 0 reads the address from this line.
	log.Info("listening", slog.String("address", ln.Addr().String()))
	return adapter.Adapter{Config: cfg, Release: version(), Log: log}.Run(ctx, ln)
}

// gcPercent lets the heap grow further between collections than Go's default: it is
// small (some 30 MB) and a referral makes much garbage.
const gcPercent = 400
