package edge

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/gin-gonic/gin"

	"caselink.example/fhir"
)

// renderError is the only writer of a refusal. An error that it does not know is
// our fault and says nothing to the client.
func renderError(c *gin.Context, err error) {
	_ = c.Error(err) // for the log line
	status := fhir.Status(err)
	switch status {
	case http.StatusUnauthorized:
		c.Header("WWW-Authenticate", challenge(err))
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		c.Header("Retry-After", "1") // whole seconds are all that it can say
	}

	// What is refused may be the very format that the client asks for.
	outcome := fhir.OperationOutcome(err)
	if Render(c, status, outcome) != nil {
		c.Data(status, string(fhir.JSON)+"; charset=utf-8", outcome)
	}
	c.Abort()
}

// challenge says how to authenticate. A client that sent no token does not hear that it is bad.
// https://www.rfc-editor.org/rfc/rfc6750#section-3
func challenge(err error) string {
	if fhir.Is(err, fhir.IssueLogin) {
		return `Bearer realm="caselink"`
	}
	return `Bearer realm="caselink", error="invalid_token"`
}

// recover turns a panic into an internal error. The value of a panic may hold
// patient data, so only its type and the stack are logged.
func (e *Edge) recover(c *gin.Context) {
	defer func() {
		if v := recover(); v != nil {
			e.Log.Error("panic", slog.String("type", fmt.Sprintf("%T", v)), slog.String("stack", string(debug.Stack())))
			renderError(c, fhir.Errorf(fhir.IssueException, "internal error"))
		}
	}()
	c.Next()
}
