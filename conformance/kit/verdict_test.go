package kit

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"caselink.example/conformance/kit/suite"
)

// verdicts runs the suite of testdata/verdicts, or the checks named, against a server that
// knows two paths. It returns the paths that were asked for as well.
func verdicts(t *testing.T, only ...string) (Report, []string) {
	t.Helper()
	var asked []string
	mux := http.NewServeMux()
	mux.HandleFunc("/metadata", func(w http.ResponseWriter, _ *http.Request) {
		writeBody(w, 200, "application/fhir+json", object{
			"format": []any{"json"}, "software": object{"name": "S", "version": "1"},
		})
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
	files := os.DirFS("testdata/verdicts")
	suites, err := suite.Load(files, suite.RoleAdapter)
	if err != nil {
		t.Fatal(err)
	}
	runner := runnerFor(t, Target{Base: server.URL, Clients: map[string]Client{}})
	report, err := runner.run(t.Context(), files, suites, only)
	if err != nil {
		t.Fatal(err)
	}
	return report, asked
}

func TestVerdictsSayWhatHappened(t *testing.T) {
	t.Parallel()
	report, asked := verdicts(t)

	got := map[string]string{}
	for c := range report.Checks() {
		got[c.ID] = string(c.Verdict) + ": " + c.Because
	}
	const noOther = "the preset does not give a client for the other-practice"
	want := map[string]string{
		"good":             "pass: ",
		"bad":              "fail: step 1: status: expected 201, got 200",
		"behind-bad":       "blocked: it depends on bad, which failed",
		"behind-blocked":   "blocked: it depends on bad, which failed",
		"twin-bad":         "blocked: it depends on bad, which failed",
		"unclaimed":        `not-applicable: the CapabilityStatement does not claim it: format contains "xml"`,
		"claimed":          "pass: ",
		"no-case-api":      "not-checked: the preset does not give the case API (caseAPI)",
		"no-client":        "not-checked: " + noOther,
		"behind-no-client": "not-checked: it depends on no-client: " + noOther,
		"elsewhere": "fail: step 2: answer: expected a whole HTTP answer, " +
			"got not sent: the URL leads to a host that is not the target's",
		"cleaned": "fail: step 1: status: expected 200, got 404",
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
	for c := range report.Checks() {
		got = append(got, c.ID)
	}
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
			group := &r.Suites[0].Groups[0]
			group.Checks = append(group.Checks, CheckReport{Verdict: v})
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

	_, err := runnerFor(t, Target{Base: server.URL}).Run(t.Context(), suitesFor(t, suite.RoleAdapter), nil)

	if err == nil {
		t.Error("a run against nothing has no error")
	}
}
