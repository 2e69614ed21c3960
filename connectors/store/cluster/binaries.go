package cluster

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// MinVersion is the oldest major version of PostgreSQL that Caselink runs on.
const MinVersion = 15

// ErrNotFound says that no PostgreSQL server of MinVersion or newer is on this machine.
var ErrNotFound = fmt.Errorf("no PostgreSQL server of version %d or newer is installed", MinVersion)

// Binaries are the programs of one PostgreSQL version.
type Binaries struct {
	Dir     string // holds initdb and postgres
	Version int    // major version, such as 15
}

// Find returns the PostgreSQL of this machine: the one that pg_config names, else
// the newest under /usr/lib/postgresql, else the one on the PATH. The error is
// ErrNotFound when none is new enough.
func Find() (Binaries, error) {
	for _, dir := range candidates() {
		if v := version(dir); v >= MinVersion {
			return Binaries{Dir: dir, Version: v}, nil
		}
	}
	return Binaries{}, ErrNotFound
}

func candidates() []string {
	var dirs []string
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, string(bytes.TrimSpace(out)))
	}

	// Debian keeps several versions side by side, none of them on the PATH.
	debian, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is well-formed
	slices.SortFunc(debian, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	dirs = append(dirs, debian...)
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	return dirs
}

var versionText = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// version is the major version of the server in dir, 0 when there is none:
// pg_config may be there without a server.
func version(dir string) int {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return 0
	}
	out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return 0
	}
	m := versionText.FindSubmatch(out)
	if m == nil {
		return 0
	}
	v, _ := strconv.Atoi(string(m[1])) // digits only
	return v
}

// FindOrInstall is the PostgreSQL of this machine; progress goes to w.
func FindOrInstall(ctx context.Context, w io.Writer) (Binaries, error) {
	bin, err := Find()
	if !errors.Is(err, ErrNotFound) {
		return bin, err
	}
	if err := Install(ctx, w); err != nil {
		return Binaries{}, err
	}
	return Find()
}
