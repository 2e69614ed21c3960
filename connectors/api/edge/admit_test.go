package edge

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
)

// crowded is an engine behind a gate for one at work and one that waits. What is at work
// is told to begun and ends when end lets it.
type crowded struct {
	engine *gin.Engine
	reg    *prometheus.Registry
	log    *strings.Builder
	begun  chan string
	end    chan struct{}
}

func newCrowded() *crowded {
	c := &crowded{reg: prometheus.NewRegistry(), log: &strings.Builder{}, begun: make(chan string, 9), end: make(chan struct{})}
	e := New(nil, slog.New(slog.NewTextHandler(c.log, nil)), prometheus.NewRegistry())
	e.gate = newGate(1, 1, time.Second, c.reg)
	c.engine = e.Engine()
	c.engine.POST("/work/:id", e.Admit, Handle(func(g *gin.Context) error {
		if _, err := Body(g, 100); err != nil {
			return err
		}
		c.begun <- g.Param("id")
		<-c.end
		g.Status(http.StatusCreated)
		return nil
	}))
	return c
}

// ask sends a request and returns where its answer will be.
func (c *crowded) ask(ctx context.Context, id string, body io.Reader) <-chan *httptest.ResponseRecorder {
	answer := make(chan *httptest.ResponseRecorder, 1)
	go func() {
		w := httptest.NewRecorder()
		c.engine.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "/work/"+id, body))
		answer <- w
	}()
	return answer
}

// metric is the value of a counter or a gauge.
func (c *crowded) metric(t *testing.T, name string) float64 {
	t.Helper()
	families, err := c.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue() + f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// unread fails the test when anybody reads it.
type unread struct{ *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.Error("the body of a request that is turned away was read")
	return 0, io.EOF
}

func TestWhoFindsNoPlaceIsTurnedAwayAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrowded()
		working := c.ask(t.Context(), "1", nil)
		synctest.Wait()
		waiting := c.ask(t.Context(), "2", nil)
		synctest.Wait()
		start := time.Now()

		refused := <-c.ask(t.Context(), "3", unread{t})

		if refused.Code != http.StatusServiceUnavailable || refused.Header().Get("Retry-After") != "1" || time.Since(start) > 0 {
			t.Errorf("status %d, Retry-After %q, after %s", refused.Code, refused.Header().Get("Retry-After"), time.Since(start))
		}
		if !strings.Contains(refused.Body.String(), `"code":"transient"`) {
			t.Errorf("answered %s", refused.Body)
		}
		if log := c.log.String(); !strings.Contains(log, "level=WARN") || strings.Contains(log, "level=ERROR") {
			t.Errorf("logged as %s", log)
		}
		if n := c.metric(t, "caselink_http_turned_away_total"); n != 1 {
			t.Errorf("%v counted as turned away", n)
		}
		if w, q := c.metric(t, "caselink_http_working"), c.metric(t, "caselink_http_waiting"); w != 1 || q != 1 {
			t.Errorf("%v at work and %v waiting, want one of each", w, q)
		}

		// The places are given on, in turn.
		c.end <- struct{}{}
		c.end <- struct{}{}
		if first, second := (<-working).Code, (<-waiting).Code; first != http.StatusCreated || second != http.StatusCreated {
			t.Errorf("the others are answered %d and %d", first, second)
		}
		if first, second := <-c.begun, <-c.begun; first != "1" || second != "2" {
			t.Errorf("begun %s, then %s", first, second)
		}
	})
}

// TestSlowSenderHoldsNoPlace: who is still sending keeps nobody from working, and works
// when the body is here and there is room.
func TestSlowSenderHoldsNoPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrowded()
		body, sender := io.Pipe()
		slow := c.ask(t.Context(), "slow", body)
		synctest.Wait()

		quick := c.ask(t.Context(), "quick", strings.NewReader("{}"))
		synctest.Wait()
		_, _ = sender.Write([]byte("{}"))
		_ = sender.Close()
		synctest.Wait()
		if n := c.metric(t, "caselink_http_waiting"); n != 1 {
			t.Errorf("%v wait, want the slow one, whose body is here", n)
		}
		c.end <- struct{}{}
		c.end <- struct{}{}

		if first, second := (<-quick).Code, (<-slow).Code; first != http.StatusCreated || second != http.StatusCreated {
			t.Errorf("answered %d and %d", first, second)
		}
		if first, second := <-c.begun, <-c.begun; first != "quick" || second != "slow" {
			t.Errorf("begun %s, then %s", first, second)
		}
	})
}

func TestNobodyWaitsForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrowded()
		working := c.ask(t.Context(), "1", nil)
		synctest.Wait()
		start := time.Now()

		late := <-c.ask(t.Context(), "2", nil)

		if late.Code != http.StatusServiceUnavailable || time.Since(start) != time.Second {
			t.Errorf("status %d after %s", late.Code, time.Since(start))
		}
		c.end <- struct{}{}
		<-working
	})
}

func TestWorkOfWhoHasLeftIsNotBegun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrowded()
		working := c.ask(t.Context(), "1", nil)
		synctest.Wait()
		ctx, leave := context.WithCancel(t.Context())
		left := c.ask(ctx, "2", nil)
		synctest.Wait()

		start := time.Now()
		leave()
		<-left
		if waited := time.Since(start); waited > 0 {
			t.Errorf("who has left holds a place for %s", waited)
		}
		next := c.ask(t.Context(), "3", nil)
		synctest.Wait()
		c.end <- struct{}{}
		c.end <- struct{}{}

		<-working
		if got := (<-next).Code; got != http.StatusCreated {
			t.Errorf("who came after is answered %d", got)
		}
		if first, second := <-c.begun, <-c.begun; first != "1" || second != "3" {
			t.Errorf("begun %s, then %s; want nothing for the one who left", first, second)
		}
	})
}

func TestPanicGivesItsPlaceBack(t *testing.T) {
	t.Parallel()
	e := New(nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	e.gate = newGate(1, 0, time.Second, prometheus.NewRegistry())
	engine := e.Engine()
	engine.GET("/panic", e.Admit, func(*gin.Context) { panic("no") })

	for range 2 {
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/panic", nil))
		if w.Code != http.StatusInternalServerError {
			t.Errorf("status %d, want that of the panic", w.Code)
		}
	}
}
