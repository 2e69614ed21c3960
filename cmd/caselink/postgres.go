package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"caselink.example/fhir/store/cluster"
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
		bin, err = findOrInstall(ctx, stderr)
	default:
		return f.misused()
	}
	if err == nil {
		fmt.Fprintf(stdout, "PostgreSQL %d in %s\n", bin.Version, bin.Dir)
	}
	return err
}

// findOrInstall is the PostgreSQL of this machine; progress goes to w.
func findOrInstall(ctx context.Context, w io.Writer) (cluster.Binaries, error) {
	bin, err := cluster.Find()
	if !errors.Is(err, cluster.ErrNotFound) {
		return bin, err
	}
	if err := cluster.Install(ctx, w); err != nil {
		return cluster.Binaries{}, err
	}
	return cluster.Find()
}
