package store

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"caselink.example/fhir"
	"caselink.example/mapping/workflow"
)

// lockReferral takes the lock and the next event number in one write: the row is written
// anyway, and a lock for update before it would be one more statement.
const lockReferral = `update caselink.referrals r set seq = r.seq + 1
	from caselink.cases c
	where c.id = $1 and r.holder = c.holder and r.id = c.referral
	returning r.holder, r.id, coalesce(r.service, ''), coalesce(r.practice, ''), r.seq - 1, r.correlation_id`

// selectCase is a statement of its own, after the lock. In the one that waits for the lock
// it would see the case as it was before the wait, and decide on that.
const selectCase = `select task, task_version, doc from caselink.cases where id = $1`

// Update commits a later Change in two round trips. The first takes the referral's
// lock, which orders everything that happens to it; the second writes and commits.
func (db *DB) Update(
	ctx context.Context, scope fhir.Scope, caseID string, decide func(workflow.Current) (workflow.Change, error),
) (err error) {
	id, err := parseID(caseID)
	if err != nil {
		return err
	}
	ctx, cancel := db.committing(ctx)
	defer cancel()
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return Translate("update case", err)
	}
	defer conn.Release()

	// The transaction is begun, committed and rolled back by hand: pgx's own sends begin and
	// commit each in a round trip, twice as many, and one more of them under the lock. The
	// pool closes a connection that comes back inside a transaction, so that without the
	// rollback each refused move would cost one.
	defer func() {
		if err != nil {
			rollback(ctx, conn.Conn())
		}
	}()
	current, err := lockReferralOf(ctx, conn.Conn(), scope, id)
	if err != nil {
		return Translate("lock referral", err)
	}
	change, err := decide(current)
	if err != nil {
		return err
	}
	b := batchWithin(scope)
	if err := queueChange(b, scope, change); err != nil {
		return err
	}
	b.b.Queue("commit")
	return Translate("update case", conn.SendBatch(ctx, &b.b).Close())
}

// lockReferralOf opens the transaction, takes the referral's row and reads what is there.
func lockReferralOf(ctx context.Context, conn *pgx.Conn, scope fhir.Scope, caseID pgtype.UUID) (workflow.Current, error) {
	var cur workflow.Current
	var referral, task uuid.UUID
	var doc []byte
	b := batchWithin(scope)
	b.b.Queue("begin")
	b.b.Queue(Scoped, scopeArgs(scope)...)
	b.Queue(lockReferral, caseID).QueryRow(func(row pgx.Row) error {
		r := &cur.Referral
		return row.Scan(&r.Holder, &referral, &r.Service, &r.Practice, &r.Seq, &r.CorrelationID)
	})
	b.Queue(selectCase, caseID).QueryRow(func(row pgx.Row) error {
		return row.Scan(&task, &cur.Task.Version, &doc)
	})
	if err := conn.SendBatch(ctx, &b.b).Close(); err != nil {
		return cur, err
	}
	cur.Referral.ID, cur.Task.ID = referral.String(), task.String()
	c, err := decodeCase(doc)
	cur.Case = c
	return cur, err
}

// rollback ends a failed transaction; a connection that cannot even do that is closed.
func rollback(ctx context.Context, conn *pgx.Conn) {
	// What failed may be the deadline itself: the rollback has a second of its own.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if _, err := conn.Exec(ctx, "rollback"); err != nil {
		_ = conn.Close(ctx)
	}
}
