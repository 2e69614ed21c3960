package caseapi

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"caselink.example/connectors/api/caseview"
	"caselink.example/connectors/api/edge"
	"caselink.example/fhir"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/terminology"
)

// MaxPage is how many cases one page may hold.
const MaxPage = 200

func (a *API) listCases(c *gin.Context) error {
	f, err := filter(c.Request.URL.Query(), a.Flow.Meaning.Terms.Categories())
	if err != nil {
		return err
	}
	f.Sensitive = edge.Principal(c).Scopes.Has(ScopeSensitive)
	page, next, err := a.Cases.Cases(c.Request.Context(), edge.Scope(c, fhir.RoleApp), f)
	if err != nil {
		return err
	}
	list := caseList{Cases: make([]caseView, len(page)), Next: next}
	for i, found := range page {
		list.Cases[i] = viewCase(edge.Principal(c).Scopes, found)
	}
	c.JSON(http.StatusOK, list)
	return nil
}

var parameters = []string{"status", "need", "service", "changed-since", "limit", "cursor"}

// filter reads the parameters of a list. Every fault is listed.
func filter(q url.Values, needs []terminology.Category) (cases.Filter, error) {
	f := cases.Filter{Status: cases.State(q.Get("status")), Need: q.Get("need"), Service: q.Get("service"), Cursor: q.Get("cursor")}
	var faults fhir.Errors
	for name, values := range q {
		switch {
		case !slices.Contains(parameters, name):
			// Its name is not repeated: what a client puts into a query may be a person's.
			faults = append(faults, fhir.Errorf(fhir.IssueNotSupported,
				"there is a parameter that cases cannot be listed by: use %s", strings.Join(parameters, ", ")))
		case len(values) > 1:
			faults = append(faults, fhir.Errorf(fhir.IssueInvalid, "give %s once", name).At(name))
		}
	}
	if f.Status != "" && !f.Status.Known() {
		faults = append(faults, fhir.Errorf(fhir.IssueValue, "status must be one of %s", cases.StateList()).At("status"))
	}
	if known := codes(needs); f.Need != "" && !slices.Contains(known, f.Need) {
		faults = append(faults, fhir.Errorf(fhir.IssueValue, "need must be one of %s", strings.Join(known, ", ")).At("need"))
	}
	if s := q.Get("changed-since"); s != "" {
		var err error
		if f.ChangedSince, err = time.Parse(time.RFC3339, s); err != nil {
			faults = append(faults, fhir.Errorf(fhir.IssueValue,
				"changed-since must be an instant such as 2026-01-31T09:00:00Z").At("changed-since"))
		}
	}
	if s := q.Get("limit"); s != "" {
		var err error
		if f.Limit, err = strconv.Atoi(s); err != nil || f.Limit < 1 || f.Limit > MaxPage {
			faults = append(faults, fhir.Errorf(fhir.IssueValue, "limit must be between 1 and %d", MaxPage).At("limit"))
		}
	}
	return f, faults.OrNil()
}

func codes(needs []terminology.Category) []string {
	all := make([]string, len(needs))
	for i, n := range needs {
		all[i] = n.Code
	}
	return all
}

func (a *API) readCase(c *gin.Context) error {
	found, err := a.Cases.Case(c.Request.Context(), edge.Scope(c, fhir.RoleApp), c.Param("id"))
	if err != nil {
		return err
	}
	return renderCase(c, found)
}

func renderCase(c *gin.Context, found cases.Case) error {
	c.Header("ETag", fhir.Meta{Version: found.Version}.ETag())
	c.JSON(http.StatusOK, viewCase(edge.Principal(c).Scopes, found))
	return nil
}

func (a *API) listEvents(c *gin.Context) error {
	events, err := a.Cases.CaseEvents(c.Request.Context(), edge.Scope(c, fhir.RoleApp), c.Param("id"))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, viewEvents(events))
	return nil
}

// readTrace says what became of each element of the referral as it was received.
func (a *API) readTrace(c *gin.Context) error {
	first, err := a.Cases.FirstRequest(c.Request.Context(), edge.Scope(c, fhir.RoleApp), c.Param("id"))
	if err != nil {
		return err
	}
	steps, err := a.Flow.Meaning.Trace(first)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, traceView{caseview.Trace(steps)})
	return nil
}

func (a *API) listInstruments(c *gin.Context) error {
	c.JSON(http.StatusOK, viewInstruments(a.Flow.Meaning.Outcomes))
	return nil
}

func (a *API) readInstrument(c *gin.Context) error {
	found, ok := a.Flow.Meaning.Outcomes.Lookup(c.Param("id"))
	if !ok {
		return fhir.Errorf(fhir.IssueNotFound, "there is no such instrument: GET /api/v1/instruments lists them")
	}
	c.JSON(http.StatusOK, viewInstrument(found))
	return nil
}
