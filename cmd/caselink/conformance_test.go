package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

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
		if lines := strings.Count(string(said), "\n"); lines != 2 || !strings.HasPrefix(string(said), "PASS: ") {
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
	for name, c := range map[string]struct {
		args []string
		want int
		says string
	}{
		"list":                 {[]string{"list"}, kit.ExitPass, "referral.created"},
		"list of a role":       {[]string{"list", "--role", "gp-system"}, kit.ExitPass, "gp.stale"},
		"coverage":             {[]string{"coverage"}, kit.ExitPass, "0 are not accounted for"},
		"nothing there":        {[]string{"run", "--data", nowhere, "--target", gone.URL}, kit.ExitKit, "nothing answers"},
		"no dev":               {[]string{"run", "--data", nowhere}, kit.ExitKit, "caselink dev"},
		"unknown role":         {[]string{"run", "--data", nowhere, "--target", gone.URL, "--role", "nurse"}, kit.ExitKit, "nurse"},
		"unknown check":        {[]string{"run", "--data", nowhere, "--target", gone.URL, "--only", "nosuch"}, kit.ExitKit, "nosuch"},
		"a server of no use":   {[]string{"run", "--data", nowhere, "--target", empty.URL}, kit.ExitFail, "FAIL"},
		"nothing can be tried": {[]string{"run", "--data", nowhere, "--target", empty.URL, "--only", "referral.created"}, kit.ExitBlocked, "BLOCKED"},
		"no such part":         {[]string{"walk"}, int(exitUsage), "--help"},
	} {
		var said bytes.Buffer
		if got := run(t.Context(), append([]string{"conformance"}, c.args...), &said, &said); int(got) != c.want || !strings.Contains(said.String(), c.says) {
			t.Errorf("%s: exit code %d, want %d and %q in:\n%s", name, got, c.want, c.says, said.String())
		}
	}
}

func TestDevPresetReadsDevJSON(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	dev := `{"fhir_base":"http://127.0.0.1:1/FHIR/R4","case_api":"http://127.0.0.1:1/api/v1","token_url":"http://127.0.0.1:3/oauth2/token",
		"clients":{"gp-a":{"client_id":"gp-a","client_secret":"a","scope":"s","ods":"Y99901"},"gp-b":{"client_id":"gp-b","client_secret":"b","scope":"s","ods":"Y99902"},
			"linkworker":{"client_id":"linkworker","client_secret":"c"},"linkworker-b":{"client_id":"linkworker-b","client_secret":"d"}},
		"gp_systems":{"Y99901":"http://127.0.0.1:2/Y99901/FHIR/R4","Y99902":"http://127.0.0.1:2/Y99902/FHIR/R4"}}`
	if err := os.WriteFile(filepath.Join(dir, "dev.json"), []byte(dev), 0o600); err != nil {
		t.Fatal(err)
	}

	preset, err := devPreset(dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := preset.Target(suite.RoleAdapter, "", "gp-b")
	if err != nil {
		t.Fatal(err)
	}

	if got.GPFault != "http://127.0.0.1:2/Y99902/FHIR/R4/$fault" || got.Clients["link-worker"].ID != "linkworker-b" || got.Clients["other-link-worker"].ID != "linkworker" || got.Clients["other-practice"].ODS != "Y99901" {
		t.Errorf("gp-b plays the practice: %+v", got)
	}
	if _, err := devPreset(t.TempDir()); err == nil || !strings.Contains(err.Error(), "caselink dev") {
		t.Errorf("without dev.json: %v", err)
	}
}
