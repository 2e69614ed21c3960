package edge

import (
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"caselink.example/fhir"
)

const (
	headerRequestID     = "X-Request-Id"
	headerCorrelationID = "X-Correlation-Id"
)

// RequestIDGiven reports whether the client named its request itself.
func RequestIDGiven(c *gin.Context) bool { return c.GetHeader(headerRequestID) != "" }

// checkIDs echoes X-Request-Id and X-Correlation-Id, or gives the request an id.
func checkIDs(c *gin.Context) error {
	for _, name := range []string{headerRequestID, headerCorrelationID} {
		id := c.GetHeader(name)

		// It goes into the answer's headers, the log and the audit: a line break in it would
		// be a header, or a line, of the client's making.
		if !plainID(id) {
			return fhir.Errorf(fhir.IssueInvalid, "%s must be at most 128 visible ASCII characters, best a UUID", name)
		}
		if id == "" && name == headerRequestID {
			id = uuid.NewString()
		}
		if id != "" {
			c.Header(name, id)
		}
	}
	return nil
}

func plainID(id string) bool {
	return len(id) <= 128 && strings.IndexFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}
