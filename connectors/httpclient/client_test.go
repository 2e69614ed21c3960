package httpclient_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"caselink.example/connectors/httpclient"
	"caselink.example/fhir"
)

// peer answers the n-th request (from 0) with the n-th handler, the last one for
// ever, and keeps what came.
type peer struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string
}

func newPeer(t *testing.T, answers ...http.HandlerFunc) *peer {
	t.Helper()
	p := &peer{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		n := min(len(p.seen), len(answers)-1)
		p.seen = append(p.seen, fmt.Sprintf("%s %s %v %s", r.Method, r.URL, r.Header, body))
		p.mu.Unlock()
		answers[n](w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *peer) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.seen...)
}

func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		io.WriteString(w, "{}")
	}
}

func drop(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func put(url string) httpclient.Request {
	return httpclient.Request{
		Method: http.MethodPut, URL: url, Body: []byte(`{"resourceType":"Task"}`),
		Header: http.Header{"X-Request-Id": {"r1"}, "Content-Type": {"application/fhir+json"}},
	}
}

func TestEachAttemptIsTheSame(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]http.HandlerFunc{
		"429": status(429), "502": status(502), "503": status(503, "Retry-After", "1"), "504": status(504), "dropped": drop,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, first, status(201))
			resp, err := httpclient.New(httpclient.Config{}).Do(t.Context(), put(p.URL))
			if err != nil || resp.Status != 201 {
				t.Fatalf("Do() = %d, %v", resp.Status, err)
			}
			seen := p.requests()
			if len(seen) != 2 {
				t.Fatalf("%d attempts, want 2", len(seen))
			}
			if diff := cmp.Diff(seen[0], seen[1]); diff != "" {
				t.Errorf("attempts differ (-first +second):\n%s", diff)
			}
		})
	}
}

func TestThreeAttemptsAreTheMost(t *testing.T) {
	t.Parallel()
	p := newPeer(t, status(503))
	resp, err := httpclient.New(httpclient.Config{}).Do(t.Context(), put(p.URL))
	if err != nil || resp.Status != 503 || string(resp.Body) != "{}" {
		t.Fatalf("Do() = %d %q, %v, want the last answer", resp.Status, resp.Body, err)
	}
	if got := len(p.requests()); got != 3 {
		t.Errorf("%d attempts, want 3", got)
	}
}

func TestAnswersThatAreNotRepeated(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"302":          status(302, "Location", "/elsewhere"),
		"307":          status(307, "Location", "/elsewhere"),
		"308":          status(308, "Location", "/elsewhere"),
		"400":          status(400),
		"409":          status(409),
		"412":          status(412),
		"422":          status(422),
		"500":          status(500),
		"503 for long": status(503, "Retry-After", "3"),
		"503 for ever": status(503, "Retry-After", "9223372036854775807"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, answer)
			resp, err := httpclient.New(httpclient.Config{}).Do(t.Context(), put(p.URL))
			if err != nil || fmt.Sprint(resp.Status) != name[:3] {
				t.Errorf("Do() = %d, %v", resp.Status, err)
			}
			if got := len(p.requests()); got != 1 {
				t.Errorf("%d requests, want 1", got)
			}
		})
	}
}

func TestDeadlineLeavesNoRoomForRepeat(t *testing.T) {
	t.Parallel()
	p := newPeer(t, status(503))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	resp, err := httpclient.New(httpclient.Config{}).Do(ctx, put(p.URL))
	if err != nil || resp.Status != 503 {
		t.Fatalf("Do() = %d, %v, want the answer that came in time", resp.Status, err)
	}
	if got := len(p.requests()); got != 1 {
		t.Errorf("%d requests, want 1", got)
	}
}

func TestIncompleteAnswerIsAnError(t *testing.T) {
	t.Parallel()
	bomb := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		zip := gzip.NewWriter(w)
		zip.Write(bytes.Repeat([]byte(" "), 8<<20))
		zip.Close()
	}
	for name, c := range map[string]struct {
		answer  http.HandlerFunc
		text    string
		timeout time.Duration
	}{
		"over-long": {func(w http.ResponseWriter, _ *http.Request) {
			w.Write(bytes.Repeat([]byte(" "), 257<<10))
		}, "longer than 262144 bytes", time.Minute},
		"truncated": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "{")
		}, "closed early", time.Minute},
		"trickling": {func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "{")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, "the time was up", 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, c.answer)
			resp, err := httpclient.New(httpclient.Config{AttemptTimeout: c.timeout}).Do(t.Context(), put(p.URL))
			if !fhir.Is(err, fhir.IssueTransient) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("Do() error = %v, want transient: %s", err, c.text)
			}
			if resp.Status != 200 || resp.Body != nil {
				t.Errorf("Do() = %d, %d bytes; want the status alone", resp.Status, len(resp.Body))
			}
		})
	}
	t.Run("gzip is not inflated", func(t *testing.T) {
		t.Parallel()
		p := newPeer(t, bomb)
		resp, err := httpclient.New(httpclient.Config{MaxBody: 1 << 20}).Do(t.Context(), put(p.URL))
		if err != nil || !bytes.HasPrefix(resp.Body, []byte{0x1f, 0x8b}) {
			t.Errorf("Do() = %d bytes, %v; want the gzip as it came", len(resp.Body), err)
		}
	})
}

func TestTransportFailureTellsNothing(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(nil)
	closed.Close()
	babble := listen(t, "SECRET-BABBLE\r\n\r\n")
	blackHole := listen(t, "")
	selfSigned := httptest.NewUnstartedServer(status(200))
	selfSigned.Config.ErrorLog = log.New(io.Discard, "", 0)
	selfSigned.StartTLS()
	t.Cleanup(selfSigned.Close)
	for name, c := range map[string]struct {
		url, text string
		timeout   time.Duration
	}{
		"refused":     {closed.URL, "connection was refused", time.Minute},
		"not HTTP":    {babble, "not sound HTTP", time.Minute},
		"black hole":  {blackHole, "time was up", 100 * time.Millisecond},
		"self-signed": {selfSigned.URL, "certificate does not verify", time.Minute},
		"no host":     {"http://secret-host.invalid", "does not resolve", time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := httpclient.New(httpclient.Config{AttemptTimeout: c.timeout})
			_, err := client.Do(t.Context(), put(c.url+"/Task/secret-id"))
			if !fhir.Is(err, fhir.IssueTransient) || !strings.Contains(err.Error(), c.text) {
				t.Fatalf("Do() error = %v, want transient: %s", err, c.text)
			}
			if s := strings.ToLower(err.Error()); strings.Contains(s, "secret") || strings.Contains(s, "http:") {
				t.Errorf("the error quotes the URL or the peer: %v", err)
			}
		})
	}
}

// listen accepts connections, says what is given and nothing more.
func listen(t *testing.T, greeting string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			io.WriteString(conn, greeting)
		}
	}()
	return "http://" + l.Addr().String()
}

func TestFailureLeavesOtherConnectionsOpen(t *testing.T) {
	t.Parallel()
	var opened sync.Map
	good := httptest.NewUnstartedServer(status(200))
	good.Config.ConnState = func(c net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Store(c, true)
		}
	}
	good.Start()
	t.Cleanup(good.Close)
	dead := newPeer(t, status(503, "Retry-After", "60"), drop)
	client := httpclient.New(httpclient.Config{})
	for range 3 {
		if _, err := client.Do(t.Context(), put(good.URL)); err != nil {
			t.Fatal(err)
		}
		client.Do(t.Context(), put(dead.URL))
	}
	count := 0
	opened.Range(func(any, any) bool { count++; return true })
	if count != 1 {
		t.Errorf("%d connections were opened, want 1", count)
	}
}

func TestOnlyNamedAddressesAreDialled(t *testing.T) {
	t.Parallel()
	p := newPeer(t, status(200))
	addr := p.Listener.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	for _, c := range []struct {
		name  string
		allow []string
		url   string
		want  bool
	}{
		{"named", []string{addr}, "http://" + addr, true},
		{"no list", nil, "http://" + addr, true},
		{"empty list", []string{}, "http://" + addr, false},
		{"another port", []string{"127.0.0.1:1"}, "http://" + addr, false},
		{"localhost is named", []string{"localhost:" + port}, "http://LOCALHOST:" + port, true},
		{"localhost with a dot", []string{"localhost:" + port}, "http://localhost.:" + port, false},
		{"look-alike", []string{"127.0.0.1:" + port}, "http://127.0.0.1.attacker.invalid:" + port, false},
		{"user part", []string{"gp.example:" + port}, "http://gp.example@" + addr, false},
		{"decimal", []string{addr}, "http://2130706433:" + port, false},
		{"octal", []string{addr}, "http://0177.0.0.1:" + port, false},
		{"short", []string{addr}, "http://127.1:" + port, false},
		{"mapped", []string{addr}, "http://[::ffff:127.0.0.1]:" + port, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := httpclient.New(httpclient.Config{Allow: c.allow}).Do(t.Context(), put(c.url))
			if (err == nil) != c.want {
				t.Errorf("Do() error = %v, want success %v", err, c.want)
			}
		})
	}
}
