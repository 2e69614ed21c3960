package store_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"caselink.example/connectors/store"
	"caselink.example/connectors/store/storetest"
	"caselink.example/fhir"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/workflow"
)

// rights is everything that anybody except its owner may do in the schema, a line for each
// table and role: s(elect), i(nsert), u(pdate), d(elete), t(runcate), and every other
// privilege in full; in brackets the columns, where it is not all of them.
//
// What has no u and no d is only ever added: versions, events, originals and identities
// for those who write them, the audit for everybody but the sealer, who chains it.
const rights = `
attempts    auditor  s
attempts    courier  i
audit       app      i
audit       auditor  i s
audit       gp       i
audit       sealer   s u(position hash)
cases       app      s u(task_version service status needs updated_at doc)
cases       auditor  s(holder id referral task task_version service status received_at updated_at)
cases       gp       i s u(task_version service status needs updated_at doc)
events      app      i s
events      auditor  s(id holder referral seq case_id service kind from_status to_status occurred_at position)
events      gp       i s
events      sealer   s(id holder referral seq occurred_at position) u(position)
heads       auditor  s
heads       sealer   s u
identities  auditor  s(holder kind referral)
identities  gp       i s
lanes       app      i s u(last fence next_at parked withhold)
lanes       auditor  s u
lanes       courier  s u
lanes       gp       i s u(last fence next_at parked withhold)
originals   auditor  s(holder referral received_at)
originals   gp       i s
owed        app      i s
owed        auditor  s u
owed        courier  s u
owed        gp       i s
referrals   app      s u(seq)
referrals   auditor  s(holder id service practice seq received_at)
referrals   gp       i s u(seq)
schema      app      usage
schema      auditor  usage
schema      courier  usage
schema      gp       usage
schema      login    usage
schema      sealer   usage
versions    app      i s
versions    auditor  s(holder type id version referral service)
versions    courier  s
versions    gp       i s
`

// selectRights reads the same from the catalogue: of tables, views, sequences, their columns
// and the schema. Grantee 0 is everybody.
const selectRights = `with granted as (
		select c.relname::text as what, a.grantee, a.privilege_type, a.is_grantable, null as of, 0 as at
		from pg_class c, aclexplode(c.relacl) a
		where c.relnamespace = 'caselink'::regnamespace and a.grantee <> c.relowner
		union all
		select c.relname, a.grantee, a.privilege_type, a.is_grantable, t.attname, t.attnum
		from pg_class c join pg_attribute t on t.attrelid = c.oid, aclexplode(t.attacl) a
		where c.relnamespace = 'caselink'::regnamespace and a.grantee <> c.relowner
		union all
		select 'schema', a.grantee, a.privilege_type, a.is_grantable, null, 0
		from pg_namespace n, aclexplode(n.nspacl) a where n.nspname = 'caselink' and a.grantee <> n.nspowner),
	privilege as (
		select what, case when grantee = 0 then 'everybody' when grantee = 'caselink'::regrole then 'login'
				else replace(grantee::regrole::text, 'caselink_', '') end as who,
			case when privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE') then lower(left(privilege_type, 1))
				else lower(privilege_type) end || case when is_grantable then '*' else '' end
				|| coalesce('(' || string_agg(of, ' ' order by at) filter (where of is not null) || ')', '') as may
		from granted group by what, grantee, privilege_type, is_grantable, of is null)
	select format('%s %s %s', what, who, string_agg(may, ' ' order by may)) from privilege group by what, who order by what, who`

// rows are the lines of a table, their columns one blank apart.
func rows(table string) (out []string) {
	for line := range strings.Lines(strings.TrimSpace(table)) {
		out = append(out, strings.Join(strings.Fields(line), " "))
	}
	return out
}

func TestRightsAreTheTable(t *testing.T) {
	t.Parallel()
	got := storetest.Query[string](t, storetest.Open(t), selectRights)

	if diff := cmp.Diff(rows(rights), got); diff != "" {
		t.Errorf("rights (-table +catalogue):\n%s", diff)
	}
}

// policies is which rows each role sees, and which it may write, a line for each table: all,
// those of the transaction's holder, or those of its services; worked are those of its
// services that hang on a referral which the same service works; - is none.
const policies = `
attempts    auditor  all       all
attempts    courier  all       all
audit       app      services  services
audit       auditor  all       -
audit       gp       holder    holder
audit       sealer   all       all
cases       app      services  services
cases       auditor  all       -
cases       gp       holder    holder
events      app      services  worked
events      auditor  all       -
events      gp       holder    holder
events      sealer   all       all
heads       auditor  all       -
heads       sealer   all       all
identities  auditor  all       -
identities  gp       holder    holder
lanes       app      services  worked
lanes       auditor  all       all
lanes       courier  all       all
lanes       gp       holder    holder
originals   auditor  all       -
originals   gp       holder    holder
owed        app      services  worked
owed        auditor  all       all
owed        courier  all       all
owed        gp       holder    holder
referrals   app      services  services
referrals   auditor  all       -
referrals   gp       holder    holder
versions    app      services  worked
versions    auditor  all       -
versions    courier  holder    -
versions    gp       holder    holder
`

// selectPolicies reads the same from the catalogue. A condition that is none of these
// appears as it is.
const selectPolicies = `with known (condition, name) as (values
		('true', 'all'),
		('(holder = current_setting(''caselink.holder''::text, true))', 'holder'),
		('(service = ANY (string_to_array(current_setting(''caselink.services''::text, true), '',''::text)))', 'services')),
	worked as (select format('((service = ANY (string_to_array(current_setting(''caselink.services''::text, true), '',''::text))) '
		'AND (EXISTS ( SELECT FROM caselink.referrals r WHERE ((r.holder = %1$I.holder) AND (r.id = %1$I.referral) '
		'AND (r.service = %1$I.service)))))', t) as condition, t from unnest(array['versions', 'events', 'lanes', 'owed']) t)
	select concat_ws(' ', p.tablename, replace(array_to_string(p.roles, ','), 'caselink_', ''),
		nullif(p.permissive, 'PERMISSIVE'), nullif(p.cmd, 'ALL'),
		coalesce(seen.name, p.qual, '-'), coalesce(written.name, case when worked.t is not null then 'worked' end, p.with_check, '-'))
	from pg_policies p left join known seen on seen.condition = p.qual left join known written on written.condition = p.with_check
		left join worked on worked.t = p.tablename and worked.condition = regexp_replace(p.with_check, '\s+', ' ', 'g')
	where p.schemaname = 'caselink' order by p.tablename, p.roles::text`

func TestPoliciesAreTheTable(t *testing.T) {
	t.Parallel()
	got := storetest.Query[string](t, storetest.Open(t), selectPolicies)

	if diff := cmp.Diff(rows(policies), got); diff != "" {
		t.Errorf("policies (-table +catalogue):\n%s", diff)
	}
}

// asRole runs f as the transactions of a scope run: as the login, under the scope's role.
func asRole(t *testing.T, target storetest.Target, scope fhir.Scope, f func(pgx.Tx) error) error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), target.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	role, services := "caselink_"+string(scope.Role), strings.Join(scope.Services, ",")
	if _, err := tx.Exec(t.Context(), store.Scoped, role, scope.Holder, services); err != nil {
		t.Fatal(err)
	}
	return f(tx)
}

func TestNoAppSeesACaseWithoutAService(t *testing.T) {
	t.Parallel()
	target := storetest.Open(t)
	db := openAt(t, target)
	unassigned := storetest.Opening("Y99901", "")
	create(t, db, unassigned)
	for name, app := range map[string]fhir.Scope{
		"an app": storetest.App("svc-a"), "an app of no service": storetest.App(), "an app of a service without a name": storetest.App(""),
	} {
		if _, err := db.Case(t.Context(), app, unassigned.Case.ID); !fhir.Is(err, fhir.IssueNotFound) {
			t.Errorf("%s reads it: %v", name, err)
		}
		if page, _, err := db.Cases(t.Context(), app, cases.Filter{}); err != nil || len(page) != 0 {
			t.Errorf("%s lists %d cases, error %v", name, len(page), err)
		}
		err := db.Update(t.Context(), app, unassigned.Case.ID, func(workflow.Current) (workflow.Change, error) {
			t.Errorf("%s decides about it", name)
			return workflow.Change{}, fhir.Errorf(fhir.IssueConflict, "no")
		})
		if !fhir.Is(err, fhir.IssueNotFound) {
			t.Errorf("%s moves it: %v", name, err)
		}

		// Nor any other row of it, in whatever way it might be asked for.
		for _, table := range []string{"referrals", "versions", "cases", "events", "lanes", "owed"} {
			err := asRole(t, target, app, func(tx pgx.Tx) (err error) {
				var n int
				err = tx.QueryRow(t.Context(), `select count(*) from caselink.`+table).Scan(&n)
				if n > 0 {
					t.Errorf("%s sees %d rows of %s", name, n, table)
				}
				return err
			})
			if err != nil {
				t.Errorf("%s reads %s: %v", name, table, err)
			}
		}
	}
	if n := storetest.Query[int](t, target, `select count(*)::int from caselink.cases where service is null`); n[0] != 1 {
		t.Errorf("%d cases have no service, want the one that nobody sees", n[0])
	}
}

func TestWhatIsOnlyAddedIsNeitherChangedNorRemoved(t *testing.T) {
	t.Parallel()
	target := storetest.Open(t)
	create(t, openAt(t, target), storetest.Opening("Y99901", "svc-a"))
	scopes := []fhir.Scope{
		storetest.GP("Y99901"), storetest.App("svc-a"),
		{Role: fhir.RoleCourier, Holder: "Y99901"}, {Role: fhir.RoleSealer}, {Role: fhir.RoleAuditor},
	}
	for table, column := range map[string]string{
		"versions": "content", "events": "kind", "originals": "body", "identities": "value", "audit": "client",
	} {
		for _, scope := range scopes {
			for _, sql := range []string{
				`update caselink.` + table + ` set ` + column + ` = ` + column,
				`delete from caselink.` + table,
				`truncate caselink.` + table,
			} {
				err := asRole(t, target, scope, func(tx pgx.Tx) error {
					_, err := tx.Exec(t.Context(), sql)
					return err
				})
				if err == nil || !strings.Contains(err.Error(), "permission denied") {
					t.Errorf("%s: %s: %v, want it denied", scope.Role, sql, err)
				}
			}
		}
	}
}

// TestAppWritesNothingBesideAReferralOfAnothers: whoever can run SQL as an app can still
// put no row beside a referral that its service does not work.
func TestAppWritesNothingBesideAReferralOfAnothers(t *testing.T) {
	t.Parallel()
	target := storetest.Open(t)
	db := openAt(t, target)
	other := storetest.Referral(t, db, "Y99902", "svc-b")
	mine := storetest.Referral(t, db, "Y99901", "svc-a")
	app := storetest.App("svc-a", "svc-c")

	for table, forged := range map[string]string{
		"versions": `insert into caselink.versions (holder, type, id, version, referral, service, last_updated, content)
			values ($1, 'ServiceRequest', $2, 2, $2, $3, now(), '{}')`,
		"events": `insert into caselink.events (holder, referral, seq, case_id, service, kind, to_status, actor, occurred_at, request_id)
			values ($1, $2, 2, $2, $3, 'moved', 'accepted', '{}', now(), '')`,
		"lanes": `insert into caselink.lanes (holder, referral, destination, service, last, next_at)
			values ($1, $2, 'there', $3, 1, now())`,
		"owed": `insert into caselink.owed
				(holder, referral, destination, n, service, seq, event_id, request_id, correlation_id, type, id, version, owed_since)
			values ($1, $2, 'there', 9, $3, 1, gen_random_uuid(), gen_random_uuid(), '', 'Task', gen_random_uuid(), 1, now())`,
	} {
		for name, row := range map[string]struct {
			root    workflow.Root
			service string
			refused bool
		}{
			"its own":                        {mine.Referral, "svc-a", false},
			"another's":                      {other.Referral, "svc-a", true},
			"another's, said to be so":       {other.Referral, "svc-b", true},
			"its own, as its other service":  {mine.Referral, "svc-c", true},
			"its own, as another's":          {mine.Referral, "svc-b", true},
			"a referral that never was":      {workflow.Root{Holder: "Y99901", ID: other.Referral.ID}, "svc-a", true},
			"its own, of another practice's": {workflow.Root{Holder: "Y99902", ID: mine.Referral.ID}, "svc-a", true},
		} {
			err := asRole(t, target, app, func(tx pgx.Tx) error {
				_, err := tx.Exec(t.Context(), forged, row.root.Holder, row.root.ID, row.service)
				return err
			})
			if refused := err != nil && strings.Contains(err.Error(), "row-level security"); refused != row.refused {
				t.Errorf("%s beside %s: %v; want it refused: %t", table, name, err, row.refused)
			}
		}
	}
}
