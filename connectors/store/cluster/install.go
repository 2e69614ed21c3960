package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// installScript installs Debian's PostgreSQL. Debian's package makes and starts a
// cluster of its own unless its configuration forbids it before.
const installScript = `set -e
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends postgresql-common
conf=/etc/postgresql-common/createcluster.conf
grep -q '^create_main_cluster' $conf 2>/dev/null || echo 'create_main_cluster = false' >>$conf
apt-get install -y -qq --no-install-recommends postgresql`

// Install installs PostgreSQL with apt-get and writes its progress to w. It needs to
// be root, or to have a sudo that asks for no password; otherwise the error is one
// line that says what to install.
func Install(ctx context.Context, w io.Writer) error {
	args, ok := asRoot()
	if !ok {
		return fmt.Errorf("%w: install it, for example with: sudo apt-get install postgresql", ErrNotFound)
	}
	fmt.Fprintln(w, "Installing PostgreSQL with apt-get; this is done once.")
	args = append(args, "sh", "-c", installScript)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Run(); err != nil {
		return errors.Join(ErrNotFound, fmt.Errorf("apt-get install postgresql: %w", err))
	}
	return nil
}

// asRoot is the start of a command line that runs as root without asking; ok is
// false where there is none, or no apt-get.
func asRoot() (args []string, ok bool) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return nil, false
	}
	if os.Geteuid() == 0 {
		return nil, true
	}
	if exec.Command("sudo", "-n", "true").Run() == nil {
		return []string{"sudo", "-n"}, true
	}
	return nil, false
}
