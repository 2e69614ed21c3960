package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"caselink.example/fhir"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/workflow"
)

// openReferral is everything of a referral's first Change in one statement: a
// statement of its own for each row costs PostgreSQL a third more. A taken identity
// refuses it whole: the primary key of identities is what makes two equal referrals one,
// however many processes take them in.
const openReferral = `with referral as (
		insert into caselink.referrals (holder, id, service, practice, seq, digest, correlation_id, received_at)
		values ($1::text, $2::uuid, nullif($3::text, ''), nullif($4::text, ''), $5, $6, $7::text, $8::timestamptz)),
	identity as (
		insert into caselink.identities (holder, kind, system, value, referral)
		select $1, i.* , $2 from unnest($9::text[], $10::text[], $11::text[]) as i (kind, system, value)),
	original as (
		insert into caselink.originals (holder, referral, request_id, media_type, body, received_at)
		values ($1, $2, $12::text, $13, $14, $8)),
	version as (
		insert into caselink.versions (holder, type, id, version, referral, service, last_updated, content)
		select $1, v.type, v.id, v.version, $2, nullif($3, ''), v.at, v.content
		from unnest($15::text[], $16::uuid[], $17::int[], $18::timestamptz[], $19::bytea[]) as v (type, id, version, at, content)),
	opened as (
		insert into caselink.cases (holder, id, referral, task, task_version, service, status, needs, received_at, updated_at, doc)
		values ($1, $20::uuid, $2, $21, $22, nullif($3, ''), $23::text, $24, $8, $25, $26)),
	event as (
		insert into caselink.events (holder, referral, seq, case_id, service, kind, to_status, actor, occurred_at, request_id)
		values ($1, $2, $5, $20, nullif($3, ''), $27, $23, $28, $29::timestamptz, $12)),
	lane as (
		insert into caselink.lanes (holder, referral, destination, service, last, next_at, parked, withhold)
		select $1, $2, l.destination, nullif($3, ''), l.last, $29, l.parked, $30
		from unnest($31::text[], $32::bigint[], $33::bool[]) as l (destination, last, parked)),
	owing as (
		insert into caselink.owed (holder, referral, destination, n, service, seq, event_id, request_id, correlation_id,
			type, id, version, owed_since, state, reason)
		select $1, $2, o.destination, o.n, nullif($3, ''), $5, o.event, o.request, $7, o.type, o.id, o.version, $29, o.state, o.reason
		from unnest($34::text[], $35::bigint[], $36::uuid[], $37::uuid[], $38::text[], $39::uuid[], $40::int[], $41::text[], $42::text[])
			as o (destination, n, event, request, type, id, version, state, reason))
	insert into caselink.audit (at, holder, service, role, client, user_id, user_name, user_role, organisation,
		action, resource_type, resource_id, referral, request_id, correlation_id)
	values ($43, $1, nullif($3, ''), $44, $45, $46, $47, $48, $49, $50, $51, $52, $2, $12, $53)`

var _ workflow.Store = (*DB)(nil)

// Create commits the first Change of a referral in one round trip.
func (db *DB) Create(ctx context.Context, scope fhir.Scope, c workflow.Change) ([]workflow.Known, error) {
	ctx, cancel := db.committing(ctx)
	defer cancel()
	args, err := openingArgs(scope, c)
	if err != nil {
		return nil, err
	}
	b := NewBatch(scope)
	b.Queue(openReferral, args...)
	err = db.pool.SendBatch(ctx, &b.b).Close()

	// PostgreSQL says that a name is taken only when the one that took it is committed,
	// waiting if need be: it is there to be read, and no retry is needed.
	if isTaken(err) {
		return db.known(ctx, scope, c.Opening.Identities)
	}
	return nil, Translate("create referral", err)
}

// openingArgs are the arguments of openReferral, in its order.
func openingArgs(scope fhir.Scope, c workflow.Change) ([]any, error) {
	doc, err := encodeCase(c.Case)
	if err != nil {
		return nil, err
	}
	actor, err := json.Marshal(actorDocument(c.Event.Actor))
	if err != nil {
		return nil, fmt.Errorf("marshal actor: %w", err)
	}
	r, o, who := c.Referral, c.Opening, scope.Caller
	args := make([]any, 0, 53)
	args = append(args, r.Holder, UUID(r.ID), r.Service, r.Practice, r.Seq, o.Digest[:], r.CorrelationID, c.Case.ReceivedAt)

	// Sorted, so that of two referrals which share several names one waits for the other:
	// taken in different orders, each would wait for the other.
	args = append(args, identityColumns(sorted(o.Identities))...)
	args = append(args, who.RequestID, o.Original.MediaType, o.Original.Body)
	args = append(args, versionColumns(c.Resources)...)
	task := taskOf(c.Resources)
	args = append(args, UUID(c.Case.ID), optional(task.ID), task.Version, string(c.Case.Status), needs(c.Case),
		c.Case.UpdatedAt, doc)
	args = append(args, string(c.Event.Kind), actor, c.Event.OccurredAt, c.Withhold)
	args = append(args, owedColumns(c.Owed)...)
	a := c.Audit
	return append(args, a.At, string(scope.Role), who.Client, who.User, who.UserName, who.UserRole, who.Organisation,
		a.Action, a.ResourceType, optional(a.ResourceID), who.CorrelationID), nil
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

func sorted(ids []workflow.Identity) []workflow.Identity {
	out := slices.Clone(ids)
	slices.SortFunc(out, func(a, b workflow.Identity) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.System, b.System), cmp.Compare(a.Value, b.Value))
	})
	return slices.Compact(out)
}

func identityColumns(ids []workflow.Identity) []any {
	kinds, systems, values := make([]string, len(ids)), make([]string, len(ids)), make([]string, len(ids))
	for i, id := range ids {
		kinds[i], systems[i], values[i] = id.Kind, id.System, id.Value
	}
	return []any{kinds, systems, values}
}

func versionColumns(resources []fhir.Stored) []any {
	n := len(resources)
	types, ids, versions := make([]string, n), make([]pgtype.UUID, n), make([]int32, n)
	times, contents := make([]pgtype.Timestamptz, n), make([][]byte, n)
	for i, v := range resources {
		types[i], ids[i], versions[i] = v.Type, UUID(v.ID), int32(v.Version)
		times[i], contents[i] = pgtype.Timestamptz{Time: v.LastUpdated, Valid: true}, v.JSON
	}
	return []any{types, ids, versions, times, contents}
}

// taskOf is the version of the Task that the Change adds.
func taskOf(resources []fhir.Stored) fhir.Meta {
	for _, v := range resources {
		if v.Type == "Task" {
			return v.Meta
		}
	}
	return fhir.Meta{}
}

// owedColumns are the lanes, then the items in them, each numbered from 1.
func owedColumns(items []workflow.Owed) []any {
	var lanes []string
	var last []int64
	var stopped []bool
	n := len(items)
	destinations, numbers := make([]string, n), make([]int64, n)
	events, requests := make([]pgtype.UUID, n), make([]pgtype.UUID, n)
	types, ids, versions := make([]string, n), make([]pgtype.UUID, n), make([]int32, n)
	states, reasons := make([]string, n), make([]string, n)
	place := map[string]int{}
	for i, o := range items {
		lane, ok := place[o.Destination]
		if !ok {
			lane = len(lanes)
			place[o.Destination] = lane
			lanes, last, stopped = append(lanes, o.Destination), append(last, 0), append(stopped, false)
		}
		last[lane]++
		stopped[lane] = stopped[lane] || o.Parked != ""
		destinations[i], numbers[i] = o.Destination, last[lane]
		events[i], requests[i] = UUID(o.EventID), UUID(o.RequestID)
		types[i], ids[i], versions[i] = o.ResourceType, UUID(o.ResourceID), int32(o.Version)
		states[i], reasons[i] = owedState(o), o.Parked
	}
	return []any{lanes, last, stopped, destinations, numbers, events, requests, types, ids, versions, states, reasons}
}

func owedState(o workflow.Owed) string {
	if o.Parked != "" {
		return "parked"
	}
	return "owed"
}
