// Package cluster runs a private PostgreSQL as a child process, for a developer's
// machine and for tests. It listens on a unix socket only, inside a folder that no
// other user may enter, keeps every commit (fsync and synchronous_commit are on),
// logs no values, and dies with the process that started it. Linux only.
// docs/words.md defines cluster.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"caselink.example/connectors/store/cluster/child"
)

// The roles of every cluster.
const (
	Admin = "caselink_admin" // superuser
	Owner = "caselink_owner" // owns the databases and may create roles: migrations run as it
)

const port = "5432" // names the socket; said aloud, for PGPORT would change it

const (
	startTimeout = 60 * time.Second // recovery after a crash included
	stopTimeout  = 10 * time.Second // fast shutdown ends every session
	pollEvery    = 5 * time.Millisecond
)

// ErrInUse says that another process runs the cluster of the folder.
var ErrInUse = errors.New("another process runs the PostgreSQL of this folder")

// Config says where a cluster is and how it runs.
type Config struct {
	Dir      string            // made when missing; data, socket and log stay in it
	Binaries Binaries          // the zero value: what Find finds
	Settings map[string]string // of postgresql.conf, on top of those of this package
}

// settings are those of every cluster. Durability is PostgreSQL's own; what the log
// may say is cut down to the server's own life: no statement, no value, no error of
// a client, for those can quote a patient.
var settings = map[string]string{
	"listen_addresses":            "", // no door but the socket, in a folder that nobody else enters
	"unix_socket_permissions":     "0700",
	"max_connections":             "200", // tests that run at once have a pool each
	"shared_buffers":              "256MB",
	"fsync":                       "on", // said aloud: what a test of kill -9 proves hangs on these two
	"synchronous_commit":          "on",
	"wal_level":                   "minimal", // nothing replicates from here
	"max_wal_senders":             "0",
	"wal_buffers":                 "16MB",
	"min_wal_size":                "256MB", // segments are recycled, not made anew
	"max_wal_size":                "2GB",
	"checkpoint_timeout":          "15min",
	"jit":                         "off", // the statements are short
	"log_min_messages":            "log",
	"log_min_error_statement":     "panic",
	"log_error_verbosity":         "terse",
	"log_parameter_max_length":    "0",
	"log_checkpoints":             "off",
	"log_autovacuum_min_duration": "-1",
	"log_line_prefix":             "%m [%p] ",
	"cluster_name":                "caselink",
}

// Cluster is a running PostgreSQL.
type Cluster struct {
	Home    string // where data and socket are: Config.Dir, or the folder that its link "home" leads to
	LogFile string

	process *child.Process
	lock    *os.File
}

// Start makes the cluster when there is none, starts it and returns when it answers.
// One process at a time may run it; a server that a killed process left behind is
// waited for.
func Start(ctx context.Context, cfg Config) (_ *Cluster, err error) {
	if cfg.Binaries.Dir == "" {
		if cfg.Binaries, err = Find(); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	dir, lock, err := openDir(cfg.Dir)
	if err != nil {
		return nil, err
	}

	// From here on Stop undoes whatever has been done, the lock last.
	c := &Cluster{lock: lock, LogFile: filepath.Join(dir, "postgresql.log")}
	defer func() {
		if err != nil {
			c.Stop()
		}
	}()
	user, err := serverUser(dir)
	if err != nil {
		return nil, err
	}
	if c.Home, err = home(dir, user); err != nil {
		return nil, err
	}
	if err := c.initialise(ctx, cfg.Binaries, user); err != nil {
		return nil, err
	}

	// Only with the lock in hand: a server that still runs on the data is then one whose
	// parent is dead, and it ends by itself.
	if err := awaitEnd(ctx, c.data()); err != nil {
		return nil, err
	}
	if err := c.launch(cfg, user); err != nil {
		return nil, err
	}
	return c, c.awaitReady(ctx)
}

// openDir makes the folder and takes its lock, which the kernel lifts when this process ends.
func openDir(dir string) (string, *os.File, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", nil, err
	}

	// One folder by two names would have two locks.
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", nil, err
	}

	// flock and not the mere file: a process that is killed leaves its file, and no lock.
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return "", nil, fmt.Errorf("%s: %w", dir, ErrInUse)
	}
	return dir, lock, nil
}

func (c *Cluster) data() string   { return filepath.Join(c.Home, "data") }
func (c *Cluster) socket() string { return filepath.Join(c.Home, "socket") }

// initialise runs initdb where there is no data yet. An interrupted one leaves no
// data folder, so the next start begins anew.
func (c *Cluster) initialise(ctx context.Context, bin Binaries, user serverAs) error {
	if v, err := os.ReadFile(filepath.Join(c.data(), "PG_VERSION")); err == nil {
		if made := strings.TrimSpace(string(v)); made != fmt.Sprint(bin.Version) {
			return fmt.Errorf("%s was made by PostgreSQL %s and %s holds version %d: "+
				"install version %s, or remove the folder to begin anew", c.data(), made, bin.Dir, bin.Version, made)
		}
		return user.makeDir(c.socket())
	}
	if err := user.makeDir(c.socket()); err != nil {
		return err
	}

	// Made aside and renamed when it is whole. It is not synced: all that a power cut could
	// take here is an empty database.
	fresh := c.data() + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	if err := user.makeDir(fresh); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin.Dir, "initdb"), "--pgdata", fresh, "--no-sync",
		"--username", Admin, "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8")
	cmd.Dir, cmd.SysProcAttr = fresh, user.sysProcAttr()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, reason(out))
	}
	return os.Rename(fresh, c.data())
}

// launch starts the server; SIGQUIT, the immediate shutdown, is what it gets when
// this process dies.
func (c *Cluster) launch(cfg Config, user serverAs) error {
	_ = os.Rename(c.LogFile, c.LogFile+".1") // there is none the first time
	log, err := os.OpenFile(c.LogFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()

	// The last ones win: where the socket is must not be changed, for it is where URL looks.
	all := maps.Clone(settings)
	maps.Copy(all, cfg.Settings)
	all["unix_socket_directories"], all["port"] = c.socket(), port

	// As arguments and not in postgresql.conf, so that a newer program runs older data by its
	// own settings.
	args := []string{"-D", c.data()}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		args = append(args, "-c", name+"="+all[name])
	}
	cmd := exec.Command(filepath.Join(cfg.Binaries.Dir, "postgres"), args...)
	cmd.Dir, cmd.SysProcAttr = c.data(), user.sysProcAttr()
	cmd.Stdout, cmd.Stderr = log, log

	// At once and without a checkpoint, for nobody is left to wait for one: what was
	// committed is in the log, and the next start recovers it.
	c.process, err = child.Start(cmd, syscall.SIGQUIT)
	return err
}

// awaitReady returns when the server answers on its socket.
func (c *Cluster) awaitReady(ctx context.Context) error {
	// The socket is there before the server takes connections, while it still recovers:
	// only an answer counts.
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, c.URL("postgres", Admin))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-c.process.Done():
			log, _ := os.ReadFile(c.LogFile) // an unreadable log is named below all the same
			return fmt.Errorf("PostgreSQL did not start: %s (%s)", reason(log), c.LogFile)
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL does not answer: %w", err)
		case <-tick.C:
		}
	}
}

// URL is the address of a database for a user; no password is needed here.
func (c *Cluster) URL(database, user string) string {
	u := url.URL{Scheme: "postgres", User: url.User(user), Path: "/" + database}
	u.RawQuery = url.Values{"host": {c.socket()}, "port": {port}}.Encode()
	return u.String()
}

// PID is the process id of the server.
func (c *Cluster) PID() int { return c.process.PID() }

// Done is closed when the server has ended, asked or not.
func (c *Cluster) Done() <-chan struct{} { return c.process.Done() }

// Stop ends the server by fast shutdown: open transactions are rolled back, what was
// committed is kept. It may be called more than once.
func (c *Cluster) Stop() {
	// SIGTERM would wait for every client to leave. The lock goes last, or the next process
	// would find the server still at it.
	if c.process != nil {
		c.process.Stop(syscall.SIGINT, stopTimeout)
	}
	_ = c.lock.Close() // closing it lifts it
}

// reason is the line of a log that says why a program gave up: its first fatal
// error, else its last line.
func reason(log []byte) string {
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	for _, line := range lines {
		if strings.Contains(line, "FATAL:") || strings.Contains(line, "initdb: error:") {
			return line
		}
	}
	return lines[len(lines)-1]
}
