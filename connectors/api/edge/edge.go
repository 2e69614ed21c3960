// Package edge is what every HTTP route of Caselink shares: request ids, the token, a gate
// for more than can be done at once, one log line, metrics, the body's limits, and the one place that writes a refusal.
// Its words, such as holder and service, are those of docs/words.md.
package edge

import (
	"log/slog"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"caselink.example/fhir"
)

// Edge holds what the routes share.
type Edge struct {
	Verifier Verifier
	Log      *slog.Logger
	requests *prometheus.HistogramVec
	gate     *gate
}

// New returns an Edge whose metrics are registered with reg.
func New(v Verifier, log *slog.Logger, reg prometheus.Registerer) *Edge {
	e := &Edge{Verifier: v, Log: log, requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "caselink_http_request_duration_seconds",
		Help:    "Time from the last header byte to the end of the answer, by route and status.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14), // half a millisecond to four seconds
	}, []string{"method", "route", "status"})}
	reg.MustRegister(e.requests)
	e.gate = newGate(maxWorking, maxWaiting, longestWait, reg)
	return e
}

// Engine returns a gin engine that trusts no proxy header, answers everything it
// does not know with an OperationOutcome, and logs one line for each request.
func (e *Edge) Engine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	_ = g.SetTrustedProxies(nil) // nil cannot be refused
	g.HandleMethodNotAllowed = true
	g.RedirectTrailingSlash = false // one URL for one thing; any other is 404

	// recover stands inside observe, so that a panic has its log line and is counted.
	g.Use(e.observe, e.recover)
	g.NoRoute(Handle(func(*gin.Context) error {
		return fhir.Errorf(fhir.IssueNotFound, "there is nothing at this path: GET /FHIR/R4/metadata lists what there is")
	}))
	g.NoMethod(Handle(func(c *gin.Context) error {
		allowed := c.Writer.Header().Get("Allow") // gin has put it there
		return fhir.Errorf(fhir.IssueMethodNotAllowed, "this path does not take %s; it takes %s", c.Request.Method, allowed)
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
