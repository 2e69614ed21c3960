package store_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"caselink.example/connectors/store"
	"caselink.example/connectors/store/storetest"
	"caselink.example/fhir"
	"caselink.example/mapping/cases"
)

// manyCases is a service with 100,000 cases, of which one in a thousand is held, and
// another with 1,000. Nobody reads their documents here, so they have none.
const manyCases = `set session_replication_role = replica; -- no foreign key is looked up
	insert into caselink.cases (holder, id, referral, task, task_version, service, status, needs, received_at, updated_at, doc)
	select 'Y99901', gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1, 'svc-' || s,
		case when i % 1000 = 0 then 'needs-information' else 'received' end,
		array[case when i % 2 = 0 then 'housing' else 'food' end],
		timestamptz '2026-01-01' + i * interval '1 minute', timestamptz '2026-01-01' + i * interval '1 minute', ''
	from (values ('a', 100000), ('b', 1000)) as service (s, n), generate_series(1, n) i;
	analyze caselink.cases`

// TestAPageOfCasesCostsItsRows looks into the plans: what is read for a page is bounded by
// the page, whatever the service holds.
func TestAPageOfCasesCostsItsRows(t *testing.T) {
	t.Parallel()
	target := storetest.Open(t)
	target.Exec(t, manyCases)
	db := openAt(t, target)
	const limit = 50
	day := func(month time.Month, day int) time.Time { return time.Date(2026, month, day, 0, 0, 0, 0, time.UTC) }
	middle := store.CursorOf(cases.Case{ReceivedAt: day(2, 1), ID: "00000000-0000-4000-8000-000000000000"})

	for name, test := range map[string]struct {
		filter   cases.Filter
		services []string
		rows     int // that may be read: those of the page and one more, for each service
	}{
		"the first page":            {cases.Filter{}, []string{"svc-a"}, limit + 1},
		"of two services":           {cases.Filter{}, []string{"svc-a", "svc-b"}, 2 * (limit + 1)},
		"of one of two":             {cases.Filter{Service: "svc-b"}, []string{"svc-a", "svc-b"}, limit + 1},
		"in the middle":             {cases.Filter{Cursor: middle}, []string{"svc-a"}, limit + 1},
		"a common status":           {cases.Filter{Status: cases.Received}, []string{"svc-a"}, limit + 2}, // past a held one
		"a rare status":             {cases.Filter{Status: cases.NeedsInformation}, []string{"svc-a"}, limit + 1},
		"a status of none":          {cases.Filter{Status: cases.Closed}, []string{"svc-a"}, 0},
		"a status, in the middle":   {cases.Filter{Status: cases.NeedsInformation, Cursor: middle}, []string{"svc-a"}, limit + 1},
		"a need that half have":     {cases.Filter{Need: "food"}, []string{"svc-a"}, 2*limit + 3},
		"what changed, most of it":  {cases.Filter{ChangedSince: day(1, 2)}, []string{"svc-a"}, limit + 1},
		"another service's, unseen": {cases.Filter{Service: "svc-b"}, []string{"svc-a"}, limit + 1},
	} {
		test.filter.Limit = limit
		if read := rowsRead(t, db, storetest.App(test.services...), test.filter); read > test.rows {
			t.Errorf("%s reads %d rows of the table; want at most %d", name, read, test.rows)
		}
	}
}

// rowsRead runs the query of a page, as an app, and counts the rows that its plan took
// from the table, those that it then left out too.
func rowsRead(t *testing.T, db *store.DB, app fhir.Scope, f cases.Filter) int {
	t.Helper()
	query, args, err := store.SelectCases(app, f)
	if err != nil {
		t.Fatal(err)
	}
	var raw []byte
	b := store.NewBatch(app)
	b.Queue(`explain (analyze, format json) `+query, args...).QueryRow(func(row pgx.Row) error { return row.Scan(&raw) })
	if err := db.Send(t.Context(), "explain", b); err != nil {
		t.Fatal(err)
	}
	var plans []struct{ Plan plan }
	if err := json.Unmarshal(raw, &plans); err != nil {
		t.Fatal(err)
	}
	read, scans := plans[0].Plan.read()
	if scans == 0 {
		t.Fatalf("no scan of the table in %s", raw)
	}
	return read
}

// plan is a node of a plan that was run. PostgreSQL gives rows as an average of the loops.
type plan struct {
	Relation string  `json:"Relation Name"`
	Rows     float64 `json:"Actual Rows"`
	Loops    float64 `json:"Actual Loops"`
	Removed  float64 `json:"Rows Removed by Filter"`
	Plans    []plan
}

func (p plan) read() (rows, scans int) {
	if p.Relation == "cases" {
		rows, scans = int((p.Rows+p.Removed)*p.Loops), 1
	}
	for _, below := range p.Plans {
		r, s := below.read()
		rows, scans = rows+r, scans+s
	}
	return rows, scans
}

// TestPagesOfSeveralServicesAreOneList: each case stands on one page, the newest first,
// however the services take turns.
func TestPagesOfSeveralServicesAreOneList(t *testing.T) {
	t.Parallel()
	target := storetest.Open(t)
	db := openAt(t, target)
	for i := range 7 {
		storetest.Referral(t, db, "Y99901", fmt.Sprintf("svc-%d", i%2))
	}
	storetest.Referral(t, db, "Y99901", "svc-other")
	want := storetest.Query[string](t, target, `select id::text from caselink.cases where service <> 'svc-other'
		order by received_at desc, id desc`)

	var got []string
	f := cases.Filter{Limit: 3}
	for range want {
		page, next, err := db.Cases(t.Context(), storetest.App("svc-0", "svc-1"), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page {
			got = append(got, c.ID)
		}
		if f.Cursor = next; next == "" {
			break
		}
	}

	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("listed %v; want %v", got, want)
	}
}

// TestEachServiceOfATokenCountsOnce: an issuer may name a service twice, and an id with a
// comma is that of no service, not of two.
func TestEachServiceOfATokenCountsOnce(t *testing.T) {
	t.Parallel()
	target := storetest.Open(t)
	db := openAt(t, target)
	storetest.Referral(t, db, "Y99901", "svc-a")
	storetest.Referral(t, db, "Y99901", "svc-b")

	for name, test := range map[string]struct {
		app  fhir.Scope
		want int
	}{
		"named twice":    {storetest.App("svc-a", "svc-b", "svc-a"), 2},
		"with a comma":   {storetest.App("svc-a,svc-b"), 0},
		"beside a comma": {storetest.App("svc-a", "svc-b,svc-b"), 1},
	} {
		page, _, err := db.Cases(t.Context(), test.app, cases.Filter{})
		if err != nil || len(page) != test.want {
			t.Errorf("%s: %d cases, %v; want %d", name, len(page), err, test.want)
		}
	}
	listed := storetest.Query[string](t, target, `select service from caselink.audit where action = 'E' order by service`)
	if want := "[svc-a svc-a svc-b]"; fmt.Sprint(listed) != want {
		t.Errorf("audited for %v, want %s", listed, want)
	}
}
