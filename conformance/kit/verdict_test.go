package kit

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"caselink.example/conformance/kit/suite"
)

const verdictSuite = `
id: v
title: V
role: adapter
groups:
  - id: one
    title: One
    checks:
      - {id: good, title: T, verifies: [R-1], fix: f, steps: [{request: "GET ${base}/ok", expect: {status: 200}}]}
      - {id: bad, title: T, verifies: [R-1], fix: mend it, steps: [{request: "GET ${base}/ok", expect: {status: 201}}]}
      - {id: behind-bad, title: T, verifies: [R-1], fix: f, needs: [bad], steps: [{request: "GET ${base}/ok", expect: {status: 200}}]}
      - {id: behind-blocked, title: T, verifies: [R-1], fix: f, needs: [behind-bad], steps: [{request: "GET ${base}/ok", expect: {status: 200}}]}
      - {id: twin-bad, title: T, verifies: [R-1], fix: f, twin: bad, steps: [{request: "GET ${base}/none", expect: {status: 404}}]}
  - id: two
    title: Two
    checks:
      - {id: unclaimed, title: T, verifies: [R-1], fix: f, when: [{path: format, contains: xml}], steps: [{request: "GET ${base}/ok", expect: {status: 200}}]}
      - {id: claimed, title: T, verifies: [R-1], fix: f, when: [{path: format, contains: json}], steps: [{request: "GET ${base}/ok", expect: {status: 200}}]}
      - {id: no-case-api, title: T, verifies: [R-1], fix: f, steps: [{request: "GET ${caseAPI}/cases", expect: {status: 200}}]}
      - {id: no-client, title: T, verifies: [R-1], fix: f, steps: [{request: "GET ${base}/ok", as: other-practice, expect: {status: 200}}]}
      - {id: behind-no-client, title: T, verifies: [R-1], fix: f, needs: [no-client], steps: [{request: "GET ${base}/ok", expect: {status: 200}}]}
      - {id: elsewhere, title: T, verifies: [R-1], fix: f, steps: [{request: "GET ${base}/ok", expect: {status: 200}, capture: {next: "header:Location"}}, {request: "GET ${next}", expect: {status: 200}}]}
      - {id: cleaned, title: T, verifies: [R-1], fix: f, steps: [{request: "GET ${base}/none", expect: {status: 200}}], cleanup: [{request: "GET ${base}/clean", expect: {status: 404}}]}
`

// verdicts runs the suite against a server that knows two paths.
func verdicts(t *testing.T, only ...string) (Report, []string) {
	t.Helper()
	var asked []string
	mux := http.NewServeMux()
	mux.HandleFunc("/metadata", func(w http.ResponseWriter, _ *http.Request) {
		writeBody(w, 200, "application/fhir+json", object{"format": []any{"json"}, "software": object{"name": "S", "version": "1"}})
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		if r.URL.Path != "/ok" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Location", "http://elsewhere.example/ok")
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	files := fstest.MapFS{
		"suites/v.yaml":    {Data: []byte(verdictSuite)},
		"requirements.tsv": {Data: []byte("id\tstrength\ttext\tclause\tsource\treason\nR-1\tSHALL\tdo it\thttps://x.example/1\tX\t\n")},
	}
	suites, err := suite.Load(files, suite.RoleAdapter)
	if err != nil {
		t.Fatal(err)
	}
	report, err := runnerFor(t, Target{Base: server.URL, Clients: map[string]Client{}}).run(t.Context(), files, suites, only)
	if err != nil {
		t.Fatal(err)
	}
	return report, asked
}

func TestVerdictsSayWhatHappened(t *testing.T) {
	t.Parallel()
	report, asked := verdicts(t)

	got := map[string]string{}
	report.Each(func(_ SuiteReport, _ GroupReport, c CheckReport) { got[c.ID] = string(c.Verdict) + ": " + c.Because })
	want := map[string]string{
		"good":             "pass: ",
		"bad":              "fail: step 1: status: expected 201, got 200",
		"behind-bad":       "blocked: it depends on bad, which failed",
		"behind-blocked":   "blocked: it depends on bad, which failed",
		"twin-bad":         "blocked: it depends on bad, which failed",
		"unclaimed":        `not-applicable: the CapabilityStatement does not claim it: format contains "xml"`,
		"claimed":          "pass: ",
		"no-case-api":      "not-checked: the preset does not give the case API (caseAPI)",
		"no-client":        "not-checked: the preset does not give a client for the other-practice",
		"behind-no-client": "not-checked: it depends on no-client: the preset does not give a client for the other-practice",
		"elsewhere":        "fail: step 2: answer: expected a whole HTTP answer, got not sent: the URL leads to a host that is not the target's",
		"cleaned":          "fail: step 1: status: expected 200, got 404",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
	if last := asked[len(asked)-1]; last != "/clean" {
		t.Errorf("the last request was %s: a failed check must clean up", last)
	}
}

func TestOnlyRunsWhatIsNeeded(t *testing.T) {
	t.Parallel()
	report, _ := verdicts(t, "twin-bad", "claimed")
	var got []string
	report.Each(func(_ SuiteReport, _ GroupReport, c CheckReport) { got = append(got, c.ID) })
	if diff := cmp.Diff([]string{"bad", "twin-bad", "claimed"}, got); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		verdicts []Verdict
		want     int
	}{
		{[]Verdict{Pass, Pass}, ExitPass},
		{[]Verdict{Pass, Pass, NotApplicable, NotChecked}, ExitPass},
		{[]Verdict{Pass, NotChecked}, ExitBlocked},
		{[]Verdict{Pass, Blocked, Fail}, ExitFail},
		{[]Verdict{Pass, Blocked}, ExitBlocked},
		{[]Verdict{NotChecked}, ExitBlocked},
		{nil, ExitBlocked},
	} {
		r := Report{Suites: []SuiteReport{{Groups: []GroupReport{{}}}}}
		for _, v := range c.verdicts {
			r.Suites[0].Groups[0].Checks = append(r.Suites[0].Groups[0].Checks, CheckReport{Verdict: v})
		}
		r.Close(r.Started)
		if got := r.Exit(); got != c.want {
			t.Errorf("%v: exit code %d, want %d", c.verdicts, got, c.want)
		}
	}
}

func TestNothingThereIsTheKitsError(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	if _, err := runnerFor(t, Target{Base: server.URL}).Run(t.Context(), suitesFor(t, suite.RoleAdapter), nil); err == nil {
		t.Error("a run against nothing has no error")
	}
}

func TestPresetFileNamesSecretsAndHoldsNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file := write("preset.yaml", `
name: mine
fhirBase: https://adapter.example/FHIR/R4/
caseAPI: https://adapter.example/api/v1
tokenURL: https://issuer.example/token
practice: a
clients:
  a: {id: A, secretEnv: SECRET_A, scope: s, ods: Y99901, gpSystem: "https://gp.example/R4", linkWorker: w, other: b}
  b: {id: B, secretFile: `+write("b.secret", "bee\n")+`, ods: Y99902}
  w: {id: W, secretEnv: SECRET_A}
`)
	env := func(name string) string { return map[string]string{"SECRET_A": "ay"}[name] }

	preset, err := LoadPreset(file, env)
	if err != nil {
		t.Fatal(err)
	}
	got, err := preset.Target(suite.RoleAdapter, "", "")
	if err != nil {
		t.Fatal(err)
	}

	want := Target{
		Preset: "mine", Base: "https://adapter.example/FHIR/R4", CaseAPI: "https://adapter.example/api/v1", TokenURL: "https://issuer.example/token",
		GPSystem: "https://gp.example/R4", Played: "a",
		Clients: map[string]Client{
			"practice": {ID: "A", Secret: "ay", Scope: "s", ODS: "Y99901"}, "link-worker": {ID: "W", Secret: "ay"},
			"other-practice": {ID: "B", Secret: "bee", ODS: "Y99902"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("target (-want +got):\n%s", diff)
	}
	if other, err := preset.Target(suite.RoleGPSystem, "", ""); err != nil || other.Base != "https://gp.example/R4" || !other.Open {
		t.Errorf("as a GP system: %+v, %v", other, err)
	}
	if _, err := preset.Target(suite.RoleAdapter, "", "z"); err == nil {
		t.Error("an unknown client was played")
	}
	for name, text := range map[string]string{"secret in the file": "clients: {a: {id: A, secret: x}}", "no secret": "clients: {a: {id: A}}", "unset": "clients: {a: {id: A, secretEnv: NONE}}"} {
		if _, err := LoadPreset(write("bad.yaml", text), env); err == nil {
			t.Errorf("%s: it was read", name)
		}
	}
}
