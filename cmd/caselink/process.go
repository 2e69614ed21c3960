package main

import (
	"context"
	"io"
	"log/slog"
	"os/signal"
	"syscall"
)

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
	// From then on the signal is no longer caught: a drain that hangs can be cut short.
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
