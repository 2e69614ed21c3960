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
	"caselink.example/fhir"
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
	for _, role := range []string{kit.RoleAdapter, kit.RoleGPSystem} {
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
		if r, err := fhir.Unmarshal(raw); err != nil || r.Type != "TestReport" {
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
