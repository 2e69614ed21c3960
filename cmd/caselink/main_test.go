package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestHelpTeachesEveryVerb(t *testing.T) {
	t.Parallel()
	_, list, _ := runHere(t, "--help")
	for _, v := range verbs {
		code, out, errOut := runHere(t, v.name, "--help")

		if code != exitOK || errOut != "" {
			t.Errorf("caselink %s --help: exit code %d, stderr %q", v.name, code, errOut)
		}
		if !strings.HasPrefix(out, "caselink "+v.name+": ") || len(out) < 100 {
			t.Errorf("caselink %s --help teaches little:\n%s", v.name, out)
		}
		if !strings.Contains(list, v.summary()) {
			t.Errorf("caselink --help does not list %q", v.summary())
		}
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want exitCode
		says string // on stderr
	}{
		{[]string{"help"}, exitOK, ""},
		{[]string{"version"}, exitOK, ""},
		{[]string{"--version"}, exitOK, ""},
		{nil, exitUsage, "Usage: caselink VERB"},
		{[]string{"refer"}, exitUsage, `there is no verb "refer"`},
		{[]string{"serve", "--colour", "blue"}, exitUsage, "Try: caselink serve --help"},
		{[]string{"serve", "now"}, exitUsage, "Try: caselink serve --help"},
		{[]string{"token"}, exitUsage, "1 argument(s) wanted: CLIENT; got 0"},
		{[]string{"postgres", "remove"}, exitUsage, "Try: caselink postgres --help"},
		{[]string{"serve", "--config", "/no/such/file.yaml"}, exitFault, "there is no /no/such/file.yaml"},
		{[]string{"token", "gp-a", "--data", "/no/such/folder"}, exitFault, "start caselink dev"},
		{[]string{"hammer", "--data", "/no/such/folder"}, exitUsage, "start caselink dev"},
		{[]string{"dev", "--listen", "8080", "--data", t.TempDir()}, exitFault, "--listen must be host:port"},
	} {
		code, _, errOut := runHere(t, c.args...)

		if code != c.want || !strings.Contains(errOut, c.says) {
			t.Errorf("caselink %s: exit code %d, want %d; stderr %q, want %q in it",
				strings.Join(c.args, " "), code, c.want, errOut, c.says)
		}
	}
}

func runHere(t *testing.T, args ...string) (code exitCode, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	code = run(t.Context(), args, &out, &errOut)
	return code, out.String(), errOut.String()
}
