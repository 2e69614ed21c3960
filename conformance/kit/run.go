package kit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"path/filepath"
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

func (r *Runner) run(ctx context.Context, files fs.FS, suites []suite.Suite, only []string) (Report, error) {
	suites, err := plan(suites, only)
	if err != nil {
		return Report{}, err
	}
	redact := newRedactor()
	for _, c := range r.Target.Clients {
		redact.hide(c.Secret, "CLIENT_SECRET")
	}
	state := &run{
		Runner: r, files: files, exchanges: map[string]kept{}, reports: map[string]CheckReport{},
		sender: &sender{
			http: r.HTTP, target: r.Target, now: r.Now, timeout: cmp.Or(r.Timeout, stepTimeout), redact: redact, tokens: map[string]token{},
		},
		vars: &vars{seed: r.Seed, values: r.Target.variables(), secret: redact.hideNumber},
	}
	started := r.Now().UTC()
	state.vars.values["started"] = started.Add(-time.Minute).Format(time.RFC3339) // clocks differ a little
	state.vars.values["today"] = started.Format(time.DateOnly)
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

// plan leaves of the suites what only asks for and what that needs, in their order.
func plan(suites []suite.Suite, only []string) ([]suite.Suite, error) {
	if len(only) == 0 {
		return suites, nil
	}
	wanted := map[string]bool{}
	for _, id := range only {
		if !want(suites, id, wanted) {
			return nil, fmt.Errorf("there is no check or group %q: caselink conformance list shows them", id)
		}
	}
	var planned []suite.Suite
	for _, s := range suites {
		part := s
		part.Groups = nil
		for _, g := range s.Groups {
			g.Checks = slices.DeleteFunc(slices.Clone(g.Checks), func(c suite.Check) bool { return !wanted[c.ID] })
			if len(g.Checks) > 0 {
				part.Groups = append(part.Groups, g)
			}
		}
		if len(part.Groups) > 0 {
			planned = append(planned, part)
		}
	}
	return planned, nil
}

// want marks a check, or the checks of a group, and all that they depend on.
func want(suites []suite.Suite, id string, wanted map[string]bool) bool {
	found := false
	for _, s := range suites {
		for _, g := range s.Groups {
			for _, c := range g.Checks {
				if c.ID != id && g.ID != id {
					continue
				}
				found = true
				if !wanted[c.ID] {
					wanted[c.ID] = true
					for _, need := range c.DependsOn() {
						want(suites, need, wanted)
					}
				}
			}
		}
	}
	return found
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

func (r *run) targetReport() TargetReport {
	t := TargetReport{Base: r.Target.Base, Preset: r.Target.Preset, Client: r.Target.Played}
	document, err := jsontree.ParseJSON(r.capability.Body)
	if err != nil {
		return t
	}
	software := jsontree.Member("software", false)([]any{document})
	for _, v := range slices.Concat(jsontree.Member("name", false)(software), jsontree.Member("version", false)(software)) {
		t.Software = strings.TrimSpace(t.Software + " " + textOf(v))
	}
	sum := sha256.Sum256(r.capability.Body)
	t.Capability = hex.EncodeToString(sum[:])
	return t
}

func (r *run) suites(ctx context.Context, suites []suite.Suite) ([]SuiteReport, error) {
	requirements, err := suite.RequirementsOf(r.files)
	if err != nil {
		return nil, err
	}
	total := 0
	for _, s := range suites {
		for _, g := range s.Groups {
			total += len(g.Checks)
		}
	}
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
				cr.Requirements = slices.DeleteFunc(slices.Clone(requirements), func(q suite.Requirement) bool { return !slices.Contains(c.Verifies, q.ID) })
				r.reports[c.ID] = cr
				gr.Checks = append(gr.Checks, cr)
			}
			sr.Groups = append(sr.Groups, gr)
		}
		out = append(out, sr)
	}
	return out, nil
}

// check tries one check. An error means that the kit or the suite is at fault.
func (r *run) check(ctx context.Context, c suite.Check) (CheckReport, error) {
	start := r.Now()
	cr := CheckReport{ID: c.ID, Title: c.Title, Verdict: Pass}
	if !r.ready(c, &cr) {
		cr.Fix = ""
		return cr, nil
	}
	err := r.steps(ctx, c.Steps, &cr)
	if cleanup := r.steps(ctx, c.Cleanup, &cr); err == nil {
		err = cleanup
	}
	if lacking, ok := errors.AsType[errNotOffered](err); ok {
		cr.Verdict, cr.Because, err = NotChecked, lacking.Error(), nil
	}
	if cr.Verdict == Fail {
		cr.Fix = c.Fix
	}
	cr.Millis = r.Now().Sub(start).Milliseconds()
	return cr, err
}

// ready reports whether a check can be tried, and otherwise says why not.
func (r *run) ready(c suite.Check, cr *CheckReport) bool {
	for _, id := range c.DependsOn() {
		before := r.reports[id]
		if before.Verdict == Pass {
			continue
		}
		root := r.reports[cmp.Or(before.BlockedBy, id)]
		cr.BlockedBy, cr.Verdict, cr.Because = root.ID, root.Verdict, "it depends on "+root.ID+": "+root.Because
		if root.Verdict == Fail {
			cr.Verdict, cr.Because = Blocked, "it depends on "+root.ID+", which failed"
		}
		return false
	}
	if len(c.When) == 0 {
		return true
	}
	unclaimed, err := judge(suite.Expect{Status: suite.Statuses{http.StatusOK}, Body: c.When}, r.capability, r.vars, nil)
	if err == nil && len(unclaimed) == 0 {
		return true
	}
	cr.Verdict, cr.Because = NotApplicable, "the CapabilityStatement does not claim it"
	if len(unclaimed) > 0 {
		cr.Because += ": " + strings.TrimPrefix(unclaimed[0].What, "body ") + " " + unclaimed[0].Expected
	}
	return false
}

// steps makes the steps until one has a fault.
func (r *run) steps(ctx context.Context, steps []suite.Step, cr *CheckReport) error {
	for i, step := range steps {
		sr, err := r.step(ctx, step)
		if err != nil {
			return err
		}
		cr.Steps = append(cr.Steps, sr)
		if len(sr.Faults) > 0 {
			if cr.Verdict == Pass {
				f := sr.Faults[0]
				cr.Verdict, cr.Because = Fail, fmt.Sprintf("step %d: %s: expected %s, got %s", i+1, f.What, f.Expected, f.Actual)
			}
			return nil
		}
	}
	return nil
}

// step makes one request, again and again where the step says so, and takes from
// its answer what later steps need.
func (r *run) step(ctx context.Context, step suite.Step) (StepReport, error) {
	sr := StepReport{Request: step.Request}
	deadline := r.Now()
	if step.Until != nil {
		deadline = deadline.Add(step.Until.Within)
	}
	for {
		sr.Attempts++
		req, got, took, err := r.attempt(ctx, step)
		if err != nil {
			return sr, err
		}
		faults, err := r.judge(step, got)
		if err != nil {
			return sr, err
		}
		if len(faults) > 0 && r.Now().Before(deadline) {
			if err := r.Wait(ctx, step.Until.Every); err != nil {
				return sr, err
			}
			continue
		}
		if step.Keep != "" {
			r.exchanges[step.Keep] = kept{Sent: req.body, Received: got}
		}
		if len(faults) == 0 {
			faults = r.capture(step, got)
		}
		sr.Faults, sr.Exchange = r.redacted(faults), r.sender.reported(req, got, took)
		return sr, nil
	}
}

func (r *run) attempt(ctx context.Context, step suite.Step) (request, answer, time.Duration, error) {
	req, err := r.request(ctx, step)
	if err != nil {
		return req, answer{}, 0, notOffered(err)
	}
	if !r.sender.atHome(req.url) {
		return req, answer{Err: errors.New("not sent: the URL leads to a host that is not the target's")}, 0, nil
	}
	got, took := r.sender.send(ctx, req)
	return req, got, took, ctx.Err()
}

// notOffered turns a variable that a preset may lack into what it lacks.
func notOffered(err error) error {
	if m, ok := errors.AsType[missing](err); ok && offered[m] != "" {
		return errNotOffered{offered[m]}
	}
	return err
}

func (r *run) judge(step suite.Step, got answer) ([]Fault, error) {
	vs, err := r.vars.with(step.With)
	if err != nil {
		return nil, notOffered(err)
	}
	faults, err := judge(step.Expect, got, vs, r.exchanges)
	return faults, notOffered(err)
}

// mediaTypes are those of bodies, by the extension of their template.
var mediaTypes = map[string]string{"": "application/json", ".json": "application/fhir+json", ".xml": "application/fhir+xml"}

// request makes the request that a step describes.
func (r *run) request(ctx context.Context, step suite.Step) (request, error) {
	vs, err := r.vars.with(step.With)
	if err != nil {
		return request{}, err
	}
	method, url, _ := strings.Cut(step.Request, " ") // the suite was checked
	req := request{method: method, header: http.Header{"Accept": {"application/fhir+json, application/json;q=0.9"}}, withhold: step.WithholdBody}
	if req.url, err = vs.expand(url, asIs); err != nil {
		return req, err
	}
	if req.body, err = r.body(step, vs); err != nil {
		return req, err
	}
	if req.body != nil {
		req.header.Set("Content-Type", mediaTypes[filepath.Ext(step.Template)])
	}
	for _, name := range slices.Sorted(maps.Keys(step.Headers)) {
		value, err := vs.expand(step.Headers[name], asIs)
		if err != nil {
			return req, err
		}
		req.header.Set(name, value)
	}
	authorization, err := r.sender.authorization(ctx, step)
	if authorization != "" {
		req.header.Set("Authorization", authorization)
	}
	return req, err
}

func (r *run) body(step suite.Step, vs *vars) ([]byte, error) {
	text := step.Body
	if step.Template != "" {
		raw, err := fs.ReadFile(r.files, suite.TemplateFile(step.Template))
		if err != nil {
			return nil, err
		}
		text = string(raw)
	}
	if text == "" {
		return nil, nil
	}
	text, err := vs.expand(text, inJSON)
	if err != nil {
		return nil, err
	}
	text, err = changed(text, step.Change, vs)
	return []byte(text), err
}

// capture takes variables from an answer.
func (r *run) capture(step suite.Step, got answer) []Fault {
	var faults []Fault
	for _, name := range slices.Sorted(maps.Keys(step.Capture)) {
		from := step.Capture[name]
		value := ""
		if header, ok := strings.CutPrefix(from, "header:"); ok {
			value = got.Header.Get(header)
		} else if document, err := jsontree.ParseJSON(got.Body); err == nil {
			if expanded, err := r.vars.expand(from, asIs); err == nil {
				from = expanded
			}
			if p, err := jsontree.ParsePath(from); err == nil {
				if found := p.Eval(document); len(found) == 1 {
					value = textOf(found[0])
				}
			}
		}
		if value == "" {
			faults = append(faults, Fault{What: from, Expected: "one value, for later steps", Actual: "none, or several"})
			continue
		}
		r.vars.values[name] = value
	}
	return faults
}

func (r *run) redacted(faults []Fault) []Fault {
	for i, f := range faults {
		faults[i].Expected, faults[i].Actual = r.sender.redact.text(f.Expected), r.sender.redact.text(f.Actual)
		faults[i].What = r.sender.redact.text(f.What)
	}
	return faults
}
