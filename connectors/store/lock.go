package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Holding runs f while this process holds the advisory lock, on the connection that
// holds it: who loses the connection loses the lock and can write no more through it.
// held is false when another has the lock; f is not run then.
func (db *DB) Holding(ctx context.Context, key int64, f func(context.Context, *pgxpool.Conn) error) (held bool, err error) {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return false, translate("acquire a connection for a lock", err)
	}
	defer conn.Release()
	if err := conn.QueryRow(ctx, `select pg_try_advisory_lock($1)`, key).Scan(&held); err != nil || !held {
		return false, translate("take a lock", err)
	}
	defer unlock(conn, key)
	return true, f(ctx, conn)
}

// unlock gives the lock back; should that fail, ending the connection does.
func unlock(conn *pgxpool.Conn, key int64) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := conn.Exec(ctx, `select pg_advisory_unlock($1)`, key); err != nil {
		_ = conn.Conn().Close(ctx)
	}
}
