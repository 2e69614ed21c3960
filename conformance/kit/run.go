package kit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"time"

	"caselink.example/conformance/kit/jsontree"
	"caselink.example/conformance/kit/suite"
)

// Runner runs suites against a target. Timeout and Progress may be left out.
type Runner struct {
	Target   Target
	HTTP     Doer
	Now      func() time.Time
	Wait     func(context.Context, time.Duration) error // sleeps; an error when the context ends
	Seed     string                                     // two runs with the same seed send the same identifiers
	Version  string                                     // of the kit
	Timeout  time.Duration                              // for one request and its whole answer; 15 s when zero
	Progress func(done, total int, title string)        // before each check; nil for silence
}

// run is the state of one run.
type run struct {
	*Runner
	files      fs.FS
	sender     *sender
	vars       *vars
	exchanges  map[string]kept
	reports    map[string]CheckReport // by id of the check
	capability answer                 // GET metadata, once per run
}

// Run tries every check of the suites, or those that only names (a check's or a
// group's id) and what they need. The error says that the kit could not work at all.
func (r *Runner) Run(ctx context.Context, suites []suite.Suite, only []string) (Report, error) {
	return r.run(ctx, suite.Files, suites, only)
}

// run is Run for other files than those that are built in.
func (r *Runner) run(ctx context.Context, files fs.FS, suites []suite.Suite, only []string) (Report, error) {
	suites, err := plan(suites, only)
	if err != nil {
		return Report{}, err
	}

	// The redactor knows the secrets before the first request: nothing is reported that did
	// not pass it.
	redact := newRedactor()
	for _, c := range r.Target.Clients {
		redact.hide(c.Secret, "CLIENT_SECRET")
	}
	state := &run{
		Runner: r, files: files, exchanges: map[string]kept{}, reports: map[string]CheckReport{},
		sender: &sender{
			http: r.HTTP, target: r.Target, now: r.Now, timeout: cmp.Or(r.Timeout, stepTimeout),
			redact: redact, tokens: map[string]token{},
		},
		vars: &vars{seed: r.Seed, values: r.Target.variables(), secret: redact.hideNumber},
	}

	started := r.Now().UTC()
	state.vars.values["started"] = started.Add(-time.Minute).Format(time.RFC3339) // clocks differ a little
	state.vars.values["today"] = started.Format(time.DateOnly)

	// One error instead of a failure of every check, each for the same reason.
	if err := state.reach(ctx); err != nil {
		return Report{}, err
	}
	report := Report{Kit: r.Version, Role: suites[0].Role, Seed: r.Seed, Started: started, Target: state.targetReport()}
	if report.Suites, err = state.suites(ctx, suites); err != nil {
		return Report{}, err
	}
	report.Close(r.Now().UTC())
	return report, nil
}

// reach reads the CapabilityStatement. Only that nothing answers at all ends the run.
func (r *run) reach(ctx context.Context) error {
	r.capability, _ = r.sender.send(ctx, request{
		method: http.MethodGet, url: r.Target.Base + "/metadata", header: http.Header{"Accept": {"application/fhir+json"}},
	})
	if r.capability.Err != nil {
		return fmt.Errorf("nothing answers at %s: %w", r.Target.Base, r.capability.Err)
	}
	return nil
}

// targetReport says what was tested. The hash of the CapabilityStatement shows of two runs
// that they tested different builds, or the same one set up otherwise.
func (r *run) targetReport() TargetReport {
	t := TargetReport{Base: r.Target.Base, Preset: r.Target.Preset, Client: r.Target.Played}
	document, err := jsontree.ParseJSON(r.capability.Body)
	if err != nil {
		return t
	}
	for _, software := range jsontree.Member(document, "software") {
		for _, v := range slices.Concat(jsontree.Member(software, "name"), jsontree.Member(software, "version")) {
			t.Software = strings.TrimSpace(t.Software + " " + textOf(v))
		}
	}
	sum := sha256.Sum256(r.capability.Body)
	t.Capability = hex.EncodeToString(sum[:])
	return t
}

// suites tries every check of the suites.
func (r *run) suites(ctx context.Context, suites []suite.Suite) ([]SuiteReport, error) {
	requirements, err := suite.RequirementsOf(r.files)
	if err != nil {
		return nil, err
	}
	total := 0
	for _, s := range suites {
		for range s.Checks() {
			total++
		}
	}

	// One after the other, in the order of the suite: a check builds on what those before it
	// have left at the target.
	var out []SuiteReport
	for _, s := range suites {
		sr := SuiteReport{ID: s.ID, Title: s.Title}
		for _, g := range s.Groups {
			gr := GroupReport{ID: g.ID, Title: g.Title}
			for _, c := range g.Checks {
				if r.Progress != nil {
					r.Progress(len(r.reports), total, c.Title)
				}
				cr, err := r.check(ctx, c)
				if err != nil {
					return nil, fmt.Errorf("check %s: %w", c.ID, err)
				}
				cr.Requirements = slices.DeleteFunc(slices.Clone(requirements), func(q suite.Requirement) bool {
					return !slices.Contains(c.Verifies, q.ID)
				})
				r.reports[c.ID] = cr
				gr.Checks = append(gr.Checks, cr)
			}
			sr.Groups = append(sr.Groups, gr)
		}
		out = append(out, sr)
	}
	return out, nil
}
