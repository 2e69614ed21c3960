package store

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"caselink.example/fhir"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/workflow"
)

const selectLatest = `select version, last_updated, content from caselink.versions
	where type = $1 and id = $2 order by version desc limit 1`

const selectVersion = `select version, last_updated, content from caselink.versions
	where type = $1 and id = $2 and version = $3`

// Read returns the latest version of a resource and keeps the audit record of it, in
// one round trip. What the scope may not see is fhir.IssueNotFound.
func (db *DB) Read(ctx context.Context, scope fhir.Scope, resourceType, id string, audit workflow.Audit) (fhir.Stored, error) {
	return db.read(ctx, scope, fhir.Stored{Type: resourceType, Meta: fhir.Meta{ID: id}}, audit)
}

// ReadVersion returns one version of a resource, from 1, as Read does.
func (db *DB) ReadVersion(
	ctx context.Context, scope fhir.Scope, resourceType, id string, version int, audit workflow.Audit,
) (fhir.Stored, error) {
	if version < 1 {
		return fhir.Stored{}, fhir.Errorf(fhir.IssueNotFound, "not found")
	}
	return db.read(ctx, scope, fhir.Stored{Type: resourceType, Meta: fhir.Meta{ID: id, Version: version}}, audit)
}

// read fills in what is named by type, id and version; version 0 is the latest.
func (db *DB) read(ctx context.Context, scope fhir.Scope, s fhir.Stored, audit workflow.Audit) (fhir.Stored, error) {
	id, err := parseID(s.ID)
	if err != nil {
		return fhir.Stored{}, err
	}
	query, args := selectLatest, []any{s.Type, id}
	if s.Version > 0 {
		query, args = selectVersion, append(args, s.Version)
	}
	b := NewBatch(scope)
	b.Queue(query, args...).QueryRow(func(row pgx.Row) error { return row.Scan(&s.Version, &s.LastUpdated, &s.JSON) })

	// In the same transaction: what cannot be audited is not returned. One that finds nothing
	// is audited too, for that there is no row is no error to PostgreSQL.
	queueAudit(b, scope, audit)
	return s, db.Send(ctx, "read resource", b)
}

// Case returns one case, and audits the read.
func (db *DB) Case(ctx context.Context, scope fhir.Scope, id string) (cases.Case, error) {
	doc, err := db.ofCase(ctx, "read case", scope, id, `select doc from caselink.cases where id = $1`)
	if err != nil {
		return cases.Case{}, err
	}
	return decodeCase(doc)
}

// auditCaseRead takes the holder from the case's own row.
const auditCaseRead = `insert into caselink.audit (at, holder, service, role, client, user_id, user_name, user_role, organisation,
		action, resource_type, resource_id, referral, request_id, correlation_id)
	select $1, holder, service, $2, $3, $4, $5, $6, $7, 'R', 'Case', id, referral, $8, $9 from caselink.cases where id = $10`

func callerArgs(at time.Time, scope fhir.Scope) []any {
	who := scope.Caller
	return []any{
		at, string(scope.Role), who.Client, who.User, who.UserName, who.UserRole, who.Organisation, who.RequestID, who.CorrelationID,
	}
}

const selectFirstRequest = `select v.content from caselink.cases c
	join caselink.versions v on v.holder = c.holder and v.type = 'ServiceRequest' and v.id = c.referral and v.version = 1
	where c.id = $1`

// FirstRequest returns the ServiceRequest of a case as it was first stored, and audits the read.
func (db *DB) FirstRequest(ctx context.Context, scope fhir.Scope, caseID string) ([]byte, error) {
	return db.ofCase(ctx, "read first request", scope, caseID, selectFirstRequest)
}

// ofCase reads one value that belongs to a case, and audits the read of the case.
func (db *DB) ofCase(ctx context.Context, what string, scope fhir.Scope, caseID, query string) (value []byte, err error) {
	id, err := parseID(caseID)
	if err != nil {
		return nil, err
	}
	b := NewBatch(scope)
	b.Queue(query, id).QueryRow(func(row pgx.Row) error { return row.Scan(&value) })
	b.Queue(auditCaseRead, append(callerArgs(db.Now(), scope), id)...)
	return value, db.Send(ctx, what, b)
}

const selectCaseEvents = `select position, seq, case_id, kind, coalesce(from_status, ''), to_status,
		coalesce(reason_code, ''), coalesce(reason_text, ''), actor, outcome_id, occurred_at, request_id
	from caselink.events e where (holder, referral) = (select holder, referral from caselink.cases where id = $1) order by seq`

// CaseEvents lists what happened to a case, oldest first.
func (db *DB) CaseEvents(ctx context.Context, scope fhir.Scope, id string) ([]cases.StoredEvent, error) {
	key, err := parseID(id)
	if err != nil {
		return nil, err
	}
	events := []cases.StoredEvent{}
	b := NewBatch(scope)
	b.Queue(selectCaseEvents, key).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			e, err := scanEvent(rows)
			if err != nil {
				return err
			}
			events = append(events, e)
		}
		return rows.Err()
	})
	b.Queue(auditCaseRead, append(callerArgs(db.Now(), scope), key)...)
	if err := db.Send(ctx, "list events", b); err != nil {
		return nil, err
	}

	// Every case has the event that it came in by: without any it is not there, or not for
	// this scope.
	if len(events) == 0 {
		return nil, fhir.Errorf(fhir.IssueNotFound, "not found")
	}
	return events, nil
}

func scanEvent(rows pgx.Rows) (cases.StoredEvent, error) {
	var e cases.StoredEvent
	var actor actorDocument
	var reason cases.Reason
	var caseID uuid.UUID
	var outcome *uuid.UUID
	err := rows.Scan(&e.Position, &e.Seq, &caseID, &e.Kind, &e.From, &e.To,
		&reason.Code, &reason.Text, &actor, &outcome, &e.OccurredAt, &e.RequestID)
	if err != nil {
		return e, err
	}
	e.Case, e.Actor, e.OccurredAt = caseID.String(), cases.Actor(actor), e.OccurredAt.UTC()
	if reason != (cases.Reason{}) {
		e.Reason = &reason
	}
	if outcome != nil {
		e.OutcomeID = outcome.String()
	}
	return e, nil
}
