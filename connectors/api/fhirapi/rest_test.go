package fhirapi_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"caselink.example/connectors/api/edge"
	"caselink.example/connectors/api/edge/edgetest"
	"caselink.example/connectors/api/fhirapi"
)

const (
	requests = "/FHIR/R4/ServiceRequest"
	absent   = "00000000-0000-4000-8000-000000000000"
)

func mount(w *edgetest.World) {
	(&fhirapi.API{
		Flow: w.Flow, Resources: w.DB, Practices: edgetest.Directory{}, Edge: w.Edge, Base: w.Flow.Base, Release: "1.2.3",
		Issuer: "https://issuer.example", TokenURL: "https://issuer.example/token", Now: time.Now,
	}).Mount(w.Engine)
	edge.MountHealth(w.Engine, w.DB.Ready)
}

// refused is what a refusal says: its status and the NHS code of its first issue.
func refused(a edgetest.Answer) string {
	a.Issues()
	return fmt.Sprint(a.Status, " ", a.At("issue", 0, "details", "coding", 0, "code"))
}

func TestRefusalsBeforeTheBody(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	body := string(edgetest.NewReferral(edgetest.PracticeA).JSON)
	const (
		unauthorized  = "401 REC_UNAUTHORIZED"
		notAcceptable = "406 REC_NOT_ACCEPTABLE"
		unsupported   = "415 REC_UNSUPPORTED_MEDIA_TYPE"
	)
	endlessID := strings.Repeat("a", 129)
	typed := func(media string) []string { return []string{"Content-Type", media} }
	for name, c := range map[string]struct {
		client, method, path string
		headers              []string
		want, says           string
	}{
		"no token":             {"", "POST", requests, nil, unauthorized, "Authorization: Bearer"},
		"a broken token":       {"", "POST", requests, []string{"Authorization", "Bearer a.b.c"}, unauthorized, "token"},
		"basic":                {"", "POST", requests, []string{"Authorization", "Basic YTpi"}, unauthorized, "Authorization: Bearer"},
		"a scope too narrow":   {"gp-reader", "POST", requests, nil, "403 REC_FORBIDDEN", "system/ServiceRequest.c"},
		"another type's scope": {"gp-reader", "GET", "/FHIR/R4/Task/" + absent, nil, "403 REC_FORBIDDEN", "system/Task.r"},
		"no organisation":      {"gp-nowhere", "POST", requests, nil, "403 REC_FORBIDDEN", "names no practice"},
		"an unknown practice":  {"gp-stranger", "POST", requests, nil, "403 REC_FORBIDDEN", "not a practice"},
		"an app's token":       {"app-a", "GET", requests + "/" + absent, nil, "403 REC_FORBIDDEN", "/api/v1"},
		"no such path":         {"gp-a", "GET", "/FHIR/R4/Basic", nil, "404 REC_NOT_FOUND", "metadata"},
		"no such method":       {"gp-a", "DELETE", requests, nil, "405 REC_METHOD_NOT_ALLOWED", "it takes POST"},
		"HTML wanted":          {"gp-a", "POST", requests, []string{"Accept", "text/html"}, notAcceptable, "application/fhir+json"},
		"STU3 wanted": {
			"gp-a", "POST", requests, []string{"Accept", "application/fhir+json;fhirVersion=3.0"},
			notAcceptable, "FHIR 4.0",
		},
		"a form": {
			"gp-a", "POST", requests, typed("application/x-www-form-urlencoded"),
			unsupported, "application/fhir+json",
		},
		"R5 sent":           {"gp-a", "POST", requests, typed("application/fhir+json; fhirVersion=5.0"), unsupported, "FHIR 4.0"},
		"Latin 1":           {"gp-a", "POST", requests, typed("application/fhir+json; charset=iso-8859-1"), unsupported, "UTF-8"},
		"a compressed body": {"gp-a", "POST", requests, []string{"Content-Encoding", "gzip"}, unsupported, "compressed"},
		"an id with spaces": {"gp-a", "POST", requests, []string{"X-Request-Id", "a b"}, "400 REC_BAD_REQUEST", "X-Request-Id"},
		"an endless id": {
			"gp-a", "POST", requests, []string{"X-Correlation-Id", endlessID},
			"400 REC_BAD_REQUEST", "X-Correlation-Id",
		},
	} {
		a := w.Do(c.client, c.method, c.path, body, c.headers...)

		if got := refused(a); got != c.want || !a.Says(c.says) {
			t.Errorf("%s: %s, want %s that says %q\n%s", name, got, c.want, c.says, a.Body)
		}
		if a.Header.Get("X-Request-Id") == "" || a.Header.Get("X-Request-Id") == "a b" {
			t.Errorf("%s: the answer's X-Request-Id is %q", name, a.Header.Get("X-Request-Id"))
		}
	}
	if allow := w.Do("gp-a", "DELETE", requests, "").Header.Get("Allow"); allow != "POST" {
		t.Errorf("Allow is %q, want POST", allow)
	}
	if n := len(casesOf(w)); n != 0 {
		t.Errorf("refused referrals left %d cases", n)
	}
}

// casesOf are the ids of all cases.
func casesOf(w *edgetest.World) []string { return column(w, `select id::text from caselink.cases`) }

func TestTwoAuthorizationHeadersAreNone(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	req, err := http.NewRequestWithContext(t.Context(), "GET", w.URL+requests+"/"+absent, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header["Authorization"] = []string{"Bearer " + w.Token("gp-a"), "Bearer " + w.Token("gp-a")}

	a := w.Send(req)

	if got := refused(a); got != "401 REC_UNAUTHORIZED" {
		t.Errorf("%s, want 401", got)
	}
}

func TestChallengeSaysWhetherATokenWasBad(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)

	none := w.Do("", "GET", requests+"/"+absent, "").Header.Get("WWW-Authenticate")
	bad := w.Do("", "GET", requests+"/"+absent, "", "Authorization", "Bearer nonsense").Header.Get("WWW-Authenticate")

	if none != `Bearer realm="caselink"` || bad != `Bearer realm="caselink", error="invalid_token"` {
		t.Errorf("without a token %q, with a bad one %q", none, bad)
	}
}

// TestUnauthorisedBodyIsNotRead sends bodies without a token: a long one, and one that
// net/http is ready to read to its end after the answer.
func TestUnauthorisedBodyIsNotRead(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{10 << 20, 200 << 10} {
		w := edgetest.New(t, mount)
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: caselink\r\n", requests)
		fmt.Fprintf(conn, "Content-Type: application/fhir+json\r\nContent-Length: %d\r\n\r\n", size)
		go func() { _, _ = io.CopyN(conn, endless{}, size) }() // the server hangs up meanwhile

		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()

		if resp.StatusCode != http.StatusUnauthorized || !resp.Close {
			t.Errorf("status %d, connection closes %v; want 401 and the end", resp.StatusCode, resp.Close)
		}
		if read := w.Read.Load(); size > 256<<10 && read >= 64<<10 {
			t.Errorf("the server read %d bytes of a request that it refused", read)
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestBodyThatIsTooLongIs413(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	body := strings.Repeat(" ", fhirapi.MaxBody+1)
	for name, reader := range map[string]io.Reader{
		"announced": strings.NewReader(body),
		"chunked":   io.MultiReader(strings.NewReader(body)),
	} {
		req, err := http.NewRequestWithContext(t.Context(), "POST", w.URL+requests, reader)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/fhir+json")
		req.Header.Set("Authorization", "Bearer "+w.Token("gp-a"))

		a := w.Send(req)

		if a.Status != http.StatusRequestEntityTooLarge || !a.Says("1048576 bytes") {
			t.Errorf("%s: status %d\n%s", name, a.Status, a.Body)
		}
	}
}

func TestChunkedReferralIsTaken(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	r := edgetest.NewReferral(edgetest.PracticeA)
	req, err := http.NewRequestWithContext(t.Context(), "POST", w.URL+requests, io.MultiReader(strings.NewReader(string(r.JSON))))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+w.Token("gp-a"))

	w.Send(req).Wants(http.StatusCreated)
}

func TestEveryFaultIsToldAtItsElement(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	r := edgetest.NewReferral(edgetest.PracticeA)
	good := string(r.JSON)
	for name, c := range map[string]struct {
		body   string
		status int
		want   []string
	}{
		"nothing":     {" ", 400, []string{"structure"}},
		"broken JSON": {good[:len(good)/2], 400, []string{"structure"}},
		"a duplicate key": {
			strings.Replace(good, `"status":`, `"status":"draft","status":`, 1), 400,
			[]string{"structure at ServiceRequest.status"},
		},
		"another type": {`{"resourceType":"Patient"}`, 400, []string{"invalid at Patient"}},
		"no subject and a bad NHS number": {
			strings.Replace(strings.Replace(good, `"subject":{"reference":"#patient"},`, "", 1), r.NHSNumber, "9990000001", 1), 400,
			[]string{"required at ServiceRequest.subject", "value at ServiceRequest.contained[0].identifier[0].value"},
		},
		"a business rule": {
			strings.Replace(good, `"status":"active"`, `"status":"completed"`, 1), 422,
			[]string{"business-rule at ServiceRequest.status"},
		},
	} {
		a := w.Do("gp-a", "POST", requests, c.body)

		if a.Status != c.status || !contains(a.Issues(), c.want) {
			t.Errorf("%s: status %d, issues %v, want %d and %v", name, a.Status, a.Issues(), c.status, c.want)
		}
		if strings.Contains(string(a.Body), "9990000001") || strings.Contains(string(a.Body), "Exampleton") {
			t.Errorf("%s: the refusal repeats what is said of the person", name)
		}
	}
}

func contains(all, want []string) bool {
	for _, one := range want {
		found := false
		for _, has := range all {
			found = found || has == one || strings.HasPrefix(has, one+" at")
		}
		if !found {
			return false
		}
	}
	return true
}

func TestForeignIsAsAbsentAsAbsent(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	_, id := w.Refer("gp-a")
	for _, path := range []string{"/", "/_history/1/"} {
		version := strings.TrimSuffix(path[1:], "/")
		read := func(id string) edgetest.Answer {
			path := strings.TrimSuffix(requests+"/"+id+"/"+version, "/")
			return w.Do("gp-b", "GET", path, "", "X-Request-Id", "same").Wants(http.StatusNotFound)
		}

		foreign, none, noID := read(id), read(absent), read("no-id")

		foreign.Header.Del("Date")
		none.Header.Del("Date")
		diff := cmp.Diff(none.Header, foreign.Header)
		if diff != "" || string(foreign.Body) != string(none.Body) || string(noID.Body) != string(none.Body) {
			t.Errorf("another practice's differs from none:\n%s\n%s\n%s\n%s", diff, foreign.Body, none.Body, noID.Body)
		}
	}
}

func TestIDsAreEchoed(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	_, id := w.Refer("gp-a")

	given := w.Do("gp-a", "GET", requests+"/"+id, "", "X-Request-Id", "r-1", "X-Correlation-Id", "c-1")
	none := w.Do("gp-a", "GET", requests+"/"+id, "")

	if given.Header.Get("X-Request-Id") != "r-1" || given.Header.Get("X-Correlation-Id") != "c-1" {
		t.Errorf("ids are not echoed: %v", given.Header)
	}
	if len(none.Header.Get("X-Request-Id")) != 36 || none.Header.Get("X-Correlation-Id") != "" {
		t.Errorf("without ids the answer has %v", none.Header)
	}
	if !strings.Contains(w.Logged.String(), `"request":"r-1","correlation":"c-1","client":"gp-a"`) {
		t.Errorf("the log does not name the request:\n%s", w.Logged)
	}
}

func TestHeadIsGetWithoutItsBody(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	_, id := w.Refer("gp-a")
	for _, path := range []string{
		requests + "/" + id, requests + "/" + id + "/_history/1",
		"/FHIR/R4/metadata", "/FHIR/R4/.well-known/smart-configuration", "/healthz", "/readyz",
	} {
		get, head := w.Do("gp-a", "GET", path, ""), w.Do("gp-a", "HEAD", path, "").Wants(http.StatusOK)

		for _, name := range []string{"Content-Type", "Content-Length", "ETag", "Last-Modified"} {
			if get.Header.Get(name) != head.Header.Get(name) {
				t.Errorf("%s: %s is %q by HEAD, %q by GET", path, name, head.Header.Get(name), get.Header.Get(name))
			}
		}
		if len(head.Body) != 0 {
			t.Errorf("%s: HEAD has a body", path)
		}
	}
}

func TestDatabaseThatIsGoneIs503(t *testing.T) {
	t.Parallel()
	w := edgetest.WithoutDatabase(t, mount)
	body := string(edgetest.NewReferral(edgetest.PracticeA).JSON)
	for _, c := range []struct{ client, method, path, body string }{
		{"", "GET", "/readyz", ""},
		{"gp-a", "POST", requests, body},
		{"gp-a", "GET", requests + "/" + absent, ""},
		{"gp-a", "GET", requests + "/" + absent + "/_history/1", ""},
	} {
		a := w.Do(c.client, c.method, c.path, c.body)

		told := strings.Contains(string(a.Body), "127.0.0.1")
		if got := refused(a); got != "503 REC_UNAVAILABLE" || a.Header.Get("Retry-After") == "" || told {
			t.Errorf("%s %s: %s, Retry-After %q\n%s", c.method, c.path, got, a.Header.Get("Retry-After"), a.Body)
		}
	}
	w.Do("", "GET", "/healthz", "").Wants(http.StatusOK)
	w.Do("", "GET", "/FHIR/R4/metadata", "").Wants(http.StatusOK)
}

func TestReadyMeansThatTheSchemaIsThere(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	w.Do("", "GET", "/readyz", "").Wants(http.StatusOK)
	w.Target.Exec(t, `drop table public.caselink_migrations`)

	a := w.Do("", "GET", "/readyz", "")

	if a.Status != http.StatusServiceUnavailable || !a.Says("caselink migrate up") {
		t.Errorf("status %d\n%s", a.Status, a.Body)
	}
}

func TestMadeUpMethodsDoNotGrowTheMetrics(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)

	w.Do("gp-a", "FROBNICATE", requests, "").Wants(http.StatusMethodNotAllowed)

	if strings.Contains(w.Logged.String(), "FROBNICATE") || !strings.Contains(w.Logged.String(), `"method":"other"`) {
		t.Errorf("the log names a method that a client made up:\n%s", w.Logged)
	}
}
