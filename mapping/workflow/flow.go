// Package workflow is what Caselink does with a referral, step by step: a referral comes
// in, its case moves, an outcome is recorded. Each step reads, decides a Change (a value,
// by a pure function) and has the Store commit it once. Nothing here calls another
// system: what is owed to a GP system is part of the Change, and leaves later.
//
// docs/words.md defines holder, practice, service, owed, park and withhold.
package workflow

import (
	"context"
	"time"

	"caselink.example/fhir"
)

// Flow is the steps over their parts. All fields are needed.
type Flow struct {
	Meaning   Meaning
	Store     Store
	Directory Directory
	Base      string // absolute URL of the FHIR API, without a slash at the end
	Now       func() time.Time
	NewID     func() string // a fresh UUID
	Wake      func()        // wakes delivery: something is owed
}

// now is the time of a step. PostgreSQL keeps microseconds: what is answered to the
// caller must be what a read returns later.
func (f *Flow) now() time.Time { return f.Now().UTC().Truncate(time.Microsecond) }

// Store keeps changes. Every method runs under the scope's role: rows of another
// practice or service are as if they were not there.
type Store interface {
	// Create commits the first Change of a referral. When one of its identities is
	// taken it commits nothing and returns the referrals that hold them.
	Create(ctx context.Context, scope fhir.Scope, change Change) ([]Known, error)
	// Update locks the referral of the case, lets decide make a Change from what is
	// there, and commits it. An error of decide is returned and nothing is kept.
	// An unknown case is fhir.IssueNotFound.
	Update(ctx context.Context, scope fhir.Scope, caseID string, decide func(Current) (Change, error)) error
	// Read returns the latest version of a resource, or fhir.IssueNotFound.
	Read(ctx context.Context, scope fhir.Scope, resourceType, id string, audit Audit) (fhir.Stored, error)
}

// Directory knows the practices and services of the configuration.
type Directory interface {
	Practice(ods string) (Practice, bool)
	Service(id string) (Service, bool)
	ServiceBy(identifier fhir.Identifier) (Service, bool)
}

// Practice is an organisation that sends referrals and gets write-backs.
type Practice struct {
	ODS            string
	Name           string
	DefaultService string   // "" for none
	Destinations   []string // ids of the GP systems to write back to; none: the practice polls
}

// Service is a social prescribing service.
type Service struct {
	ID          string
	Name        string
	Identifiers []fhir.Identifier // by which ServiceRequest.performer may name it
}
