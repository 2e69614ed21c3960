package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"runtime/debug"
)

const versionHelp = `caselink version: print the version of this program

Prints the version, the commit it was built from and the Go release.
`

func runVersion(_ context.Context, args []string, stdout, stderr io.Writer) error {
	if _, err := newFlags("version", versionHelp, stderr).parseArgs(args); err != nil {
		return err
	}
	_, err := fmt.Fprintln(stdout, version())
	return err
}

// version is what the build recorded, such as "(devel) 1a2b3c go1.26.8".
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	commit := ""
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			commit = s.Value
		}
	}
	return fmt.Sprintf("%s %s %s", cmp.Or(info.Main.Version, "(devel)"), cmp.Or(commit, "unknown"), info.GoVersion)
}
