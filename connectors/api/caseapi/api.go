// Package caseapi is the API for link workers' apps: cases in plain JSON, for
// callers who need not know FHIR. An app sees the cases of its own services. A handler
// decodes, calls once and renders its view; openapi.yaml describes what it shows.
//
// docs/words.md defines case, service and outcome.
package caseapi

import (
	"context"

	"github.com/gin-gonic/gin"

	"caselink.example/connectors/api/edge"
	"caselink.example/fhir"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/workflow"
)

// MaxBody is the longest request body, in bytes.
const MaxBody = 256 << 10

// The scopes of this API.
const (
	ScopeRead      = "cases.read"
	ScopeWrite     = "cases.write"
	ScopeSensitive = "cases.sensitive" // beside ScopeRead: also what is not for every eye
)

// Reader reads cases. It shows those of the scope's services, and audits each read; a
// case of another service is fhir.IssueNotFound, as one that never was.
type Reader interface {
	// Case is one case.
	Case(ctx context.Context, scope fhir.Scope, id string) (cases.Case, error)
	// Cases is one page, newest first, and the cursor of the next; "" after the last.
	Cases(ctx context.Context, scope fhir.Scope, filter cases.Filter) (page []cases.Case, next string, err error)
	// CaseEvents are what happened to a case, oldest first.
	CaseEvents(ctx context.Context, scope fhir.Scope, id string) ([]cases.StoredEvent, error)
	// FirstRequest is the ServiceRequest of the case as it was first stored.
	FirstRequest(ctx context.Context, scope fhir.Scope, id string) ([]byte, error)
}

// API serves /api/v1.
type API struct {
	Flow  *workflow.Flow
	Cases Reader
	Edge  *edge.Edge
}

// Mount adds the API's routes to the engine.
func (a *API) Mount(engine *gin.Engine) {
	g := engine.Group("/api/v1", a.Edge.Authenticate, a.Edge.Admit)
	edge.Get(g, "/openapi.json", edge.Handle(describe))
	read, write := needs(ScopeRead), needs(ScopeWrite)
	edge.Get(g, "/cases", read, edge.Handle(a.listCases))
	edge.Get(g, "/cases/:id", read, edge.Handle(a.readCase))
	edge.Get(g, "/cases/:id/events", read, edge.Handle(a.listEvents))
	edge.Get(g, "/cases/:id/trace", read, edge.Handle(a.readTrace))
	edge.Get(g, "/instruments", read, edge.Handle(a.listInstruments))
	edge.Get(g, "/instruments/:id", read, edge.Handle(a.readInstrument))
	g.POST("/cases/:id/transitions", write, edge.Handle(a.transition))
	g.POST("/cases/:id/outcomes", write, edge.Handle(a.recordOutcome))
}

// needs refuses a token without the scope, or of nobody's service.
func needs(scope string) gin.HandlerFunc {
	return edge.Handle(func(c *gin.Context) error {
		caller := edge.Principal(c)
		if !caller.Scopes.Has(scope) {
			return fhir.Errorf(fhir.IssueForbidden, "the token does not allow this: it needs the scope %s", scope)
		}
		if len(caller.Services) == 0 {
			return fhir.Errorf(fhir.IssueForbidden, "the token names no service: its issuer must give it a services claim")
		}
		return nil
	})
}
