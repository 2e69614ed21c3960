package workflow

import (
	"time"

	"caselink.example/fhir"
	"caselink.example/mapping/cases"
)

// Change is one decision about one referral. The store commits all of it or nothing.
type Change struct {
	Referral  Root
	Opening   *Opening      // set by the Change that creates the referral
	Resources []fhir.Stored // new versions
	Case      cases.Case
	Event     cases.Event
	Owed      []Owed
	Withhold  bool // nothing more of this referral is sent: see cases.Consent
	Audit     Audit
}

// Root is the root that every other row of a referral belongs to.
type Root struct {
	Holder        string // ODS code of the organisation that sent it: never changes
	ID            string // of the ServiceRequest
	Service       string // id of the service that works it; "" while none is known
	Practice      string // ODS code of where write-back goes; "" for nowhere
	Seq           int    // number of the last event
	CorrelationID string // what write-backs repeat as X-Correlation-Id
}

// Opening is what only the first Change of a referral carries.
type Opening struct {
	Identities []Identity
	Digest     [32]byte // of the resource as first received: see r4.Digest
	Original   Original
}

// Identity is one way in which the sender names a referral. Within a holder it
// leads to one referral, for ever.
type Identity struct {
	Kind   string // IdentityIdentifier, IdentityCondition or IdentityRequest
	System string
	Value  string
}

// The kinds of identity.
const (
	IdentityIdentifier = "identifier"    // ServiceRequest.identifier
	IdentityCondition  = "if-none-exist" // normalised search criteria of If-None-Exist
	IdentityRequest    = "request"       // X-Request-Id
)

// Original is what arrived, byte for byte.
type Original struct {
	MediaType string
	Body      []byte
}

// Owed is one resource version that a destination has not had yet. The items of a
// referral leave for one destination in the order in which they were committed.
type Owed struct {
	Destination  string
	EventID      string // UUIDv5 of the referral and the event's number
	RequestID    string // X-Request-Id of every attempt
	ResourceType string
	ResourceID   string
	Version      int
	Parked       string // why a person must look at it before it is sent; "" to send it
}

// Audit is the record of one access to patient data.
type Audit struct {
	At           time.Time
	Action       string // C, R, U, D or E: https://hl7.org/fhir/R4/valueset-audit-event-action.html
	Holder       string
	Service      string
	ResourceType string
	ResourceID   string
	Referral     string
}

// Known is a referral that is already here under one of the identities asked for.
type Known struct {
	ID     string
	Digest [32]byte
	Status cases.State
}

// Current is what is known of a referral while its row is locked.
type Current struct {
	Referral Root
	Case     cases.Case
	Task     fhir.Meta // latest version of the referral's Task
}
