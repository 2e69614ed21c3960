// Command caselink stands between GP clinical systems and social prescribing teams:
// a FHIR R4 referral comes in, link workers work the case, and every move goes back.
package main

import (
	"context"
	"errors"
	"flag"
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
	{"serve", serveHelp, runServeVerb},
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
	if slices.Contains([]string{"help", "--help", "-help", "-h"}, args[0]) {
		printUsage(stdout)
		return exitOK
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
	if err != nil {
		fmt.Fprintf(stderr, "caselink %s: %v\n", args[0], err)
		return exitFault
	}
	return exitOK
}

func printUsage(w io.Writer) {
	fmt.Fprint(w, "Caselink carries referrals from GP systems to social prescribing teams, and the news back.\n\nUsage: caselink VERB [flags]\n\nVerbs:\n")
	for _, v := range verbs {
		fmt.Fprintf(w, "  %-12s %s\n", v.name, v.summary())
	}
	fmt.Fprint(w, `
Begin with:  caselink dev
Learn more:  caselink VERB --help
Exit codes:  0 it worked, 1 it did not, 2 the command line makes no sense
`)
}

// flags are the command line of one verb. A fault in it is said on stderr.
type flags struct {
	*flag.FlagSet
	help string
	rest []string
}

// helpAsked is the help of a verb whose user asked for it.
type helpAsked string

func (helpAsked) Error() string { return "help was asked for" }

func newFlags(name, help string, stderr io.Writer) *flags {
	f := &flags{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError), help: help}
	f.SetOutput(stderr)
	f.Usage = func() {}
	return f
}

// Parse reads the flags, which may stand before and after the arguments. Its error is
// one that run knows: exitUsage or helpAsked.
func (f *flags) Parse(args []string) error {
	for {
		if err := f.FlagSet.Parse(args); errors.Is(err, flag.ErrHelp) {
			return f.helpText()
		} else if err != nil {
			return f.misused()
		}
		if f.NArg() == 0 {
			return nil
		}
		f.rest, args = append(f.rest, f.Arg(0)), f.Args()[1:]
	}
}

// parseArgs is Parse for a verb with as many arguments as there are names.
func (f *flags) parseArgs(args []string, names ...string) ([]string, error) {
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if len(f.rest) != len(names) {
		fmt.Fprintf(f.Output(), "%d argument(s) wanted: %s; got %d\n", len(names), strings.Join(names, " "), len(f.rest))
		return nil, f.misused()
	}
	return f.rest, nil
}

func (f *flags) misused() exitCode {
	fmt.Fprintf(f.Output(), "Try: caselink %s --help\n", f.Name())
	return exitUsage
}

func (f *flags) helpText() helpAsked {
	var b strings.Builder
	b.WriteString(f.help)
	header := "\nFlags:\n"
	f.VisitAll(func(one *flag.Flag) {
		value, usage := flag.UnquoteUsage(one)
		if one.DefValue != "" {
			usage += " (default " + one.DefValue + ")"
		}
		fmt.Fprintf(&b, "%s  --%-18s %s\n", header, strings.TrimSpace(one.Name+" "+value), usage)
		header = ""
	})
	return helpAsked(b.String())
}
