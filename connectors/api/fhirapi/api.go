// Package fhirapi is the FHIR R4 REST API. A handler decodes, calls the workflow once
// and renders; it knows no rule and no SQL. Its words, such as referral and holder, are
// those of docs/words.md.
//
// https://hl7.org/fhir/R4/http.html
package fhirapi

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"caselink.example/connectors/api/edge"
	"caselink.example/fhir"
	"caselink.example/mapping/workflow"
)

// The longest bodies, in bytes.
const (
	MaxBody   = 1 << 20 // of a single resource
	MaxBundle = 5 << 20
)

// Resources reads what is kept, within a scope: what lies outside is IssueNotFound, as
// if it were not there. A read and its audit record are one commit.
type Resources interface {
	Read(ctx context.Context, scope fhir.Scope, resourceType, id string, audit workflow.Audit) (fhir.Stored, error)
	ReadVersion(ctx context.Context, scope fhir.Scope, resourceType, id string, version int, audit workflow.Audit) (fhir.Stored, error)
}

// Practices knows the practices that take part.
type Practices interface {
	Practice(ods string) (workflow.Practice, bool)
}

// API serves the FHIR interactions under /FHIR/R4.
type API struct {
	Flow      *workflow.Flow
	Resources Resources
	Practices Practices
	Edge      *edge.Edge
	Base      string // absolute URL of the API, without a slash at the end
	Release   string // version of the software
	Issuer    string // whose tokens are taken, for smart-configuration
	TokenURL  string
	Now       func() time.Time
}

// route is one interaction: what it serves, what scope it needs, and its handler.
type route struct {
	method, path string
	resource     string // the resource type; "" for any that is read
	interaction  string // as the CapabilityStatement names it
	scope        byte   // c, r, u, d or s; 0 for what touches no data: https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
	handle       edge.Handler
}

// read are the types that can be read back.
var read = []string{"ServiceRequest", "Task", "Observation"}

// validated are the types that $validate takes.
var validated = []string{
	"AllergyIntolerance", "Appointment", "AuditEvent", "Bundle", "CarePlan", "Communication", "Condition", "Consent",
	"DocumentReference", "Encounter", "Endpoint", "EpisodeOfCare", "Flag", "HealthcareService", "Immunization", "List", "Location",
	"MedicationRequest", "MedicationStatement", "MessageHeader", "Observation", "OperationOutcome", "Organization", "Parameters", "Patient",
	"Practitioner", "PractitionerRole", "Procedure", "Provenance", "Questionnaire", "QuestionnaireResponse", "RelatedPerson",
	"ServiceRequest", "Slot", "Subscription", "Task",
}

func (a *API) routes() []route {
	routes := []route{
		{http.MethodPost, "/ServiceRequest", "ServiceRequest", "create", 'c', a.createServiceRequest},
		{http.MethodPost, "/ServiceRequest/$map", "ServiceRequest", "$map", 'c', a.mapServiceRequest},
	}
	for _, t := range validated {
		routes = append(routes, route{http.MethodPost, "/" + t + "/$validate", t, "$validate", 0, a.validate(t)})
	}
	for _, t := range read {
		routes = append(routes,
			route{http.MethodGet, "/" + t + "/:id", t, "read", 'r', a.readResource(t)},
			route{http.MethodGet, "/" + t + "/:id/_history/:vid", t, "vread", 'r', a.readVersion(t)},
		)
	}
	return routes
}

// Mount adds the API's routes to the engine.
func (a *API) Mount(engine *gin.Engine) {
	open := engine.Group("/FHIR/R4")
	edge.Get(open, "/metadata", edge.Handle(a.metadata()))
	edge.Get(open, "/.well-known/smart-configuration", edge.Handle(a.smartConfiguration))
	guarded := open.Group("", a.Edge.Authenticate, a.Edge.Admit)
	for _, r := range a.routes() { // the CapabilityStatement is made of the same list
		handler := edge.Handle(a.authorised(r))
		if r.method == http.MethodGet {
			edge.Get(guarded, r.path, handler)
		} else {
			guarded.Handle(r.method, r.path, handler)
		}
	}
}

// authorised puts the scope's check before the handler: a caller whose token does not
// reach so far learns nothing of what is there.
func (a *API) authorised(r route) edge.Handler {
	return func(c *gin.Context) error {
		// Identity before permission, so that a stranger learns nothing about scopes.
		who := edge.Principal(c)
		if who.ODS == "" {
			return fhir.Errorf(fhir.IssueForbidden,
				"the token names no practice: this API is for GP systems, link workers' apps use /api/v1")
		}
		if _, known := a.Practices.Practice(who.ODS); !known {
			return workflow.UnknownPractice()
		}
		if r.scope != 0 && !who.Scopes.Allows(r.resource, r.scope) {
			return fhir.Errorf(fhir.IssueForbidden, "the token does not allow this: it needs the scope system/%s.%c", r.resource, r.scope)
		}

		// An answer that the client cannot read is refused while nothing has been done:
		// after the commit it would be a 406 to a referral that was taken.
		if _, err := edge.Format(c); err != nil {
			return err
		}
		return r.handle(c)
	}
}
