package main

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"os/signal"
	"syscall"

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

func runServeVerb(ctx context.Context, args []string, _, stderr io.Writer) error {
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
	ctx, stop := untilSignal(ctx)
	defer stop()
	log := newLogger(stderr, cfg.Log.Level)
	log.Info("listening", slog.String("address", ln.Addr().String()))
	return adapter.Run(ctx, cfg, version(), ln, log)
}

// newLogger writes JSON lines. The level is one that the configuration allows.
func newLogger(w io.Writer, level string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l}))
}

// untilSignal returns a context that ends with the first SIGTERM or SIGINT. The
// second one has its ordinary effect: it ends the process.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
