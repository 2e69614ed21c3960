// Package ledger is what is owed to the GP systems, in PostgreSQL: lanes (one
// referral, one destination) and the items in them, claimed with a lease and a
// fence, settled once. Words: docs/words.md.
package ledger

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"caselink.example/connectors/delivery"
	"caselink.example/connectors/store"
	"caselink.example/fhir"
)

var _ delivery.Ledger = (*Ledger)(nil)

// Ledger hands out what is owed and keeps what came of it.
type Ledger struct {
	DB  *store.DB
	Now func() time.Time

	claimer atomic.Int32 // this process, while Run holds its lock; else 0
}

var courier = fhir.Scope{Role: fhir.RoleCourier}

// claim leases the lanes that are due, for each destination as many as it has free
// slots: a destination with thousands of due lanes costs no more than one. Moving
// next_at to the end of the lease is the lease.
//
// A claim whose answer is lost may be made again at once: its lanes are not due any
// more, so others are claimed, and the fence that it gave nobody is never brought back.
const claim = `with due as (
		select l.holder, l.referral, l.destination
		from unnest($1::text[], $2::int[]) as slot(destination, free),
		lateral (select holder, referral, destination from caselink.lanes
			where destination = slot.destination and next_at <= $3 and done < last and not parked
			-- Another claimer's rows, and those that a commit adds an item to, are left for the next
			-- look: nobody waits. Once a row is locked it is judged again as it is now.
			order by next_at limit slot.free for update skip locked) l),
	leased as (
		-- The attempt counts from the claim on: who dies before settling may have sent it.
		update caselink.lanes l set next_at = $4, fence = l.fence + 1, attempt = l.attempt + 1, claimer = nullif($5, 0)
		from due where l.holder = due.holder and l.referral = due.referral and l.destination = due.destination
		returning l.holder, l.referral, l.destination, l.done + 1 as n, l.fence, l.attempt, l.withhold),
	touched as (
		update caselink.owed o set first_attempt = coalesce(o.first_attempt, $3)
		from leased where o.holder = leased.holder and o.referral = leased.referral
			and o.destination = leased.destination and o.n = leased.n
		returning o.*)
	select o.holder, o.referral, o.destination, o.n, leased.fence, leased.attempt, o.seq, o.event_id, o.request_id, o.correlation_id,
		o.type, o.id, o.version, leased.withhold, o.owed_since, o.first_attempt,
		-- Of the last one that the destination took, even if it gave none then: an older ETag
		-- would name a version that is there no more.
		coalesce((select p.etag from caselink.owed p
			where p.holder = o.holder and p.referral = o.referral and p.destination = o.destination
				and p.type = o.type and p.id = o.id and p.n < o.n and p.state in ('acknowledged', 'superseded')
			order by p.n desc limit 1), '')
	from touched o join leased using (holder, referral, destination)`

// Claim leases the oldest owed item of each due lane, at most as many for each
// destination as it has free slots. The bodies are read under each item's holder.
func (l *Ledger) Claim(ctx context.Context, slots []delivery.Slots, lease time.Duration) ([]delivery.Item, error) {
	var destinations []string
	var free []int32
	for _, s := range slots {
		destinations, free = append(destinations, s.Destination), append(free, int32(s.Free))
	}
	now := l.Now()
	var items []delivery.Item
	b := store.NewBatch(courier).Relaxed() // a lost claim is made again
	b.Queue(claim, destinations, free, now, now.Add(lease), l.claimer.Load()).Query(func(rows pgx.Rows) (err error) {
		items, err = pgx.CollectRows(rows, scanItem)
		return err
	})
	if err := l.DB.Send(ctx, "claim what is owed", b); err != nil || len(items) == 0 {
		return nil, err
	}
	return items, l.readBodies(ctx, items)
}

func scanItem(row pgx.CollectableRow) (delivery.Item, error) {
	var it delivery.Item
	var referral, event, request, id uuid.UUID
	err := row.Scan(&it.Holder, &referral, &it.Destination, &it.N, &it.Fence, &it.Attempt, &it.Seq, &event, &request, &it.CorrelationID,
		&it.ResourceType, &id, &it.Version, &it.Withhold, &it.OwedSince, &it.FirstAttempt, &it.ETag)
	it.OwedSince, it.FirstAttempt = it.OwedSince.UTC(), it.FirstAttempt.UTC()
	it.Referral, it.EventID, it.RequestID, it.ResourceID = referral.String(), event.String(), request.String(), id.String()
	return it, err
}

const selectBodies = `select v.id, v.version, v.content
	from unnest($1::text[], $2::uuid[], $3::int[]) as wanted(type, id, version)
	join caselink.versions v on v.holder = $4 and v.type = wanted.type and v.id = wanted.id and v.version = wanted.version`

// readBodies reads the bytes of the items: one transaction for each holder, whose
// rows are all that it can see.
func (l *Ledger) readBodies(ctx context.Context, items []delivery.Item) error {
	type key struct {
		id      string
		version int
	}
	// The courier may see lanes of all holders, which say nothing of a person, and what is
	// said of persons only as one holder at a time: a slip in a query shows it no other's.
	byHolder := map[string][]int{}
	for i, it := range items {
		byHolder[it.Holder] = append(byHolder[it.Holder], i)
	}
	for holder, indexes := range byHolder {
		var types []string
		var ids []pgtype.UUID
		var versions []int32
		for _, i := range indexes {
			it := items[i]
			types, versions = append(types, it.ResourceType), append(versions, int32(it.Version))
			ids = append(ids, store.UUID(it.ResourceID))
		}
		bodies := map[key][]byte{}
		b := store.NewBatch(fhir.Scope{Role: fhir.RoleCourier, Holder: holder})
		b.Queue(selectBodies, types, ids, versions, holder).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				var id uuid.UUID
				var version int
				var content []byte
				if err := rows.Scan(&id, &version, &content); err != nil {
					return err
				}
				bodies[key{id.String(), version}] = content
			}
			return rows.Err()
		})
		if err := l.DB.Send(ctx, "read what is owed", b); err != nil {
			return err
		}

		// An item without its version gets no body. It is sent as it is, for the receiver
		// parks it where a person looks; an error here would stop all others with it.
		for _, i := range indexes {
			items[i].Body = bodies[key{items[i].ResourceID, items[i].Version}]
		}
	}
	return nil
}

// settle ends claims. It may be repeated: everything else follows from the lanes that
// it moves, and it moves none twice. An item that is closed makes its lane due for the
// next one at once.
const settle = `with verdict as (
		select * from unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[], $5::bigint[],
				$6::text[], $7::text[], $8::int[], $9::text[], $10::timestamptz[])
			as v(holder, referral, destination, n, fence, verdict, reason, status, etag, next_at)),
	moved as (
		update caselink.lanes l set
			done = case when v.verdict in ('retry', 'released', 'parked') then l.done else v.n end,
			attempt = case v.verdict when 'retry' then l.attempt when 'released' then l.attempt - 1 else 0 end,
			-- Moved on, so that a second settlement of the same claim finds another fence; one of a
			-- claim whose lease ran out finds that of whoever has claimed the lane since.
			fence = l.fence + 1,
			next_at = v.next_at,
			claimer = null,
			-- An operator who parks a lane moves its fence as well, so this undoes nobody's parking.
			parked = v.verdict = 'parked'
		from verdict v where l.holder = v.holder and l.referral = v.referral and l.destination = v.destination
			and l.fence = v.fence and l.done = v.n - 1
		returning v.*, l.attempt = 0 as untried),
	closed as (
		update caselink.owed o set
			state = case when m.verdict in ('retry', 'released') then o.state else m.verdict end,
			reason = m.reason, status = m.status, etag = m.etag,
			-- Untried again: the first attempt is still to come.
			first_attempt = case when m.verdict = 'released' and m.untried then null else o.first_attempt end,
			settled_at = case when m.verdict in ('retry', 'released') then null else $11::timestamptz end
		from moved m where o.holder = m.holder and o.referral = m.referral and o.destination = m.destination and o.n = m.n)
	-- Released means not sent: there was no attempt. The fence is part of the key, one row a claim.
	insert into caselink.attempts (holder, referral, destination, n, fence, at, verdict, status, reason)
	select holder, referral, destination, n, fence, $11, verdict, status, reason from moved where verdict <> 'released'`

// Settle records what came of attempts, in one round trip.
func (l *Ledger) Settle(ctx context.Context, settlements []delivery.Settlement) error {
	var holders, destinations, verdicts, reasons, etags []string
	var referrals []pgtype.UUID
	var ns, fences []int64
	var statuses []int32
	var nexts []time.Time
	now := l.Now()
	for _, s := range settlements {
		next := now
		if !s.RetryAt.IsZero() {
			next = s.RetryAt
		}
		holders, referrals = append(holders, s.Holder), append(referrals, store.UUID(s.Referral))
		destinations, ns, fences = append(destinations, s.Destination), append(ns, s.N), append(fences, s.Fence)
		verdicts, reasons = append(verdicts, string(s.Verdict)), append(reasons, s.Reason)
		statuses, etags, nexts = append(statuses, int32(s.Answer.Status)), append(etags, s.Answer.ETag), append(nexts, next)
	}
	b := store.NewBatch(courier).Relaxed() // a lost settlement is an attempt more, which changes nothing
	b.Queue(settle, holders, referrals, destinations, ns, fences, verdicts, reasons, statuses, etags, nexts, now)
	return l.DB.Send(ctx, "settle what was owed", b)
}
