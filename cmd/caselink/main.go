// Command caselink stands between GP clinical systems and social prescribing teams:
// a FHIR R4 referral comes in, link workers work the case, and every move goes back.
//
// Begin with verbs, which lists all that the program does; each has a file of its name with
// its flags, its help and its exit codes. What a verb runs stands below: serve is
// internal/adapter, dev is internal/world, hammer and bench are internal/load.
// docs/words.md defines referral, case, world and hammer.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// verb is one thing that the program does. The first line of its help is
// "caselink NAME: SUMMARY".
type verb struct {
	name string
	help string
	run  func(ctx context.Context, args []string, stdout, stderr io.Writer) error
}

func (v verb) summary() string {
	first, _, _ := strings.Cut(v.help, "\n")
	return strings.TrimPrefix(first, "caselink "+v.name+": ")
}

// verbs stand in the order in which a newcomer meets them.
var verbs = []verb{
	{"dev", devHelp, runDev},
	{"token", tokenHelp, runToken},
	{"serve", serveHelp, runServe},
	{"migrate", migrateHelp, runMigrate},
	{"hammer", hammerHelp, runHammer},
	{"bench", benchHelp, runBench},
	{"deliveries", deliveriesHelp, runDeliveries},
	{"fsck", fsckHelp, runFsck},
	{"simulate", simulateHelp, runSimulate},
	{"postgres", postgresHelp, runPostgres},
	{"validate", validateHelp, runValidate},
	{"map", mapHelp, runMap},
	{"conformance", conformanceHelp, runConformance},
	{"version", versionHelp, runVersion},
}

// exitCode is the end of a verb that has said everything already.
type exitCode int

const (
	exitOK    exitCode = 0
	exitFault exitCode = 1 // it was tried and did not work
	exitUsage exitCode = 2 // the command line makes no sense
)

// couldNotRun is the fault of a verb that judges something and did not come so far. It
// ends with exit code 2, for 1 is a judgement: a script must not take the one for the other.
type couldNotRun struct{ error }

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

func main() {
	os.Exit(int(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)))
}

// run does what the command line says.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) exitCode {
	if len(args) == 0 {
		printUsage(stderr)
		return exitUsage
	}
	switch args[0] {
	case "help", "--help", "-help", "-h":
		printUsage(stdout)
		return exitOK
	case "--version", "-version":
		// Whoever finds an unknown program on a machine asks it in this way first.
		args = []string{"version"}
	}
	i := slices.IndexFunc(verbs, func(v verb) bool { return v.name == args[0] })
	if i < 0 {
		fmt.Fprintf(stderr, "caselink: there is no verb %q. Try: caselink --help\n", args[0])
		return exitUsage
	}

	err := verbs[i].run(ctx, args[1:], stdout, stderr)
	if code, ok := errors.AsType[exitCode](err); ok {
		return code
	}
	if help, ok := errors.AsType[helpAsked](err); ok {
		fmt.Fprint(stdout, string(help))
		return exitOK
	}
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(stderr, "caselink %s: %v\n", args[0], err)
	if _, ok := errors.AsType[couldNotRun](err); ok {
		return exitUsage
	}
	return exitFault
}

func printUsage(w io.Writer) {
	fmt.Fprint(w, `Caselink carries referrals from GP systems to social prescribing teams, and the news back.

Usage: caselink VERB [flags]

Verbs:
`)
	for _, v := range verbs {
		fmt.Fprintf(w, "  %-12s %s\n", v.name, v.summary())
	}
	fmt.Fprint(w, `
Begin with:  caselink dev
Learn more:  caselink VERB --help
Exit codes:  0 it worked, 1 it did not, 2 the command line makes no sense
`)
}
