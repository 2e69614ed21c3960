package main

import (
	"context"
	"io"

	"caselink.example/cmd/caselink/internal/config"
	"caselink.example/cmd/caselink/internal/world"
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
	file := f.String("config", "simulate.yaml", "the configuration `file`")
	if _, err := f.parseArgs(args); err != nil {
		return err
	}
	cfg, err := config.LoadSimulate(*file)
	if err != nil {
		return err
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	return world.Simulate(ctx, cfg, config.Environ())
}
