package cluster_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"caselink.example/connectors/store/cluster"
)

// parentDir is set for the copy of this test program that plays the parent which is killed.
const parentDir = "CASELINK_TEST_CLUSTER_PARENT"

func TestMain(m *testing.M) {
	if dir := os.Getenv(parentDir); dir != "" {
		runUntilKilled(dir)
	}
	os.Exit(m.Run())
}

// runUntilKilled starts the cluster, says its server's process id, and waits.
func runUntilKilled(dir string) {
	c, err := cluster.Start(context.Background(), cluster.Config{Dir: dir})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(c.PID())
	select {}
}

// endings are the ways in which a server may end before its next start.
var endings = map[string]func(t *testing.T, c *cluster.Cluster){
	"asked to stop": func(_ *testing.T, c *cluster.Cluster) { c.Stop() },
	"kill -9 of the server": func(t *testing.T, c *cluster.Cluster) {
		if err := syscall.Kill(c.PID(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-c.Done()
		c.Stop()
	},
	"its process id is another program's now": func(t *testing.T, c *cluster.Cluster) {
		c.Stop()
		pid := fmt.Sprintf("%d\n%s\n", os.Getpid(), dataOf(c))
		if err := os.WriteFile(filepath.Join(dataOf(c), "postmaster.pid"), []byte(pid), 0o600); err != nil {
			t.Fatal(err)
		}
	},
}

func TestNextStartKeepsWhatWasCommitted(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	first := start(t, cluster.Config{Dir: dir})
	mustExec(t, first, `create table kept (word text)`)
	first.Stop()
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			c := start(t, cluster.Config{Dir: dir})
			mustExec(t, c, `truncate kept`, `insert into kept values ('committed')`)

			end(t, c)
			again := start(t, cluster.Config{Dir: dir})
			defer again.Stop()

			if got := query(t, again, `select word from kept`); got != "committed" {
				t.Errorf("the table holds %q, want what was committed", got)
			}
		})
	}
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	c := start(t, cluster.Config{Dir: dir})

	_, err := cluster.Start(t.Context(), cluster.Config{Dir: dir})
	if !errors.Is(err, cluster.ErrInUse) {
		t.Errorf("a second start of a running cluster: %v", err)
	}

	c.Stop()
	_, err = cluster.Start(t.Context(), cluster.Config{Dir: dir, Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("an unknown setting: %v, want the reason of PostgreSQL's log", err)
	}

	if err := os.WriteFile(filepath.Join(dataOf(c), "PG_VERSION"), []byte("9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = cluster.Start(t.Context(), cluster.Config{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "was made by PostgreSQL 9") {
		t.Errorf("data of another version: %v, want both versions named", err)
	}
}

func TestRunningCluster(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Config{Dir: tempDir(t), Settings: map[string]string{"max_connections": "20"}})
	t.Run("commits are durable and nothing listens on TCP", func(t *testing.T) {
		for name, want := range map[string]string{
			"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on",
			"listen_addresses": "", "unix_socket_permissions": "0700", "server_encoding": "UTF8",
			"max_connections": "20", // the Config overrules
		} {
			if got := query(t, c, `show `+name); got != want {
				t.Errorf("%s = %q, want %q", name, got, want)
			}
		}
	})
	t.Run("a second cluster beside it is another", func(t *testing.T) {
		mustExec(t, c, `create table only_here ()`)
		other := start(t, cluster.Config{Dir: tempDir(t)})
		if got := query(t, other, `select count(*) from pg_tables where tablename = 'only_here'`); got != "0" {
			t.Errorf("the second cluster sees %s tables of the first", got)
		}
	})
	t.Run("a database is made once and its owner may migrate it", func(t *testing.T) {
		for range 2 {
			if err := c.CreateDatabase(t.Context(), "caselink"); err != nil {
				t.Fatal(err)
			}
		}
		for _, statement := range []string{`create role made_by_owner`, `create schema made_by_owner`} {
			if err := tryExec(t, c.URL("caselink", cluster.Owner), statement); err != nil {
				t.Errorf("%s: %v", statement, err)
			}
		}
	})
}

func TestKilledParentLeavesNothingInTheWay(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	parent, server := startParent(t, dir)

	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c := start(t, cluster.Config{Dir: dir})

	if got := query(t, c, `select 1`); got != "1" {
		t.Errorf("select 1 = %s", got)
	}
	if cwd, err := os.Readlink("/proc/" + server + "/cwd"); err == nil && strings.HasPrefix(cwd, dir) {
		t.Errorf("the server of the killed parent, process %s, still runs in %s", server, cwd)
	}
}

func TestLogTellsNoValues(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Config{Dir: tempDir(t)})
	mustExec(t, c, `create table people (name text primary key)`, `insert into people values ('Secret Name')`)
	for _, statement := range []string{
		`insert into people values ('Secret Name')`,
		`select 'Secret Name'::int`,
		`select * from nowhere where name = 'Secret Name'`,
	} {
		if err := tryExec(t, c.URL("postgres", cluster.Admin), statement); err == nil {
			t.Fatalf("%s succeeded", statement)
		}
	}
	c.Stop()

	log, err := os.ReadFile(c.LogFile)

	if err != nil || len(log) == 0 {
		t.Fatalf("log: %d bytes, %v", len(log), err)
	}
	if strings.Contains(string(log), "Secret") {
		t.Errorf("the log quotes a value:\n%s", log)
	}
}

func TestMovedHomeIsRemovedOnceItsFolderIsGone(t *testing.T) {
	t.Parallel()
	long := func() string { return filepath.Join(tempDir(t), strings.Repeat("long", 30)) }
	gone := long()
	c := start(t, cluster.Config{Dir: gone})
	c.Stop()
	if err := os.RemoveAll(gone); err != nil {
		t.Fatal(err)
	}

	other := start(t, cluster.Config{Dir: long()})
	t.Cleanup(func() { os.RemoveAll(other.Home) })

	if _, err := os.Stat(c.Home); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", c.Home, err)
	}
}

func TestInterruptedInitdbBeginsAnew(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	if err := os.MkdirAll(filepath.Join(dir, "data.new", "base"), 0o700); err != nil {
		t.Fatal(err)
	}

	c := start(t, cluster.Config{Dir: dir})

	if got := query(t, c, `select 1`); got != "1" {
		t.Errorf("select 1 = %s", got)
	}
}

func TestLongPathsAndClosedFoldersMoveTheHome(t *testing.T) {
	t.Parallel()
	closed := tempDir(t)
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{
		"longer than a socket's path may be":       filepath.Join(tempDir(t), strings.Repeat("long", 30)),
		"below a folder of root's, when we are it": filepath.Join(closed, "pg"),
	} {
		c := start(t, cluster.Config{Dir: dir})
		if c.Home != dir {
			t.Cleanup(func() { os.RemoveAll(c.Home) })
		}
		mustExec(t, c, `create table kept ()`)
		c.Stop()

		again := start(t, cluster.Config{Dir: dir})

		if got := query(t, again, `select count(*) from pg_tables where tablename = 'kept'`); got != "1" {
			t.Errorf("%s: the second start found %s tables of the first", name, got)
		}
	}
}

// TestRunsForAnyUser repeats a start as a user that is not root, when we are root.
func TestRunsForAnyUser(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	parent := exec.Command(os.Args[0])
	if os.Geteuid() == 0 {
		parent = exec.Command(copyForAll(t, os.Args[0]))
		parent.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if err := os.Chown(dir, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}

	server := startCommand(t, parent, dir)

	info, err := os.Stat("/proc/" + server)
	if err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner == 0 {
		t.Error("the server runs as root")
	}
}

// BenchmarkColdStart is the time from an empty folder to the first answer.
func BenchmarkColdStart(b *testing.B) {
	for b.Loop() {
		start(b, cluster.Config{Dir: tempDir(b)}).Stop()
	}
}

// BenchmarkWarmStart is the same where the cluster is there already.
func BenchmarkWarmStart(b *testing.B) {
	dir := tempDir(b)
	for b.Loop() {
		start(b, cluster.Config{Dir: dir}).Stop()
	}
}

// tempDir is a short path that every user may search, unlike t.TempDir.
func tempDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "cl")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	return dir
}

func start(tb testing.TB, cfg cluster.Config) *cluster.Cluster {
	tb.Helper()
	c, err := cluster.Start(tb.Context(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Stop)
	return c
}

func startParent(t *testing.T, dir string) (parent *exec.Cmd, server string) {
	t.Helper()
	parent = exec.Command(os.Args[0])
	return parent, startCommand(t, parent, dir)
}

// startCommand runs the parent and returns the process id of its server.
func startCommand(t *testing.T, parent *exec.Cmd, dir string) string {
	t.Helper()
	parent.Env = append(os.Environ(), parentDir+"="+dir)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = parent.Process.Kill()
		_ = parent.Wait()
	})
	line, _ := bufio.NewReader(out).ReadString('\n')
	pid := strings.TrimSpace(line)
	if _, err := os.Stat("/proc/" + pid); err != nil || pid == "" {
		t.Fatalf("the parent said %q", line)
	}
	return pid
}

func dataOf(c *cluster.Cluster) string { return filepath.Join(c.Home, "data") }

// copyForAll copies a program to where every user may run it.
func copyForAll(t *testing.T, program string) string {
	t.Helper()
	content, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(tempDir(t), "parent")
	if err := os.WriteFile(path, content, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func tryExec(t *testing.T, url, statement string) error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), statement)
	return err
}

func mustExec(t *testing.T, c *cluster.Cluster, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if err := tryExec(t, c.URL("postgres", cluster.Admin), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func query(t *testing.T, c *cluster.Cluster, statement string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.URL("postgres", cluster.Admin))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var got any
	if err := conn.QueryRow(t.Context(), statement).Scan(&got); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return fmt.Sprint(got)
}
