// Package edge is what every HTTP route of Caselink shares: request ids, the token,
// one log line, metrics, the body's limits, and the one place that writes a refusal.
package edge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"caselink.example/connectors/api/auth"
	"caselink.example/fhir"
)

// Verifier turns a bearer token into the Principal that it speaks for.
type Verifier interface {
	Verify(ctx context.Context, token string) (auth.Principal, error)
}

// Edge holds what the routes share.
type Edge struct {
	Verifier Verifier
	Log      *slog.Logger
	requests *prometheus.HistogramVec
}

// New returns an Edge whose metrics are registered with reg.
func New(v Verifier, log *slog.Logger, reg prometheus.Registerer) *Edge {
	e := &Edge{Verifier: v, Log: log, requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "caselink_http_request_duration_seconds",
		Help:    "Time from the last header byte to the end of the answer, by route and status.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
	}, []string{"method", "route", "status"})}
	reg.MustRegister(e.requests)
	return e
}

// Engine returns a gin engine that trusts no proxy header, answers everything it
// does not know with an OperationOutcome, and logs one line for each request.
func (e *Edge) Engine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	_ = g.SetTrustedProxies(nil) // nil cannot be refused
	g.HandleMethodNotAllowed = true
	g.RedirectTrailingSlash = false
	g.Use(e.observe, e.recover)
	g.NoRoute(Handle(func(c *gin.Context) error {
		return fhir.Errorf(fhir.IssueNotFound, "there is nothing at this path: GET /FHIR/R4/metadata lists what there is")
	}))
	g.NoMethod(Handle(func(c *gin.Context) error {
		return fhir.Errorf(fhir.IssueMethodNotAllowed, "this path does not take %s; it takes %s", c.Request.Method, c.Writer.Header().Get("Allow"))
	}))
	return g
}

// Handler is a route: it returns its refusal instead of writing it.
type Handler func(*gin.Context) error

// Handle adapts a Handler to gin.
func Handle(h Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := h(c); err != nil {
			renderError(c, err)
		}
	}
}

// Get adds a route for GET, and for HEAD, whose answer is the same without its body.
func Get(routes gin.IRoutes, path string, handlers ...gin.HandlerFunc) {
	routes.GET(path, handlers...)
	routes.HEAD(path, handlers...)
}

// renderError is the only writer of a refusal. An error that it does not know is
// our fault and tells the client nothing.
func renderError(c *gin.Context, err error) {
	_ = c.Error(err) // for the log line
	status := fhir.Status(err)
	switch status {
	case http.StatusUnauthorized:
		c.Header("WWW-Authenticate", challenge(err))
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		c.Header("Retry-After", "1")
	}
	outcome := fhir.Outcome(err)
	if Render(c, status, outcome) != nil { // what the client wants to read is what was refused
		c.Data(status, string(fhir.JSON)+"; charset=utf-8", outcome)
	}
	c.Abort()
}

// challenge says how to authenticate. One who sent no token is not told that it is bad.
// https://www.rfc-editor.org/rfc/rfc6750#section-3
func challenge(err error) string {
	if fhir.Is(err, fhir.IssueLogin) {
		return `Bearer realm="caselink"`
	}
	return `Bearer realm="caselink", error="invalid_token"`
}

const principalKey = "principal"

// Authenticate refuses a request without a good token before its body is read. What
// lies behind it is somebody's data, which no cache may keep.
func (e *Edge) Authenticate(c *gin.Context) {
	c.Header("Cache-Control", "no-store")
	token, err := auth.Bearer(c.Request.Header)
	if err == nil {
		var principal auth.Principal
		if principal, err = e.Verifier.Verify(c.Request.Context(), token); err == nil {
			c.Set(principalKey, principal)
			return
		}
	}
	c.Header("Connection", "close") // an unread body must not be taken for a request
	renderError(c, err)
}

// Principal is who calls, as the token says; only behind Authenticate.
func Principal(c *gin.Context) auth.Principal { return c.MustGet(principalKey).(auth.Principal) }

const (
	headerRequestID     = "X-Request-Id"
	headerCorrelationID = "X-Correlation-Id"
)

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

// RequestIDGiven reports whether the client named its request itself.
func RequestIDGiven(c *gin.Context) bool { return c.GetHeader(headerRequestID) != "" }

// observe names the request, echoes its ids, and logs and counts it once.
func (e *Edge) observe(c *gin.Context) {
	start := time.Now()
	c.Header("X-Content-Type-Options", "nosniff")
	if len(c.Request.TransferEncoding) > 0 {
		c.Header("Connection", "close") // a chunked body may hide a second request
	}
	if err := checkIDs(c); err != nil {
		c.Header(headerRequestID, uuid.NewString())
		renderError(c, err)
	} else {
		c.Next()
	}
	took, status := time.Since(start), c.Writer.Status()
	method, route := c.Request.Method, cmp.Or(c.FullPath(), "none")
	if !slices.Contains(methods, method) {
		method = "other"
	}
	e.requests.WithLabelValues(method, route, strconv.Itoa(status)).Observe(took.Seconds())
	e.logRequest(c, method, route, status, took)
}

// methods are those that metrics and logs name: what else a client makes up is "other".
var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
}

// checkIDs echoes X-Request-Id and X-Correlation-Id, or gives the request an id.
func checkIDs(c *gin.Context) error {
	for _, name := range []string{headerRequestID, headerCorrelationID} {
		id := c.GetHeader(name)
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

func (e *Edge) logRequest(c *gin.Context, method, route string, status int, took time.Duration) {
	level, attrs := slog.LevelInfo, []slog.Attr{
		slog.String("method", method), slog.String("route", route), slog.Int("status", status),
		slog.Float64("ms", float64(took.Microseconds())/1000),
		slog.String("request", c.Writer.Header().Get(headerRequestID)),
	}
	if id := c.GetHeader(headerCorrelationID); id != "" && plainID(id) {
		attrs = append(attrs, slog.String("correlation", id))
	}
	if who, ok := c.Get(principalKey); ok {
		attrs = append(attrs, slog.String("client", who.(auth.Principal).Client))
	}
	if err := c.Errors.Last(); err != nil {
		attrs = append(attrs, slog.String("issue", string(fhir.ErrorsOf(err.Err)[0].Code)))
		if status >= http.StatusInternalServerError {
			level = slog.LevelError
			attrs = append(attrs, slog.String("error", causes(err.Err)))
		}
	}
	e.Log.LogAttrs(c.Request.Context(), level, "request", attrs...)
}

// causes is what went wrong inside. Only failures of ours reach it; their causes
// come from doors that leave out what rows and payloads hold.
func causes(err error) string {
	if inner := errors.Unwrap(err); inner != nil {
		return inner.Error()
	}
	return err.Error()
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
