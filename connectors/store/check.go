package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// checks are the things that must hold of the database before this program serves:
// each query returns one line for each thing that is wrong.
var checks = []string{
	`select 'setting '||name||' is '||setting||' and must be on: what is acknowledged would not survive a crash'
		from pg_settings where name in ('fsync', 'full_page_writes', 'synchronous_commit') and setting in ('off', 'local')`,
	`select 'role '||rolname||' must not be '||case when rolsuper then 'a superuser'
			when rolbypassrls then 'able to bypass row-level security' else 'inheriting its roles'' rights' end
		from pg_roles where rolname = session_user and (rolsuper or rolbypassrls or rolinherit)`,
	`select 'role '||rolname||' must not bypass row-level security' from pg_roles
		where rolname like 'caselink\_%' and rolname <> 'caselink_admin' and rolbypassrls`,
	`select 'table '||c.relname||' has no forced row-level security'
		from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = 'caselink' and c.relkind in ('r', 'p') and not (c.relrowsecurity and c.relforcerowsecurity)`,
	`select 'table '||c.relname||' belongs to '||session_user||', which must own nothing'
		from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = 'caselink' and pg_get_userbyid(c.relowner) = session_user`,
	`select 'table '||tablename||' has '||count(*)||' policies for role '||r||': one at most, or they would widen each other'
		from pg_policies, unnest(roles) r where schemaname = 'caselink' group by tablename, r having count(*) > 1`,
	`select 'view '||c.relname||' must be security_invoker' from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = 'caselink' and c.relkind = 'v' and not coalesce('security_invoker=true' = any (c.reloptions), false)`,
}

// Check reads the catalogue and reports everything that would make a promise of
// Caselink untrue: unsafe settings, roles with too many rights, tables that do not
// force row-level security. The program refuses to serve while there is an error.
func (db *DB) Check(ctx context.Context) error {
	if err := db.Ready(ctx); err != nil {
		return err
	}
	var wrong []string

	// The catalogue is for everybody to read: no scope is taken, and the login alone is asked.
	b := &pgx.Batch{}
	for _, sql := range checks {
		b.Queue(sql).Query(func(rows pgx.Rows) error {
			found, err := pgx.CollectRows(rows, pgx.RowTo[string])
			wrong = append(wrong, found...)
			return err
		})
	}
	if err := db.pool.SendBatch(ctx, b).Close(); err != nil {
		return Translate("check the database", err)
	}
	if len(wrong) > 0 {
		return fmt.Errorf("the database is not safe to serve from:\n  %s", strings.Join(wrong, "\n  "))
	}
	return nil
}
