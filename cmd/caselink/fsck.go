package main

import (
	"context"
	"fmt"
	"io"

	"caselink.example/cmd/caselink/internal/config"
	"caselink.example/connectors/store"
	"caselink.example/connectors/store/fsck"
)

const fsckHelp = `caselink fsck: check every invariant of what is stored

Checks that each referral has its case, that nothing is missing, doubled or out of
order, that what is owed exists, and that nobody changed the audit. It reads ids and
numbers only, and may run while the adapter serves.

  caselink fsck --config /etc/caselink/caselink.yaml

Exit code 0: all is well; 1: something is broken, or it could not look.
`

func runFsck(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlags("fsck", fsckHelp, stderr)
	file := configFlag(f)
	if _, err := f.parseArgs(args); err != nil {
		return err
	}
	cfg, err := config.Load(*file, config.Environ())
	if err != nil {
		return err
	}
	db, err := store.Open(ctx, store.Config{URL: cfg.Database.URL, MaxConnections: 2})
	if err != nil {
		return err
	}
	defer db.Close()
	show := newProgress(stderr)
	found, err := fsck.Check(ctx, db, func(name string, done, of int) { show.step(name, done, of) })
	show.end()
	if err != nil {
		return err
	}
	for _, one := range found {
		fmt.Fprintf(stdout, "broken: %s: %s\n", one.Invariant, one.Detail)
	}
	if len(found) > 0 {
		return exitFault
	}
	_, err = fmt.Fprintf(stdout, "all %d invariants hold\n", len(fsck.Invariants)+1)
	return err
}
