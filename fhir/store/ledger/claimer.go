package ledger

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"caselink.example/fhir"
	"caselink.example/fhir/store"
)

// claimers is the class of the advisory locks that say which processes live.
const claimers = 0xCA5E

// reapEvery is how soon the leases of a process that died are taken from it.
const reapEvery = time.Second

// reap makes due again what processes have leased that hold their lock no more. The
// fence keeps a process that was only cut off from settling what others have now.
const reap = `update caselink.lanes set next_at = $1, claimer = null
	where claimer is not null and claimer not in (
		select objid::int from pg_locks where locktype = 'advisory' and classid = $2 and granted)`

// Run says to other processes that this one lives, and takes the leases of those that
// do not, until ctx ends. Without it a lease of a killed process ends by time alone.
func (l *Ledger) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		l.live(ctx) // a lost connection begins a new life
		l.claimer.Store(0)
		pause(ctx, reapEvery)
	}
	return nil
}

// live holds this process's lock on a connection of its own, and reaps.
func (l *Ledger) live(ctx context.Context) {
	conn, err := l.DB.Pool().Acquire(ctx)
	if err != nil {
		return
	}
	defer conn.Release()
	id := 1 + rand.Int32N(1<<30)
	var taken bool
	if err := conn.QueryRow(ctx, `select pg_try_advisory_lock($1, $2)`, claimers, id).Scan(&taken); err != nil || !taken {
		return
	}
	defer unlock(conn, id)
	l.claimer.Store(id)
	for ctx.Err() == nil {
		b := store.NewBatch(fhir.Scope{Role: fhir.RoleCourier})
		b.Queue(reap, l.Now(), claimers)
		if conn.Ping(ctx) != nil || l.DB.Send(ctx, "take the leases of the dead", b) != nil {
			return
		}
		pause(ctx, reapEvery)
	}
}

// unlock ends the life; should that fail, ending the connection does.
func unlock(conn *pgxpool.Conn, id int32) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := conn.Exec(ctx, `select pg_advisory_unlock($1, $2)`, claimers, id); err != nil {
		_ = conn.Conn().Close(ctx)
	}
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
