// Package storetest gives tests a real PostgreSQL and a database of their own. The
// server is private to the test program, is started by its first test, and ends with
// it, even by kill -9. Its data folder is kept in the temporary folder for the next
// run: what a run must build once, such as a migrated template, later runs find.
// docs/words.md defines cluster.
package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"caselink.example/connectors/store/cluster"
)

const (
	maxSlots     = 64 // test programs that may run at once
	maxTemplates = 4  // kept from earlier runs
	timeout      = 60 * time.Second
)

// shared is the cluster of this test program.
var shared = sync.OnceValues(startShared)

// Shared returns the cluster of this test program, and starts it for the first test.
func Shared(tb testing.TB) *cluster.Cluster {
	tb.Helper()
	c, err := shared()
	if err != nil {
		tb.Fatalf("PostgreSQL for tests: %v", err)
	}
	return c
}

// startShared takes the first slot that no other test program uses. A slot is a
// data folder; the cluster's own lock says which program has it.
func startShared() (*cluster.Cluster, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	bin, err := cluster.Find()
	if err != nil {
		return nil, err
	}
	root, err := slots(bin)
	if err != nil {
		return nil, err
	}

	// Packages are tested at once, each by a program of its own: the first slot that is free
	// has the templates that most earlier runs have left.
	for n := range maxSlots {
		c, err := cluster.Start(ctx, cluster.Config{Dir: filepath.Join(root, fmt.Sprint(n)), Binaries: bin})
		if errors.Is(err, cluster.ErrInUse) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return c, tidy(ctx, c)
	}
	return nil, fmt.Errorf("%d test programs run already", maxSlots)
}

// slots is the folder of the slots: one for each user and version, which nobody else
// can have made.
func slots(bin cluster.Binaries) (string, error) {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("caselink-test-%d-pg%d", os.Geteuid(), bin.Version))
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}

	// The temporary folder is everybody's: a folder that another user has made there, or a
	// link to one, would be theirs to read and to fill.
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || int(stat.Uid) != os.Geteuid() {
		return "", fmt.Errorf("%s is not a folder of ours: remove it", dir)
	}
	return dir, nil
}

const leftovers = `select datname from pg_database where datname like 'test\_%' or datname like 'making\_%'
union all
(select datname from pg_database where datname like 'template\_%' order by oid desc offset $1)`

// tidy drops what earlier runs left: databases of tests that were killed, and the
// oldest templates.
func tidy(ctx context.Context, c *cluster.Cluster) error {
	conn, err := pgx.Connect(ctx, c.URL("postgres", cluster.Admin))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, _ := conn.Query(ctx, leftovers, maxTemplates) // its error is that of CollectRows
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := conn.Exec(ctx, `drop database `+quoted(name)); err != nil {
			return err
		}
	}
	return nil
}

var databases atomic.Int64

// CreateDatabase makes a database that is a copy of the template, owned by
// cluster.Owner, and drops it when the test ends. It returns the owner's URL.
func CreateDatabase(tb testing.TB, template string) string {
	tb.Helper()
	c := Shared(tb)
	name := fmt.Sprintf("test_%d", databases.Add(1))
	if err := admin(tb.Context(), c, `create database `+quoted(name)+` template `+quoted(template)+` owner `+cluster.Owner); err != nil {
		tb.Fatalf("create a database from %s: %v", template, err)
	}
	tb.Cleanup(func() {
		// By force, for a goroutine that the test started may still hold a connection.
		if err := admin(context.Background(), c, `drop database `+quoted(name)+` with (force)`); err != nil {
			tb.Errorf("drop database %s: %v", name, err)
		}
	})
	return c.URL(name, cluster.Owner)
}

// Database gives the test a database of its own as prepare would make it from an
// empty one, and returns the owner's URL. The key names what prepare makes: it runs
// once for each key, not for each test.
func Database(tb testing.TB, key string, prepare func(ctx context.Context, url string) error) string {
	tb.Helper()
	name := fmt.Sprintf("template_%x", sha256.Sum256([]byte(key)))[:40]
	if err := ensureTemplate(tb.Context(), Shared(tb), name, prepare); err != nil {
		tb.Fatalf("prepare the template %q: %v", key, err)
	}
	return CreateDatabase(tb, name)
}

var making sync.Mutex // one template at a time

// ensureTemplate makes the template unless it is there. It has its name only when it
// is complete.
func ensureTemplate(ctx context.Context, c *cluster.Cluster, name string, prepare func(ctx context.Context, url string) error) error {
	making.Lock()
	defer making.Unlock()
	if has, err := exists(ctx, c, name); has || err != nil {
		return err
	}

	// A run that was killed while it made the template has left a draft, or nothing: what has
	// the name of a template is whole.
	draft := strings.Replace(name, "template", "making", 1)
	if err := admin(ctx, c, `drop database if exists `+quoted(draft)+` with (force)`); err != nil {
		return err
	}
	if err := c.CreateDatabase(ctx, draft); err != nil {
		return err
	}
	if err := prepare(ctx, c.URL(draft, cluster.Owner)); err != nil {
		return err
	}
	return admin(ctx, c, `alter database `+quoted(draft)+` rename to `+quoted(name))
}

func exists(ctx context.Context, c *cluster.Cluster, name string) (bool, error) {
	conn, err := pgx.Connect(ctx, c.URL("postgres", cluster.Admin))
	if err != nil {
		return false, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var n int
	err = conn.QueryRow(ctx, `select count(*) from pg_database where datname = $1`, name).Scan(&n)
	return n > 0, err
}

// admin runs one statement as the superuser.
func admin(ctx context.Context, c *cluster.Cluster, statement string) error {
	conn, err := pgx.Connect(ctx, c.URL("postgres", cluster.Admin))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, statement)
	return err
}

// As is the same database for another user, such as the runtime login or cluster.Admin.
func As(databaseURL, user string) string {
	u, err := url.Parse(databaseURL)
	if err != nil {
		panic(err) // a URL of this package always parses
	}
	u.User = url.User(user)
	return u.String()
}

func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }
