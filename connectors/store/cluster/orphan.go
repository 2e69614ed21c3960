package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// awaitEnd waits for the server that a killed process left behind: the kernel has
// signalled it to end, but it may still be at it. The lock on the folder says that nobody
// else runs it. A pid file whose process is gone, or is another program by now, is
// removed, for PostgreSQL would take any living process for its own.
func awaitEnd(ctx context.Context, data string) error {
	pidFile := filepath.Join(data, "postmaster.pid")
	text, err := os.ReadFile(pidFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	first, _, _ := bytes.Cut(text, []byte("\n"))
	pid, err := strconv.Atoi(string(first))
	if err != nil {
		return removeIfThere(pidFile) // cut short by a crash
	}

	// It is not killed from here: it may be writing its last, and the number may be another
	// program's by the time of the signal.
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for servesFrom(pid, data) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("an earlier PostgreSQL (process %d) still runs on %s: %w", pid, data, ctx.Err())
		case <-tick.C:
		}
	}
	return removeIfThere(pidFile)
}

// servesFrom reports whether the process lives and its working folder is data, as a
// postmaster's always is.
func servesFrom(pid int, data string) bool {
	cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	return err == nil && cwd == data
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
