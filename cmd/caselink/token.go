package main

import (
	"context"
	"fmt"
	"io"

	"caselink.example/cmd/caselink/internal/world"
)

const tokenHelp = `caselink token: print an access token of a running caselink dev

CLIENT is gp-a or gp-b (practices), linkworker or linkworker-b (the apps of two
services), or admin. The token is good for an hour.

  curl -H "Authorization: Bearer $(caselink token linkworker)" http://127.0.0.1:8080/api/v1/cases
`

func runToken(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlags("token", tokenHelp, stderr)
	data := f.String("data", world.DefaultFolder, "the `folder` that caselink dev keeps everything in")
	client, err := f.parseArgs(args, "CLIENT")
	if err != nil {
		return err
	}
	w, err := world.Read(*data)
	if err != nil {
		return err
	}
	token, err := w.Token(ctx, world.NewHTTP(), client[0])
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, token)
	return err
}
