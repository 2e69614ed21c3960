package store_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"caselink.example/connectors/store"
	"caselink.example/connectors/store/storetest"
	"caselink.example/fhir"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/workflow"
)

func open(t *testing.T) *store.DB {
	t.Helper()
	return openAt(t, storetest.Open(t))
}

func openAt(t *testing.T, target storetest.Target) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{URL: target.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

func create(t *testing.T, db *store.DB, c workflow.Change) {
	t.Helper()
	known, err := db.Create(t.Context(), storetest.GP(c.Referral.Holder), c)
	if err != nil || known != nil {
		t.Fatalf("Create: known %v, error %v", known, err)
	}
}

func TestCreatedReferralIsReadAsItWasStored(t *testing.T) {
	t.Parallel()
	db := open(t)
	c := storetest.Opening("Y99901", "svc-a", "1")
	create(t, db, c)

	audit := workflow.Audit{At: storetest.Noon, Action: "R", Holder: "Y99901"}
	got, err := db.Read(t.Context(), storetest.GP("Y99901"), "ServiceRequest", c.Referral.ID, audit)
	if err != nil {
		t.Fatal(err)
	}
	got.LastUpdated = got.LastUpdated.UTC()
	if diff := cmp.Diff(c.Resources[0], got); diff != "" {
		t.Errorf("read mismatch (-want +got):\n%s", diff)
	}
	found, err := db.Case(t.Context(), storetest.App("svc-a"), c.Case.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c.Case, found); diff != "" {
		t.Errorf("case mismatch (-want +got):\n%s", diff)
	}
}

func TestAnotherPracticeSeesNothing(t *testing.T) {
	t.Parallel()
	db := open(t)
	c := storetest.Opening("Y99901", "svc-a", "1")
	create(t, db, c)

	for name, scope := range map[string]fhir.Scope{
		"another practice":   storetest.GP("Y99902"),
		"no practice":        storetest.GP(""),
		"an app":             storetest.App("svc-b"),
		"courier of another": {Role: fhir.RoleCourier, Holder: "Y99902"},
	} {
		audit := workflow.Audit{At: storetest.Noon, Action: "R", Holder: scope.Holder, Service: "svc-b"}
		if _, err := db.Read(t.Context(), scope, "ServiceRequest", c.Referral.ID, audit); err == nil {
			t.Errorf("%s reads the referral", name)
		}
	}
	if _, err := db.Case(t.Context(), storetest.App("svc-b"), c.Case.ID); !fhir.Is(err, fhir.IssueNotFound) {
		t.Errorf("another service reads the case: %v", err)
	}
	if page, _, err := db.Cases(t.Context(), storetest.App("svc-b"), cases.Filter{}); err != nil || len(page) != 0 {
		t.Errorf("another service lists %d cases, error %v", len(page), err)
	}
	err := db.Update(t.Context(), storetest.App("svc-b"), c.Case.ID, storetest.Accepted)
	if !fhir.Is(err, fhir.IssueNotFound) {
		t.Errorf("another service moves the case: %v", err)
	}
}

func TestHundredEqualReferralsAreOneCase(t *testing.T) {
	t.Parallel()
	db := open(t)
	var created atomic.Int32
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			known, err := db.Create(context.Background(), storetest.GP("Y99901"), storetest.Opening("Y99901", "svc-a", "first", "second"))
			switch {
			case err != nil:
				t.Errorf("Create: %v", err)
			case known == nil:
				created.Add(1)
			case len(known) != 1:
				t.Errorf("%d referrals hold the identifiers, want 1", len(known))
			}
		})
	}
	wg.Wait()

	if got := created.Load(); got != 1 {
		t.Errorf("%d referrals were created, want 1", got)
	}
	if page, _, err := db.Cases(t.Context(), storetest.App("svc-a"), cases.Filter{}); err != nil || len(page) != 1 {
		t.Errorf("%d cases, error %v, want 1", len(page), err)
	}
}

func TestReferralsThatShareNamesDoNotLockEachOtherOut(t *testing.T) {
	t.Parallel()
	db := open(t)
	for round := range 5 {
		// So many that both are still taking theirs when they meet.
		var names []string
		for i := range 300 {
			names = append(names, fmt.Sprintf("%d-%03d", round, i))
		}
		reversed := slices.Clone(names)
		slices.Reverse(reversed)
		var created atomic.Int32
		var wg sync.WaitGroup
		for _, order := range [][]string{names, reversed} {
			wg.Go(func() {
				known, err := db.Create(context.Background(), storetest.GP("Y99901"), storetest.Opening("Y99901", "svc-a", order...))
				switch {
				case err != nil:
					t.Errorf("Create: %v", err)
				case known == nil:
					created.Add(1)
				}
			})
		}
		wg.Wait()

		if got := created.Load(); got != 1 {
			t.Errorf("%d referrals were created, want 1", got)
		}
	}
}

func TestIdentifiersOfTwoReferralsAreBothReported(t *testing.T) {
	t.Parallel()
	db := open(t)
	create(t, db, storetest.Opening("Y99901", "svc-a", "1"))
	create(t, db, storetest.Opening("Y99901", "svc-a", "2"))

	known, err := db.Create(t.Context(), storetest.GP("Y99901"), storetest.Opening("Y99901", "svc-a", "2", "3", "1"))

	if err != nil || len(known) != 2 {
		t.Errorf("known %d, error %v, want both referrals", len(known), err)
	}
	create(t, db, storetest.Opening("Y99901", "svc-a", "3")) // nothing of the refused one was kept
}

func TestPracticesMayUseEqualIdentifiers(t *testing.T) {
	t.Parallel()
	db := open(t)
	create(t, db, storetest.Opening("Y99901", "svc-a", "1"))
	create(t, db, storetest.Opening("Y99902", "svc-a", "1"))
}

func TestOfManyEqualMovesOneIsMade(t *testing.T) {
	t.Parallel()
	db := open(t)
	c := storetest.Opening("Y99901", "svc-a", "1")
	create(t, db, c)
	var made atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			err := db.Update(context.Background(), storetest.App("svc-a"), c.Case.ID, storetest.Accepted)
			switch {
			case err == nil:
				made.Add(1)
			case !fhir.Is(err, fhir.IssueConflict):
				t.Errorf("Update: %v", err)
			}
		})
	}
	wg.Wait()

	if got := made.Load(); got != 1 {
		t.Errorf("%d moves were made, want 1", got)
	}
	events, err := db.CaseEvents(t.Context(), storetest.App("svc-a"), c.Case.ID)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, e := range events {
		told = append(told, fmt.Sprint(e.Seq, e.From, "->", e.To))
	}
	if diff := cmp.Diff([]string{"1->received", "2received->accepted"}, told); diff != "" {
		t.Errorf("events mismatch (-want +got):\n%s", diff)
	}
}

func TestRefusedMoveKeepsNothing(t *testing.T) {
	t.Parallel()
	db := open(t)
	c := storetest.Opening("Y99901", "svc-a", "1")
	create(t, db, c)
	refusal := fhir.Errorf(fhir.IssueConflict, "no")

	err := db.Update(t.Context(), storetest.App("svc-a"), c.Case.ID, func(workflow.Current) (workflow.Change, error) {
		return workflow.Change{}, refusal
	})

	if err != refusal {
		t.Errorf("Update = %v, want the refusal itself", err)
	}
	if err := db.Update(t.Context(), storetest.App("svc-a"), c.Case.ID, func(cur workflow.Current) (workflow.Change, error) {
		if cur.Referral.Seq != 1 {
			t.Errorf("the referral's number is %d after a refused move, want 1", cur.Referral.Seq)
		}
		return storetest.Accepted(cur)
	}); err != nil {
		t.Error(err)
	}
}

func TestPagesHoldEachCaseOnce(t *testing.T) {
	t.Parallel()
	db := open(t)
	want := map[string]bool{}
	for i := range 7 {
		c := storetest.Opening("Y99901", "svc-a", fmt.Sprint(i))
		create(t, db, c)
		want[c.Case.ID] = true
	}

	cursor := ""
	for pages := 0; ; pages++ {
		page, next, err := db.Cases(t.Context(), storetest.App("svc-a"), cases.Filter{Limit: 3, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page {
			if !want[c.ID] {
				t.Errorf("case %s is listed twice or was never created", c.ID)
			}
			delete(want, c.ID)
		}
		if cursor = next; next == "" {
			break
		}
		if pages > 3 {
			t.Fatal("the pages do not end")
		}
	}
	if len(want) > 0 {
		t.Errorf("%d cases are on no page", len(want))
	}
}

func TestStrangeCursorIsRefused(t *testing.T) {
	t.Parallel()
	db := open(t)
	for _, cursor := range []string{"x", "!!!", "eA", "MjAyNi0wMS0wMVQwMDowMDowMFogeA"} {
		if _, _, err := db.Cases(t.Context(), storetest.App("svc-a"), cases.Filter{Cursor: cursor}); !fhir.Is(err, fhir.IssueInvalid) {
			t.Errorf("cursor %q: %v, want IssueInvalid", cursor, err)
		}
	}
}

func TestSoundDatabasePassesTheCheck(t *testing.T) {
	t.Parallel()
	if err := open(t).Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestUnsafeDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	for name, sabotage := range map[string]string{
		"row-level security not forced": `alter table caselink.cases no force row level security`,
		"row-level security off":        `alter table caselink.versions disable row level security`,
		"two policies for one role":     `create policy wide on caselink.cases to caselink_gp using (true)`,
		"view that bypasses":            `create view caselink.all_cases as select * from caselink.cases`,
		"runtime role owns a table": `create table caselink.mine (); alter table caselink.mine enable row level security;
			alter table caselink.mine force row level security; alter table caselink.mine owner to caselink`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := storetest.Open(t)
			db := openAt(t, target)
			target.Exec(t, sabotage)

			if err := db.Check(t.Context()); err == nil {
				t.Error("Check found nothing wrong")
			}
		})
	}
}

func TestEveryTableHoldsItsPatientsUnderRowLevelSecurity(t *testing.T) {
	t.Parallel()
	target := storetest.Open(t)
	open := storetest.Query[string](t, target, `select relname::text from pg_class c join pg_namespace n on n.oid = relnamespace
		where nspname = 'caselink' and relkind = 'r' and not (relrowsecurity and relforcerowsecurity)`)
	if len(open) > 0 {
		t.Errorf("tables without forced row-level security: %v", open)
	}
}

// The names of migrations may change: a database knows them by number. Migrating again
// does nothing.
func TestMigratedDatabaseIsUpToDateUnderAnyFileName(t *testing.T) {
	t.Parallel()
	target := storetest.Open(t)
	if err := store.Migrate(t.Context(), target.OwnerURL); err != nil {
		t.Fatal(err)
	}
	migrations, err := store.MigrationStatus(t.Context(), target.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range migrations {
		if !m.Applied {
			t.Errorf("%d (%s) is not applied", m.Version, m.Name)
		}
	}
	kept := storetest.Query[string](t, target, `select attname::text from pg_attribute
		where attrelid = 'public.caselink_migrations'::regclass and attnum > 0 order by attnum`)
	if diff := cmp.Diff([]string{"id", "version_id", "is_applied", "tstamp"}, kept); diff != "" {
		t.Errorf("what is kept of a migration (-want +got):\n%s", diff)
	}
}

func TestCaseIsMovedUnderTheIDByWhichItIsRead(t *testing.T) {
	t.Parallel()
	db := open(t)
	c := storetest.Opening("Y99901", "svc-a", "1")
	create(t, db, c)
	upper, bare := strings.ToUpper(c.Case.ID), strings.ReplaceAll(c.Case.ID, "-", "")
	for _, id := range []string{upper, bare, "{" + c.Case.ID + "}", "urn:uuid:" + c.Case.ID} {
		if _, err := db.Case(t.Context(), storetest.App("svc-a"), id); !fhir.Is(err, fhir.IssueNotFound) {
			t.Errorf("%s is read: %v", id, err)
		}
		if err := db.Update(t.Context(), storetest.App("svc-a"), id, storetest.Accepted); !fhir.Is(err, fhir.IssueNotFound) {
			t.Errorf("%s is moved: %v", id, err)
		}
	}
}

func TestCaseOfAnEarlierReleaseIsReadAndMoved(t *testing.T) {
	t.Parallel()
	earlier, err := os.ReadFile("testdata/case-v0.golden")
	if err != nil {
		t.Fatal(err)
	}
	target := storetest.Open(t)
	db := openAt(t, target)
	c := storetest.Opening("Y99901", "svc-a")
	create(t, db, c)
	target.Exec(t, fmt.Sprintf(`update caselink.cases set doc = '\x%x'`, earlier))

	read, err := db.Case(t.Context(), storetest.App("svc-a"), c.Case.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(store.FullOf(0), read); diff != "" {
		t.Errorf("the case that is read (-stored +read):\n%s", diff)
	}

	err = db.Update(t.Context(), storetest.App("svc-a"), c.Case.ID, func(cur workflow.Current) (workflow.Change, error) {
		cur.Referral.Seq++
		event := cases.Event{Seq: cur.Referral.Seq, Kind: cases.EventMoved, To: cur.Case.Status, OccurredAt: storetest.Noon}
		return workflow.Change{
			Referral: cur.Referral, Case: cur.Case, Event: event, Audit: workflow.Audit{At: storetest.Noon, Action: "U", Service: "svc-a"},
		}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	now := storetest.Query[string](t, target, `select convert_from(doc, 'utf8') from caselink.cases`)[0]
	if want := fmt.Sprintf(`{"schema":%d,`, store.DocumentVersion) + strings.TrimPrefix(string(earlier), "{"); now != want {
		t.Errorf("moved, it is stored as\n%s\nwant\n%s", now, want)
	}
}

func TestReadThatFindsNothingIsAudited(t *testing.T) {
	t.Parallel()
	target := storetest.Open(t)
	db := openAt(t, target)
	c := storetest.Opening("Y99901", "svc-a")
	create(t, db, c)
	audit := workflow.Audit{At: storetest.Noon, Action: "R", Holder: "Y99902", ResourceType: "ServiceRequest", ResourceID: c.Referral.ID}

	_, err := db.Read(t.Context(), storetest.GP("Y99902"), "ServiceRequest", c.Referral.ID, audit)

	kept := storetest.Query[string](t, target, `select concat_ws(' ', holder, action, resource_type, resource_id)
		from caselink.audit where action = 'R'`)
	if want := "Y99902 R ServiceRequest " + c.Referral.ID; !fhir.Is(err, fhir.IssueNotFound) || len(kept) != 1 || kept[0] != want {
		t.Errorf("read: %v, audit %v; want not found, and %s", err, kept, want)
	}
}

// BenchmarkUpdate is one move of a case, from the lock to the commit.
func BenchmarkUpdate(b *testing.B) {
	db, err := store.Open(b.Context(), store.Config{URL: storetest.Open(b).URL})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(db.Close)
	referrals := make([]workflow.Change, 0, 500)
	for range cap(referrals) {
		referrals = append(referrals, storetest.Referral(b, db, "Y99901", "svc-a"))
	}
	again := func(cur workflow.Current) (workflow.Change, error) {
		cur.Case.Status = cases.Received // so that one case can be accepted many times
		return storetest.Accepted(cur)
	}
	for i := 0; b.Loop(); i++ {
		err := db.Update(b.Context(), storetest.App("svc-a"), referrals[i%len(referrals)].Case.ID, again)
		if err != nil {
			b.Fatal(err)
		}
	}
}
