package caseapi

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"caselink.example/connectors/api/caseview"
	"caselink.example/connectors/api/edge"
	"caselink.example/fhir"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/workflow"
)

// Requests of the API. The actor may be left out by a caller whose token names a user.
type (
	moveRequest struct {
		To     cases.State      `json:"to"`
		Reason *caseview.Reason `json:"reason,omitempty"`
		Actor  *caseview.Actor  `json:"actor,omitempty"`
	}
	outcomeRequest struct {
		Instrument string                     `json:"instrument"`
		Point      cases.Point                `json:"point"`
		Answers    map[string]json.RawMessage `json:"answers"`
		AnsweredAt *time.Time                 `json:"answeredAt,omitempty"` // default: now
		Corrects   string                     `json:"corrects,omitempty"`   // id of the outcome that this one corrects
		Actor      *caseview.Actor            `json:"actor,omitempty"`
	}
)

func (a *API) transition(c *gin.Context) error {
	version, err := ifMatch(c)
	if err != nil {
		return err
	}
	var body moveRequest
	if err := decode(c, &body); err != nil {
		return err
	}
	move := cases.Move{To: body.To, Reason: (*cases.Reason)(body.Reason), Actor: actor(c, body.Actor)}
	moved, err := a.Flow.Transition(c.Request.Context(), edge.Scope(c, fhir.RoleApp), c.Param("id"), version, move)
	if err != nil {
		return err
	}
	return renderCase(c, moved)
}

// ifMatch is the version that the client decided on: W/"3", "3" or 3.
func ifMatch(c *gin.Context) (int, error) {
	header := c.GetHeader("If-Match")
	if header == "" {
		return 0, fhir.Errorf(fhir.IssuePrecondition,
			"a move needs If-Match with the ETag of the case that you read, so that two people cannot move it at once")
	}
	version, err := strconv.Atoi(strings.Trim(strings.TrimPrefix(strings.TrimSpace(header), "W/"), `"`))
	if err != nil {
		return 0, fhir.Errorf(fhir.IssueStale, "If-Match is not an ETag of this case: read the case again")
	}
	return version, nil
}

func (a *API) recordOutcome(c *gin.Context) error {
	var body outcomeRequest
	if err := decode(c, &body); err != nil {
		return err
	}
	answers := workflow.Answers{
		Instrument: body.Instrument, Point: body.Point, Answers: body.Answers, AnsweredAt: body.AnsweredAt,
		Corrects: body.Corrects, Actor: actor(c, body.Actor),
	}
	recorded, err := a.Flow.RecordOutcome(c.Request.Context(), edge.Scope(c, fhir.RoleApp), c.Param("id"), answers)
	if err != nil {
		return err
	}
	c.JSON(http.StatusCreated, caseview.OfOutcome(recorded))
	return nil
}

// actor is the person who does it: the user of the token where there is one, else whom the app
// names. A token that names no person by name leaves that to the app.
func actor(c *gin.Context, named *caseview.Actor) cases.Actor {
	var told cases.Actor
	if named != nil {
		told = cases.Actor(*named)
	}
	caller := edge.Principal(c)
	if caller.User == "" {
		return told
	}

	// Id and organisation are the token's alone: an app may not speak for another person.
	return cases.Actor{
		ID: caller.User, Name: cmp.Or(caller.UserName, told.Name), Role: cmp.Or(caller.UserRole, told.Role), Organisation: caller.ODS,
	}
}
