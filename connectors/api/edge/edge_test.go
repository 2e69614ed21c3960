package edge_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"caselink.example/connectors/api/edge"
	"caselink.example/fhir"
)

const internalError = `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"exception","details":{"coding":[` +
	`{"system":"https://fhir.nhs.uk/CodeSystem/http-error-codes",` +
	`"code":"REC_SERVER_ERROR","display":"500: Internal Server Error"}]},"diagnostics":"internal error"}]}`

// served answers one request by the handler, and returns the log and the metrics with it.
func served(t *testing.T, h edge.Handler, r *http.Request) (answer *httptest.ResponseRecorder, log string, reg *prometheus.Registry) {
	t.Helper()
	var b bytes.Buffer
	reg = prometheus.NewRegistry()
	engine := edge.New(nil, slog.New(slog.NewJSONHandler(&b, nil)), reg).Engine()
	edge.Get(engine, "/thing/:id", edge.Handle(h))
	engine.POST("/thing/:id", edge.Handle(h))
	answer = httptest.NewRecorder()
	engine.ServeHTTP(answer, r)
	return answer, b.String(), reg
}

func TestUnknownErrorTellsNothing(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]edge.Handler{
		"an error": func(*gin.Context) error { return errors.New("the disk is full") },
		"a panic":  func(*gin.Context) error { panic("Ann Example, 9990000018") },
	} {
		a, log, _ := served(t, h, httptest.NewRequest("GET", "/thing/1", nil))

		if a.Code != http.StatusInternalServerError || a.Body.String() != internalError {
			t.Errorf("%s: status %d, body %s", name, a.Code, a.Body)
		}
		if strings.Contains(log, "9990000018") || !strings.Contains(log, `"level":"ERROR"`) {
			t.Errorf("%s is logged as %s", name, log)
		}
		if name == "an error" && !strings.Contains(log, "the disk is full") {
			t.Errorf("the log does not say why:\n%s", log)
		}
	}
}

func TestClientsFaultIsNoAlarm(t *testing.T) {
	t.Parallel()
	refuses := func(*gin.Context) error { return fhir.Errorf(fhir.IssueInvalid, "about Ann") }

	_, log, _ := served(t, refuses, httptest.NewRequest("GET", "/thing/9990000018", nil))

	for _, want := range []string{`"level":"INFO"`, `"route":"/thing/:id"`, `"issue":"invalid"`} {
		if !strings.Contains(log, want) {
			t.Errorf("logged as %s", log)
		}
	}
	if strings.Contains(log, "Ann") || strings.Contains(log, "9990000018") {
		t.Errorf("the log repeats what the client sent: %s", log)
	}
}

func TestRequestIsCountedByItsRoute(t *testing.T) {
	t.Parallel()
	takes := func(c *gin.Context) error { c.Status(http.StatusOK); return nil }

	_, _, reg := served(t, takes, httptest.NewRequest("GET", "/thing/9990000018", nil))

	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(families[0].GetMetric()[0].GetLabel())
	if !strings.Contains(got, `value:"/thing/:id"`) || strings.Contains(got, "9990000018") {
		t.Errorf("labels %s", got)
	}
}

func TestBodyThatEndsEarlyIsRefused(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest("POST", "/thing/1", &cutOff{left: 10})
	r.ContentLength = 100

	a, _, _ := served(t, func(c *gin.Context) error { _, err := edge.Body(c, 1000); return err }, r)

	if a.Code != http.StatusBadRequest || !strings.Contains(a.Body.String(), "announced length") {
		t.Errorf("status %d, body %s", a.Code, a.Body)
	}
}

// cutOff is a body whose client goes away.
type cutOff struct{ left int }

func (c *cutOff) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, errors.New("connection reset")
	}
	c.left--
	p[0] = ' '
	return 1, nil
}

func TestBodyMayBeExactlyAsLongAsTheLimit(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]int{999: 200, 1000: 200, 1001: 413} {
		for _, announced := range []bool{true, false} {
			r := httptest.NewRequest("POST", "/thing/1", strings.NewReader(strings.Repeat("a", size)))
			if !announced {
				r.ContentLength = -1
			}
			got := 0

			a, _, _ := served(t, func(c *gin.Context) error {
				body, err := edge.Body(c, 1000)
				got = len(body)
				return err
			}, r)

			if a.Code != want || want == 200 && got != size {
				t.Errorf("%d bytes, announced %v: status %d with %d bytes read, want %d", size, announced, a.Code, got, want)
			}
		}
	}
}
