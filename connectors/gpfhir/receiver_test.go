package gpfhir_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"caselink.example/connectors/delivery"
	"caselink.example/connectors/gpfhir"
	"caselink.example/connectors/httpclient"
	"caselink.example/fhir"
	"caselink.example/mapping/cases"
)

const secret = "Mrs Smith" // what a GP system might quote

func answer(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func outcome(severity, code string) string {
	return fmt.Sprintf(`{"resourceType":"OperationOutcome","issue":[{"severity":%q,"code":%q,"diagnostics":%q,"details":{"text":%q}}]}`,
		severity, code, secret, secret)
}

// bomb is the text as gzip, and 4 MiB of blanks after it.
func bomb(text string) string {
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	io.WriteString(zip, text)
	zip.Write(bytes.Repeat([]byte(" "), 4<<20))
	zip.Close()
	return b.String()
}

func TestAnswersOfGPSystem(t *testing.T) {
	t.Parallel()
	mine, next := string(task(2).Body), string(task(3).Body)
	elsewhere := string(taskBody(cases.EventID("another-referral", 2)))
	const noSeverity = `{"resourceType":"OperationOutcome","issue":[{"code":"processing"}]}`
	otherType := strings.Replace(mine, `"Task"`, `"Observation"`, 1)
	const etag = `W/"7"`
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   delivery.Verdict
		status int
	}{
		"200 with the Task":            {answer(200, mine, "ETag", etag), delivery.Acknowledged, 200},
		"201 with the Task":            {answer(201, mine, "ETag", etag), delivery.Acknowledged, 201},
		"200 empty with ETag":          {answer(200, "", "ETag", etag), delivery.Acknowledged, 200},
		"204 with ETag":                {answer(204, "", "ETag", etag), delivery.Acknowledged, 204},
		"200 with information":         {answer(200, outcome("information", "informational"), "ETag", etag), delivery.Acknowledged, 200},
		"200 with a warning":           {answer(200, outcome("warning", "processing"), "ETag", etag), delivery.Acknowledged, 200},
		"200 with a later event":       {answer(200, next, "ETag", etag), delivery.Superseded, 200},
		"200 with an error":            {answer(200, outcome("error", "processing"), "ETag", etag), delivery.Retry, 200},
		"200 with a fatal error":       {answer(200, outcome("fatal", "exception"), "ETag", etag), delivery.Retry, 200},
		"200 with no severity":         {answer(200, noSeverity, "ETag", etag), delivery.Retry, 200},
		"200 with an earlier event":    {answer(200, string(task(1).Body), "ETag", etag), delivery.Retry, 200},
		"200 with another referral":    {answer(200, elsewhere, "ETag", etag), delivery.Retry, 200},
		"201 with another id":          {answer(201, strings.ReplaceAll(mine, taskID, "other"), "ETag", etag), delivery.Retry, 201},
		"201 with another type":        {answer(201, otherType, "ETag", etag), delivery.Retry, 201},
		"200 without identifier":       {answer(200, `{"resourceType":"Task","id":"`+taskID+`"}`, "ETag", etag), delivery.Retry, 200},
		"200 with a list":              {answer(200, "["+mine+"]", "ETag", etag), delivery.Retry, 200},
		"200 with HTML":                {answer(200, "<html>"+secret, "ETag", etag, "Content-Type", "text/html"), delivery.Retry, 200},
		"200 with invalid JSON":        {answer(200, mine[:40], "ETag", etag), delivery.Retry, 200},
		"200 with trailing text":       {answer(200, mine+"x", "ETag", etag), delivery.Retry, 200},
		"200 with null":                {answer(200, "null", "ETag", etag), delivery.Retry, 200},
		"204 that nothing proves":      {answer(204, ""), delivery.Retry, 404},
		"200 empty, nothing proves it": {answer(200, ""), delivery.Retry, 404},
		"202":                          {answer(202, mine, "ETag", etag), delivery.Retry, 202},
		"203":                          {answer(203, mine, "ETag", etag), delivery.Retry, 203},
		"206":                          {answer(206, mine, "ETag", etag), delivery.Retry, 206},
		"truncated": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "4000")
			io.WriteString(w, mine)
		}, delivery.Retry, 200},
		"10 MiB":     {answer(200, mine+strings.Repeat(" ", 10<<20), "ETag", etag), delivery.Retry, 200},
		"422 10 MiB": {answer(422, strings.Repeat(" ", 10<<20)), delivery.Parked, 422},
		"gzip bomb":  {answer(200, bomb(mine), "Content-Encoding", "gzip", "ETag", etag), delivery.Retry, 200},
		"hangs in the middle": {func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, mine[:9])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, delivery.Retry, 200},
		"hangs":             {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, delivery.Retry, 0},
		"reset":             {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, delivery.Retry, 0},
		"301":               {answer(301, "", "Location", "/R4/Task/moved"), delivery.Retry, 301},
		"302":               {answer(302, "", "Location", "/R4/Task/moved"), delivery.Retry, 302},
		"303":               {answer(303, "", "Location", "/R4/Task/moved"), delivery.Retry, 303},
		"304":               {answer(304, ""), delivery.Retry, 304},
		"307":               {answer(307, "", "Location", "/R4/Task/moved"), delivery.Retry, 307},
		"308":               {answer(308, "", "Location", "/R4/Task/moved"), delivery.Retry, 308},
		"400":               {answer(400, outcome("error", "invalid")), delivery.Parked, 400},
		"401":               {answer(401, outcome("error", "login")), delivery.Retry, 401},
		"403":               {answer(403, outcome("error", "forbidden")), delivery.Retry, 403},
		"404":               {answer(404, outcome("error", "not-found")), delivery.Parked, 404},
		"405":               {answer(405, ""), delivery.Parked, 405},
		"406":               {answer(406, ""), delivery.Parked, 406},
		"408":               {answer(408, ""), delivery.Retry, 408},
		"409, nothing held": {answer(409, outcome("error", "conflict")), delivery.Retry, 409},
		"410":               {answer(410, ""), delivery.Parked, 410},
		"412, nothing held": {answer(412, outcome("error", "conflict")), delivery.Retry, 412},
		"413":               {answer(413, ""), delivery.Parked, 413},
		"415":               {answer(415, ""), delivery.Parked, 415},
		"422":               {answer(422, outcome("error", "business-rule")), delivery.Parked, 422},
		"425":               {answer(425, ""), delivery.Retry, 425},
		"428":               {answer(428, ""), delivery.Parked, 428},
		"429":               {answer(429, "", "Retry-After", "120"), delivery.Retry, 429},
		"429 until a date":  {answer(429, "", "Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT"), delivery.Retry, 429},
		"451":               {answer(451, secret), delivery.Parked, 451},
		"500":               {answer(500, outcome("fatal", "exception")), delivery.Retry, 500},
		"501":               {answer(501, ""), delivery.Retry, 501},
		"502":               {answer(502, "<html>"+secret), delivery.Retry, 502},
		"503":               {answer(503, "", "Retry-After", "9223372036854775807"), delivery.Retry, 503},
		"504":               {answer(504, ""), delivery.Retry, 504},
		"599":               {answer(599, secret), delivery.Retry, 599},
		"an invented code":  {answer(422, outcome("error", "smith")), delivery.Parked, 422},
		"a status of 999":   {answer(999, mine, "ETag", etag), delivery.Retry, 999},
		"103 before the Task": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(103)
			answer(200, mine, "ETag", etag)(w, r)
		}, delivery.Acknowledged, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGP(t)
			g.answer = c.answer
			timeout := time.Minute
			if strings.HasPrefix(name, "hangs") {
				timeout = 2 * time.Second
			}
			answer, err := newReceiver(t, g.URL, gpfhir.Config{}, timeout).Send(t.Context(), task(2))
			if got := verdict(answer, err); got != c.want || answer.Status != c.status {
				t.Errorf("Send() = %s by %d (%v), want %s by %d", got, answer.Status, err, c.want, c.status)
			}
			if err != nil && (strings.Contains(err.Error(), "mith") || strings.Contains(err.Error(), g.URL)) {
				t.Errorf("the error quotes what the GP system wrote, or its URL: %v", err)
			}
			if err == nil && answer.ETag != etag {
				t.Errorf("ETag %q", answer.ETag)
			}
		})
	}
}

func TestUnreachableGPSystemIsTriedAgain(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(nil)
	closed.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	for name, url := range map[string]string{"refused": closed.URL, "no answer": "http://" + l.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer, err := newReceiver(t, url, gpfhir.Config{}, 2*time.Second).Send(t.Context(), task(1))
			if got := verdict(answer, err); got != delivery.Retry || answer.Status != 0 {
				t.Errorf("Send() = %s by %d (%v)", got, answer.Status, err)
			}
		})
	}
}

func TestRefusalNamesStatusAndIssueCodes(t *testing.T) {
	t.Parallel()
	g := newGP(t)
	g.answer = answer(422, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"required"},`+
		`{"severity":"error","code":"value"},{"severity":"error","code":"value"}]}`)
	_, err := g.receiver(t, gpfhir.Config{}).Send(t.Context(), task(1))
	want := "business-rule at Task: the GP system answered 422 (required, value): settle it with the practice, then replay"
	if err == nil || err.Error() != want {
		t.Errorf("Send() error = %v, want %s", err, want)
	}
}

func TestRetryAfterIsHandedOn(t *testing.T) {
	t.Parallel()
	g := newGP(t)
	g.answer = answer(429, "", "Retry-After", "120")
	answer, err := g.receiver(t, gpfhir.Config{}).Send(t.Context(), task(1))
	if answer.RetryAfter != 2*time.Minute || !fhir.Is(err, fhir.IssueThrottled) {
		t.Errorf("Send() = %+v, %v", answer, err)
	}
}

func TestVersionsFollowEachOther(t *testing.T) {
	t.Parallel()
	g := newGP(t)
	r := g.receiver(t, gpfhir.Config{})
	etag := ""
	var want []string
	for seq := 1; seq <= 3; seq++ {
		item := task(seq)
		item.ETag = etag
		answer, err := r.Send(t.Context(), item)
		if err != nil {
			t.Fatal(err)
		}
		etag = answer.ETag
		want = append(want, string(item.Body))
	}
	if diff := cmp.Diff(want, g.versions(task(1))); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	if got := g.calls(); got != "PUT PUT PUT" {
		t.Errorf("calls: %s", got)
	}
}

func TestWhatGPSystemHoldsDecidesConflict(t *testing.T) {
	t.Parallel()
	stranger := task(1)
	stranger.Body = taskBody("7d444840-9dc0-11d1-b245-5ffdce74fad2")
	blank := task(1)
	blank.Body = []byte(`{"resourceType":"Task","id":"` + taskID + `","status":"draft"}`)
	first, corrected, again := score(2, "final", 7, 0), score(3, "corrected", 6, 1), score(4, "corrected", 5, 2)
	for name, c := range map[string]struct {
		held     []delivery.Item
		item     delivery.Item
		etag     string
		want     delivery.Verdict
		versions int
		calls    string
	}{
		"a repeat of the first":         {[]delivery.Item{task(1)}, task(1), "", delivery.Acknowledged, 1, "PUT GET"},
		"a repeat of a later one":       {[]delivery.Item{task(1), task(2)}, task(2), `W/"1"`, delivery.Acknowledged, 2, "PUT GET"},
		"an earlier event, no ETag":     {[]delivery.Item{task(1), task(2)}, task(3), "", delivery.Acknowledged, 3, "PUT GET PUT"},
		"an earlier event, edited":      {[]delivery.Item{task(1), task(1)}, task(2), `W/"1"`, delivery.Acknowledged, 3, "PUT GET PUT"},
		"a late repeat":                 {[]delivery.Item{task(1), task(2), task(3)}, task(2), `W/"1"`, delivery.Superseded, 3, "PUT GET"},
		"a late repeat of the first":    {[]delivery.Item{task(1), task(2)}, task(1), "", delivery.Superseded, 2, "PUT GET"},
		"a repeat far behind":           {[]delivery.Item{task(900)}, task(1), "", delivery.Superseded, 1, "PUT GET"},
		"lost by the GP system":         {nil, task(2), `W/"1"`, delivery.Acknowledged, 1, "PUT GET PUT"},
		"another's event":               {[]delivery.Item{stranger}, task(2), `W/"9"`, delivery.Parked, 1, "PUT GET"},
		"no event":                      {[]delivery.Item{blank}, task(1), "", delivery.Parked, 1, "PUT GET"},
		"the same score":                {[]delivery.Item{first}, first, "", delivery.Acknowledged, 1, "PUT GET"},
		"the same score, issued cut":    {[]delivery.Item{score(2, "final", 7, 1)}, first, "", delivery.Acknowledged, 1, "PUT GET"},
		"a score before its correction": {[]delivery.Item{first}, corrected, "", delivery.Acknowledged, 2, "PUT GET PUT"},
		"a second correction":           {[]delivery.Item{first, corrected}, again, `W/"1"`, delivery.Acknowledged, 3, "PUT GET PUT"},
		"a late repeat of a score":      {[]delivery.Item{first, corrected}, first, "", delivery.Superseded, 2, "PUT GET"},
		"a score that contradicts":      {[]delivery.Item{first}, score(2, "final", 8, 0), "", delivery.Parked, 1, "PUT GET"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGP(t)
			g.hold(c.held...)
			c.item.ETag = c.etag
			answer, err := g.receiver(t, gpfhir.Config{}).Send(t.Context(), c.item)
			if got := verdict(answer, err); got != c.want {
				t.Errorf("Send() = %s (%v), want %s", got, err, c.want)
			}
			versions := g.versions(c.item)
			if len(versions) != c.versions {
				t.Errorf("%d versions, want %d", len(versions), c.versions)
			}
			if got := g.calls(); got != c.calls {
				t.Errorf("calls: %s, want %s", got, c.calls)
			}
			if c.want != delivery.Parked && answer.ETag != fmt.Sprintf(`W/"%d"`, c.versions) {
				t.Errorf("ETag %q, want that of version %d", answer.ETag, c.versions)
			}
		})
	}
}

func TestConflictThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reads http.HandlerFunc
		want  delivery.Verdict
	}{
		"500":               {answer(500, ""), delivery.Retry},
		"deleted":           {answer(410, ""), delivery.Parked},
		"not allowed":       {answer(405, ""), delivery.Parked},
		"302":               {answer(302, "", "Location", "/R4/Task/1"), delivery.Retry},
		"empty":             {answer(200, ""), delivery.Retry},
		"HTML":              {answer(200, "<html>"), delivery.Retry},
		"an outcome":        {answer(200, outcome("information", "informational")), delivery.Retry},
		"a body too long":   {answer(200, strings.Repeat(" ", 300<<10)), delivery.Retry},
		"another type here": {answer(200, `{"resourceType":"Patient","id":"`+taskID+`"}`), delivery.Parked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGP(t)
			g.hold(task(1))
			g.reads = c.reads
			answer, err := g.receiver(t, gpfhir.Config{}).Send(t.Context(), task(1))
			if got := verdict(answer, err); got != c.want {
				t.Errorf("Send() = %s (%v), want %s", got, err, c.want)
			}
		})
	}
}

func TestResourceThatKeepsChangingIsTriedAgain(t *testing.T) {
	t.Parallel()
	g := newGP(t)
	g.hold(task(1))
	g.answer = answer(409, "")
	answer, err := g.receiver(t, gpfhir.Config{}).Send(t.Context(), task(2))
	if got := verdict(answer, err); got != delivery.Retry || g.calls() != "PUT GET PUT" {
		t.Errorf("Send() = %s (%v) after %s", got, err, g.calls())
	}
}

func TestSilentSuccessIsReadBack(t *testing.T) {
	t.Parallel()
	g := newGP(t)
	g.quiet, g.bare = true, true
	answer, err := g.receiver(t, gpfhir.Config{}).Send(t.Context(), task(1))
	if got := verdict(answer, err); got != delivery.Acknowledged || g.calls() != "PUT GET" {
		t.Errorf("Send() = %s (%v) after %s", got, err, g.calls())
	}
}

func TestVersionIdStandsForETag(t *testing.T) {
	t.Parallel()
	plain := string(task(1).Body)
	for body, want := range map[string]string{
		plain: "",
		strings.Replace(plain, `"id"`, `"meta":{"versionId":"5"},"id"`, 1): `W/"5"`,
	} {
		g := newGP(t)
		g.answer = answer(200, body)
		answer, err := g.receiver(t, gpfhir.Config{}).Send(t.Context(), task(1))
		if err != nil || answer.ETag != want {
			t.Errorf("Send() = %+v, %v; want ETag %q", answer, err, want)
		}
	}
}

func TestTakenButAnswered500IsRecognised(t *testing.T) {
	t.Parallel()
	g := newGP(t)
	g.answer = func(w http.ResponseWriter, _ *http.Request) { g.hold(task(1)); w.WriteHeader(500) }
	r := g.receiver(t, gpfhir.Config{})
	if answer, err := r.Send(t.Context(), task(1)); verdict(answer, err) != delivery.Retry {
		t.Errorf("first Send() = %v", err)
	}
	g.answer = nil
	answer, err := r.Send(t.Context(), task(1))
	if verdict(answer, err) != delivery.Acknowledged || len(g.versions(task(1))) != 1 {
		t.Errorf("second Send() = %v, %d versions", err, len(g.versions(task(1))))
	}
}

func TestGPSystemWithoutVersionsIsOverwritten(t *testing.T) {
	t.Parallel()
	g := newGP(t)
	g.bare = true
	g.hold(task(1))
	answer, err := g.receiver(t, gpfhir.Config{}).Send(t.Context(), task(2))
	if got := verdict(answer, err); got != delivery.Acknowledged || len(g.versions(task(1))) != 2 {
		t.Errorf("Send() = %s (%v), %d versions", got, err, len(g.versions(task(1))))
	}
}

func TestEveryAttemptIsTheSame(t *testing.T) {
	t.Parallel()
	for _, mode := range []gpfhir.Mode{gpfhir.Put, gpfhir.Post} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			g := newGP(t)
			g.answer = answer(500, "")
			r := g.receiver(t, gpfhir.Config{Mode: mode})
			for attempt := range 3 {
				item := task(1)
				item.Attempt = attempt + 1
				if _, err := r.Send(t.Context(), item); err == nil {
					t.Fatal("a 500 was acknowledged")
				}
			}
			for i := range g.seen {
				diff := cmp.Diff(g.seen[0].Header, g.seen[i].Header)
				if diff != "" || g.bodies[i] != string(task(1).Body) || g.seen[i].URL.Path != g.seen[0].URL.Path {
					t.Errorf("attempt %d differs: %s", i+1, diff)
				}
			}
			h := g.seen[0].Header
			for name, want := range map[string]string{
				"X-Request-Id": task(1).RequestID, "X-Correlation-Id": task(1).CorrelationID,
				"Content-Type": "application/fhir+json", "Prefer": "return=representation",
				"If-None-Match": map[gpfhir.Mode]string{gpfhir.Put: "*"}[mode],
				"If-None-Exist": map[gpfhir.Mode]string{gpfhir.Post: "identifier=" + fhir.SystemEvent + "|" + task(1).EventID}[mode],
			} {
				if got := h.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestReadHasRequestIdOfItsOwn(t *testing.T) {
	t.Parallel()
	g := newGP(t)
	g.hold(task(1))
	if _, err := g.receiver(t, gpfhir.Config{}).Send(t.Context(), task(1)); err != nil {
		t.Fatal(err)
	}
	write, read := g.seen[0].Header.Get("X-Request-Id"), g.seen[1].Header.Get("X-Request-Id")
	if read == "" || read == write {
		t.Errorf("the read went under %q, the write under %q", read, write)
	}
}

func TestPostMakesOneResourcePerEvent(t *testing.T) {
	t.Parallel()
	for _, quiet := range []bool{false, true} {
		t.Run(fmt.Sprintf("quiet %v", quiet), func(t *testing.T) {
			t.Parallel()
			g := newGP(t)
			g.quiet = quiet
			r := g.receiver(t, gpfhir.Config{Mode: gpfhir.Post})
			for _, item := range []delivery.Item{task(1), task(1), task(2), score(2, "final", 7, 0), task(1), score(2, "final", 7, 0)} {
				if answer, err := r.Send(t.Context(), item); verdict(answer, err) != delivery.Acknowledged {
					t.Errorf("Send(%s of event %d) = %v", item.ResourceType, item.Seq, err)
				}
			}
			if g.created != 3 {
				t.Errorf("%d resources, want two Tasks and an Observation", g.created)
			}
			answer, err := r.Send(t.Context(), score(3, "corrected", 6, 1))
			if got := verdict(answer, err); got != delivery.Parked || !fhir.Is(err, fhir.IssueConflict) {
				t.Errorf("a correction = %s (%v), want it parked", got, err)
			}
		})
	}
}

func TestPostConflictIsReadBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		held   []delivery.Item
		want   delivery.Verdict
	}{
		"409 and it is there":     {409, []delivery.Item{task(1)}, delivery.Acknowledged},
		"412 and it is there":     {412, []delivery.Item{task(1)}, delivery.Acknowledged},
		"409 and it is not there": {409, nil, delivery.Parked},
		"412 and it is not there": {412, []delivery.Item{task(2)}, delivery.Parked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGP(t)
			g.hold(c.held...)
			g.answer = answer(c.status, "")
			answer, err := g.receiver(t, gpfhir.Config{Mode: gpfhir.Post}).Send(t.Context(), task(1))
			if got := verdict(answer, err); got != c.want {
				t.Errorf("Send() = %s (%v), want %s", got, err, c.want)
			}
		})
	}
}

// tokens counts up; the GP system of the tests below takes token good.
func tokens(asked *[]string) func(context.Context, string) (string, error) {
	return func(_ context.Context, refused string) (string, error) {
		*asked = append(*asked, refused)
		return fmt.Sprintf("token-%d", len(*asked)), nil
	}
}

func TestRefusedTokenIsRenewedOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		good  string
		calls int
		want  delivery.Verdict
	}{
		"the first is good":  {"Bearer token-1", 1, delivery.Acknowledged},
		"the second is good": {"Bearer token-2", 2, delivery.Acknowledged},
		"none is good":       {"Bearer token-3", 2, delivery.Retry},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGP(t)
			g.answer = func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != c.good {
					w.WriteHeader(401)
					return
				}
				answer(201, string(task(1).Body))(w, r)
			}
			var asked []string
			answer, err := g.receiver(t, gpfhir.Config{Token: tokens(&asked)}).Send(t.Context(), task(1))
			if got := verdict(answer, err); got != c.want {
				t.Errorf("Send() = %s (%v), want %s", got, err, c.want)
			}
			if diff := cmp.Diff([]string{"", "token-1"}[:c.calls], asked); diff != "" {
				t.Errorf("tokens asked for after (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNoTokenIsTriedAgain(t *testing.T) {
	t.Parallel()
	g := newGP(t)
	answer, err := g.receiver(t, gpfhir.Config{Token: func(context.Context, string) (string, error) {
		return "", errors.New("the issuer is down")
	}}).Send(t.Context(), task(1))
	if got := verdict(answer, err); got != delivery.Retry || g.calls() != "" {
		t.Errorf("Send() = %s (%v) after %q", got, err, g.calls())
	}
}

func TestRefusedCredentialsAreParkedInTheEnd(t *testing.T) {
	t.Parallel()
	for status, code := range map[int]fhir.Code{401: fhir.IssueLogin, 403: fhir.IssueForbidden} {
		g := newGP(t)
		g.answer = answer(status, "")
		r := g.receiver(t, gpfhir.Config{AuthAttempts: 3})
		for attempt, want := range map[int]delivery.Verdict{1: delivery.Retry, 2: delivery.Retry, 3: delivery.Parked, 9: delivery.Parked} {
			item := task(1)
			item.Attempt = attempt
			answer, err := r.Send(t.Context(), item)
			if got := verdict(answer, err); got != want {
				t.Errorf("%d at attempt %d = %s (%v), want %s", status, attempt, got, err, want)
			}
			if want == delivery.Parked && !fhir.Is(err, code) {
				t.Errorf("%d at attempt %d: %v, want %s", status, attempt, err, code)
			}
		}
	}
}

func TestRedirectCarriesNothingAway(t *testing.T) {
	t.Parallel()
	other := newGP(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		g := newGP(t)
		g.answer = answer(status, "", "Location", other.URL+"/R4/Task/"+taskID)
		var asked []string
		if _, err := g.receiver(t, gpfhir.Config{Token: tokens(&asked)}).Send(t.Context(), task(1)); err == nil {
			t.Errorf("%d was acknowledged", status)
		}
	}
	if got := other.calls(); got != "" {
		t.Errorf("the other host saw %s", got)
	}
}

func TestItemThatContradictsItsBodyIsNotSent(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*delivery.Item){
		"no JSON":       func(i *delivery.Item) { i.Body = []byte("{") },
		"another type":  func(i *delivery.Item) { i.ResourceType = "Observation" },
		"another id":    func(i *delivery.Item) { i.ResourceID = "1" },
		"another event": func(i *delivery.Item) { i.EventID = task(9).EventID },
		"no identifier": func(i *delivery.Item) { i.Body = []byte(`{"resourceType":"Task","id":"` + taskID + `"}`) },
	} {
		g := newGP(t)
		item := task(1)
		spoil(&item)
		answer, err := g.receiver(t, gpfhir.Config{}).Send(t.Context(), item)
		if got := verdict(answer, err); got != delivery.Parked || g.calls() != "" {
			t.Errorf("%s: Send() = %s (%v) after %q", name, got, err, g.calls())
		}
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]bool{
		"https://gp.example/FHIR/R4": true, "https://gp.example:8443/A99001/R4/": true,
		"http://127.0.0.1:8081/R4": true, "http://localhost:8081": true, "http://[::1]:80/R4": true,
		"": false, "/R4": false, "gp.example/R4": false, "ftp://gp.example/R4": false, "http://gp.example/R4": false,
		"http://127.0.0.1.attacker.example/R4": false, "https://user:pw@gp.example/R4": false, "https://gp.example/R4?x=1": false,
		"https://gp.example/R4#x": false, "https://gp.example/%zz": false, "http://localhost@gp.example": false,
	} {
		_, err := gpfhir.New(gpfhir.Config{Base: base}, httpclient.New(httpclient.Config{}))
		if (err == nil) != want || !want && !fhir.Is(err, fhir.IssueInvalid) {
			t.Errorf("New(%s) error = %v, want success %v", base, err, want)
		}
	}
	if _, err := gpfhir.New(gpfhir.Config{Base: "https://gp.example", Mode: "patch"}, nil); !fhir.Is(err, fhir.IssueInvalid) {
		t.Errorf("New() takes mode patch: %v", err)
	}
}
