package main

import (
	"context"
	"fmt"
	"io"

	"caselink.example/connectors/store/cluster"
)

const postgresHelp = `caselink postgres: say which PostgreSQL caselink dev and the tests use, or install one

  caselink postgres find       the folder of its programs; exit code 1 when there is none
  caselink postgres install    install Debian's package when there is none, as root or with sudo
`

func runPostgres(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlags("postgres", postgresHelp, stderr)
	what, err := f.parseArgs(args, "find|install")
	if err != nil {
		return err
	}
	var bin cluster.Binaries
	switch what[0] {
	case "find":
		bin, err = cluster.Find()
	case "install":
		bin, err = cluster.FindOrInstall(ctx, stderr)
	default:
		return f.misused()
	}
	if err == nil {
		fmt.Fprintf(stdout, "PostgreSQL %d in %s\n", bin.Version, bin.Dir)
	}
	return err
}
