package store

import (
	"cmp"
	"context"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"caselink.example/fhir"
	"caselink.example/mapping/cases"
)

// pageSize is how many cases a page holds when the caller does not say.
const pageSize = 50

// Cases lists cases, newest first, and the cursor of the next page; "" after the last.
func (db *DB) Cases(ctx context.Context, scope fhir.Scope, f cases.Filter) ([]cases.Case, string, error) {
	after, err := readCursor(f.Cursor)
	if err != nil {
		return nil, "", err
	}
	f.Limit = cmp.Or(f.Limit, pageSize)

	page := []cases.Case{}
	next, last := "", caseCursor{}
	query, args := selectCases(scope, f, after)
	b := NewBatch(scope)
	b.Queue(query, args...).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			// The query asks for one row more than a page holds: that it is there says that there
			// is a next page, which begins after the last row of this one.
			if len(page) == f.Limit {
				next = last.String()
				return nil
			}
			var doc []byte
			if err := rows.Scan(&last.id, &last.received, &doc); err != nil {
				return err
			}
			c, err := decodeCase(doc)
			if err != nil {
				return err
			}
			page = append(page, c)
		}
		return rows.Err()
	})
	b.Queue(auditCaseList, callerArgs(db.Now(), scope)...)
	if err := db.Send(ctx, "list cases", b); err != nil {
		return nil, "", err
	}
	return page, next, nil
}

// selectCases is the query for a page and one case more. Each service is read by itself, newest first, from an index, which ends
// where the page is full; then the pages are merged. The policy alone, service = any
// (...), gives no order: PostgreSQL would read and sort every case of every service.
func selectCases(scope fhir.Scope, f cases.Filter, after *caseCursor) (query string, args []any) {
	of := services(scope)
	if f.Service != "" {
		of = []string{f.Service} // the policy decides whether it is one of the scope's
	}
	args = []any{of, f.Limit + 1}

	// A condition stands in the text only when it is asked for. One that is always there,
	// as in "$1 = '' or status = $1", is no part of an index scan in a plan that is kept.
	var where strings.Builder
	and := func(left, operator string, value any) {
		args = append(args, value)
		where.WriteString(" and " + left + operator + "$" + strconv.Itoa(len(args)))
	}
	if f.Status != "" {
		and("status", " = ", string(f.Status))
	}
	if f.Need != "" {
		and("needs", " && ", marks(f))
	}
	if !f.ChangedSince.IsZero() {
		and("updated_at", " >= ", f.ChangedSince)
	}
	if after != nil {
		and("(received_at, id)", " < (", after.received)
		args = append(args, pgtype.UUID{Bytes: after.id, Valid: true})
		where.WriteString(", $" + strconv.Itoa(len(args)) + ")")
	}

	return `select page.id, page.received_at, page.doc from unnest($1::text[]) as mine (service), lateral (
			select id, received_at, doc from caselink.cases where service = mine.service` + where.String() + `
			order by received_at desc, id desc limit $2) page
		order by page.received_at desc, page.id desc limit $2`, args
}

// marks are those of which a case must have one to have the need that the filter asks for.
func marks(f cases.Filter) []string {
	if f.Sensitive {
		return []string{f.Need, sensitive + f.Need}
	}
	return []string{f.Need}
}

// auditCaseList is a record of the list for each of the caller's services.
const auditCaseList = `insert into caselink.audit (at, holder, service, role, client, user_id, user_name, user_role, organisation,
		action, resource_type, request_id, correlation_id)
	select $1, '', s, $2, $3, $4, $5, $6, $7, 'E', 'Case', $8, $9
	from unnest(string_to_array(current_setting('caselink.services', true), ',')) s`

// caseCursor is the place of a case in a list, not a number of cases to skip, which would
// show a case twice when another comes in meanwhile.
type caseCursor struct {
	received time.Time
	id       uuid.UUID
}

// String is the cursor as the client gets it; there is nothing to read in it.
func (c caseCursor) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(c.received.UTC().Format(time.RFC3339Nano) + " " + c.id.String()))
}

// readCursor is nil for "", the first page.
func readCursor(cursor string) (*caseCursor, error) {
	if cursor == "" {
		return nil, nil
	}
	bad := fhir.Errorf(fhir.IssueInvalid, "cursor is not one that this server gave: leave it out to begin again").At("cursor")
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, bad
	}
	at, id, _ := strings.Cut(string(raw), " ")
	received, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		return nil, bad
	}
	u, err := uuid.Parse(id)
	if err != nil {
		return nil, bad
	}
	return &caseCursor{received, u}, nil
}
