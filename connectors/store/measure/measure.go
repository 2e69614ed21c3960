// Package measure is what the benchmark asks of the database itself: how long
// write-backs took, and what storing alone costs.
// docs/words.md defines owed, item and write-back.
package measure

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"caselink.example/connectors/store"
	"caselink.example/fhir"
	"caselink.example/mapping/workflow"
)

// Delivered is the time from the commit to the GP system's answer, in milliseconds.
type Delivered struct {
	Items     int     `json:"items"`
	P50       float64 `json:"p50ms"`
	P99       float64 `json:"p99ms"`
	PerSecond float64 `json:"perSecond"` // from the first settlement to the last
}

const selectDelivered = `select count(*),
		coalesce(percentile_cont(0.5) within group (order by extract(epoch from settled_at - owed_since)), 0) * 1000,
		coalesce(percentile_cont(0.99) within group (order by extract(epoch from settled_at - owed_since)), 0) * 1000,
		coalesce(count(*) / nullif(extract(epoch from max(settled_at) - min(settled_at)), 0), 0)
	from caselink.owed where state = 'acknowledged' and settled_at >= $1`

// DeliveredSince reads how long the items settled since then took. adminURL is a superuser's.
func DeliveredSince(ctx context.Context, adminURL string, since time.Time) (Delivered, error) {
	var d Delivered
	err := with(ctx, adminURL, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, selectDelivered, since).Scan(&d.Items, &d.P50, &d.P99, &d.PerSecond)
	})
	return d, err
}

// Owed counts the items that no destination has had yet.
func Owed(ctx context.Context, adminURL string) (n int, err error) {
	err = with(ctx, adminURL, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `select count(*) from caselink.owed where state = 'owed'`).Scan(&n)
	})
	return n, err
}

// FlushDelay makes each commit wait before its flush, in microseconds, as on a disk
// that flushes slowly; 0 ends that.
func FlushDelay(ctx context.Context, adminURL string, microseconds int) error {
	// PostgreSQL delays a commit only while this many others are under way; by default five,
	// which would spare a single client the slow disk.
	siblings := 5
	if microseconds > 0 {
		siblings = 0
	}
	return with(ctx, adminURL, func(conn *pgx.Conn) error {
		for _, sql := range []string{
			fmt.Sprintf(`alter system set commit_delay = %d`, microseconds),
			fmt.Sprintf(`alter system set commit_siblings = %d`, siblings),
			`select pg_reload_conf()`,
		} {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
}

// Checkpoint writes out what earlier runs left, so that runs begin alike.
func Checkpoint(ctx context.Context, adminURL string) error {
	return with(ctx, adminURL, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `checkpoint`)
		return err
	})
}

func with(ctx context.Context, url string, f func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return f(conn)
}

// Bare stores changes from clients at once until ctx ends: the same rows as a
// referral's, without HTTP, token, decoding or mapping. It returns how many.
func Bare(ctx context.Context, runtimeURL string, clients int, change func() workflow.Change) (int, error) {
	db, err := store.Open(ctx, store.Config{URL: runtimeURL, MaxConnections: int32(clients)})
	if err != nil {
		return 0, err
	}
	defer db.Close()

	// Each client has a connection and waits for its own commit, as a request does. Of a
	// failure the others hear, for a figure that counts failures measures nothing.
	var stored atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for ctx.Err() == nil && failed.Load() == nil {
				c := change()
				if _, err := db.Create(ctx, fhir.Scope{Role: fhir.RoleGP, Holder: c.Referral.Holder}, c); err != nil {
					failed.Store(&err)
					return
				}
				stored.Add(1)
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return int(stored.Load()), nil
}
