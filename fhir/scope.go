package fhir

// Role is the part that a caller plays; PostgreSQL enforces it as a role of its own.
type Role string

// The roles under which a transaction may run.
const (
	RoleGP      Role = "gp"      // a practice's system: rows by holder
	RoleApp     Role = "app"     // a link worker's app: rows by service
	RoleCourier Role = "courier" // delivery: what is owed, one holder at a time
	RoleSealer  Role = "sealer"  // numbers events, chains the audit
	RoleAuditor Role = "auditor" // reads the ledger and the audit
)

// Scope says on whose behalf something is done and whose rows it may touch. It
// comes from a verified token and travels down unchanged.
type Scope struct {
	Role     Role
	Holder   string   // RoleGP, RoleCourier: the ODS code of the organisation whose referrals these are
	Services []string // RoleApp: the ids of the services whose cases these are
	Caller   Caller
}

// Caller is the client that asked, and its user, as the audit and the write-backs repeat it.
type Caller struct {
	Client        string // OAuth client id
	User          string // subject of a user token; "" for a system
	UserName      string
	UserRole      string
	Organisation  string // ODS code of the caller's own organisation; "" when the token names none
	RequestID     string // X-Request-Id, as received or given by us
	CorrelationID string // X-Correlation-Id; "" when none came
}
