package ledger

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"caselink.example/connectors/store"
	"caselink.example/fhir"
)

// claimers is the class of the advisory locks that say which processes live: the upper
// half of their keys, whose lower half is the process.
const claimers = 0xCA5E

// reapEvery is how soon the leases of a process that died are taken from it.
const reapEvery = time.Second

// reap makes due again what processes have leased that hold their lock no more. The
// fence, which the next claim raises, keeps a process that was only cut off from
// settling what others have then; until that claim its settlement still counts.
const reap = `update caselink.lanes set next_at = $1, claimer = null
	where claimer is not null and claimer not in (
		-- The server lifts a lock when the connection ends, however the process did: nobody
		-- has to notice a death, and a process that is slow is not taken for a dead one.
		select objid::int from pg_locks where locktype = 'advisory' and classid = $2 and granted)`

// Run says to other processes that this one lives, and takes the leases of those that
// do not, until ctx ends. Without it a lease of a killed process ends by time alone.
func (l *Ledger) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		// A new name for each life: leases of the last one, whose connection was lost, are
		// taken back like a stranger's. 0 is nobody's.
		id := 1 + rand.Int32N(1<<30)
		_, _ = l.DB.Holding(ctx, claimers<<32|int64(id), func(ctx context.Context, conn *pgxpool.Conn) error {
			l.claimAs(ctx, conn, id)
			return nil
		}) // a connection that is lost, or not to be had, is a new life
		l.claimer.Store(0) // a claim without a lock behind it would be reaped at once
		select {
		case <-ctx.Done():
		case <-time.After(reapEvery):
		}
	}
	return nil
}

// claimAs lets Claim lease in the name of id, and reaps, for as long as the lock's connection lives.
func (l *Ledger) claimAs(ctx context.Context, conn *pgxpool.Conn, id int32) {
	l.claimer.Store(id)
	for conn.Ping(ctx) == nil {
		b := store.NewBatch(fhir.Scope{Role: fhir.RoleCourier})
		b.Queue(reap, l.Now(), claimers)
		if l.DB.Send(ctx, "take the leases of the dead", b) != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(reapEvery):
		}
	}
}
