package cluster

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const (
	countOwner     = `select count(*) from pg_roles where rolname = $1`
	createOwner    = `create role ` + Owner + ` login createrole`
	countDatabases = `select count(*) from pg_database where datname = $1`
)

// CreateDatabase makes the role Owner and an empty database of its own, where they
// are missing.
func (c *Cluster) CreateDatabase(ctx context.Context, name string) error {
	conn, err := pgx.Connect(ctx, c.URL("postgres", Admin))
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	create := `create database ` + pgx.Identifier{name}.Sanitize() + ` owner ` + Owner

	// Looked for first, for create has no "if not exists" here. Nobody else makes them in
	// between: the cluster's process is alone with it.
	if err := ensure(ctx, conn, countOwner, Owner, createOwner); err != nil {
		return fmt.Errorf("create role %s: %w", Owner, err)
	}
	if err := ensure(ctx, conn, countDatabases, name, create); err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}

// ensure runs create when count finds nothing of the name.
func ensure(ctx context.Context, conn *pgx.Conn, count, name, create string) error {
	var n int
	if err := conn.QueryRow(ctx, count, name).Scan(&n); err != nil || n > 0 {
		return err
	}
	_, err := conn.Exec(ctx, create)
	return err
}
