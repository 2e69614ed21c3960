package ledger

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"caselink.example/connectors/delivery"
	"caselink.example/connectors/store"
	"caselink.example/fhir"
)

// states are those of an item: the first two are open, the others closed.
var states = []string{"owed", "parked", "acknowledged", "superseded", "withheld"}

// Entry is one item of the ledger as an operator sees it: no patient data.
type Entry struct {
	Holder      string     `json:"holder"` // ODS code of the organisation whose referral it is
	Referral    string     `json:"referral"`
	Destination string     `json:"destination"`
	N           int64      `json:"n"`    // place in its lane, from 1
	Last        int64      `json:"last"` // length of the lane
	State       string     `json:"state"`
	Resource    string     `json:"resource"` // such as Task/ID/_history/2
	RequestID   string     `json:"requestId"`
	OwedSince   time.Time  `json:"owedSince"`
	Attempts    int        `json:"attempts"`
	Status      int        `json:"status,omitempty"` // HTTP status of the last answer
	Reason      string     `json:"reason,omitempty"` // why it is not delivered
	NextAt      *time.Time `json:"nextAt,omitempty"` // when its lane is due; only for the item whose turn it is
	SettledAt   *time.Time `json:"settledAt,omitempty"`
}

// Tried is one attempt at an item and what came of it.
type Tried struct {
	Destination string           `json:"destination"`
	N           int64            `json:"n"` // of the item
	At          time.Time        `json:"at"`
	Verdict     delivery.Verdict `json:"verdict"`
	Status      int              `json:"status,omitempty"`
	Reason      string           `json:"reason,omitempty"`
}

// Filter narrows what is listed. Its zero value is all that is open.
type Filter struct {
	State       string // owed, parked, acknowledged, superseded or withheld; "" for the first two, which are open
	Destination string // "" for all
	Limit       int    // 0 for all
}

const selectEntries = `select o.holder, o.referral, o.destination, o.n, l.last, o.state,
		o.type || '/' || o.id || '/_history/' || o.version, o.request_id,
		o.owed_since, (select count(*) from caselink.attempts a where a.holder = o.holder and a.referral = o.referral
			and a.destination = o.destination and a.n = o.n), o.status, o.reason,
		-- Only the item whose turn it is has a time; the others wait for it and not for a clock.
		case when o.n = l.done + 1 and not l.parked then l.next_at end, o.settled_at
	from caselink.owed o join caselink.lanes l using (holder, referral, destination)
	where o.state = any ($1) and ($2 = '' or o.destination = $2) and ($3::uuid is null or o.referral = $3)
	order by o.owed_since, o.holder, o.referral, o.destination, o.n limit nullif($4, 0)`

// List returns items, the longest owed first.
func (l *Ledger) List(ctx context.Context, f Filter) ([]Entry, error) {
	wanted := states[:2]
	if f.State != "" {
		wanted = []string{f.State}
	}
	if !slices.Contains(states, wanted[0]) {
		return nil, fhir.Errorf(fhir.IssueValue, "state must be one of %s", strings.Join(states, ", "))
	}
	entries := []Entry{}
	b := operatorBatch(fhir.Caller{})
	b.Queue(selectEntries, wanted, f.Destination, nil, f.Limit).Query(func(rows pgx.Rows) (err error) {
		entries, err = pgx.AppendRows(entries, rows, scanEntry)
		return err
	})
	return entries, l.DB.Send(ctx, "list the ledger", b)
}

const selectAttempts = `select destination, n, at, verdict, status, reason from caselink.attempts
	where referral = $1 order by destination, n, at`

// Show returns every item of a referral in order, closed ones too, and every attempt.
// A referral to which nothing was ever owed is fhir.IssueNotFound.
func (l *Ledger) Show(ctx context.Context, referral string) (entries []Entry, tried []Tried, err error) {
	id, err := uuid.Parse(referral)
	if err != nil {
		return nil, nil, notFound() // what is no id is the id of nothing
	}

	// One batch is one transaction, but each statement sees the moment at which it starts:
	// an attempt may be listed whose item still shows as before.
	b := operatorBatch(fhir.Caller{})
	b.Queue(selectEntries, states, "", id, 0).Query(func(rows pgx.Rows) (err error) {
		entries, err = pgx.CollectRows(rows, scanEntry)
		return err
	})
	b.Queue(selectAttempts, id).Query(func(rows pgx.Rows) (err error) {
		tried, err = pgx.CollectRows(rows, scanTried)
		return err
	})
	if err := l.DB.Send(ctx, "show what is owed", b); err != nil {
		return nil, nil, err
	}
	if len(entries) == 0 {
		return nil, nil, notFound()
	}
	return entries, tried, nil
}

// auditOperated records who touched each lane of the CTE moved.
const auditOperated = `
	insert into caselink.audit (at, holder, service, role, client, user_id, user_name, user_role, organisation,
		action, resource_type, referral, request_id, correlation_id)
	select $1, holder, service, 'auditor', $4, '', $5, '', '', 'U', 'Delivery', referral, $6, '' from moved`

// replayLanes may be repeated: a lane that is not parked any more is no longer found. The
// fence stays, for a parked lane has no claim that could be settled.
const replayLanes = `with moved as (
		-- The pauses begin anew: those of before were for what the person has mended since.
		update caselink.lanes set parked = false, attempt = 0, next_at = $1
		where parked and ($2::uuid is null or referral = $2) and ($3 = '' or destination = $3)
		returning holder, referral, destination, service),
	again as (
		update caselink.owed o set state = 'owed', reason = '', settled_at = null
		from moved where o.holder = moved.holder and o.referral = moved.referral and o.destination = moved.destination
			-- Each item of the lane that is parked, not only its head: one may have been committed as such.
			and o.state = 'parked')` + auditOperated

// Replay makes due again what is parked: of a referral, at a destination, or both; ""
// stands for any, but not for both. It returns how many lanes that are;
// fhir.IssueNotFound for none. Delivery goes on where it stood.
func (l *Ledger) Replay(ctx context.Context, who fhir.Caller, referral, destination string) (lanes int, err error) {
	return l.operate(ctx, who, replayLanes, referral, destination)
}

const parkLanes = `with moved as (
		-- The fence moves on, or the claim that is under way would settle the lane as if nothing
		-- had been said; its attempt may arrive all the same.
		update caselink.lanes set parked = true, fence = fence + 1, claimer = null
		where not parked and done < last and ($2::uuid is null or referral = $2) and ($3 = '' or destination = $3)
		returning holder, referral, destination, service, done + 1 as n),
	held as (
		update caselink.owed o set state = 'parked', reason = 'parked by an operator', settled_at = $1
		from moved where o.holder = moved.holder and o.referral = moved.referral
			and o.destination = moved.destination and o.n = moved.n)` + auditOperated

// Park stops what is owed, as Replay starts it. What was already on its way may still
// arrive; a replay then repeats it without harm.
func (l *Ledger) Park(ctx context.Context, who fhir.Caller, referral, destination string) (lanes int, err error) {
	return l.operate(ctx, who, parkLanes, referral, destination)
}

func (l *Ledger) operate(ctx context.Context, who fhir.Caller, sql, referral, destination string) (lanes int, err error) {
	var id *uuid.UUID
	if referral != "" {
		parsed, err := uuid.Parse(referral)
		if err != nil {
			return 0, notFound()
		}
		id = &parsed
	}

	// The audit names a person, and a slip of the keys is not to move every lane there is.
	if strings.TrimSpace(who.UserName) == "" || id == nil && destination == "" {
		return 0, fhir.Errorf(fhir.IssueRequired, "the name of the operator is needed, and a referral or a destination")
	}
	b := operatorBatch(who)
	b.Queue(sql, l.Now(), id, destination, who.Client, who.UserName, who.RequestID).Exec(func(tag pgconn.CommandTag) error {
		lanes = int(tag.RowsAffected())
		return nil
	})
	if err := l.DB.Send(ctx, "change what is owed", b); err != nil {
		return 0, err
	}
	if lanes == 0 {
		return 0, notFound()
	}
	return lanes, nil
}

func notFound() error {
	return fhir.Errorf(fhir.IssueNotFound, "nothing in the ledger matches: caselink deliveries list shows what there is")
}

// operatorBatch is a batch of an operator, who may wait longer than a client.
func operatorBatch(who fhir.Caller) *store.Batch {
	b := store.NewBatch(fhir.Scope{Role: fhir.RoleAuditor, Caller: who})
	b.Queue(`select set_config('statement_timeout', '1min', true)`)
	return b
}

func scanEntry(row pgx.CollectableRow) (Entry, error) {
	var e Entry
	var referral, request uuid.UUID
	err := row.Scan(&e.Holder, &referral, &e.Destination, &e.N, &e.Last, &e.State, &e.Resource, &request,
		&e.OwedSince, &e.Attempts, &e.Status, &e.Reason, &e.NextAt, &e.SettledAt)
	e.Referral, e.RequestID, e.OwedSince = referral.String(), request.String(), e.OwedSince.UTC()
	for _, at := range []*time.Time{e.NextAt, e.SettledAt} {
		if at != nil {
			*at = at.UTC()
		}
	}
	return e, err
}

func scanTried(row pgx.CollectableRow) (Tried, error) {
	var t Tried
	err := row.Scan(&t.Destination, &t.N, &t.At, &t.Verdict, &t.Status, &t.Reason)
	t.At = t.At.UTC()
	return t, err
}
