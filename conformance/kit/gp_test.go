package kit

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"caselink.example/conformance/kit/suite"
	"caselink.example/connectors/simulator"
)

// gpMutant changes what goes into a sound GP system, or what comes out of it.
type gpMutant struct {
	name, killer string
	in           func(*http.Request)
	out          func(r *http.Request, status int, body string) (int, string)
}

func without(header string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Del(header) }
}

func inBody(old, new string) func(*http.Request) {
	return func(r *http.Request) {
		raw, _ := io.ReadAll(r.Body) // what came of it is sent on
		text := regexp.MustCompile(old).ReplaceAllString(string(raw), new)
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	}
}

func outBody(method, old, new string) func(*http.Request, int, string) (int, string) {
	return func(r *http.Request, status int, body string) (int, string) {
		if r.Method == method {
			body = regexp.MustCompile(old).ReplaceAllString(body, new)
		}
		return status, body
	}
}

var gpMutants = []gpMutant{
	{name: "updates are not claimed", killer: "gp.metadata", out: outBody("GET", `"update"`, `"patch"`)},
	{name: "created is 200", killer: "gp.created", out: func(_ *http.Request, status int, body string) (int, string) {
		if status == 201 {
			status = 200
		}
		return status, body
	}},
	{name: "If-None-Match is ignored", killer: "gp.create-once", in: without("If-None-Match")},
	{name: "a read leaves the focus out", killer: "gp.read-back", out: outBody("GET", `"focus"`, `"_focus"`)},
	{name: "every If-Match is stale", killer: "gp.updated", in: func(r *http.Request) {
		if r.Header.Get("If-Match") != "" {
			r.Header.Set("If-Match", `W/"0"`)
		}
	}},
	{name: "If-Match is ignored", killer: "gp.stale", in: without("If-Match")},
	{
		name: "the history has one version", killer: "gp.history",
		out: func(r *http.Request, status int, body string) (int, string) {
			if strings.HasSuffix(r.URL.Path, "/_history") {
				body = strings.Replace(body, `"requested"`, `"accepted"`, 1)
			}
			return status, body
		},
	},
	{name: "search ignores the identifier", killer: "gp.search", in: func(r *http.Request) {
		if r.URL.Query().Has("identifier") {
			r.URL.RawQuery = ""
		}
	}},
	{name: "a zero is lost", killer: "gp.observation", out: outBody("GET", `,\s*"valueInteger": 0`, "")},
	{name: "every person is known", killer: "gp.wrong-number", in: inBody(`"999\d{7}"`, `"9990000018"`)},
}

// startGP serves a simulated GP system behind what the mutant does.
func startGP(t *testing.T, m gpMutant) Target {
	t.Helper()
	practices := []simulator.Practice{{ODS: "Y99901"}}
	gps, err := simulator.NewGPSystems(simulator.GPConfig{Practices: practices, Folder: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.in != nil {
			m.in(r)
		}
		answer := httptest.NewRecorder()
		gps.ServeHTTP(answer, r)
		status, body := answer.Code, answer.Body.String()
		if m.out != nil {
			status, body = m.out(r, status, body)
		}
		maps.Copy(w.Header(), answer.Header())
		w.Header().Del("Content-Length")
		w.WriteHeader(status)
		_, _ = io.Copy(w, bytes.NewReader([]byte(body))) // a client that is gone reads nothing
	}))
	t.Cleanup(func() {
		server.Close()
		if err := gps.Close(); err != nil {
			t.Error(err)
		}
	})
	return Target{Preset: "simulator", Base: server.URL + "/Y99901/FHIR/R4", Open: true}
}

func TestSimulatedGPSystemPassesEverything(t *testing.T) {
	t.Parallel()
	report, err := runnerFor(t, startGP(t, gpMutant{})).Run(t.Context(), suitesFor(t, suite.RoleGPSystem), nil)
	if err != nil {
		t.Fatal(err)
	}

	wantAllPass(t, report)
}

func TestEachGPMutantIsKilledByItsCheck(t *testing.T) {
	t.Parallel()
	suites := suitesFor(t, suite.RoleGPSystem)
	for _, m := range gpMutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			report, err := runnerFor(t, startGP(t, m)).Run(t.Context(), suites, []string{m.killer})
			if err != nil {
				t.Fatal(err)
			}

			wantKilled(t, report, m.killer)
		})
	}
}

func TestEveryGPCheckHasAMutant(t *testing.T) {
	t.Parallel()
	killers := map[string]bool{}
	for _, m := range gpMutants {
		killers[m.killer] = true
	}
	wantMutantOfEach(t, suite.RoleGPSystem, killers)
}
