package main

import (
	"os/exec"
	"regexp"
	"runtime/debug"
	"testing"
)

// versionLine is the form of what caselink version prints.
var versionLine = regexp.MustCompile(`^caselink (\d+\.\d+\.\d+\S*) \(go1\.\S+, [a-z0-9]+/[a-z0-9]+\)\n$`)

func TestVersionIsPrintedHoweverItIsAskedFor(t *testing.T) {
	t.Parallel()
	_, want, _ := runHere(t, "version")

	code, got, errOut := runHere(t, "--version")

	if code != exitOK || got != want || !versionLine.MatchString(got) {
		t.Errorf("caselink --version: exit code %d, %q, want %q; stderr %q", code, got, want, errOut)
	}
}

func TestBuiltBinarySaysItsVersion(t *testing.T) {
	t.Parallel()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}

	said, err := exec.Command(bin, "--version").CombinedOutput()

	if err != nil || !versionLine.Match(said) {
		t.Errorf("%v: %q, want a line such as \"caselink 0.1.0 (go1.26.8, linux/amd64)\"", err, said)
	}
}

func TestBuildThatIsNoReleaseNamesItsCommit(t *testing.T) {
	t.Parallel()
	built := func(commit string) *debug.BuildInfo {
		info := &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}
		info.Settings = append(info.Settings, debug.BuildSetting{Key: "vcs.revision", Value: commit})
		return info
	}
	for _, c := range []struct {
		info *debug.BuildInfo
		want string
	}{
		{built("b7621c9f0d3e4a5b6c7d8e9fa0b1c2d3e4f5a6b7"), "0.0.0-dev+b7621c9f0d3e"},
		{built(""), "0.0.0-dev"},
		{&debug.BuildInfo{}, "0.0.0-dev"},
		{nil, "0.0.0-dev"},
	} {
		if got := developmentVersion(c.info, c.info != nil); got != c.want {
			t.Errorf("%+v: got %s, want %s", c.info, got, c.want)
		}
	}
}
