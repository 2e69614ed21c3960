package feed_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"caselink.example/connectors/store"
	"caselink.example/connectors/store/cluster"
	"caselink.example/connectors/store/feed"
	"caselink.example/connectors/store/fsck"
	"caselink.example/connectors/store/storetest"
	"caselink.example/fhir"
)

func open(t *testing.T) (*store.DB, storetest.Target) {
	t.Helper()
	target := storetest.Open(t)
	db, err := store.Open(t.Context(), store.Config{URL: target.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db, target
}

func seal(t *testing.T, db *store.DB) (events, audit int) {
	t.Helper()
	conn, err := db.Pool().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	events, audit, err = feed.Seal(t.Context(), conn.Conn())
	if err != nil {
		t.Fatal(err)
	}
	return events, audit
}

func TestEventsGetPositionsWithoutGapsInTheOrderOfTheirReferral(t *testing.T) {
	t.Parallel()
	db, target := open(t)
	a, b := storetest.Referral(t, db, "Y99901", "svc-a"), storetest.Referral(t, db, "Y99902", "svc-b")
	storetest.Accept(t, db, a)

	events, audit := seal(t, db)

	if events != 3 || audit != 3 {
		t.Errorf("sealed %d events and %d audit records, want 3 and 3", events, audit)
	}
	got := storetest.Query[string](t, target, `select referral::text || ' ' || seq from caselink.events order by position`)
	want := []string{a.Referral.ID + " 1", b.Referral.ID + " 1", a.Referral.ID + " 2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("feed mismatch (-want +got):\n%s", diff)
	}
	if again, _ := seal(t, db); again != 0 {
		t.Errorf("%d events were sealed twice", again)
	}
	storetest.Accept(t, db, b)
	seal(t, db)
	positions := storetest.Query[int64](t, target, `select position from caselink.events order by position`)
	if !cmp.Equal(positions, []int64{1, 2, 3, 4}) {
		t.Errorf("positions %v, want 1 to 4", positions)
	}
}

// TestSealerThatWaitedForAnotherLeavesNoGap: two seal at once only when the leader's
// lock fails them, and even then the feed stays whole.
func TestSealerThatWaitedForAnotherLeavesNoGap(t *testing.T) {
	t.Parallel()
	db, target := open(t)
	first := storetest.Referral(t, db, "Y99901", "svc-a")
	storetest.Referral(t, db, "Y99902", "svc-b")
	other, err := pgx.Connect(t.Context(), storetest.As(target.OwnerURL, cluster.Admin))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.WithoutCancel(t.Context()))
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := other.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(`begin`)
	exec(`update caselink.heads set position = 1 where name = 'events'`)
	exec(`update caselink.events set position = 1 where referral = $1`, first.Referral.ID)

	conn, err := db.Pool().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	sealed, failed := make(chan int, 1), make(chan error, 1)
	go func() {
		events, _, err := feed.Seal(t.Context(), conn.Conn())
		sealed <- events
		failed <- err
	}()
	storetest.Until(t, target, `select count(*) = 1 from pg_stat_activity
		where datname = current_database() and wait_event_type = 'Lock'`)
	exec(`commit`)

	if n, err := <-sealed, <-failed; n != 1 || err != nil {
		t.Errorf("sealed %d events, %v; want the one that was left", n, err)
	}
	got := storetest.Query[int64](t, target, `select position from caselink.events order by position`)
	if diff := cmp.Diff([]int64{1, 2}, got); diff != "" {
		t.Errorf("positions (-want +got):\n%s", diff)
	}
}

// backlog is what a sealer finds that was away: the statistics say that nothing is without
// a position, and 3,000 events and records are.
const backlog = `set session_replication_role = replica;
	insert into caselink.events (holder, referral, seq, case_id, kind, to_status, actor, occurred_at, request_id, position)
	select 'Y99901', gen_random_uuid(), 1, gen_random_uuid(), 'received', 'received', '{}', now(), '', i from generate_series(1, 20000) i;
	insert into caselink.audit (at, holder, role, client, user_id, user_name, user_role, organisation, action, resource_type,
		request_id, correlation_id, position, hash)
	select now(), 'Y99901', 'gp', 'gp', '', '', '', '', 'C', 'Case', '', '', i, '' from generate_series(1, 20000) i;
	update caselink.heads set position = 20000;
	analyze caselink.events, caselink.audit;
	insert into caselink.events (holder, referral, seq, case_id, kind, to_status, actor, occurred_at, request_id)
	select 'Y99901', gen_random_uuid(), 1, gen_random_uuid(), 'received', 'received', '{}', now(), '' from generate_series(1, 3000) i;
	insert into caselink.audit (at, holder, role, client, user_id, user_name, user_role, organisation, action, resource_type,
		request_id, correlation_id)
	select now(), 'Y99901', 'gp', 'gp', '', '', '', '', 'C', 'Case', '', '' from generate_series(1, 3000) i`

// TestSealerCatchesUpWhateverTheStatisticsSay: a round compares no row with each other.
func TestSealerCatchesUpWhateverTheStatisticsSay(t *testing.T) {
	t.Parallel()
	db, target := open(t)
	target.Exec(t, backlog)
	ids := func(table string) []int64 {
		return storetest.Query[int64](t, target, `select id from caselink.`+table+` where position is null order by id limit 2000`)
	}

	for name, round := range map[string]struct {
		sql  string
		args []any
	}{
		"events": {feed.SealEvents, []any{ids("events"), 20000}},
		"audit":  {feed.SealAudit, []any{ids("audit"), 20000, make([]byte, 2000*32)}},
	} {
		var plan []string
		b := store.NewBatch(fhir.Scope{Role: fhir.RoleSealer})
		b.Queue(`explain `+round.sql, round.args...).Query(func(rows pgx.Rows) (err error) {
			plan, err = pgx.CollectRows(rows, pgx.RowTo[string])
			return err
		})
		if err := db.Send(t.Context(), "explain", b); err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(plan, "\n"); strings.Contains(text, "Nested Loop") || !strings.Contains(text, "_unsealed") {
			t.Errorf("%s are sealed by\n%s", name, text)
		}
	}

	for _, want := range []int{2000, 1000, 0} {
		if events, audit := seal(t, db); events != want || audit != want {
			t.Errorf("a round numbered %d events and %d records, want %d of each", events, audit, want)
		}
	}
	for _, table := range []string{"events", "audit"} {
		ordered := storetest.Query[bool](t, target, `select bool_and(position = place) from (
			select position, 20000 + row_number() over (order by id) as place from caselink.`+table+` where position > 20000) sealed`)[0]
		if !ordered {
			t.Errorf("%s have positions out of the order of their ids", table)
		}
	}
}

func findings(t *testing.T, db *store.DB) []string {
	t.Helper()
	found, err := fsck.Check(t.Context(), db, func(string, int, int) {})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range found {
		if len(names) == 0 || names[len(names)-1] != f.Invariant {
			names = append(names, f.Invariant)
		}
	}
	return names
}

func TestSoundDatabaseBreaksNoInvariant(t *testing.T) {
	t.Parallel()
	db, _ := open(t)
	for range 3 {
		storetest.Accept(t, db, storetest.Referral(t, db, "Y99901", "svc-a"))
	}
	seal(t, db)

	if found := findings(t, db); found != nil {
		t.Errorf("found %v", found)
	}
}

func TestEachDamageIsFound(t *testing.T) {
	t.Parallel()
	for damage, invariant := range map[string]string{
		`delete from caselink.cases`:                                             "each referral has one case",
		`delete from caselink.originals`:                                         "each referral has its original and a name",
		`delete from caselink.identities`:                                        "each referral has its original and a name",
		`update caselink.originals set referral = gen_random_uuid()`:             "every row belongs to a referral",
		`delete from caselink.events where seq = 1`:                              "events are numbered without gaps",
		`update caselink.events set from_status = 'active' where seq = 2`:        "each event begins where the last one ended",
		`update caselink.cases set status = 'closed'`:                            "a case is where its last event left it",
		`delete from caselink.versions where type = 'Task' and version = 1`:      "versions are numbered without gaps",
		`update caselink.cases set task_version = 1`:                             "a case knows the last version of its Task",
		`delete from caselink.owed where n = 2`:                                  "lanes count what is owed",
		`update caselink.owed set state = 'acknowledged' where n = 2`:            "nothing owed leaves before what came before it",
		`delete from caselink.versions where type = 'Task'`:                      "what is owed exists",
		`update caselink.cases set service = 'svc-b'`:                            "one service works a referral",
		`update caselink.versions set service = 'svc-b' where type = 'Task'`:     "each row is of the service that works its referral",
		`update caselink.events set position = 9 where seq = 2`:                  "the feed has no gaps",
		`update caselink.events set position = 3 - position`:                     "the feed is in order within each referral",
		`update caselink.events set position = null, occurred_at = '2020-01-01'`: "the sealer keeps up",
		`update caselink.audit set client = 'somebody else' where position = 1`:  fsck.AuditChain,
		`delete from caselink.audit where position = 1`:                          fsck.AuditChain,
	} {
		t.Run(damage, func(t *testing.T) {
			t.Parallel()
			db, target := open(t)
			storetest.Accept(t, db, storetest.Referral(t, db, "Y99901", "svc-a"))
			seal(t, db)

			target.Exec(t, damage)

			found := findings(t, db)
			if slices.Contains(found, invariant) {
				return
			}
			t.Errorf("found %v, want %q among them", found, invariant)
		})
	}
}

func TestOneOfTwoSealersLeadsAndTheOtherTakesOver(t *testing.T) {
	t.Parallel()
	db, target := open(t)
	second, err := store.Open(t.Context(), store.Config{URL: target.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(second.Close)
	first, stopFirst := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- (&feed.Sealer{DB: db, Log: slog.New(slog.DiscardHandler), Every: time.Millisecond}).Run(first)
	}()
	storetest.Referral(t, db, "Y99901", "svc-a")
	storetest.Until(t, target, `select position is not null from caselink.events`)

	go func() {
		_ = (&feed.Sealer{DB: second, Log: slog.New(slog.DiscardHandler), Every: time.Millisecond}).Run(t.Context())
	}()
	stopFirst()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	storetest.Referral(t, db, "Y99901", "svc-a")

	storetest.Until(t, target, `select bool_and(position is not null) from caselink.events`)
}

func TestSealerSeesNoPatientData(t *testing.T) {
	t.Parallel()
	db, _ := open(t)
	for _, sql := range []string{
		`select doc from caselink.cases`, `select content from caselink.versions`, `select body from caselink.originals`,
		`select reason_text from caselink.events`, `select value from caselink.identities`,
	} {
		for _, role := range []fhir.Role{fhir.RoleSealer, fhir.RoleAuditor} {
			b := store.NewBatch(fhir.Scope{Role: role})
			b.Queue(sql)
			if err := db.Send(t.Context(), "look", b); err == nil {
				t.Errorf("%s may %s", role, sql)
			}
		}
	}
}
