package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // database/sql is what goose speaks
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// MigrationsHash names the schema, for databases that are made once and copied, such as
// those of tests: it changes when the text of any migration does.
func MigrationsHash() string {
	h := sha256.New()
	_ = fs.WalkDir(migrations, ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			b, _ := migrations.ReadFile(p)
			h.Write(b)
		}
		return err
	})
	return fmt.Sprintf("%x", h.Sum(nil)[:6])
}

// Migration is one numbered change of the schema.
type Migration struct {
	Version int64
	Name    string
	Applied bool
}

// Migrate brings the schema up to date. The role of ownerURL must own the database
// and be able to create roles. Several may run at once: one does the work.
func Migrate(ctx context.Context, ownerURL string) error {
	p, db, err := provider(ownerURL)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}

	// The table of migrations is goose's own and in no migration: the login, which owns
	// nothing, may read it so that Ready can say what is missing.
	if _, err := db.ExecContext(ctx, `grant select on public.caselink_migrations to caselink`); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// MigrationStatus lists the migrations that this program knows.
func MigrationStatus(ctx context.Context, ownerURL string) ([]Migration, error) {
	p, db, err := provider(ownerURL)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	status, err := p.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("migration status: %w", err)
	}
	out := make([]Migration, len(status))
	for i, s := range status {
		out[i] = Migration{Version: s.Source.Version, Name: path.Base(s.Source.Path), Applied: s.State == goose.StateApplied}
	}
	return out, nil
}

func provider(ownerURL string) (*goose.Provider, *sql.DB, error) {
	db, err := sql.Open("pgx", ownerURL)
	if err != nil {
		return nil, nil, fmt.Errorf("open database: %w", err)
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, nil, err
	}
	versions, err := database.NewStore(goose.DialectPostgres, "caselink_migrations")
	if err != nil {
		return nil, nil, err
	}

	// Processes of one release start together: one migrates, the others wait for it, a minute
	// at most, and find nothing left to do.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60))
	if err != nil {
		return nil, nil, err
	}
	p, err := goose.NewProvider("", db, files, goose.WithStore(versions), goose.WithSessionLocker(locker))
	if err != nil {
		db.Close()
		return nil, nil, fmt.Errorf("read migrations: %w", err)
	}
	return p, db, nil
}

// latestMigration is the version of the schema that this program knows.
func latestMigration() int64 {
	entries, _ := migrations.ReadDir("migrations")
	var latest int64
	for _, e := range entries {
		number, _, _ := strings.Cut(e.Name(), "_")
		if v, err := strconv.ParseInt(number, 10, 64); err == nil && v > latest {
			latest = v
		}
	}
	return latest
}
