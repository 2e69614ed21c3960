package storetest_test

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"caselink.example/connectors/store/cluster"
	"caselink.example/connectors/store/storetest"
)

// withTable stands for the migrations.
func withTable(ctx context.Context, url string) error {
	return exec(ctx, url, `create table prepared (word text)`)
}

func TestEachTestHasADatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	a := storetest.Database(t, "with table", withTable)
	b := storetest.Database(t, "with table", withTable)
	if err := exec(t.Context(), a, `insert into prepared values ('mine')`); err != nil {
		t.Fatal(err)
	}

	got := count(t, b, `select count(*) from prepared`)

	if got != 0 {
		t.Errorf("the other test's database shows %d rows", got)
	}
}

func TestPrepareRunsOncePerKey(t *testing.T) {
	t.Parallel()
	runs := 0
	prepare := func(ctx context.Context, url string) error {
		runs++
		return withTable(ctx, url)
	}
	key := fresh(t)

	storetest.Database(t, key, prepare)
	storetest.Database(t, key, prepare)

	if runs != 1 {
		t.Errorf("prepare ran %d times, want once", runs)
	}
}

func TestFailedPrepareLeavesNoTemplate(t *testing.T) {
	t.Parallel()
	key := fresh(t)
	failing := &recorder{TB: t}
	failing.run(func() {
		storetest.Database(failing, key, func(ctx context.Context, url string) error {
			return errors.Join(withTable(ctx, url), errors.New("the second migration is wrong"))
		})
	})
	if !failing.failed {
		t.Error("a test whose prepare fails goes on")
	}

	url := storetest.Database(t, key, withTable)

	if got := count(t, url, `select count(*) from prepared`); got != 0 {
		t.Errorf("prepared holds %d rows", got)
	}
}

func TestOwnerIsNoSuperuser(t *testing.T) {
	t.Parallel()
	url := storetest.Database(t, "with table", withTable)

	got := count(t, url, `select count(*) from pg_roles where rolname = current_user and (rolsuper or rolbypassrls)`)

	if got != 0 {
		t.Error("migrations would run as a superuser, which row-level security does not bind")
	}
	if n := count(t, storetest.As(url, cluster.Admin), `select count(*) from pg_roles where rolname = current_user and rolsuper`); n != 1 {
		t.Error("As(url, Admin) is not the superuser")
	}
}

// BenchmarkDatabase is what one test pays for its database: made and dropped.
func BenchmarkDatabase(b *testing.B) {
	storetest.Database(b, "with table", withTable)
	for b.Loop() {
		test := &recorder{TB: b}
		test.run(func() { storetest.Database(test, "with table", withTable) })
	}
}

// recorder is a test within a test.
type recorder struct {
	testing.TB
	failed   bool
	cleanups []func()
}

func (r *recorder) Fatalf(string, ...any) {
	r.failed = true
	runtime.Goexit()
}

func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

// run is what the testing package does with a test: in a goroutine of its own, then its clean-up.
func (r *recorder) run(test func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		test()
	}()
	<-done
	for _, f := range r.cleanups {
		f()
	}
}

// fresh is a key that no earlier run has used.
func fresh(t *testing.T) string { return t.Name() + uuid.NewString() }

func exec(ctx context.Context, url, statement string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, statement)
	return err
}

func count(t *testing.T, url, query string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}
