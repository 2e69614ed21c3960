// Package fsck checks that what is stored keeps every promise: nothing missing,
// nothing doubled, no gap, no broken chain. It reads ids and numbers, never what is
// said about a person, under the role of the auditor.
//
// docs/words.md defines lane, item, owed and sealer.
package fsck

import (
	"bytes"
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"caselink.example/connectors/store"
	"caselink.example/connectors/store/feed"
	"caselink.example/fhir"
)

// Invariant is one thing that always holds. Its query returns what breaks it, one
// line each.
type Invariant struct {
	Name string
	sql  string
}

// closed are the states of an item that needs no more sending.
const closed = `('acknowledged', 'superseded', 'withheld')`

// Invariants are all that is checked, apart from the chain of the audit.
var Invariants = []Invariant{
	{"each referral has one case", `
		select format('referral %s has %s cases', r.id, count(c.id)) from caselink.referrals r
		left join caselink.cases c on c.holder = r.holder and c.referral = r.id
		group by r.holder, r.id having count(c.id) <> 1`},
	{"each referral has its original and a name", `
		select format('referral %s', id) from caselink.referrals r
		where not exists (select from caselink.originals o where o.holder = r.holder and o.referral = r.id)
		or not exists (select from caselink.identities i where i.holder = r.holder and i.referral = r.id)`},
	{"every row belongs to a referral", `
		select format('%s of referral %s', what, referral) from (
			select 'original' as what, holder, referral from caselink.originals union all
			select 'version', holder, referral from caselink.versions union all
			select 'event', holder, referral from caselink.events union all
			select 'lane', holder, referral from caselink.lanes union all
			select 'owed', holder, referral from caselink.owed) row
		where not exists (select from caselink.referrals r where r.holder = row.holder and r.id = row.referral)`},
	{"events are numbered without gaps", `
		select format('referral %s: %s events, last %s, counted %s', r.id, count(e.seq), max(e.seq), r.seq)
		from caselink.referrals r left join caselink.events e on e.holder = r.holder and e.referral = r.id
		group by r.holder, r.id having count(e.seq) <> r.seq or max(e.seq) <> r.seq or min(e.seq) <> 1`},
	{"each event begins where the last one ended", `
		select format('referral %s event %s', referral, seq) from (
			select referral, seq, from_status, lag(to_status) over (partition by holder, referral order by seq) as before
			from caselink.events) e
		where from_status is distinct from before`},
	{"a case is where its last event left it", `
		select format('case %s is %s, its last event says %s', c.id, c.status, e.to_status)
		from caselink.cases c join caselink.referrals r on r.holder = c.holder and r.id = c.referral
		join caselink.events e on e.holder = r.holder and e.referral = r.id and e.seq = r.seq
		where e.to_status <> c.status`},
	{"versions are numbered without gaps", `
		select format('%s %s: %s versions, last %s', type, id, count(*), max(version)) from caselink.versions
		group by holder, type, id having count(*) <> max(version)`},
	{"a case knows the last version of its Task", `
		select format('case %s', c.id) from caselink.cases c
		where c.task_version <> (select max(version) from caselink.versions v
			where v.holder = c.holder and v.type = 'Task' and v.id = c.task)`},
	{"lanes count what is owed", `
		select format('lane %s %s: last %s done %s, items %s closed %s',
			l.referral, l.destination, l.last, l.done, count(o.n), count(o.n) filter (where o.state in ` + closed + `))
		from caselink.lanes l left join caselink.owed o using (holder, referral, destination)
		group by l.holder, l.referral, l.destination
		having count(o.n) <> l.last or max(o.n) <> l.last or count(o.n) filter (where o.state in ` + closed + `) <> l.done`},
	{"nothing owed leaves before what came before it", `
		select format('lane %s %s item %s', o.referral, o.destination, o.n)
		from caselink.owed o join caselink.lanes l using (holder, referral, destination)
		where (o.n <= l.done) <> (o.state in ` + closed + `)`},
	{"what is owed exists", `
		select format('lane %s %s item %s', o.referral, o.destination, o.n) from caselink.owed o
		where not exists (select from caselink.versions v
			where v.holder = o.holder and v.type = o.type and v.id = o.id and v.version = o.version)`},
	{"one service works a referral", `
		select format('referral %s', r.id) from caselink.referrals r
		join caselink.cases c on c.holder = r.holder and c.referral = r.id
		where c.service is distinct from r.service`},
	{"each row is of the service that works its referral", `
		select format('%s of referral %s', what, row.referral) from (
			select 'version' as what, holder, referral, service from caselink.versions union all
			select 'event', holder, referral, service from caselink.events union all
			select 'lane', holder, referral, service from caselink.lanes union all
			select 'owed', holder, referral, service from caselink.owed) row
		join caselink.referrals r on r.holder = row.holder and r.id = row.referral
		where row.service is distinct from r.service`},
	{"the feed has no gaps", `
		select format('head %s, numbered %s, last %s', h.position, count(e.position), max(e.position))
		from caselink.heads h left join caselink.events e on e.position is not null where h.name = 'events'
		group by h.position having count(e.position) <> h.position or coalesce(max(e.position), 0) <> h.position`},
	{"the feed is in order within each referral", `
		select format('referral %s event %s', referral, seq) from (
			select referral, seq, position, lag(position) over (partition by holder, referral order by seq) as before
			from caselink.events) e
		where position < before or position is not null and seq > 1 and before is null`},
	{"the sealer keeps up", `
		select format('an event of %s is not numbered yet', occurred_at) from caselink.events
		where position is null and occurred_at < now() - interval '1 minute'`},
}

// readsAll lets a transaction take its time and read whole tables, which other
// transactions never should.
const readsAll = `select set_config('statement_timeout', '10min', true), set_config('enable_seqscan', 'on', true),
	set_config('enable_bitmapscan', 'on', true), set_config('enable_hashjoin', 'on', true), set_config('enable_mergejoin', 'on', true)`

// AuditChain is the name of the check of the audit's hashes.
const AuditChain = "the audit's chain is whole"

// Finding is an invariant that does not hold.
type Finding struct {
	Invariant string
	Detail    string
}

// Check checks every invariant and reports what breaks one, at most 20 lines for
// each; progress is called before each.
func Check(ctx context.Context, db *store.DB, progress func(name string, done, of int)) ([]Finding, error) {
	var found []Finding
	of := len(Invariants) + 1
	for i, inv := range Invariants {
		progress(inv.Name, i, of)

		// Each check is a transaction of its own: an old snapshot that stands for minutes would
		// keep PostgreSQL from clearing up behind the deliveries.
		b := store.NewBatch(fhir.Scope{Role: fhir.RoleAuditor})
		b.Queue(readsAll)
		b.Queue(inv.sql + " limit 20").Query(func(rows pgx.Rows) error {
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			for _, line := range lines {
				found = append(found, Finding{inv.Name, line})
			}
			return err
		})
		if err := db.Send(ctx, inv.Name, b); err != nil {
			return nil, err
		}
	}
	progress(AuditChain, of-1, of)
	broken, err := chain(ctx, db)
	if broken != nil {
		found = append(found, *broken)
	}
	progress("", of, of)
	return found, err
}

const selectChain = `select position, hash, ` + feed.RecordColumns + ` from caselink.audit where position > $1 order by position limit 5000`

// chain computes every hash of the audit again, from the first record on: a record that
// was changed breaks every hash after it.
func chain(ctx context.Context, db *store.DB) (*Finding, error) {
	var head feed.Head
	for {
		seen := 0
		var broken *Finding
		b := store.NewBatch(fhir.Scope{Role: fhir.RoleAuditor})
		b.Queue(selectChain, head.Position).Query(func(rows pgx.Rows) error {
			for rows.Next() && broken == nil {
				seen++
				link, err := feed.ScanLink(rows)
				if err != nil {
					return err
				}
				head = head.Next(link.Record)
				if link.Position != head.Position || !bytes.Equal(link.Hash, head.Hash) {
					detail := fmt.Sprintf("record %d at position %d was changed, added or removed", link.ID, link.Position)
					broken = &Finding{AuditChain, detail}
				}
			}
			return rows.Err()
		})
		if err := db.Send(ctx, "read the audit", b); err != nil || broken != nil || seen == 0 {
			return broken, err
		}
	}
}
