package storetest

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"caselink.example/connectors/store"
	"caselink.example/connectors/store/cluster"
)

// Target is a migrated database of one test.
type Target struct {
	URL      string // of the runtime login, as the adapter uses it
	OwnerURL string
}

// Open gives the test a migrated database of its own.
func Open(tb testing.TB) Target {
	tb.Helper()
	owner := Database(tb, store.MigrationsHash(), store.Migrate)
	return Target{URL: As(owner, store.Login), OwnerURL: owner}
}

// Exec runs statements as the superuser, whom no policy holds: for tests that break something.
func (d Target) Exec(tb testing.TB, sql string) {
	tb.Helper()
	conn := d.connect(tb)
	defer conn.Close(tb.Context())
	if _, err := conn.Exec(tb.Context(), sql); err != nil {
		tb.Fatalf("exec: %v", err)
	}
}

// Query reads one column of all rows, as the superuser.
func Query[T any](tb testing.TB, d Target, sql string, args ...any) []T {
	tb.Helper()
	conn := d.connect(tb)
	defer conn.Close(tb.Context())
	rows, _ := conn.Query(tb.Context(), sql, args...) // its error is that of CollectRows
	out, err := pgx.CollectRows(rows, pgx.RowTo[T])
	if err != nil {
		tb.Fatalf("query: %v", err)
	}
	return out
}

func (d Target) connect(tb testing.TB) *pgx.Conn {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), As(d.OwnerURL, cluster.Admin))
	if err != nil {
		tb.Fatalf("connect: %v", err)
	}
	return conn
}
