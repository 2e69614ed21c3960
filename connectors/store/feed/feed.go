// Package feed numbers what has been committed. Nothing global happens inside a
// referral's commit; afterwards one leader, the sealer, gives events their gap-free
// positions and chains the audit records by hash.
//
// A gap would be a position that a reader does not find: it could not tell an event
// that is still being committed from one that never was, and would wait for it or miss
// it. Numbers drawn inside a commit have gaps, for commits fail and overtake each other;
// a position is given to what can be seen already, so there is none. Words: docs/words.md.
package feed

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"caselink.example/connectors/store"
	"caselink.example/fhir"
)

// leaderLock is the advisory lock that the one sealer of a database holds.
const leaderLock = 0x5EA1

// perRound is how many rows of a feed one transaction seals: few enough for a round of
// milliseconds, in which nobody waits for the head.
const perRound = 2000

// Sealer numbers events and chains audit records, as long as it is the leader.
type Sealer struct {
	DB    *store.DB
	Log   *slog.Logger
	Every time.Duration // between rounds; 0: 40 ms
}

// Run seals until ctx ends. A sealer that is not the leader asks again each second;
// one that loses its connection or the database begins anew.
func (s *Sealer) Run(ctx context.Context) error {
	for {
		_, err := s.DB.Holding(ctx, leaderLock, s.rounds)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			s.Log.Warn("sealer interrupted", slog.String("error", err.Error()))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

// rounds seals with the connection that holds the leader's lock, so a leader that lost
// its lock cannot write.
func (s *Sealer) rounds(ctx context.Context, conn *pgxpool.Conn) error {
	every := s.Every
	if every == 0 {
		every = 40 * time.Millisecond
	}
	for {
		events, audit, err := Seal(ctx, conn.Conn())
		if err != nil {
			return err
		}
		if events == perRound || audit == perRound {
			continue // more is waiting
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}

// sealEvents gives the oldest unnumbered events the next positions. Their id was
// drawn under the referral's lock and an event is visible only after the one before
// it, so positions rise within a referral.
//
// It may be repeated: what has a position keeps it, and a round that is lost before its
// commit leaves the head where it was.
const sealEvents = `with batch as (
		select unsealed.id, head.position + row_number() over (order by unsealed.id) as position
		from (select id from caselink.events where position is null order by id limit $1) unsealed,
			(select position from caselink.heads where name = 'events') head),
	sealed as (update caselink.events e set position = batch.position from batch
		where e.id = batch.id and e.position is null returning e.position)
	-- The head moves by what was numbered, not by what was found.
	update caselink.heads set position = position + (select count(*) from sealed), at = now()
	where name = 'events' and exists (select from sealed)
	returning (select count(*) from sealed)`

// Seal does one round on a connection and returns how many events and audit
// records it numbered, each at most 2,000.
func Seal(ctx context.Context, conn *pgx.Conn) (events, audit int, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		b := &pgx.Batch{}
		b.Queue(store.Scoped, "caselink_"+string(fhir.RoleSealer), "", "")

		// The lock on a head is a statement of its own, before the one that looks for rows:
		// a statement that waits for it has looked before it waited, and would count what
		// another sealer has numbered since.
		var head Head
		b.Queue(selectHead, "events")
		b.Queue(sealEvents, perRound).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				if err := rows.Scan(&events); err != nil {
					return err
				}
			}
			return rows.Err()
		})
		var records []Record
		b.Queue(selectHead, "audit").QueryRow(func(row pgx.Row) error { return row.Scan(&head.Position, &head.Hash) })
		b.Queue(selectUnsealed, perRound).Query(func(rows pgx.Rows) (err error) {
			records, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Record])
			return err
		})
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return err
		}
		audit = len(records)
		return chain(ctx, tx, head, records)
	})
	return events, audit, store.Translate("seal", err)
}

// Head is the end of a chain.
type Head struct {
	Position int64
	Hash     []byte
}

// Record is an audit record as it enters the chain.
type Record struct {
	ID                                       int64
	At                                       time.Time
	Holder, Service, Role, Client            string
	UserID, UserName, UserRole, Organisation string
	Action, ResourceType                     string
	ResourceID, Referral                     *uuid.UUID
	RequestID, CorrelationID                 string
}

// selectHead takes a head until the commit, so that no two sealers go on from the same one.
const selectHead = `select position, hash from caselink.heads where name = $1 for update`

// RecordColumns are the columns of a Record, in its order.
const RecordColumns = `id, at, holder, coalesce(service, ''), role, client, user_id, user_name, user_role, organisation,
	action, resource_type, resource_id, referral, request_id, correlation_id`

const selectUnsealed = `select ` + RecordColumns + ` from caselink.audit where position is null order by id limit $1`

const sealAudit = `update caselink.audit a set position = sealed.position, hash = sealed.hash
	from unnest($1::bigint[], $2::bigint[], $3::bytea[]) as sealed(id, position, hash) where a.id = sealed.id and a.position is null`

// chain gives each record the next position and the hash of the record before it and itself.
func chain(ctx context.Context, tx pgx.Tx, head Head, records []Record) error {
	if len(records) == 0 {
		return nil
	}
	ids, positions, hashes := make([]int64, len(records)), make([]int64, len(records)), make([][]byte, len(records))
	for i, r := range records {
		head = head.Next(r)
		ids[i], positions[i], hashes[i] = r.ID, head.Position, head.Hash
	}
	b := &pgx.Batch{}
	b.Queue(sealAudit, ids, positions, hashes)
	b.Queue(`update caselink.heads set position = $1, hash = $2, at = now() where name = 'audit'`, head.Position, head.Hash)
	return tx.SendBatch(ctx, b).Close()
}

// Next is the head after one more record: its hash covers the whole chain so far.
func (h Head) Next(r Record) Head {
	sum := sha256.New()
	sum.Write(h.Hash)

	// Each field goes in with its length: otherwise a text could be moved from the end of
	// one into the next and the sum would stay. The time is in microseconds, as PostgreSQL
	// keeps it.
	field := func(b []byte) {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(b)))
		sum.Write(n[:])
		sum.Write(b)
	}
	field(binary.BigEndian.AppendUint64(nil, uint64(h.Position+1)))
	field(binary.BigEndian.AppendUint64(nil, uint64(r.At.UnixMicro())))
	for _, s := range []string{
		r.Holder, r.Service, r.Role, r.Client, r.UserID, r.UserName, r.UserRole, r.Organisation,
		r.Action, r.ResourceType, r.RequestID, r.CorrelationID,
	} {
		field([]byte(s))
	}
	for _, id := range []*uuid.UUID{r.ResourceID, r.Referral} {
		if id == nil {
			field(nil) // told apart from an id by its length
			continue
		}
		field(id[:])
	}
	return Head{Position: h.Position + 1, Hash: sum.Sum(nil)}
}

// Link is a record with its place in the chain.
type Link struct {
	Position int64
	Hash     []byte
	Record
}

// ScanLink reads a row of position, hash and RecordColumns.
func ScanLink(row pgx.Row) (Link, error) {
	var l Link
	r := &l.Record
	err := row.Scan(&l.Position, &l.Hash, &r.ID, &r.At, &r.Holder, &r.Service, &r.Role, &r.Client,
		&r.UserID, &r.UserName, &r.UserRole, &r.Organisation,
		&r.Action, &r.ResourceType, &r.ResourceID, &r.Referral, &r.RequestID, &r.CorrelationID)
	return l, err
}
