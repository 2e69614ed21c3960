package edge

import (
	"cmp"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"caselink.example/connectors/api/auth"
	"caselink.example/fhir"
)

// observe names the request, echoes its ids, and logs and counts it once.
func (e *Edge) observe(c *gin.Context) {
	start := time.Now()
	c.Header("X-Content-Type-Options", "nosniff")

	// A proxy and this server may disagree on where a chunked body ends, and what one of
	// them takes for the rest is a second request: https://www.rfc-editor.org/rfc/rfc9112#section-11.2
	if len(c.Request.TransferEncoding) > 0 {
		c.Header("Connection", "close")
	}

	if err := checkIDs(c); err != nil {
		c.Header(headerRequestID, uuid.NewString())
		renderError(c, err)
	} else {
		c.Next()
	}

	// The route's pattern and not its path, which holds ids, and never a method that the
	// client made up: each new label is memory that is not given back.
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

func (e *Edge) logRequest(c *gin.Context, method, route string, status int, took time.Duration) {
	// A fixed list of attributes, none of them from the body, the path or the query.
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

	// Of a client's fault only the code is logged: its diagnostics may repeat what was sent.
	if err := c.Errors.Last(); err != nil {
		attrs = append(attrs, slog.String("issue", string(fhir.ErrorsOf(err.Err)[0].Code)))
		switch {
		case status >= http.StatusInternalServerError && turnedAway(err.Err):
			level = slog.LevelWarn // thousands a second in a storm: the counter is what to watch
		case status >= http.StatusInternalServerError:
			level = slog.LevelError
			attrs = append(attrs, slog.String("error", causes(err.Err)))
		}
	}
	e.Log.LogAttrs(c.Request.Context(), level, "request", attrs...)
}

// turnedAway reports whether err says that this is no time for the request, and has no
// cause: nothing went wrong.
func turnedAway(err error) bool {
	return fhir.Is(err, fhir.IssueTransient) && errors.Unwrap(err) == nil
}

// causes is what went wrong inside. Only failures of Caselink reach it; their causes
// come from doors that leave out what rows and payloads hold.
func causes(err error) string {
	if inner := errors.Unwrap(err); inner != nil {
		return inner.Error()
	}
	return err.Error()
}
