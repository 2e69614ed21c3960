package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"caselink.example/fhir"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/workflow"
)

var _ workflow.Store = (*DB)(nil)

const insertVersion = `insert into caselink.versions (holder, type, id, version, referral, service, last_updated, content)
	values ($1, $2, $3, $4, $5, nullif($6, ''), $7, $8)`

const updateCase = `update caselink.cases set task_version = greatest(task_version, $3), service = nullif($4, ''), status = $5, needs = $6, updated_at = $7, doc = $8
	where holder = $1 and referral = $2`

const insertEvent = `insert into caselink.events (holder, referral, seq, case_id, service, kind, from_status, to_status,
		reason_code, reason_text, actor, outcome_id, occurred_at, request_id)
	values ($1, $2, $3, $4, nullif($5, ''), $6, nullif($7, ''), $8, nullif($9, ''), nullif($10, ''), $11, $12, $13, $14)`

const upsertLane = `insert into caselink.lanes (holder, referral, destination, service, last, next_at, parked, withhold)
	values ($1, $2, $3, nullif($4, ''), $5, $6, $7, $8)
	on conflict (holder, referral, destination) do update
	set last = lanes.last + excluded.last, withhold = excluded.withhold, parked = lanes.parked or excluded.parked,
		fence = lanes.fence + excluded.parked::int, -- a claim under way must not let the lane go
		next_at = case when lanes.done = lanes.last then excluded.next_at else lanes.next_at end`

const insertOwed = `insert into caselink.owed (holder, referral, destination, n, service, seq, event_id, request_id, correlation_id,
		type, id, version, owed_since, state, reason)
	select $1, $2, $3, l.last - $4, nullif($5, ''), $6, $7, $8, $9, $10, $11, $12, $13, $14, $15
	from caselink.lanes l where l.holder = $1 and l.referral = $2 and l.destination = $3`

const insertAudit = `insert into caselink.audit (at, holder, service, role, client, user_id, user_name, user_role, organisation,
		action, resource_type, resource_id, referral, request_id, correlation_id)
	values ($1, $2, nullif($3, ''), $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`

// queueChange queues what a later Change writes.
func queueChange(b *Batch, scope fhir.Scope, c workflow.Change) error {
	r := c.Referral
	doc, err := encodeCase(c.Case)
	if err != nil {
		return err
	}
	for _, v := range c.Resources {
		b.Queue(insertVersion, r.Holder, v.Type, parse(v.ID), v.Version, parse(r.ID), r.Service, v.LastUpdated, v.JSON)
	}
	b.Queue(updateCase, r.Holder, parse(r.ID), taskOf(c.Resources).Version, r.Service, string(c.Case.Status), needs(c.Case), c.Case.UpdatedAt, doc)
	if err := queueEvent(b, scope, c); err != nil {
		return err
	}
	queueOwed(b, c)
	queueAudit(b, scope, c.Audit)
	return nil
}

func queueEvent(b *Batch, scope fhir.Scope, c workflow.Change) error {
	e := c.Event
	actor, err := json.Marshal(actorDocument(e.Actor))
	if err != nil {
		return fmt.Errorf("marshal actor: %w", err)
	}
	var reason cases.Reason
	if e.Reason != nil {
		reason = *e.Reason
	}
	b.Queue(insertEvent, c.Referral.Holder, parse(c.Referral.ID), e.Seq, parse(c.Case.ID), c.Referral.Service, string(e.Kind), string(e.From), string(e.To),
		reason.Code, reason.Text, actor, optional(e.OutcomeID), e.OccurredAt, scope.Caller.RequestID)
	return nil
}

// queueOwed adds items at the end of their lanes. The lane counts them first; each
// item then finds its own place by its distance from the end.
func queueOwed(b *Batch, c workflow.Change) {
	r := c.Referral
	perLane := map[string]int{}
	parked := map[string]bool{}
	for _, o := range c.Owed {
		perLane[o.Destination]++
		parked[o.Destination] = parked[o.Destination] || o.Parked != ""
	}
	queued := map[string]int{}
	for _, o := range c.Owed {
		if queued[o.Destination] == 0 {
			b.Queue(upsertLane, r.Holder, parse(r.ID), o.Destination, r.Service, perLane[o.Destination], c.Event.OccurredAt, parked[o.Destination], c.Withhold)
		}
		queued[o.Destination]++
		b.Queue(insertOwed, r.Holder, parse(r.ID), o.Destination, perLane[o.Destination]-queued[o.Destination], r.Service, c.Event.Seq,
			parse(o.EventID), parse(o.RequestID), r.CorrelationID, o.ResourceType, parse(o.ResourceID), o.Version, c.Event.OccurredAt, owedState(o), o.Parked)
	}
}

func queueAudit(b *Batch, scope fhir.Scope, a workflow.Audit) {
	who := scope.Caller
	b.Queue(insertAudit, a.At, a.Holder, a.Service, string(scope.Role), who.Client, who.User, who.UserName, who.UserRole, who.Organisation,
		a.Action, a.ResourceType, optional(a.ResourceID), optional(a.Referral), who.RequestID, who.CorrelationID)
}

const selectKnown = `select distinct r.id, r.digest, c.status
	from unnest($1::text[], $2::text[], $3::text[]) as wanted(kind, system, value)
	join caselink.identities i on i.kind = wanted.kind and i.system = wanted.system and i.value = wanted.value
	join caselink.referrals r on r.holder = i.holder and r.id = i.referral
	join caselink.cases c on c.holder = r.holder and c.referral = r.id
	order by r.id`

// known returns the referrals that hold any of the identities.
func (db *DB) known(ctx context.Context, scope fhir.Scope, ids []workflow.Identity) ([]workflow.Known, error) {
	var kinds, systems, values []string
	for _, id := range ids {
		kinds, systems, values = append(kinds, id.Kind), append(systems, id.System), append(values, id.Value)
	}
	var found []workflow.Known
	b := NewBatch(scope)
	b.Queue(selectKnown, kinds, systems, values).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var id uuid.UUID
			var digest []byte
			var status string
			if err := rows.Scan(&id, &digest, &status); err != nil {
				return err
			}
			found = append(found, workflow.Known{ID: id.String(), Digest: [32]byte(digest), Status: cases.State(status)})
		}
		return rows.Err()
	})
	if err := db.Send(ctx, "find referral by identity", b); err != nil {
		return nil, err
	}
	return found, nil
}

const lockReferral = `update caselink.referrals r set seq = r.seq + 1
	from caselink.cases c
	where c.id = $1 and r.holder = c.holder and r.id = c.referral
	returning r.holder, r.id, coalesce(r.service, ''), coalesce(r.practice, ''), r.seq - 1, r.correlation_id`

const selectCase = `select task, task_version, doc from caselink.cases where id = $1`

// Update commits a later Change in two round trips. The first takes the referral's
// lock, which orders everything that happens to it; the second writes and commits.
func (db *DB) Update(ctx context.Context, scope fhir.Scope, caseID string, decide func(workflow.Current) (workflow.Change, error)) error {
	id, err := uuid.Parse(caseID)
	if err != nil {
		return fhir.Errorf(fhir.IssueNotFound, "not found")
	}
	ctx, cancel := db.committing(ctx)
	defer cancel()
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return translate("update case", err)
	}
	defer conn.Release()
	current, err := lockReferralOf(ctx, conn.Conn(), scope, id)
	if err != nil {
		rollback(ctx, conn.Conn())
		return translate("lock referral", err)
	}
	change, err := decide(current)
	if err != nil {
		rollback(ctx, conn.Conn())
		return err
	}
	b := &Batch{role: " -- " + string(scope.Role)}
	if err := queueChange(b, scope, change); err != nil {
		rollback(ctx, conn.Conn())
		return err
	}
	b.b.Queue("commit")
	if err := conn.SendBatch(ctx, &b.b).Close(); err != nil {
		rollback(ctx, conn.Conn())
		return translate("update case", err)
	}
	return nil
}

// lockReferralOf opens the transaction, takes the referral's row and reads what is there.
func lockReferralOf(ctx context.Context, conn *pgx.Conn, scope fhir.Scope, caseID uuid.UUID) (workflow.Current, error) {
	var cur workflow.Current
	var referral, task uuid.UUID
	var doc []byte
	key := pgtype.UUID{Bytes: caseID, Valid: true}
	b := &Batch{role: " -- " + string(scope.Role)}
	b.b.Queue("begin")
	b.b.Queue(Scoped, scopeArgs(scope)...)
	b.Queue(lockReferral, key).QueryRow(func(row pgx.Row) error {
		r := &cur.Referral
		return row.Scan(&r.Holder, &referral, &r.Service, &r.Practice, &r.Seq, &r.CorrelationID)
	})
	b.Queue(selectCase, key).QueryRow(func(row pgx.Row) error {
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
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if _, err := conn.Exec(ctx, "rollback"); err != nil {
		_ = conn.Close(ctx)
	}
}

func sorted(ids []workflow.Identity) []workflow.Identity {
	out := slices.Clone(ids)
	slices.SortFunc(out, func(a, b workflow.Identity) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.System, b.System), cmp.Compare(a.Value, b.Value))
	})
	return slices.Compact(out)
}

// needs are the categories that a list of cases is narrowed by. A sensitive one has a
// mark, so that nobody finds by it what they may not see.
func needs(c cases.Case) []string {
	out := make([]string, len(c.Needs))
	for i, n := range c.Needs {
		out[i] = n.Category
		if n.Sensitive {
			out[i] = sensitive + n.Category
		}
	}
	return out
}

const sensitive = "sensitive/"

// parse reads an id that this program made. pgx encodes its own type of UUID without
// a detour through text.
func parse(id string) pgtype.UUID { return pgtype.UUID{Bytes: uuid.MustParse(id), Valid: true} }

// optional is an id or null.
func optional(id string) pgtype.UUID {
	if id == "" {
		return pgtype.UUID{}
	}
	return parse(id)
}
