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
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
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

// selectUnnumbered finds the oldest events without a position. Their id was drawn under the
// referral's lock and an event is visible only after the one before it, so that positions
// in the order of ids rise within a referral.
const selectUnnumbered = `select id from caselink.events where position is null order by id limit $1`

// sealEvents gives events the positions after $2. Each finds its own by its place among the
// ids, which are in order, so that there is nothing to join: a join that PostgreSQL planned
// while hardly any event was without a position compared each such event with each id (seen:
// three seconds for a round, from a backlog of 8,000 on, and so never an end of it).
//
// It may be repeated: what has a position keeps it, and a round that is lost before its
// commit leaves the head where it was.
const sealEvents = `update caselink.events set position = $2 + width_bucket(id, $1::bigint[])
	where id = any ($1::bigint[]) and position is null`

// Seal does one round on a connection and returns how many events and audit
// records it numbered, each at most 2,000.
func Seal(ctx context.Context, conn *pgx.Conn) (events, audit int, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		b := &pgx.Batch{}
		b.Queue(store.Scoped, "caselink_"+string(fhir.RoleSealer), "", "")

		// The lock on a head is a statement of its own, before the one that looks for rows:
		// a statement that waits for it has looked before it waited, and would count what
		// another sealer has numbered since.
		var feed, chain Head
		var unnumbered []int64
		var records []Record
		b.Queue(selectHead, "events").QueryRow(feed.scan)
		b.Queue(selectUnnumbered, perRound).Query(func(rows pgx.Rows) (err error) {
			unnumbered, err = pgx.CollectRows(rows, pgx.RowTo[int64])
			return err
		})
		b.Queue(selectHead, "audit").QueryRow(chain.scan)
		b.Queue(selectUnsealed, perRound).Query(func(rows pgx.Rows) (err error) {
			records, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Record])
			return err
		})
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return err
		}

		events, audit = len(unnumbered), len(records)
		b = &pgx.Batch{}
		queueEvents(b, feed, unnumbered)
		queueAudit(b, chain, records)
		return tx.SendBatch(ctx, b).Close()
	})
	return events, audit, store.Translate("seal", err)
}

// queueEvents numbers the events, which are in the order of their ids.
func queueEvents(b *pgx.Batch, head Head, ids []int64) {
	if len(ids) == 0 {
		return
	}
	b.Queue(sealEvents, ids, head.Position).Exec(numbered(len(ids)))
	b.Queue(moveHead, "events", head.Position+int64(len(ids)), head.Hash)
}

// queueAudit gives each record the next position and the hash of the record before it and itself.
func queueAudit(b *pgx.Batch, head Head, records []Record) {
	if len(records) == 0 {
		return
	}
	ids, hashes := make([]int64, len(records)), make([]byte, 0, len(records)*sha256.Size)
	first := head.Position
	for i, r := range records {
		head = head.Next(r)
		ids[i], hashes = r.ID, append(hashes, head.Hash...)
	}
	b.Queue(sealAudit, ids, first, hashes).Exec(numbered(len(records)))
	b.Queue(moveHead, "audit", head.Position, head.Hash)
}

// numbered wants so many rows to have got their position. The head moves as far, and a row
// that did not get its own would be a gap; the round is then lost, and begun again.
func numbered(want int) func(pgconn.CommandTag) error {
	return func(done pgconn.CommandTag) error {
		if n := done.RowsAffected(); n != int64(want) {
			return fmt.Errorf("%d of %d rows got a position", n, want)
		}
		return nil
	}
}

// Head is the end of a chain.
type Head struct {
	Position int64
	Hash     []byte
}

func (h *Head) scan(row pgx.Row) error { return row.Scan(&h.Position, &h.Hash) }

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

// sealAudit does what sealEvents does; $3 is the hashes, one after the other.
const sealAudit = `update caselink.audit set position = $2 + width_bucket(id, $1::bigint[]),
		hash = substring($3::bytea from 32 * width_bucket(id, $1::bigint[]) - 31 for 32)
	where id = any ($1::bigint[]) and position is null`

const moveHead = `update caselink.heads set position = $2, hash = $3, at = now() where name = $1`

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
