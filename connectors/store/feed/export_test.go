package feed

// The statements of a round, for the tests of their plans.
const (
	SealEvents = sealEvents
	SealAudit  = sealAudit
)
