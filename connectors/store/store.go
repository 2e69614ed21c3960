// Package store keeps referrals in PostgreSQL: the pool, the roles under which
// every transaction runs, and the one commit of a Change. Its rooms (ledger, feed)
// own the SQL of theirs; pgx is nowhere else.
package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"caselink.example/fhir"
)

// Login is the role that the program logs in as. It owns nothing and inherits nothing.
const Login = "caselink"

// Config says which database to use and how.
type Config struct {
	URL            string // of the role Login
	MaxConnections int32  // 0: 16
	CommitTimeout  time.Duration
}

// DB is the database as one process uses it.
type DB struct {
	pool          *pgxpool.Pool
	commitTimeout time.Duration
	Now           func() time.Time
}

// sessionSettings are limits that PostgreSQL enforces on every statement and
// transaction of ours, and advice to its planner: each of our queries reads a few rows,
// one by one, in the order of an index. A plan that was made while a table was small,
// and kept, would read all of it for ever (seen: a claim that hashed every lane).
var sessionSettings = map[string]string{
	"statement_timeout":                   "5s",
	"lock_timeout":                        "2s",
	"idle_in_transaction_session_timeout": "10s",
	"application_name":                    "caselink",
	"timezone":                            "UTC",
	"enable_seqscan":                      "off",
	"enable_bitmapscan":                   "off",
	"enable_hashjoin":                     "off",
	"enable_mergejoin":                    "off",
}

// Open connects lazily: a database that is down is no error here.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	pc, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		return nil, errors.New("database URL cannot be read") // err would show the password
	}
	pc.MaxConns = cfg.MaxConnections
	if pc.MaxConns == 0 {
		pc.MaxConns = 16
	}
	for name, value := range sessionSettings {
		pc.ConnConfig.RuntimeParams[name] = value
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db := &DB{pool: pool, commitTimeout: cfg.CommitTimeout, Now: time.Now}
	if db.commitTimeout == 0 {
		db.commitTimeout = 8 * time.Second
	}
	return db, nil
}

// Close ends every connection; it waits for those in use.
func (db *DB) Close() { db.pool.Close() }

// Ready reports whether the database answers and has the schema that this program knows.
func (db *DB) Ready(ctx context.Context) error {
	var version int64
	if err := db.pool.QueryRow(ctx, `select max(version_id) from public.caselink_migrations where is_applied`).Scan(&version); err != nil {
		if isMissing(err) {
			return fhir.Errorf(fhir.IssueTransient, "the database has no schema yet: run caselink migrate up")
		}
		return translate("read the schema's version", err)
	}
	if want := latestMigration(); version < want {
		return fhir.Errorf(fhir.IssueTransient, "the database schema is at version %d and must be at %d: run caselink migrate up", version, want)
	}
	return nil
}

// Scoped says, as the first statement of a transaction, whose part it plays.
const Scoped = `select set_config('role', $1, true), set_config('caselink.holder', $2, true), set_config('caselink.services', $3, true)`

// scopeArgs are the arguments of Scoped.
func scopeArgs(s fhir.Scope) []any {
	return []any{"caselink_" + string(s.Role), s.Holder, strings.Join(s.Services, ",")}
}

// Batch is one round trip to PostgreSQL, and one transaction. Its first statement
// takes the scope. The same text under two roles would be planned anew at each
// change of role, because policies differ, so each text carries its role's name.
type Batch struct {
	b    pgx.Batch
	role string
}

// NewBatch begins a batch under the scope.
func NewBatch(s fhir.Scope) *Batch {
	b := &Batch{role: " -- " + string(s.Role)}
	b.b.Queue(Scoped, scopeArgs(s)...)
	return b
}

// Queue adds a statement whose result is not looked at.
func (b *Batch) Queue(sql string, args ...any) *pgx.QueuedQuery {
	return b.b.Queue(sql+b.role, args...)
}

// Relaxed lets the batch commit without waiting for the disk: a crash of PostgreSQL may
// undo it. Only for what does no harm when it is done again.
func (b *Batch) Relaxed() *Batch {
	b.Queue(`select set_config('synchronous_commit', 'off', true)`)
	return b
}

// Send runs the batch as one transaction and one round trip. It returns the first
// error, translated; after an error nothing is kept.
func (db *DB) Send(ctx context.Context, what string, b *Batch) error {
	return translate(what, db.pool.SendBatch(ctx, &b.b).Close())
}

// Pool gives the rooms of the store the connection pool.
func (db *DB) Pool() *pgxpool.Pool { return db.pool }

// committing returns the context of a commit: the client may go away, the deadline stays.
func (db *DB) committing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), db.commitTimeout)
}

// Translate is the door through which PostgreSQL's errors leave: nobody above asks pgx.
func Translate(what string, err error) error { return translate(what, err) }

func translate(what string, err error) error {
	if err == nil {
		return nil
	}
	var known *fhir.Error
	if errors.As(err, &known) {
		return err
	}
	cause := fmt.Errorf("%s: %w", what, redacted(err))
	if errors.Is(err, pgx.ErrNoRows) {
		return fhir.Errorf(fhir.IssueNotFound, "not found").Because(cause)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fhir.Errorf(fhir.IssueTimeout, "the database did not answer in time: it is not known whether anything was stored; repeat the identical request").Because(cause)
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return fhir.Errorf(fhir.IssueTransient, "the database cannot be reached: repeat the identical request").Because(cause)
	}
	switch class := pg.Code[:2]; {
	case class == "53" || class == "57" || class == "58" || class == "40" || class == "08" || pg.Code == "55P03" || pg.Code == "25006":
		return fhir.Errorf(fhir.IssueTransient, "the database cannot do this now: repeat the identical request").Because(cause)
	}
	return fhir.Errorf(fhir.IssueException, "internal error").Because(cause)
}

// redacted keeps what an operator needs of PostgreSQL's error and leaves out the
// detail, which quotes rows.
func redacted(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return fmt.Errorf("SQLSTATE %s: %s (constraint %q)", pg.Code, pg.Message, pg.ConstraintName)
	}
	return err
}

// isMissing reports whether err says that there is no such table.
func isMissing(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "42P01"
}

// isTaken reports whether err says that an identity is in use.
func isTaken(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23505" && pg.ConstraintName == "identities_pkey"
}
