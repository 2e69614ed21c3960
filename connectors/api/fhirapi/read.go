package fhirapi

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"caselink.example/connectors/api/edge"
	"caselink.example/fhir"
	"caselink.example/mapping/workflow"
)

func (a *API) readResource(resourceType string) edge.Handler {
	return func(c *gin.Context) error {
		scope, id := edge.Scope(c, fhir.RoleGP), c.Param("id")
		s, err := a.Resources.Read(c.Request.Context(), scope, resourceType, id, a.reading(scope, resourceType, id))
		if err != nil {
			return err
		}
		return renderStored(c, s)
	}
}

func (a *API) readVersion(resourceType string) edge.Handler {
	return func(c *gin.Context) error {
		scope, id := edge.Scope(c, fhir.RoleGP), c.Param("id")

		// A version id that is no number is the id of no version, and no fault of form.
		version, err := strconv.ParseInt(c.Param("vid"), 10, 32)
		if err != nil || version < 1 {
			return fhir.Errorf(fhir.IssueNotFound, "not found")
		}
		s, err := a.Resources.ReadVersion(c.Request.Context(), scope, resourceType, id, int(version), a.reading(scope, resourceType, id))
		if err != nil {
			return err
		}
		return renderStored(c, s)
	}
}

// reading is the audit record of a read. It is kept of one that finds nothing too: an
// attempt to read another practice's is on record.
func (a *API) reading(scope fhir.Scope, resourceType, id string) workflow.Audit {
	return workflow.Audit{At: a.Now(), Action: "R", Holder: scope.Holder, ResourceType: resourceType, ResourceID: id}
}

// renderStored answers 304 to a client that has the version already.
// https://hl7.org/fhir/R4/http.html#cread
func renderStored(c *gin.Context, s fhir.Stored) error {
	setVersionHeaders(c, s) // of a 304 as well: https://www.rfc-editor.org/rfc/rfc9110#section-15.4.5
	for match := range strings.SplitSeq(c.GetHeader("If-None-Match"), ",") {
		if m := strings.TrimSpace(match); m == s.ETag() || m == "*" {
			c.Status(http.StatusNotModified)
			c.Writer.WriteHeaderNow() // gin writes a status without a body only when it is asked to
			return nil
		}
	}
	return edge.Render(c, http.StatusOK, s.JSON)
}

func setVersionHeaders(c *gin.Context, s fhir.Stored) {
	c.Header("ETag", s.ETag())
	c.Header("Last-Modified", s.LastUpdated.UTC().Format(http.TimeFormat))
}
