package edge

import (
	"context"

	"github.com/gin-gonic/gin"

	"caselink.example/connectors/api/auth"
	"caselink.example/fhir"
)

// Verifier turns a bearer token into the Principal that it speaks for.
type Verifier interface {
	Verify(ctx context.Context, token string) (auth.Principal, error)
}

const principalKey = "principal"

// Authenticate refuses a request without a good token before its body is read. What
// lies behind it is somebody's data, which no cache may keep.
func (e *Edge) Authenticate(c *gin.Context) {
	c.Header("Cache-Control", "no-store")

	// Before the body, so that a client that may not send anything cannot make Caselink read it.
	token, err := auth.Bearer(c.Request.Header)
	if err == nil {
		var principal auth.Principal
		if principal, err = e.Verifier.Verify(c.Request.Context(), token); err == nil {
			c.Set(principalKey, principal)
			return
		}
	}

	// The body is still on the wire: on a connection that is kept it would be read as the
	// next request, which a stranger would have written.
	c.Header("Connection", "close")
	renderError(c, err)
}

// Principal is the caller, as the token says; only behind Authenticate.
func Principal(c *gin.Context) auth.Principal { return c.MustGet(principalKey).(auth.Principal) }

// Scope is the principal as the floors below know it, in a role.
func Scope(c *gin.Context, role fhir.Role) fhir.Scope {
	who := Principal(c)
	return fhir.Scope{
		Role: role, Holder: who.ODS, Services: who.Services,
		Caller: fhir.Caller{
			Client: who.Client, User: who.User, UserName: who.UserName, UserRole: who.UserRole, Organisation: who.ODS,
			RequestID: c.Writer.Header().Get(headerRequestID), CorrelationID: c.GetHeader(headerCorrelationID),
		},
	}
}
