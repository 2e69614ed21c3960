package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"caselink.example/cmd/caselink/internal/config"
	"caselink.example/connectors/store"
)

const migrateHelp = `caselink migrate: bring the database schema up to date, or show where it is

Uses database.owner_url of the configuration: a role that owns the database and may
create roles. Migrations run forward only; several may run at once.

  caselink migrate up --config caselink.yaml
  caselink migrate status --config caselink.yaml    exit code 1 when one is missing
`

func runMigrate(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlags("migrate", migrateHelp, stderr)
	file := configFlag(f)
	what, err := f.parseArgs(args, "up|status")
	if err != nil {
		return err
	}
	cfg, err := config.Load(*file, config.Environ())
	if err != nil {
		return err
	}
	if cfg.Database.OwnerURL == "" {
		return errors.New("database.owner_url is needed: the URL of the role that owns the database")
	}
	switch what[0] {
	case "up":
		return store.Migrate(ctx, cfg.Database.OwnerURL)
	case "status":
		return migrationStatus(ctx, stdout, cfg.Database.OwnerURL)
	}
	return f.misused()
}

func migrationStatus(ctx context.Context, out io.Writer, ownerURL string) error {
	migrations, err := store.MigrationStatus(ctx, ownerURL)
	if err != nil {
		return err
	}
	missing := 0
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, m := range migrations {
		state := "applied"
		if !m.Applied {
			missing++
			state = "missing"
		}
		fmt.Fprintf(w, "%d\t%s\t%s\n", m.Version, state, m.Name)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if missing > 0 {
		return fmt.Errorf("%d migration(s) missing: run caselink migrate up", missing)
	}
	return nil
}
