package simulator_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"caselink.example/connectors/simulator"
)

const (
	patientA = "9990000018" // fictional NHS numbers that pass modulus 11
	patientB = "9990000026"
)

// gp is the running GP system of one practice.
type gp struct {
	t    *testing.T
	base string
}

func startGP(t *testing.T, folder string, practices ...simulator.Practice) *gp {
	t.Helper()
	if practices == nil {
		practices = []simulator.Practice{
			{ODS: "A99001", LocalSystem: "https://a99001.example/patient"},
			{ODS: "A99002", Patients: []string{patientB}},
		}
	}
	var id, seconds atomic.Int64
	gps, err := simulator.NewGPSystems(simulator.GPConfig{
		Practices: practices, Folder: folder,
		NewID: func() string { return fmt.Sprintf("new-%d", id.Add(1)) },
		Now:   func() time.Time { return noon.Add(time.Duration(seconds.Add(1)) * time.Second) },
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gps)
	t.Cleanup(func() {
		server.Close()
		if err := gps.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
	return &gp{t, server.URL + "/" + practices[0].ODS + "/FHIR/R4"}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// try sends a request; headers are "Name: value".
func (g *gp) try(method, path, body string, headers ...string) (answer, error) {
	g.t.Helper()
	request, err := http.NewRequestWithContext(g.t.Context(), method, g.base+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/fhir+json")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		request.Header.Set(name, value)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(raw)}, err
}

func (g *gp) send(method, path, body string, headers ...string) answer {
	g.t.Helper()
	a, err := g.try(method, path, body, headers...)
	if err != nil {
		g.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// want fails unless the status is this one.
func (g *gp) want(status int, a answer) answer {
	g.t.Helper()
	if a.status != status {
		g.t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

func (g *gp) fault(fault string) {
	g.t.Helper()
	g.want(http.StatusOK, g.send("POST", "/$fault", fault))
}

// bundle is as much of a Bundle as the tests look at.
type bundle struct {
	Type  string
	Total int
	Link  []struct{ Relation, URL string }
	Entry []struct {
		Resource struct {
			ID     string
			Status string
			Meta   struct{ VersionID string }
		}
		Request struct{ Method, URL string }
	}
}

func (b bundle) ids() (ids []string) {
	for _, e := range b.Entry {
		ids = append(ids, e.Resource.ID)
	}
	return ids
}

func (b bundle) statuses() (statuses []string) {
	for _, e := range b.Entry {
		statuses = append(statuses, e.Resource.Status)
	}
	return statuses
}

func (g *gp) bundle(path string) (b bundle) {
	g.t.Helper()
	a := g.want(http.StatusOK, g.send("GET", path, ""))
	if err := json.Unmarshal([]byte(a.body), &b); err != nil {
		g.t.Fatalf("%v: %s", err, a.body)
	}
	return b
}

func nhsNumber(value string) string {
	return `"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"` + value + `"}`
}

func task(id, status string) string {
	return `{"resourceType":"Task","id":"` + id + `",` +
		`"identifier":[{"system":"urn:event","value":"` + id + `-` + status + `"},{"system":"urn:case","value":"c-` + id + `"}],` +
		`"status":"` + status + `","intent":"order","focus":{"reference":"https://caselink.example/FHIR/R4/ServiceRequest/r-` + id + `",` +
		`"identifier":{"system":"urn:practice","value":"UBRN/` + id + `"}},"for":{` + nhsNumber(patientA) + `}}`
}

func observation(id string) string {
	return `{"resourceType":"Observation","id":"` + id + `","status":"final","code":{"text":"life satisfaction"},"valueInteger":7,` +
		`"identifier":[{"system":"urn:score","value":"` + id + `"}],` +
		`"basedOn":[{"reference":"https://caselink.example/FHIR/R4/ServiceRequest/r-t1"}],` +
		`"subject":{` + nhsNumber(patientA) + `}}`
}

func TestPutCreatesThenUpdates(t *testing.T) {
	t.Parallel()
	g := startGP(t, t.TempDir())

	created := g.want(http.StatusCreated, g.send("PUT", "/Task/t1", task("t1", "requested")))
	updated := g.want(http.StatusOK, g.send("PUT", "/Task/t1", task("t1", "accepted")))

	if got := created.header.Get("ETag"); got != `W/"1"` {
		t.Errorf("first ETag %s", got)
	}
	want := map[string]string{
		"ETag": `W/"2"`, "Location": g.base + "/Task/t1/_history/2", "Content-Type": "application/fhir+json; charset=utf-8",
		"Last-Modified": "Mon, 02 Mar 2026 12:00:02 GMT",
	}
	for name, value := range want {
		if got := updated.header.Get(name); got != value {
			t.Errorf("%s: %s, want %s", name, got, value)
		}
	}
}

func TestResourceKeepsItsBytes(t *testing.T) {
	t.Parallel()
	g := startGP(t, t.TempDir())
	body := strings.Replace(task("t1", "requested"), `{"resourceType"`,
		`{ "extension": [{"url":"u","valueDecimal":1.10}],`+"\n\t"+`"meta":{"profile":["p"],"versionId":"77"} , "resourceType"`, 1)

	written := g.want(http.StatusCreated, g.send("PUT", "/Task/t1", body))

	want := strings.ReplaceAll(body, "\n", " ")
	want = strings.Replace(want, `{"profile":["p"],"versionId":"77"}`,
		`{"versionId":"1","lastUpdated":"2026-03-02T12:00:01Z","profile":["p"]}`, 1)
	if diff := cmp.Diff(want, written.body); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, g.send("GET", "/Task/t1", "").body); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	idFirst := strings.Replace(task("t2", "requested"), `"status"`, `"meta":{},"status"`, 1)
	want = strings.Replace(idFirst, `{}`, `{"versionId":"1","lastUpdated":"2026-03-02T12:00:02Z"}`, 1)
	if diff := cmp.Diff(want, g.send("PUT", "/Task/t2", idFirst).body); diff != "" {
		t.Errorf("meta behind the id (-want +got):\n%s", diff)
	}
	posted := g.want(http.StatusCreated, g.send("POST", "/Task", strings.Replace(task("t1", "requested"), `"id":"t1",`, "", 1)))
	want = `{"meta":{"versionId":"1","lastUpdated":"2026-03-02T12:00:03Z"},"id":"new-1","resourceType":"Task"`
	if !strings.HasPrefix(posted.body, want) {
		t.Errorf("without id and meta: %s", posted.body)
	}
	if g.want(http.StatusOK, g.send("PUT", "/Task/t1", body, "Prefer: return=minimal")).body != "" {
		t.Error("return=minimal has a body")
	}
}

func TestPreconditionsGuardAnUpdate(t *testing.T) {
	t.Parallel()
	g := startGP(t, t.TempDir())
	g.want(http.StatusPreconditionFailed, g.send("PUT", "/Task/t1", task("t1", "requested"), `If-Match: W/"1"`))
	g.want(http.StatusCreated, g.send("PUT", "/Task/t1", task("t1", "requested"), "If-None-Match: *"))
	g.want(http.StatusPreconditionFailed, g.send("PUT", "/Task/t1", task("t1", "requested"), "If-None-Match: *"))
	g.want(http.StatusOK, g.send("PUT", "/Task/t1", task("t1", "accepted"), `If-Match: W/"1"`))
	g.want(http.StatusPreconditionFailed, g.send("PUT", "/Task/t1", task("t1", "completed"), `If-Match: W/"1"`))
	if got := g.bundle("/Task/t1/_history").statuses(); !cmp.Equal(got, []string{"accepted", "requested"}) {
		t.Errorf("history %v", got)
	}
}

func TestOneWriterWinsARace(t *testing.T) {
	t.Parallel()
	g := startGP(t, t.TempDir())
	g.send("PUT", "/Task/t1", task("t1", "requested"))
	var won, created atomic.Int64
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if a, err := g.try("PUT", "/Task/t1", task("t1", "accepted"), `If-Match: W/"1"`); err == nil && a.status == http.StatusOK {
				won.Add(1)
			}
			a, err := g.try("POST", "/Task", task("x", "requested"), "If-None-Exist: identifier=urn:event|x-requested")
			if err == nil && a.status == http.StatusCreated {
				created.Add(1)
			}
		})
	}
	group.Wait()
	if won.Load() != 1 || created.Load() != 1 {
		t.Errorf("%d updates of one version, %d creations of one identifier", won.Load(), created.Load())
	}
}

func TestConditionalCreateFindsWhatIsThere(t *testing.T) {
	t.Parallel()
	g := startGP(t, t.TempDir())
	condition := "If-None-Exist: identifier=urn:event|t1-requested"
	first := g.want(http.StatusCreated, g.send("POST", "/Task", task("t1", "requested"), condition))
	again := g.want(http.StatusOK, g.send("POST", "/Task", task("t1", "requested"), condition))
	if first.body != again.body || again.header.Get("Location") != g.base+"/Task/new-1/_history/1" {
		t.Errorf("again: %s %s", again.header.Get("Location"), again.body)
	}
	g.want(http.StatusCreated, g.send("POST", "/Task", task("t1", "accepted"), "If-None-Exist: identifier=urn:event|t1-accepted"))
	g.want(http.StatusPreconditionFailed, g.send("POST", "/Task", task("t1", "requested"), "If-None-Exist: identifier=urn:case|c-t1"))
	g.want(http.StatusBadRequest, g.send("POST", "/Task", task("t1", "requested"), "If-None-Exist: _count=1"))
	g.want(http.StatusBadRequest, g.send("POST", "/Task", task("t1", "requested"), "If-None-Exist: name=x"))
}

func TestHistoryIsNewestFirst(t *testing.T) {
	t.Parallel()
	g := startGP(t, t.TempDir())
	for _, status := range []string{"requested", "accepted", "in-progress"} {
		g.send("PUT", "/Task/t1", task("t1", status))
	}
	b := g.bundle("/Task/t1/_history")
	if b.Type != "history" || b.Total != 3 || !cmp.Equal(b.statuses(), []string{"in-progress", "accepted", "requested"}) {
		t.Errorf("%+v", b)
	}
	second := g.want(http.StatusOK, g.send("GET", "/Task/t1/_history/2", ""))
	if second.header.Get("ETag") != `W/"2"` || !strings.Contains(second.body, `"accepted"`) {
		t.Errorf("vread: %s", second.body)
	}
	for _, path := range []string{
		"/Task/t1/_history/4", "/Task/t1/_history/0", "/Task/t1/_history/x", "/Task/t2", "/Task/t2/_history", "/Observation/t1",
	} {
		g.want(http.StatusNotFound, g.send("GET", path, ""))
	}
}

func TestSearchFindsByEachParameter(t *testing.T) {
	t.Parallel()
	g := startGP(t, t.TempDir())
	g.send("PUT", "/Task/t1", task("t1", "requested"))
	g.send("PUT", "/Task/t2", task("t2", "requested"))
	g.send("PUT", "/Task/t1", task("t1", "accepted"))
	g.send("PUT", "/Observation/o1", observation("o1"))
	for query, want := range map[string][]string{
		"/Task":                                   {"t1", "t2"},
		"/Task?identifier=urn:event|t1-accepted":  {"t1"},
		"/Task?identifier=t2-requested":           {"t2"},
		"/Task?identifier=urn:event|":             {"t1", "t2"},
		"/Task?identifier=urn:event|t1-requested": nil, // no longer
		"/Task?identifier=urn:other|t2-requested": nil,
		"/Task?identifier=c-t1,t1-accepted":       {"t1"},
		"/Task?identifier=c-t1,c-t2":              {"t1", "t2"},
		"/Task?patient:identifier=https://fhir.nhs.uk/Id/nhs-number|" + patientA:            {"t1", "t2"},
		"/Task?patient=https://fhir.nhs.uk/Id/nhs-number|" + patientA + "&status=requested": {"t2"},
		"/Task?subject=" + patientB:                                        nil,
		"/Task?focus=https://caselink.example/FHIR/R4/ServiceRequest/r-t2": {"t2"},
		"/Task?focus=ServiceRequest/r-t2":                                  {"t2"},
		"/Task?focus=r-t2":                                                 {"t2"},
		"/Task?focus=2":                                                    nil,
		"/Task?focus=https://other.example/ServiceRequest/r-t2":            nil,
		"/Task?focus:identifier=urn:practice|UBRN/t2":                      {"t2"},
		"/Task?status=accepted":                                            {"t1"},
		"/Task?status=accepted,requested":                                  {"t1", "t2"},
		"/Task?_sort=_lastUpdated":                                         {"t2", "t1"},
		"/Task?_sort=-_lastUpdated":                                        {"t1", "t2"},
		"/Task?_count=0":                                                   nil,
		"/Observation?based-on=ServiceRequest/r-t1":                        {"o1"},
		"/Observation?identifier=urn:score|o1&status=final":                {"o1"},
		"/Observation?based-on=ServiceRequest/r-t2":                        nil,
	} {
		if diff := cmp.Diff(want, g.bundle(query).ids()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	for _, query := range []string{"/Task?owner=x", "/Task?_sort=status", "/Task?_count=-1", "/Task?_count=x", "/Patient"} {
		g.want(http.StatusBadRequest, g.send("GET", query, ""))
	}
}

func TestNextLinksLeadThroughAllMatches(t *testing.T) {
	t.Parallel()
	g := startGP(t, t.TempDir())
	var want []string
	for n := range 7 {
		id := fmt.Sprintf("t%d", n)
		want = append(want, id)
		g.send("PUT", "/Task/"+id, task(id, "requested"))
	}
	var got []string
	for path := "/Task?status=requested&_count=3"; path != ""; {
		b := g.bundle(path)
		if b.Total != 7 {
			t.Errorf("total %d", b.Total)
		}
		got, path = append(got, b.ids()...), ""
		for _, link := range b.Link {
			if link.Relation == "next" {
				path = strings.TrimPrefix(link.URL, g.base)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
}

func without(resource, member string) string { return strings.Replace(resource, member, "", 1) }

func TestGPSystemRefusesWhatItCannotFile(t *testing.T) {
	t.Parallel()
	g := startGP(t, t.TempDir())
	good, score := task("t1", "requested"), observation("o1")
	for _, test := range []struct {
		name   string
		path   string
		body   string
		status int
		says   string // in the OperationOutcome
	}{
		{"not JSON", "/Task/t1", `{`, 400, "structure"},
		{"an array", "/Task/t1", `[]`, 400, "structure"},
		{"two objects", "/Task/t1", good + good, 400, "structure"},
		{"a line break in a string", "/Task/t1", strings.Replace(good, `"order"`, "\"order\n\"", 1), 400, "structure"},
		{"not UTF-8", "/Task/t1", strings.Replace(good, "urn:case", "\xff", 1), 400, "structure"},
		{"a member twice", "/Task/t1", strings.Replace(good, `"intent"`, `"status":"requested","intent"`, 1), 400, "structure"},
		{"wrong shape", "/Task/t1", strings.Replace(good, `"order"`, `7`, 1), 400, "intent"},
		{"another type", "/Task/o1", score, 400, "Task"},
		{"a type that it has not", "/Patient/p1", `{"resourceType":"Patient","id":"p1"}`, 400, "Observation"},
		{"another id", "/Task/t2", good, 400, "Task.id"},
		{"no id", "/Task/t1", without(good, `"id":"t1",`), 400, "Task.id"},
		{"Task without status", "/Task/t1", without(good, `"status":"requested",`), 422, "Task.status"},
		{"unknown status", "/Task/t1", task("t1", "done"), 422, "Task.status"},
		{"Task without intent", "/Task/t1", without(good, `"intent":"order",`), 422, "Task.intent"},
		{"Task without focus", "/Task/t1", strings.Replace(good, `"focus"`, `"input"`, 1), 422, "Task.focus"},
		{"Task without for", "/Task/t1", strings.Replace(good, `"for"`, `"owner"`, 1), 422, "Task.for"},
		{"wrong check digit", "/Task/t1", strings.Replace(good, patientA, "9990000017", 1), 422, "Task.for"},
		{"a number outside the range", "/Task/t1", strings.Replace(good, patientA, "9434765919", 1), 422, "Task.for"},
		{"a letter in the number", "/Task/t1", strings.Replace(good, patientA, "999000001X", 1), 422, "Task.for"},
		{"a reference that leads nowhere", "/Task/t1", strings.Replace(good, nhsNumber(patientA), `"reference":"#p"`, 1), 422, "Task.for"},
		{"Observation without status", "/Observation/o1", without(score, `"status":"final",`), 422, "Observation.status"},
		{
			"Observation without code", "/Observation/o1",
			without(score, `"code":{"text":"life satisfaction"},`), 422, "Observation.code",
		},
		{
			"Observation without subject", "/Observation/o1",
			strings.Replace(score, `"subject"`, `"encounter"`, 1), 422, "Observation.subject",
		},
		{"too long", "/Task/t1", strings.Replace(good, "urn:case", strings.Repeat("x", 1<<20), 1), 413, "too-long"},
	} {
		a := g.send("PUT", test.path, test.body)
		if a.status != test.status || !strings.Contains(a.body, `"OperationOutcome"`) || !strings.Contains(a.body, test.says) {
			t.Errorf("%s: %d, want %d with %s: %s", test.name, a.status, test.status, test.says, a.body)
		}
	}
	if a := g.send("PUT", "/Task/t1", good, "Content-Type: text/plain"); a.status != http.StatusUnsupportedMediaType {
		t.Errorf("text/plain: %d", a.status)
	}
	if got := g.bundle("/Task").Total; got != 0 {
		t.Errorf("%d Tasks were stored", got)
	}
	if a := g.send("PUT", "/Task/t1", `{"resourceType":"Task","id":"t1"}`); strings.Count(a.body, `"severity":"error"`) != 4 {
		t.Errorf("not every fault: %s", a.body)
	}
}

func TestPracticeKnowsItsOwnPatients(t *testing.T) {
	t.Parallel()
	g := startGP(t, t.TempDir())
	local := strings.Replace(task("t1", "requested"),
		`"https://fhir.nhs.uk/Id/nhs-number","value":"`+patientA, `"https://a99001.example/patient","value":"12`, 1)
	g.want(http.StatusCreated, g.send("PUT", "/Task/t1", local))
	g.base = strings.Replace(g.base, "A99001", "A99002", 1)
	g.want(http.StatusUnprocessableEntity, g.send("PUT", "/Task/t1", local))
	g.want(http.StatusUnprocessableEntity, g.send("PUT", "/Task/t1", task("t1", "requested")))
	g.want(http.StatusCreated, g.send("PUT", "/Task/t1", strings.Replace(task("t1", "requested"), patientA, patientB, 1)))
	g.base = strings.Replace(g.base, "A99002", "A99003", 1)
	g.want(http.StatusNotFound, g.send("GET", "/Task", ""))
}

func TestFaultsAnswerWritesOnCommand(t *testing.T) {
	t.Parallel()
	g := startGP(t, t.TempDir())
	write := func() (answer, error) { return g.try("PUT", "/Task/t1", task("t1", "requested")) }
	stored := func() int { return g.bundle("/Task").Total }

	g.fault(`{"status":503,"count":2,"retry_after":"2"}`)
	for range 2 {
		if a, err := write(); err != nil || a.status != 503 || a.header.Get("Retry-After") != "2" || stored() != 0 {
			t.Fatalf("status: %+v, %v", a, err)
		}
	}
	g.want(http.StatusCreated, g.send("PUT", "/Task/t0", task("t0", "requested"))) // the count is over

	g.fault(`{"redirect":"http://127.0.0.1:1/elsewhere","count":1}`)
	if a, err := write(); err != nil || a.status != http.StatusFound || a.header.Get("Location") != "http://127.0.0.1:1/elsewhere" {
		t.Errorf("redirect: %+v, %v", a, err)
	}
	g.fault(`{"status":204,"count":1}`)
	if a, err := write(); err != nil || a.status != http.StatusNoContent {
		t.Errorf("204: %+v, %v", a, err)
	}
	g.fault(`{"body":"outcome","count":1}`)
	if a, err := write(); err != nil || a.status != http.StatusOK || !strings.Contains(a.body, `"severity":"error"`) {
		t.Errorf("outcome: %+v, %v", a, err)
	}
	g.fault(`{"body":"other","count":1}`)
	if a, err := write(); err != nil || a.status != http.StatusOK || !strings.Contains(a.body, `"Basic"`) {
		t.Errorf("other: %+v, %v", a, err)
	}
	g.fault(`{"delay_ms":30}`)
	begin := time.Now()
	g.want(http.StatusCreated, g.send("PUT", "/Task/t2", task("t2", "requested")))
	if took := time.Since(begin); took < 30*time.Millisecond {
		t.Errorf("delay: answered after %s", took)
	}
	g.fault(`{}`)
	if stored() != 2 {
		t.Errorf("%d Tasks, want the two that were acknowledged", stored())
	}
}

func TestDroppedAndTruncatedAnswersAreStored(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{`{"drop_after_commit":true,"count":1}`, `{"body":"truncated","count":1}`} {
		g := startGP(t, t.TempDir())
		g.fault(fault)
		if a, err := g.try("PUT", "/Task/t1", task("t1", "requested")); err == nil {
			t.Errorf("%s: a whole answer came: %+v", fault, a)
		}
		if got := g.bundle("/Task/t1/_history").Total; got != 1 {
			t.Errorf("%s: %d versions", fault, got)
		}
		g.want(http.StatusOK, g.send("PUT", "/Task/t1", task("t1", "accepted")))
	}
}

func TestSystemThatIsDownSaysNothing(t *testing.T) {
	t.Parallel()
	g := startGP(t, t.TempDir())
	g.fault(`{"down":true}`)
	if got := g.send("GET", "/$fault", "").body; got != `{"down":true}` {
		t.Errorf("$fault shows %s", got)
	}
	for _, request := range [][2]string{{"PUT", "/Task/t1"}, {"POST", "/Task"}, {"GET", "/Task"}, {"GET", "/metadata"}} {
		if a, err := g.try(request[0], request[1], task("t1", "requested")); err == nil {
			t.Errorf("%v: answered %+v", request, a)
		}
	}
	g.fault(`{"down":false}`)
	g.want(http.StatusCreated, g.send("PUT", "/Task/t1", task("t1", "requested")))
	g.fault(`{"status":500}`)
	g.fault(`{"clear":true}`)
	g.want(http.StatusOK, g.send("PUT", "/Task/t1", task("t1", "requested")))
}

func TestFaultThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	g := startGP(t, t.TempDir())
	for _, fault := range []string{
		``, `[]`, `{"stauts":503}`, `{"status":99}`, `{"status":600}`, `{"count":-1}`, `{"delay_ms":-1}`, `{"body":"x"}`,
	} {
		if a := g.send("POST", "/$fault", fault); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d", fault, a.status)
		}
	}
	g.want(http.StatusCreated, g.send("PUT", "/Task/t1", task("t1", "requested")))
}

func TestReceivedCounts(t *testing.T) {
	t.Parallel()
	g := startGP(t, t.TempDir())
	g.send("PUT", "/Task/t1", task("t1", "requested"))
	g.send("PUT", "/Task/t1", task("t1", "accepted"))
	g.send("PUT", "/Task/t1", task("t1", "nonsense"))
	g.send("POST", "/Observation", observation("o1"))
	var got object
	getJSON(t, g.base+"/$received", &got)
	want := object{
		"practice": "A99001", "refused": 1.0, "lastWrite": "2026-03-02T12:00:03Z",
		"resources": object{"Task": 1.0, "Observation": 1.0}, "versions": object{"Task": 2.0, "Observation": 1.0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("received (-want +got):\n%s", diff)
	}
}

func TestMetadataNamesTheServedTypes(t *testing.T) {
	t.Parallel()
	g := startGP(t, t.TempDir())
	a := g.want(http.StatusOK, g.send("GET", "/metadata", ""))
	for _, says := range []string{`"CapabilityStatement"`, `"4.0.1"`, `"Task"`, `"Observation"`} {
		if !strings.Contains(a.body, says) {
			t.Errorf("no %s in %s", says, a.body)
		}
	}
}

func TestRecordSurvivesARestart(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	g := startGP(t, folder)
	g.send("PUT", "/Task/t1", task("t1", "requested"), "X-Request-Id: 6d9c1f0e")
	g.send("PUT", "/Task/t1", task("t1", "accepted"))
	g.send("POST", "/Observation", observation("o1"))
	path := filepath.Join(folder, "A99001.jsonl")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(whole, []byte(`"requestId":"6d9c1f0e"`)) {
		t.Errorf("the record does not name the request: %s", whole)
	}
	lines := bytes.SplitAfter(whole, []byte{'\n'})
	torn := append(bytes.Clone(whole), bytes.TrimSpace(bytes.ReplaceAll(lines[0], []byte("urn:case"), bytes.Repeat([]byte("x"), 5000)))...)
	if err := os.WriteFile(path, torn, 0o600); err != nil {
		t.Fatal(err)
	}

	again := startGP(t, folder)

	if kept, err := os.ReadFile(path); err != nil || !bytes.Equal(kept, whole) {
		t.Errorf("%v; the record is not what was acknowledged: %s", err, kept)
	}
	for _, get := range []string{"/Task/t1", "/Task/t1/_history/1", "/Observation/new-1"} {
		before, after := g.send("GET", get, ""), again.send("GET", get, "")
		if before.body != after.body || before.header.Get("ETag") != after.header.Get("ETag") {
			t.Errorf("%s: %s, was %s", get, after.body, before.body)
		}
	}
	if got := again.bundle("/Observation/new-1/_history").Entry[0].Request; got.Method != "POST" || got.URL != "Observation" {
		t.Errorf("history: %+v", got)
	}
	if got := again.bundle("/Task?identifier=urn:event|t1-accepted").ids(); !cmp.Equal(got, []string{"t1"}) {
		t.Errorf("search: %v", got)
	}
	again.want(http.StatusOK, again.send("PUT", "/Task/t1", task("t1", "completed"), `If-Match: W/"2"`))
	third := startGP(t, folder)
	if got := third.bundle("/Task/t1/_history").statuses(); !cmp.Equal(got, []string{"completed", "accepted", "requested"}) {
		t.Errorf("after the torn line: %v", got)
	}
}

func TestBrokenRecordStopsTheStart(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"not a line\n", `{"type":"Task","id":"t1","version":1,"resource":[]}` + "\n"} {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, "A99001.jsonl"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		config := simulator.GPConfig{Folder: folder, Practices: []simulator.Practice{{ODS: "A99001"}}}
		if _, err := simulator.NewGPSystems(config); err == nil {
			t.Errorf("%s: started", text)
		}
	}
}

func TestPracticesHaveOneSoundCodeEach(t *testing.T) {
	t.Parallel()
	for _, codes := range [][]string{{""}, {"../A99001"}, {"A99001", "A99001"}} {
		var practices []simulator.Practice
		for _, code := range codes {
			practices = append(practices, simulator.Practice{ODS: code})
		}
		if _, err := simulator.NewGPSystems(simulator.GPConfig{Folder: t.TempDir(), Practices: practices}); err == nil {
			t.Errorf("%q: started", codes)
		}
	}
}

func BenchmarkPut(b *testing.B) {
	gps, err := simulator.NewGPSystems(simulator.GPConfig{Folder: b.TempDir(), Practices: []simulator.Practice{{ODS: "A99001"}}})
	if err != nil {
		b.Fatal(err)
	}
	defer gps.Close()
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		id := fmt.Sprintf("t%d", n)
		request := httptest.NewRequest("PUT", "/A99001/FHIR/R4/Task/"+id, strings.NewReader(task(id, "requested")))
		request.Header.Set("Content-Type", "application/fhir+json")
		recorder := httptest.NewRecorder()
		gps.ServeHTTP(recorder, request)
		if recorder.Code != http.StatusCreated {
			b.Fatal(recorder.Body)
		}
	}
}
