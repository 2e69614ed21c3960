package main

import (
	"context"
	"fmt"
	"io"

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
	db, err := openDatabase(ctx, *file, 2)
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
	// And the chain of the audit, which is checked hash by hash and is no entry of the list.
	_, err = fmt.Fprintf(stdout, "all %d invariants hold\n", len(fsck.Invariants)+1)
	return err
}
