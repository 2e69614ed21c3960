package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"caselink.example/cmd/caselink/internal/config"
	"caselink.example/cmd/caselink/internal/world"
	"caselink.example/conformance/kit"
	"caselink.example/conformance/kit/report"
	"caselink.example/conformance/kit/suite"
)

const conformanceHelp = `caselink conformance: prove what a system promises, from outside

  caselink conformance run                                     a running caselink dev
  caselink conformance run --target URL --preset my.yaml       any adapter, URL is its FHIR base
  caselink conformance run --role gp-system                    the GP system behind it
  caselink conformance run --only write-back                   one group or check, and what it needs
  caselink conformance list                                    every check
  caselink conformance coverage                                every requirement and its checks

run sends fictional referrals and moves their cases: never point it at a live service.
With --out DIR it writes report.html, report.json, report.md, junit.xml and TestReport.json.

Exit codes of run: 0 everything passed, 1 something failed, 2 the kit could not work,
3 nothing failed but something was blocked.
`

func runConformance(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	parts := map[string]func(context.Context, []string, io.Writer, io.Writer) error{
		"run": runConformanceRun, "list": runConformanceList, "coverage": runConformanceCoverage,
	}
	if len(args) > 0 && parts[args[0]] != nil {
		return parts[args[0]](ctx, args[1:], stdout, stderr)
	}
	f := newFlags("conformance", conformanceHelp, stderr)
	if err := f.Parse(args); err != nil {
		return err
	}
	return f.misused()
}

// conformanceFlags are what a run is asked for.
type conformanceFlags struct {
	target, role, preset, data, client, out, seed string
	only                                          []string
}

func parseConformance(args []string, stderr io.Writer) (conformanceFlags, error) {
	var c conformanceFlags
	f := newFlags("conformance", conformanceHelp, stderr)
	f.StringVar(&c.target, "target", "", "the FHIR base `URL` of the system under test, when the preset has none")
	f.StringVar(&c.role, "role", suite.RoleAdapter, "the `role` of the target: adapter or gp-system")
	f.StringVar(&c.preset, "preset", "", "dev, or a YAML `file` that says how to reach the target")
	f.StringVar(&c.data, "data", world.DefaultFolder, "the `folder` of the caselink dev that is the target")
	f.StringVar(&c.client, "client", "", "the preset's `client` that plays the practice")
	f.StringVar(&c.out, "out", "", "the `folder` for the reports")
	f.StringVar(&c.seed, "seed", "", "send the identifiers of an earlier run again")
	f.Func("only", "an `id` of a check or group; may be repeated", func(id string) error {
		c.only = append(c.only, strings.Split(id, ",")...)
		return nil
	})
	_, err := f.parseArgs(args)
	return c, err
}

func runConformanceRun(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c, err := parseConformance(args, stderr)
	if err != nil {
		return err
	}
	result, err := c.run(ctx, stderr)
	if err != nil {
		return couldNotRun{err}
	}
	printReport(stdout, result)
	if c.out != "" {
		if err := report.Write(result, c.out); err != nil {
			return couldNotRun{err}
		}
		fmt.Fprintf(stdout, "Reports are in %s\n", c.out)
	}
	if code := result.Exit(); code != kit.ExitPass {
		return exitCode(code)
	}
	return nil
}

func (c conformanceFlags) run(ctx context.Context, stderr io.Writer) (kit.Report, error) {
	suites, err := suite.Suites(c.role)
	if err != nil {
		return kit.Report{}, err
	}
	target, err := c.read()
	if err != nil {
		return kit.Report{}, err
	}
	// A new seed each time, so that a run meets no referral of the one before: what is there
	// already is answered with 200.
	if c.seed == "" {
		c.seed = strings.ToLower(rand.Text()[:12])
	}
	bar := newProgress(stderr)
	defer bar.end()
	runner := kit.Runner{
		Target: target, HTTP: conformanceHTTP(), Now: time.Now, Wait: wait, Seed: c.seed, Version: version(),
		Progress: func(done, total int, title string) { bar.step(title, done, total) },
	}
	return runner.Run(ctx, suites, c.only)
}

// read finds out about the target.
func (c conformanceFlags) read() (kit.Target, error) {
	preset, err := c.readPreset()
	if err != nil {
		return kit.Target{}, err
	}
	return preset.Target(c.role, c.target, c.client)
}

// readPreset is the preset asked for. Without one it is that of the running caselink
// dev, unless the target is another system: then there is none.
func (c conformanceFlags) readPreset() (kit.Preset, error) {
	if c.preset != "" && c.preset != "dev" {
		return kit.LoadPreset(c.preset, config.Environ().Get)
	}
	// Another target gets no token of this machine's: it would be refused, and looks like a
	// fault of the target.
	preset, err := devPreset(c.data)
	if c.preset == "" && c.target != "" && (err != nil || !preset.Has(c.target)) {
		return kit.Preset{Name: "none"}, nil
	}
	return preset, err
}

// conformanceHTTP is a client that follows no redirect: one is an answer to judge.
func conformanceHTTP() *http.Client {
	return &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// wait is what the kit waits with between two looks at a peer.
func wait(ctx context.Context, d time.Duration) error {
	world.Pause(ctx, d)
	return ctx.Err()
}
