package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
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
	config := configFlag(f)
	listen := f.String("listen", "", "`host:port` instead of the configuration's; port 0 picks a free one")
	if _, err := f.parseArgs(args); err != nil {
		return err
	}
	env := readEnvironment()
	cfg, err := loadConfig(*config, env)
	if err != nil {
		return err
	}
	ln, err := listenOn(cmp.Or(*listen, cfg.Listen), env)
	if err != nil {
		return err
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	log := newLogger(stderr, cfg.Log.Level)
	log.Info("listening", slog.String("address", ln.Addr().String()))
	return runServe(ctx, cfg, ln, log)
}

func configFlag(f *flags) *string {
	return f.String("config", "caselink.yaml", "the configuration `file`")
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

// listenOn is the socket that was passed to this process, else a new one.
func listenOn(address string, env environment) (net.Listener, error) {
	passed, err := passedListeners(env)
	switch {
	case err != nil:
		return nil, err
	case len(passed) > 1:
		return nil, fmt.Errorf("%d sockets were passed (LISTEN_FDS), and one is used", len(passed))
	case len(passed) == 1:
		return passed[0], nil
	}
	return net.Listen("tcp", address)
}

// firstPassed is the descriptor at which passed sockets begin.
const firstPassed = 3

// passedListeners are the sockets that were opened before this process began, as
// systemd passes them. Without LISTEN_PID they are for whoever has them: a parent
// that is not systemd cannot know the number before.
// https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html
func passedListeners(env environment) ([]net.Listener, error) {
	if pid := env["LISTEN_PID"]; pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, _ := strconv.Atoi(env["LISTEN_FDS"]) // absent is none
	var passed []net.Listener
	for i := range n {
		f := os.NewFile(uintptr(firstPassed+i), "passed socket")
		ln, err := net.FileListener(f)
		if err != nil {
			return nil, fmt.Errorf("passed socket %d: %w", firstPassed+i, err)
		}
		if err := f.Close(); err != nil { // ln has a descriptor of its own
			return nil, err
		}
		passed = append(passed, ln)
	}
	return passed, nil
}
