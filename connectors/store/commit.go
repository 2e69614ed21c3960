package store

import (
	"encoding/json"
	"fmt"

	"caselink.example/fhir"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/workflow"
)

const insertVersion = `insert into caselink.versions (holder, type, id, version, referral, service, last_updated, content)
	values ($1, $2, $3, $4, $5, nullif($6, ''), $7, $8)`

const updateCase = `update caselink.cases set
		task_version = greatest(task_version, $3), -- a Change without a Task says 0
		service = nullif($4, ''), status = $5, needs = $6, updated_at = $7, doc = $8
	where holder = $1 and referral = $2`

const insertEvent = `insert into caselink.events (holder, referral, seq, case_id, service, kind, from_status, to_status,
		reason_code, reason_text, actor, outcome_id, occurred_at, request_id)
	values ($1, $2, $3, $4, nullif($5, ''), $6, nullif($7, ''), $8, nullif($9, ''), nullif($10, ''), $11, $12, $13, $14)`

const upsertLane = `insert into caselink.lanes (holder, referral, destination, service, last, next_at, parked, withhold)
	values ($1, $2, $3, nullif($4, ''), $5, $6, $7, $8)
	on conflict (holder, referral, destination) do update
	set last = lanes.last + excluded.last, withhold = excluded.withhold,
		-- One item that waits for a person stops the lane: what comes after it may not overtake.
		parked = lanes.parked or excluded.parked,
		-- A claim under way was made while the lane was not parked. Its fence is passed, so
		-- that its settlement, which would let the lane go, changes nothing.
		fence = lanes.fence + excluded.parked::int,
		-- A lane with nothing to send is due at once. One that is leased, or waits for its next
		-- try, keeps its time: another process would send the same item beside it.
		next_at = case when lanes.done = lanes.last then excluded.next_at else lanes.next_at end`

// insertOwed takes the item's number from the lane, by its distance from the end: see queueOwed.
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
		b.Queue(insertVersion, r.Holder, v.Type, UUID(v.ID), v.Version, UUID(r.ID), r.Service, v.LastUpdated, v.JSON)
	}
	b.Queue(updateCase, r.Holder, UUID(r.ID), taskOf(c.Resources).Version, r.Service,
		string(c.Case.Status), needs(c.Case), c.Case.UpdatedAt, doc)
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
	b.Queue(insertEvent, c.Referral.Holder, UUID(c.Referral.ID), e.Seq, UUID(c.Case.ID), c.Referral.Service,
		string(e.Kind), string(e.From), string(e.To), reason.Code, reason.Text, actor, optional(e.OutcomeID),
		e.OccurredAt, scope.Caller.RequestID)
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
		// The lane is counted up once, before its first item, for all of them: an item that
		// is seen is one that its lane counts.
		if queued[o.Destination] == 0 {
			b.Queue(upsertLane, r.Holder, UUID(r.ID), o.Destination, r.Service,
				perLane[o.Destination], c.Event.OccurredAt, parked[o.Destination], c.Withhold)
		}
		queued[o.Destination]++

		// How long the lane is only PostgreSQL knows: to ask would be one more round trip under
		// the lock. But from here to the commit the lane's row is locked, so its end stands
		// still, and how far from it each item stands is known here.
		fromEnd := perLane[o.Destination] - queued[o.Destination]
		b.Queue(insertOwed, r.Holder, UUID(r.ID), o.Destination, fromEnd, r.Service, c.Event.Seq,
			UUID(o.EventID), UUID(o.RequestID), r.CorrelationID, o.ResourceType, UUID(o.ResourceID), o.Version,
			c.Event.OccurredAt, owedState(o), o.Parked)
	}
}

func queueAudit(b *Batch, scope fhir.Scope, a workflow.Audit) {
	who := scope.Caller
	b.Queue(insertAudit, a.At, a.Holder, a.Service, string(scope.Role),
		who.Client, who.User, who.UserName, who.UserRole, who.Organisation,
		a.Action, a.ResourceType, optional(a.ResourceID), optional(a.Referral), who.RequestID, who.CorrelationID)
}

// needs are the marks of a case that a list is narrowed by. The category of a sensitive
// need has a prefix: a search that is not allowed to find it does not ask for it, and no
// row is read and then left out, which would make the page short.
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
