package load

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// cpuTimes are what the adapter and all of PostgreSQL have used.
type cpuTimes struct{ adapter, database time.Duration }

// cpu is what they have used so far.
func (t *trial) cpu() cpuTimes {
	used := cpuTimes{adapter: cpuOf(t.world.AdapterPID)}
	entries, _ := os.ReadDir("/proc")
	// PostgreSQL is a process for each connection, and they come and go. Of those on this
	// machine, these are the ones that this caselink dev has started.
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || !descends(pid, t.dev.Process.Pid) {
			continue
		}
		comm, _ := os.ReadFile("/proc/" + e.Name() + "/comm") // gone processes used nothing more
		if strings.TrimSpace(string(comm)) == "postgres" {
			used.database += cpuOf(pid)
		}
	}
	return used
}

// descends reports whether the process was started by the other, or by one that was.
func descends(pid, from int) bool {
	for pid > 1 && pid != from {
		fields := statOf(pid)
		if len(fields) < 2 {
			return false
		}
		pid, _ = strconv.Atoi(fields[1])
	}
	return pid == from
}

// statOf are the fields of a process's stat after its name: its state, its parent, ...
// https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
func statOf(pid int) []string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	// From the last parenthesis on: the name before it may hold blanks and parentheses.
	return strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
}

// cpuOf is the user and system time that a process has used.
func cpuOf(pid int) time.Duration {
	fields := statOf(pid)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	const tick = 10 * time.Millisecond // USER_HZ is 100 on Linux
	return time.Duration(user+system) * tick
}

// residentMiB is the memory that a process has in use.
func residentMiB(pid int) float64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	var size, resident int
	_, _ = fmt.Sscan(string(b), &size, &resident)
	return float64(resident*os.Getpagesize()) / (1 << 20)
}
