package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// flags are the command line of one verb. A fault in it is said on stderr.
type flags struct {
	*flag.FlagSet
	help string
	rest []string
}

// helpAsked is the help of a verb whose user asked for it.
type helpAsked string

func (helpAsked) Error() string { return "help was asked for" }

// newFlags are the flags of the verb, none so far.
func newFlags(name, help string, stderr io.Writer) *flags {
	f := &flags{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError), help: help}
	f.SetOutput(stderr)
	// The package's own text names its flags with one hyphen and no example.
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
		// The package stops at the first argument, but people write caselink map FILE --trace.
		f.rest, args = append(f.rest, f.Arg(0)), f.Args()[1:]
	}
}

// parseArgs is Parse for a verb with as many arguments as there are names.
func (f *flags) parseArgs(args []string, names ...string) ([]string, error) {
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if len(f.rest) != len(names) {
		wanted := strings.Join(names, " ")
		fmt.Fprintf(f.Output(), "%d argument(s) wanted: %s; got %d\n", len(names), wanted, len(f.rest))
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

// configFlag is --config, for the verbs that read caselink.yaml.
func configFlag(f *flags) *string {
	return f.String("config", defaultConfig, "the configuration `file`")
}

const defaultConfig = "caselink.yaml"
