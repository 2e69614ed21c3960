// Package caseapi is the API for link workers' apps: cases in plain JSON, for
// callers who need not know FHIR. An app sees the cases of its own services.
package caseapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"caselink.example/fhir"
	"caselink.example/fhir/edge"
	"caselink.example/fhir/store"
	"caselink.example/fhir/workflow"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/outcome"
)

// MaxBody is the longest request body, in bytes.
const MaxBody = 256 << 10

// MaxPage is how many cases one page may hold.
const MaxPage = 200

// Reader reads cases; *store.DB is one.
type Reader interface {
	Case(ctx context.Context, scope fhir.Scope, id string) (cases.Case, error)
	Cases(ctx context.Context, scope fhir.Scope, filter store.CaseFilter) ([]cases.Case, string, error)
	CaseEvents(ctx context.Context, scope fhir.Scope, id string) ([]store.CaseEvent, error)
}

// API serves /api/v1.
type API struct {
	Flow  *workflow.Flow
	Cases Reader
	Edge  *edge.Edge
}

// Mount adds the API's routes to the engine.
func (a *API) Mount(engine *gin.Engine) {
	g := engine.Group("/api/v1", a.Edge.Authenticate)
	read, write := needs("cases.read"), needs("cases.write")
	g.GET("/cases", read, edge.Handle(a.listCases))
	g.GET("/cases/:id", read, edge.Handle(a.readCase))
	g.GET("/cases/:id/events", read, edge.Handle(a.listCaseEvents))
	g.POST("/cases/:id/transitions", write, edge.Handle(a.transition))
	g.POST("/cases/:id/outcomes", write, edge.Handle(a.recordOutcome))
	g.GET("/instruments", read, edge.Handle(a.listInstruments))
	g.GET("/instruments/:id", read, edge.Handle(a.readInstrument))
}

// needs refuses a token without the scope, or of nobody's service.
func needs(scope string) gin.HandlerFunc {
	return func(c *gin.Context) {
		edge.Handle(func(c *gin.Context) error {
			caller := edge.Caller(c)
			if !caller.Scopes.Has(scope) {
				return fhir.Errorf(fhir.IssueForbidden, "the token does not allow this: it needs the scope %s", scope)
			}
			if len(caller.Services) == 0 {
				return fhir.Errorf(fhir.IssueForbidden, "the token names no service: its issuer must give it a services claim")
			}
			return nil
		})(c)
	}
}

// caseView is a case with the moves that the caller may make now.
type caseView struct {
	cases.Case
	Moves []cases.State `json:"moves"`
}

func view(c cases.Case) caseView { return caseView{Case: c, Moves: cases.Moves(c.Status)} }

func (a *API) listCases(c *gin.Context) error {
	f, err := filter(c)
	if err != nil {
		return err
	}
	page, next, err := a.Cases.Cases(c.Request.Context(), edge.Scope(c, fhir.RoleApp), f)
	if err != nil {
		return err
	}
	views := make([]caseView, len(page))
	for i, p := range page {
		views[i] = view(p)
	}
	body := gin.H{"cases": views}
	if next != "" {
		body["next"] = next
	}
	c.JSON(http.StatusOK, body)
	return nil
}

var parameters = []string{"status", "need", "service", "changed-since", "limit", "cursor"}

func filter(c *gin.Context) (store.CaseFilter, error) {
	q := c.Request.URL.Query()
	f := store.CaseFilter{Status: q.Get("status"), Need: q.Get("need"), Service: q.Get("service"), Cursor: q.Get("cursor")}
	var faults fhir.Errors
	for name := range q {
		if !slices.Contains(parameters, name) {
			faults = append(faults, fhir.Errorf(fhir.IssueNotSupported, "there is a parameter that cases cannot be listed by: use %s", strings.Join(parameters, ", ")))
		}
	}
	if f.Status != "" && !cases.State(f.Status).Known() {
		faults = append(faults, fhir.Errorf(fhir.IssueValue, "status must be one of %s", cases.StateList()).At("status"))
	}
	if s := q.Get("changed-since"); s != "" {
		var err error
		if f.ChangedSince, err = time.Parse(time.RFC3339, s); err != nil {
			faults = append(faults, fhir.Errorf(fhir.IssueValue, "changed-since must be an instant such as 2026-01-31T09:00:00Z").At("changed-since"))
		}
	}
	if s := q.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > MaxPage {
			faults = append(faults, fhir.Errorf(fhir.IssueValue, "limit must be between 1 and %d", MaxPage).At("limit"))
		}
		f.Limit = n
	}
	return f, faults.OrNil()
}

func (a *API) readCase(c *gin.Context) error {
	found, err := a.Cases.Case(c.Request.Context(), edge.Scope(c, fhir.RoleApp), c.Param("id"))
	if err != nil {
		return err
	}
	return renderCase(c, http.StatusOK, found)
}

func renderCase(c *gin.Context, status int, found cases.Case) error {
	c.Header("ETag", fhir.Meta{Version: found.Version}.ETag())
	c.JSON(status, view(found))
	return nil
}

func (a *API) listCaseEvents(c *gin.Context) error {
	events, err := a.Cases.CaseEvents(c.Request.Context(), edge.Scope(c, fhir.RoleApp), c.Param("id"))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, gin.H{"events": events})
	return nil
}

// actor is who does it: the user of the token where there is one, else whom the app names.
func actor(c *gin.Context, named *cases.Actor) cases.Actor {
	if caller := edge.Caller(c); caller.User != "" {
		return cases.Actor{ID: caller.User, Name: caller.UserName, Role: caller.UserRole, Organisation: caller.ODS}
	}
	if named == nil {
		return cases.Actor{}
	}
	return *named
}

func (a *API) transition(c *gin.Context) error {
	version, err := ifMatch(c)
	if err != nil {
		return err
	}
	var body struct {
		To     cases.State   `json:"to"`
		Reason *cases.Reason `json:"reason"`
		Actor  *cases.Actor  `json:"actor"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	move := cases.Move{To: body.To, Reason: body.Reason, Actor: actor(c, body.Actor)}
	moved, err := a.Flow.Transition(c.Request.Context(), edge.Scope(c, fhir.RoleApp), c.Param("id"), version, move)
	if err != nil {
		return err
	}
	return renderCase(c, http.StatusOK, moved)
}

// ifMatch is the version that the client decided on: W/"3", "3" or 3.
func ifMatch(c *gin.Context) (int, error) {
	header := c.GetHeader("If-Match")
	if header == "" {
		return 0, fhir.Errorf(fhir.IssuePrecondition, "a move needs If-Match with the ETag of the case that you read, so that two people cannot move it at once")
	}
	version, err := strconv.Atoi(strings.Trim(strings.TrimPrefix(strings.TrimSpace(header), "W/"), `"`))
	if err != nil {
		return 0, fhir.Errorf(fhir.IssueStale, "If-Match is not an ETag of this case: read the case again")
	}
	return version, nil
}

func (a *API) recordOutcome(c *gin.Context) error {
	var body struct {
		Instrument string                     `json:"instrument"`
		Point      string                     `json:"point"`
		Answers    map[string]json.RawMessage `json:"answers"`
		AnsweredAt time.Time                  `json:"answeredAt"`
		Actor      *cases.Actor               `json:"actor"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	recorded, err := a.Flow.RecordOutcome(c.Request.Context(), edge.Scope(c, fhir.RoleApp), c.Param("id"), workflow.Answers{
		Instrument: body.Instrument, Point: body.Point, Answers: body.Answers, AnsweredAt: body.AnsweredAt, Actor: actor(c, body.Actor),
	})
	if err != nil {
		return err
	}
	c.JSON(http.StatusCreated, recorded)
	return nil
}

func (a *API) listInstruments(c *gin.Context) error {
	c.JSON(http.StatusOK, gin.H{"instruments": outcome.Instruments()})
	return nil
}

func (a *API) readInstrument(c *gin.Context) error {
	in, ok := outcome.Lookup(c.Param("id"))
	if !ok {
		return fhir.Errorf(fhir.IssueNotFound, "there is no such instrument: GET /api/v1/instruments lists them")
	}
	c.JSON(http.StatusOK, in)
	return nil
}

// decode reads a JSON body strictly: unknown members are refused by name's place,
// and nothing may follow the object.
func decode(c *gin.Context, into any) error {
	if media := c.ContentType(); media != "application/json" {
		return fhir.Errorf(fhir.IssueMediaType, "send the body as application/json")
	}
	raw, err := edge.Body(c, MaxBody)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	err = d.Decode(into)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong):
		return fhir.Errorf(fhir.IssueValue, "this member has the wrong JSON type: see /api/v1/openapi.json").At(wrong.Field)
	case err != nil && strings.HasPrefix(err.Error(), "json: unknown field"):
		return fhir.Errorf(fhir.IssueStructure, "the body has a member that is not known here: %s", strings.TrimPrefix(err.Error(), "json: unknown field "))
	case err != nil:
		return fhir.Errorf(fhir.IssueStructure, "the body is not the JSON object that is expected here").Because(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fhir.Errorf(fhir.IssueStructure, "something follows the JSON object")
	}
	return nil
}
