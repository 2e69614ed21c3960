package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"time"

	"caselink.example/cmd/caselink/internal/load"
)

const benchHelp = `caselink bench: measure this machine

Starts a caselink dev of its own in a temporary folder and measures what matters:
referrals per second and latencies at 1, 8 and 32 clients (each referral with its
token check, case, Task, event, audit and owed write-back), the CPU time that a
referral costs the adapter and PostgreSQL, the same rows stored without HTTP, and
the time from a commit to the GP system's answer. Closed loop; everything shares
the machine. Prints a table on stderr and JSON on stdout.

  caselink bench --duration 10s > bench.json
`

func runBench(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlags("bench", benchHelp, stderr)
	duration := f.Duration("duration", 6*time.Second, "how long each figure is measured")
	if _, err := f.parseArgs(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "caselink-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	bench := load.Bench{Folder: dir, Release: version(), Duration: *duration, Out: stderr}
	report, err := bench.Run(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(report)
}
