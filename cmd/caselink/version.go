package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

const versionHelp = `caselink version: print the version of this program

Prints the version, and the Go release and the platform that it was built for:

  0.1.0                     the release of that number, from the commit that bears its tag
  0.1.0+1a2b3c4d5e6f        "make build" or "make release" at another commit, which it names;
                            0.1.0 is the newest version of its changelog
  0.0.0-dev+1a2b3c4d5e6f    a bare "go build"; 0.0.0-dev where it knows no commit

  caselink --version
`

func runVersion(_ context.Context, args []string, stdout, stderr io.Writer) error {
	if _, err := newFlags("version", versionHelp, stderr).parseArgs(args); err != nil {
		return err
	}
	_, err := fmt.Fprintf(stdout, "caselink %s (%s, %s/%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// release is the version that the Makefile gives a build: 0.1.0 at a tagged commit, else
// 0.1.0+1a2b3c4d5e6f. The linker sets it (-X main.release=0.1.0), and nothing else does.
var release string

// version is the version of this build in the form of https://semver.org: the one that it
// was given, or 0.0.0-dev with the commit where there is one.
func version() string {
	return cmp.Or(release, developmentVersion(debug.ReadBuildInfo()))
}

// commitDigits are enough of a commit to find it by, as git log --oneline --abbrev=12 does.
const commitDigits = 12

// developmentVersion is a version that sorts below every release. The version that Go
// itself records is not asked: it is "(devel)" in a checkout, which names nothing.
func developmentVersion(info *debug.BuildInfo, known bool) string {
	const none = "0.0.0-dev"
	if !known {
		return none
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && s.Value != "" {
			return none + "+" + s.Value[:min(commitDigits, len(s.Value))]
		}
	}
	return none
}
