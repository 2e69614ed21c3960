// Package store keeps referrals in PostgreSQL: the pool, the roles under which
// every transaction runs, and the one commit of a Change. Its rooms (ledger, feed)
// own the SQL of theirs; pgx is nowhere else. It decides nothing about a referral: what
// a Change says is written, all of it or nothing.
//
// docs/words.md defines holder, service, lane, item, owed, fence, lease and sealer.
package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
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

// sessionSettings are limits that PostgreSQL enforces on every statement and transaction,
// and advice to its planner.
//
// The limits are below the commit timeout of the program (8 s): when PostgreSQL gives up
// first, its error says that nothing was stored; when the program does, nobody knows. A
// transaction that is idle for longer than any commit takes belongs to a process that is
// gone, and gives its locks back.
//
// The advice: each query reads a few rows, one by one, in the order of an index. A plan
// that was made while a table was small, and kept, would read all of it for ever (seen: a
// claim that hashed every lane).
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
	maps.Copy(pc.ConnConfig.RuntimeParams, sessionSettings)
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

const selectSchemaVersion = `select max(version_id) from public.caselink_migrations where is_applied`

// Ready reports whether the database answers and has the schema that this program knows.
func (db *DB) Ready(ctx context.Context) error {
	var version int64
	if err := db.pool.QueryRow(ctx, selectSchemaVersion).Scan(&version); err != nil {
		if isMissing(err) {
			return fhir.Errorf(fhir.IssueTransient, "the database has no schema yet: run caselink migrate up")
		}
		return Translate("read the schema's version", err)
	}

	// A later schema is no fault: while a release rolls out, processes of the one before it
	// serve on, and a migration keeps what they need.
	if want := latestMigration(); version < want {
		return fhir.Errorf(fhir.IssueTransient,
			"the database schema is at version %d and must be at %d: run caselink migrate up", version, want)
	}
	return nil
}

// Scoped says, as the first statement of a transaction, whose part it plays. The settings
// end with the transaction: a connection that goes back to the pool is nobody's.
const Scoped = `select set_config('role', $1, true), set_config('caselink.holder', $2, true), set_config('caselink.services', $3, true)`

// scopeArgs are the arguments of Scoped.
func scopeArgs(s fhir.Scope) []any {
	return []any{"caselink_" + string(s.Role), s.Holder, strings.Join(services(s), ",")}
}

// services are those of the scope, each once: a list that took one twice would show each
// of its cases twice. Commas separate them in the policies, so an id with one in it would
// become two ids, of which neither was granted; no service has such an id.
func services(s fhir.Scope) []string {
	all := slices.Compact(slices.Sorted(slices.Values(s.Services)))
	return slices.DeleteFunc(all, func(id string) bool { return strings.Contains(id, ",") })
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
	b := batchWithin(s)
	b.b.Queue(Scoped, scopeArgs(s)...)
	return b
}

// batchWithin is a batch of a transaction that has the scope already.
func batchWithin(s fhir.Scope) *Batch { return &Batch{role: " -- " + string(s.Role)} }

// Queue adds a statement; what is called on its result reads the rows.
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
// error, translated. After an error of PostgreSQL nothing is kept; but a row that is not
// there, or that its reader refuses, is known only here, when the rest is committed.
func (db *DB) Send(ctx context.Context, what string, b *Batch) error {
	return Translate(what, db.pool.SendBatch(ctx, &b.b).Close())
}

// Pool gives the rooms of the store the connection pool.
func (db *DB) Pool() *pgxpool.Pool { return db.pool }

// committing returns the context of a commit: the client may go away, the deadline stays.
func (db *DB) committing(ctx context.Context) (context.Context, context.CancelFunc) {
	// A commit that is cancelled halfway has happened or not, and its connection is lost
	// with it: clients that hang up under load would make the load worse.
	return context.WithTimeout(context.WithoutCancel(ctx), db.commitTimeout)
}

// UUID is an id that this program made, as pgx encodes it without a detour through text.
// It panics for a text that is no UUID: ids from outside are parsed at the door.
func UUID(id string) pgtype.UUID { return pgtype.UUID{Bytes: uuid.MustParse(id), Valid: true} }

// optional is an id or null.
func optional(id string) pgtype.UUID {
	if id == "" {
		return pgtype.UUID{}
	}
	return UUID(id)
}

// parseID reads an id that a client names. One that is spelled in another way than this
// program spells it is fhir.IssueNotFound, as one that never was.
func parseID(id string) (pgtype.UUID, error) {
	u, err := uuid.Parse(id)
	if err != nil || u.String() != id {
		return pgtype.UUID{}, fhir.Errorf(fhir.IssueNotFound, "not found")
	}
	return pgtype.UUID{Bytes: u, Valid: true}, nil
}
