// Package rest is the FHIR R4 REST API. A handler decodes, calls the workflow once
// and renders; it knows no rule and no SQL.
//
// https://hl7.org/fhir/R4/http.html
package rest

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"caselink.example/conformance/capability"
	"caselink.example/fhir"
	"caselink.example/fhir/edge"
	"caselink.example/fhir/workflow"
)

// The longest bodies, in bytes.
const (
	MaxBody   = 1 << 20 // of a single resource
	MaxBundle = 5 << 20
)

// Versions reads single versions of resources.
type Versions interface {
	ReadVersion(ctx context.Context, scope fhir.Scope, resourceType, id string, version int, audit workflow.Audit) (fhir.Stored, error)
}

// API serves the FHIR interactions under /FHIR/R4.
type API struct {
	Flow     *workflow.Flow
	Versions Versions
	Edge     *edge.Edge
	Base     string // absolute URL of the API, without a slash at the end
	Release  string // version of the software
	Issuer   string // whose tokens are taken, for smart-configuration
	TokenURL string
	Now      func() time.Time
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

func (a *API) routes() []route {
	routes := []route{
		{http.MethodPost, "/ServiceRequest", "ServiceRequest", "create", 'c', a.createServiceRequest},
	}
	for _, t := range capability.Validated {
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
	open.GET("/metadata", edge.Handle(a.metadata))
	open.GET("/.well-known/smart-configuration", edge.Handle(a.smartConfiguration))
	guarded := open.Group("", a.Edge.Authenticate)
	for _, r := range a.routes() {
		guarded.Handle(r.method, r.path, edge.Handle(a.allowing(r)))
		if r.method == http.MethodGet {
			guarded.HEAD(r.path, edge.Handle(a.allowing(r)))
		}
	}
}

// allowing puts the scope's check before the handler: a caller whose token does not
// reach so far learns nothing of what is there.
func (a *API) allowing(r route) edge.Handler {
	return func(c *gin.Context) error {
		caller := edge.Caller(c)
		if caller.ODS == "" {
			return fhir.Errorf(fhir.IssueForbidden, "the token names no practice: this API is for GP systems, link workers' apps use /api/v1")
		}
		if _, known := a.Flow.Directory.Practice(caller.ODS); !known {
			return fhir.Errorf(fhir.IssueForbidden, "the token's organisation is not a practice that this service knows: ask the operator to add it")
		}
		if r.scope != 0 && !caller.Scopes.Allows(r.resource, r.scope) {
			return fhir.Errorf(fhir.IssueForbidden, "the token does not allow this: it needs the scope system/%s.%c", r.resource, r.scope)
		}
		if _, err := edge.Format(c); err != nil {
			return err
		}
		return r.handle(c)
	}
}

func (a *API) createServiceRequest(c *gin.Context) error {
	format, err := sent(c)
	if err != nil {
		return err
	}
	raw, err := edge.Body(c, MaxBody)
	if err != nil {
		return err
	}
	receipt, err := a.Flow.Receive(c.Request.Context(), edge.Scope(c, fhir.RoleGP), workflow.Incoming{
		Original:    workflow.Message{MediaType: c.ContentType(), Body: raw},
		Format:      format,
		IfNoneExist: c.GetHeader("If-None-Exist"),
		NamedByID:   edge.RequestIDGiven(c),
	})
	if err != nil {
		return err
	}
	return a.renderReceipt(c, receipt)
}

// validate is the operation $validate: the verdict that intake would give, and nothing
// kept. The body is the resource, or Parameters that hold it.
// https://hl7.org/fhir/R4/resource-operation-validate.html
func (a *API) validate(resourceType string) edge.Handler {
	return func(c *gin.Context) error {
		format, err := sent(c)
		if err != nil {
			return err
		}
		raw, err := edge.Body(c, MaxBundle)
		if err != nil {
			return err
		}
		faults := workflow.Validate(raw, format, resourceType)
		return edge.Render(c, http.StatusOK, fhir.Outcome(faults.OrNone()))
	}
}

// renderReceipt answers 201, or 200 for a referral that was here, in the form that Prefer asks for.
// https://hl7.org/fhir/R4/http.html#ops
func (a *API) renderReceipt(c *gin.Context, r workflow.Receipt) error {
	status := http.StatusOK
	if r.Created {
		status = http.StatusCreated
	}
	s := r.Stored
	c.Header("Location", a.Base+"/"+s.Type+"/"+s.ID+"/_history/"+strconv.Itoa(s.Version))
	describe(c, s)
	switch preference(c, "return") {
	case "minimal":
		c.Status(status)
		c.Writer.WriteHeaderNow()
		return nil
	case "OperationOutcome":
		return edge.Render(c, status, fhir.Outcome(r.Warnings.OrNone()))
	}
	return edge.Render(c, status, s.JSON)
}

func (a *API) readResource(resourceType string) edge.Handler {
	return func(c *gin.Context) error {
		scope := edge.Scope(c, fhir.RoleGP)
		s, err := a.Flow.Store.Read(c.Request.Context(), scope, resourceType, c.Param("id"), a.reading(scope, resourceType, c.Param("id")))
		if err != nil {
			return err
		}
		return renderStored(c, s)
	}
}

func (a *API) readVersion(resourceType string) edge.Handler {
	return func(c *gin.Context) error {
		version, err := strconv.Atoi(c.Param("vid"))
		if err != nil || version < 1 {
			return fhir.Errorf(fhir.IssueNotFound, "not found")
		}
		scope := edge.Scope(c, fhir.RoleGP)
		s, err := a.Versions.ReadVersion(c.Request.Context(), scope, resourceType, c.Param("id"), version, a.reading(scope, resourceType, c.Param("id")))
		if err != nil {
			return err
		}
		return renderStored(c, s)
	}
}

// reading is the audit record of a read. An id that is no UUID of ours is left out.
func (a *API) reading(scope fhir.Scope, resourceType, id string) workflow.Audit {
	return workflow.Audit{At: a.Now(), Action: "R", Holder: scope.Holder, ResourceType: resourceType, ResourceID: id}
}

func renderStored(c *gin.Context, s fhir.Stored) error {
	describe(c, s)
	if match := c.GetHeader("If-None-Match"); match != "" && match == s.ETag() {
		c.Status(http.StatusNotModified)
		c.Writer.WriteHeaderNow()
		return nil
	}
	return edge.Render(c, http.StatusOK, s.JSON)
}

func describe(c *gin.Context, s fhir.Stored) {
	c.Header("ETag", s.ETag())
	c.Header("Last-Modified", s.LastUpdated.UTC().Format(http.TimeFormat))
}

func (a *API) metadata(c *gin.Context) error {
	if _, err := edge.Format(c); err != nil {
		return err
	}
	var served []capability.Interaction
	for _, r := range a.routes() {
		served = append(served, capability.Interaction{Resource: r.resource, Code: r.interaction})
	}
	body, err := capability.Statement(capability.Software{Base: a.Base, Release: a.Release, TokenURL: a.TokenURL, Date: a.Now()}, served)
	if err != nil {
		return err
	}
	return edge.Render(c, http.StatusOK, body)
}

func (a *API) smartConfiguration(c *gin.Context) error {
	c.JSON(http.StatusOK, gin.H{
		"issuer":                                a.Issuer,
		"token_endpoint":                        a.TokenURL,
		"grant_types_supported":                 []string{"client_credentials"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post", "private_key_jwt"},
		"token_endpoint_auth_signing_alg_values_supported": []string{"RS384", "ES384", "RS512"},
		"scopes_supported": scopesSupported(a.routes()),
		"capabilities":     []string{"client-confidential-asymmetric", "client-confidential-symmetric", "permission-v2"},
	})
	return nil
}

func scopesSupported(routes []route) []string {
	byType := map[string]string{}
	for _, r := range routes {
		if r.scope != 0 && !strings.ContainsRune(byType[r.resource], rune(r.scope)) {
			byType[r.resource] += string(r.scope)
		}
	}
	out := []string{}
	for _, t := range read {
		out = append(out, "system/"+t+"."+byType[t])
	}
	return out
}
