package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"caselink.example/connectors/api/caseview"
	"caselink.example/connectors/api/edge/edgetest"
	"caselink.example/fhir/r4"
	"caselink.example/mapping/cases"
)

// file is a file of the test with the text.
func file(t *testing.T, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMapShowsTheCaseOfAReferral(t *testing.T) {
	t.Parallel()
	r := edgetest.NewReferral("Y99901")
	xml, err := r4.MarshalXML(r.JSON)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file(t, "referral.json", r.JSON), file(t, "referral.xml", xml)} {
		code, out, errOut := runHere(t, "map", path)

		var c caseview.Case
		if err := json.Unmarshal([]byte(out), &c); err != nil || code != exitOK {
			t.Fatalf("%s: exit code %d, %v\n%s%s", path, code, err, out, errOut)
		}
		if c.Patient.NHSNumber != r.NHSNumber || c.Status != cases.Received || c.ReceivedAt.IsZero() {
			t.Errorf("%s becomes %+v", path, c)
		}
	}
}

func TestMapTraceIsAnAlignedTable(t *testing.T) {
	t.Parallel()
	code, out, _ := runHere(t, "map", "--trace", file(t, "referral.json", edgetest.NewReferral("Y99901").JSON))

	_, table, _ := strings.Cut(out, "\n\n")
	lines := strings.Split(strings.TrimSpace(table), "\n")
	at := strings.Index(lines[0], "IS")
	if code != exitOK || at < 0 || len(lines) < 20 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	for _, line := range lines[1:] {
		inColumn := strings.HasPrefix(line[at:], "mapped ") || strings.HasPrefix(line[at:], "kept ")
		if !strings.HasPrefix(line, "ServiceRequest") || !inColumn {
			t.Errorf("not in its column: %q", line)
		}
	}
}

func TestMapSaysWhyAReferralIsRefused(t *testing.T) {
	t.Parallel()
	ended := strings.Replace(string(edgetest.NewReferral("Y99901").JSON), `"status":"active"`, `"status":"completed"`, 1)
	for name, c := range map[string]struct {
		args           []string
		stdout, stderr string
	}{
		"a business rule": {
			[]string{file(t, "r.json", []byte(ended)), "--trace"},
			"ServiceRequest.status", "refused: ServiceRequest.status: a new referral is not completed",
		},
		"no FHIR": {[]string{file(t, "r.json", []byte(`{`))}, "", "refused: "},
		"no file": {[]string{"/no/such/file.json"}, "", "no such file"},
	} {
		code, out, errOut := runHere(t, append([]string{"map"}, c.args...)...)

		told := strings.Contains(out, c.stdout) && strings.Contains(errOut, c.stderr)
		if code != exitFault || !told || strings.Contains(out, `"patient"`) {
			t.Errorf("%s: exit code %d\n%s\n%s", name, code, out, errOut)
		}
	}
}
