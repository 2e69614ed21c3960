package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"caselink.example/fhir"
)

// SQLSTATE codes and classes that mean something here.
// https://www.postgresql.org/docs/current/errcodes-appendix.html
const (
	uniqueViolation  = "23505"
	undefinedTable   = "42P01"
	lockNotAvailable = "55P03"
	readOnly         = "25006" // a standby, after a failover
)

// passing are the classes of errors that pass: connection, rollback (deadlock, conflict),
// resources, operator's intervention, the machine.
var passing = []string{"08", "40", "53", "57", "58"}

// Translate is the door through which PostgreSQL's errors leave: nobody above asks pgx. It
// returns an error of package fhir with what was being done as its cause, and nil for nil.
//
// No row is fhir.IssueNotFound; what may pass, a database out of reach included, is
// fhir.IssueTransient; a deadline is fhir.IssueTimeout, because the commit may have
// happened all the same; any other is fhir.IssueException.
func Translate(what string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fhir.Error](err); ok {
		return err
	}
	cause := fmt.Errorf("%s: %w", what, redacted(err))
	if errors.Is(err, pgx.ErrNoRows) {
		return fhir.Errorf(fhir.IssueNotFound, "not found").Because(cause)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fhir.Errorf(fhir.IssueTimeout, "the database did not answer in time: "+
			"it is not known whether anything was stored; repeat the identical request").Because(cause)
	}
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return fhir.Errorf(fhir.IssueTransient, "the database cannot be reached: repeat the identical request").Because(cause)
	}
	if slices.Contains(passing, pg.Code[:2]) || pg.Code == lockNotAvailable || pg.Code == readOnly {
		return fhir.Errorf(fhir.IssueTransient, "the database cannot do this now: repeat the identical request").Because(cause)
	}
	return fhir.Errorf(fhir.IssueException, "internal error").Because(cause)
}

// redacted keeps what an operator needs of PostgreSQL's error and leaves out the
// detail, which quotes rows.
func redacted(err error) error {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return fmt.Errorf("SQLSTATE %s: %s (constraint %q)", pg.Code, pg.Message, pg.ConstraintName)
	}
	return err
}

// isMissing reports whether err says that there is no such table.
func isMissing(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == undefinedTable
}

// isTaken reports whether err says that an identity is in use.
func isTaken(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == uniqueViolation && pg.ConstraintName == "identities_pkey"
}
