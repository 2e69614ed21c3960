package edge

import (
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"caselink.example/fhir"
)

// gate lets so many requests work at once, lets so many more wait for a short while, and
// turns the rest away at once. More than a machine can do is asked of it now and then: a
// queue without an end makes every answer late, until all clients have left and only work
// for nobody is done.
type gate struct {
	slots      chan struct{} // holds one for each request that works
	waiting    atomic.Int64
	maxWaiting int64
	longest    time.Duration // that a request waits
	refused    prometheus.Counter
}

const (
	// More than PostgreSQL can be asked at once, so that it always has the next one at hand;
	// few enough for all their bodies to be in memory together.
	maxWorking = 64
	// A quarter of a second's work: a client that is let in is answered before it gives up.
	maxWaiting = 256
	// What is not begun by then, as when the database stands still, is better tried again.
	longestWait = 2 * time.Second
)

func newGate(working int, waiting int64, longest time.Duration, reg prometheus.Registerer) *gate {
	g := &gate{
		slots: make(chan struct{}, working), maxWaiting: waiting, longest: longest,
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "caselink_http_turned_away_total", Help: "Requests answered 503 because too many were at work.",
		}),
	}
	reg.MustRegister(g.refused,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "caselink_http_working", Help: "Requests at work.",
		}, func() float64 { return float64(len(g.slots)) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "caselink_http_waiting", Help: "Requests that wait for one at work to end.",
		}, func() float64 { return float64(g.waiting.Load()) }))
	return g
}

// Admit lets a request work when there is room for it, and else refuses it with
// fhir.IssueTransient before its body is read: nothing was done, and the identical request
// may be sent again. It stands behind Authenticate, so that a stranger takes nobody's place.
func (e *Edge) Admit(c *gin.Context) {
	if !e.gate.enter(c.Request.Context().Done()) {
		e.gate.refused.Inc()
		renderError(c, fhir.Errorf(fhir.IssueTransient,
			"more is asked of Caselink than it can do at this moment: nothing was done; repeat the identical request"))
		return
	}
	defer e.gate.leave()
	c.Next()
}

// enter takes a slot, or reports false: too many wait already, it took too long, or gone
// is closed.
func (g *gate) enter(gone <-chan struct{}) bool {
	select {
	case g.slots <- struct{}{}:
		return true
	default:
	}

	// Counted before it waits, so that of two who come at once for the last place one is
	// refused.
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > g.maxWaiting {
		return false
	}
	late := time.NewTimer(g.longest)
	defer late.Stop()
	select {
	case g.slots <- struct{}{}:
		return true
	case <-late.C:
		return false
	case <-gone: // what is done from here on would be done for nobody
		return false
	}
}

func (g *gate) leave() { <-g.slots }
