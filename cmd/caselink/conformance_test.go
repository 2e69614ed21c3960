package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"caselink.example/conformance/kit"
	"caselink.example/conformance/kit/suite"
	"caselink.example/fhir/r4"
)

// TestBuiltBinaryKeepsItsPromises runs the kit of the built binary against the
// developer's world of the built binary, in both roles.
func TestBuiltBinaryKeepsItsPromises(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{suite.RoleAdapter, suite.RoleGPSystem} {
		out := t.TempDir()
		said, err := exec.Command(bin, "conformance", "run", "--data", d.dir, "--role", role, "--out", out).CombinedOutput()
		if err != nil {
			t.Errorf("role %s: %v\n%s", role, err, said)
			continue
		}
		lines := strings.Count(string(said), "\n")
		if lines != 2 || !strings.HasPrefix(string(said), "PASS: ") {
			t.Errorf("role %s: in a pipe it said more than its summary:\n%s", role, said)
		}
		raw, err := os.ReadFile(filepath.Join(out, "TestReport.json"))
		if err != nil {
			t.Fatal(err)
		}
		if r, err := r4.Unmarshal(raw); err != nil || r.Type != "TestReport" {
			t.Errorf("role %s: TestReport.json is %q, %v", role, r.Type, err)
		}
	}
}

func TestConformanceExitCodes(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	empty := httptest.NewServer(http.NotFoundHandler())
	defer empty.Close()
	nowhere := filepath.Join(t.TempDir(), "no-dev")
	run := func(more ...string) []string { return append([]string{"run", "--data", nowhere}, more...) }
	for name, c := range map[string]struct {
		args []string
		want int
		says string
	}{
		"list":           {[]string{"list"}, kit.ExitPass, "referral.created"},
		"list of a role": {[]string{"list", "--role", "gp-system"}, kit.ExitPass, "gp.stale"},
		"coverage":       {[]string{"coverage"}, kit.ExitPass, "0 are not accounted for"},
		"nothing there":  {run("--target", gone.URL), kit.ExitKit, "nothing answers"},
		"no dev":         {run(), kit.ExitKit, "caselink dev"},
		"unknown role":   {run("--target", gone.URL, "--role", "nurse"), kit.ExitKit, "nurse"},
		"unknown check":  {run("--target", gone.URL, "--only", "nosuch"), kit.ExitKit, "nosuch"},
		"no such preset": {run("--preset", filepath.Join(nowhere, "my.yaml")), kit.ExitKit, "no such file"},
		// An empty server fails; a check whose needs fail there is blocked.
		"a server of no use":   {run("--target", empty.URL), kit.ExitFail, "FAIL"},
		"nothing can be tried": {run("--target", empty.URL, "--only", "referral.created"), kit.ExitBlocked, "BLOCKED"},
		"no such part":         {[]string{"walk"}, int(exitUsage), "--help"},
	} {
		code, out, errOut := runHere(t, append([]string{"conformance"}, c.args...)...)

		if int(code) != c.want || !strings.Contains(out+errOut, c.says) {
			t.Errorf("%s: exit code %d, want %d and %q in:\n%s%s", name, code, c.want, c.says, out, errOut)
		}
	}
}

func TestDevPresetReadsDevJSON(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("testdata", "dev")

	preset, err := devPreset(dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := preset.Target(suite.RoleAdapter, "", "gp-b")
	if err != nil {
		t.Fatal(err)
	}

	// gp-b plays the practice: its own GP system, its own link worker, gp-a as the other.
	want := kit.Target{
		Preset: "dev", Base: "http://127.0.0.1:1/FHIR/R4", CaseAPI: "http://127.0.0.1:1/api/v1",
		GPSystem: "http://127.0.0.1:2/Y99902/FHIR/R4", GPFault: "http://127.0.0.1:2/Y99902/FHIR/R4/$fault",
		TokenURL: "http://127.0.0.1:3/oauth2/token", Played: "gp-b",
		Clients: map[string]kit.Client{
			"practice":          {ID: "gp-b", Secret: "b", Scope: "s", ODS: "Y99902"},
			"link-worker":       {ID: "linkworker-b", Secret: "d"},
			"other-practice":    {ID: "gp-a", Secret: "a", Scope: "s", ODS: "Y99901"},
			"other-link-worker": {ID: "linkworker", Secret: "c"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("target (-want +got):\n%s", diff)
	}
	if _, err := devPreset(t.TempDir()); err == nil || !strings.Contains(err.Error(), "caselink dev") {
		t.Errorf("without dev.json: %v", err)
	}
}
