package edge

import (
	"context"
	"net/http"
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

const placeKey = "place"

// place is where one request stands at the gate.
type place struct {
	*gate
	inside bool
}

// Admit lets a request work when there is room for it, and else refuses it with
// fhir.IssueTransient: nothing was done, and the identical request may be sent again. It
// stands behind Authenticate, so that a stranger takes nobody's place.
func (e *Edge) Admit(c *gin.Context) {
	p := &place{gate: e.gate}
	c.Set(placeKey, p)
	defer p.leave()

	// Who sends a body takes a slot when it is here, in Body: a sender on a bad line would
	// hold the slot for as long as its body takes, and a few of them would hold all. Where
	// the queue is full already, nothing of it is read.
	var err error
	switch m := c.Request.Method; {
	case m == http.MethodGet, m == http.MethodHead, c.Request.ContentLength == 0:
		err = p.enter(c.Request.Context())
	case p.waiting.Load() >= p.maxWaiting:
		err = p.turnAway()
	}
	if err != nil {
		renderError(c, err)
		return
	}
	c.Next()
}

// begin takes the slot of a request whose body has been read; nothing where no gate stands.
func begin(c *gin.Context) error {
	if p, ok := c.Get(placeKey); ok {
		return p.(*place).enter(c.Request.Context())
	}
	return nil
}

// enter takes a slot, once. It refuses when too many wait already, when it took too long,
// and when the client has left: what is done from then on would be done for nobody.
func (p *place) enter(ctx context.Context) error {
	if p.inside {
		return nil
	}
	select {
	case p.slots <- struct{}{}:
		p.inside = true
		return nil
	default:
	}

	// Counted before it waits, so that of two who come at once for the last place one is
	// refused.
	defer p.waiting.Add(-1)
	if p.waiting.Add(1) > p.maxWaiting {
		return p.turnAway()
	}
	late := time.NewTimer(p.longest)
	defer late.Stop()
	select {
	case p.slots <- struct{}{}:
		p.inside = true
		return nil
	case <-late.C:
	case <-ctx.Done():
	}
	return p.turnAway()
}

func (p *place) leave() {
	if p.inside {
		<-p.slots
	}
}

// turnAway is the refusal, counted.
func (g *gate) turnAway() error {
	g.refused.Inc()
	return fhir.Errorf(fhir.IssueTransient,
		"more is asked of Caselink than it can do at this moment: nothing was done; repeat the identical request")
}
