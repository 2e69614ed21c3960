package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Holding runs f while this process holds the advisory lock, on the connection that
// holds it: a process that loses the connection loses the lock and writes no more through it.
// held is false when another has the lock; f is not run then.
func (db *DB) Holding(ctx context.Context, key int64, f func(context.Context, *pgxpool.Conn) error) (held bool, err error) {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return false, Translate("acquire a connection for a lock", err)
	}
	defer conn.Release()

	// Tried, not waited for: a process that waited would hold a connection of the pool for as long as
	// the other process lives. The lock belongs to the session and ends with it, kill -9 of
	// this process included.
	if err := conn.QueryRow(ctx, `select pg_try_advisory_lock($1)`, key).Scan(&held); err != nil || !held {
		return false, Translate("take a lock", err)
	}
	defer unlock(conn, key)
	return true, f(ctx, conn)
}

// unlock gives the lock back; should that fail, ending the connection does.
func unlock(conn *pgxpool.Conn, key int64) {
	// The context of the work is over as a rule when the lock is given back. A connection that
	// went back to the pool with the lock would keep it from everybody, this process included.
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := conn.Exec(ctx, `select pg_advisory_unlock($1)`, key); err != nil {
		_ = conn.Conn().Close(ctx)
	}
}
