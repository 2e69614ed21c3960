package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"caselink.example/cmd/caselink/internal/config"
	"caselink.example/cmd/caselink/internal/world"
)

const devHelp = `caselink dev: run everything on this machine, with demo data

Starts a private PostgreSQL, an OAuth 2 issuer, the simulated GP systems of two
practices, and the adapter, each as a process of its own that is restarted when it
dies. Nothing of it outlives this process. It says what to try once it is ready.

  caselink dev                             adapter on 8080, GP systems on 8081, issuer on 8082
  caselink dev --listen 127.0.0.1:0        on free ports, which DATA/dev.json names
  caselink serve --config DATA/caselink.yaml --listen 127.0.0.1:0    a second adapter beside it

Everything is kept in the data folder: remove the folder to begin anew. Ctrl-C stops.
`

func runDev(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	begun := time.Now()
	f := newFlags("dev", devHelp, stderr)
	listen := f.String("listen", config.DefaultListen, "`host:port` of the adapter")
	data := f.String("data", world.DefaultFolder, "the `folder` to keep everything in")
	withDemo := f.Bool("demo", true, "send a few fictional referrals at the start")
	if _, err := f.parseArgs(args); err != nil {
		return err
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	d := world.New(*data, stdout)
	defer d.Stop() // after a start that failed as well: some parts may run
	if err := d.Start(ctx, *listen, stderr); err != nil {
		return cmp.Or(interrupted(ctx), err)
	}
	d.PrintWelcome(time.Since(begun))
	if *withDemo {
		go d.Demo(ctx)
	}
	<-ctx.Done()
	fmt.Fprintln(stdout, "\nStopping.")
	return nil
}

// interrupted is exit code 0 when a signal has ended ctx: a start that was called off did
// not fail, whatever it was doing.
func interrupted(ctx context.Context) error {
	if ctx.Err() != nil {
		return exitOK
	}
	return nil
}
