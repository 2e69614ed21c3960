package kit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"caselink.example/conformance/kit/jsontree"
	"caselink.example/conformance/kit/suite"
)

// check tries one check. An error means that the kit or the suite is at fault.
func (r *run) check(ctx context.Context, c suite.Check) (CheckReport, error) {
	start := r.Now()
	cr := CheckReport{ID: c.ID, Title: c.Title, Verdict: Pass}
	if !r.ready(c, &cr) {
		return cr, nil
	}

	// The cleanup comes whatever became of the steps: a GP system that was set to misbehave
	// would fail every check after this one.
	err := r.steps(ctx, c.Steps, &cr)
	if cleanup := r.steps(ctx, c.Cleanup, &cr); err == nil {
		err = cleanup
	}

	// What the preset lacks is no fault of the target, and no proof either.
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
	// Without what it needs, a check would fail for the reason of the other, and one fault
	// of the target would look like twenty. The report leads to the first of them, whose own
	// reason is passed on where that is not a failure.
	for _, id := range c.DependsOn() {
		before := r.reports[id]
		if before.Verdict == Pass {
			continue
		}
		root := r.reports[cmp.Or(before.BlockedBy, id)]
		cr.BlockedBy, cr.Verdict = root.ID, root.Verdict
		cr.Because = "it depends on " + root.ID + ": " + root.Because
		if root.Verdict == Fail {
			cr.Verdict, cr.Because = Blocked, "it depends on "+root.ID+", which failed"
		}
		return false
	}

	// What a target does not claim it need not do. It may not claim it and fail, though: the
	// claim is asked of its own CapabilityStatement.
	if len(c.When) == 0 {
		return true
	}
	claim := suite.Expect{Status: suite.Statuses{http.StatusOK}, Body: c.When}
	unclaimed, err := judge(claim, r.capability, r.vars, nil)
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
		if len(sr.Faults) == 0 {
			continue
		}
		// The first fault is the reason, and that of a cleanup never hides it. Later steps
		// build on this one and would fail for it.
		if cr.Verdict == Pass {
			f := sr.Faults[0]
			cr.Verdict = Fail
			cr.Because = fmt.Sprintf("step %d: %s: expected %s, got %s", i+1, f.What, f.Expected, f.Actual)
		}
		return nil
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
		// Within its time a fault means not yet: write-backs come when they come.
		if len(faults) > 0 && r.Now().Before(deadline) {
			if err := r.Wait(ctx, step.Until.Every); err != nil {
				return sr, err
			}
			continue
		}

		// Only the last attempt counts for what later steps compare with.
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

// attempt makes the step's request once.
func (r *run) attempt(ctx context.Context, step suite.Step) (request, answer, time.Duration, error) {
	req, err := r.request(ctx, step)
	if err != nil {
		return req, answer{}, 0, notOffered(err)
	}
	// The URL may come from the target, out of a Location: the token of its client goes to
	// no host that the preset does not name.
	if !r.sender.isTarget(req.url) {
		return req, answer{Err: errors.New("not sent: the URL leads to a host that is not the target's")}, 0, nil
	}
	got, took := r.sender.send(ctx, req)
	return req, got, took, ctx.Err()
}

// errNotOffered says what the preset lacks for a check.
type errNotOffered struct{ what string }

func (e errNotOffered) Error() string { return "the preset does not give " + e.what }

// notOffered turns a variable that a preset may lack into what it lacks.
func notOffered(err error) error {
	if m, ok := errors.AsType[missing](err); ok && offered[m] != "" {
		return errNotOffered{offered[m]}
	}
	return err
}

// judge compares the answer with what the step expects of it.
func (r *run) judge(step suite.Step, got answer) ([]Fault, error) {
	vs, err := r.vars.with(step.With)
	if err != nil {
		return nil, notOffered(err)
	}
	faults, err := judge(step.Expect, got, vs, r.exchanges)
	return faults, notOffered(err)
}

// capture takes variables from an answer. What cannot be taken is a fault of the target:
// a later step would else run with the value of an earlier check.
func (r *run) capture(step suite.Step, got answer) []Fault {
	var faults []Fault
	for _, name := range slices.Sorted(maps.Keys(step.Capture)) {
		from := step.Capture[name]
		var value string
		if header, ok := strings.CutPrefix(from, "header:"); ok {
			value = got.Header.Get(header)
		} else {
			if expanded, err := r.vars.expand(from, asIs); err == nil {
				from = expanded
			}
			value = onlyValue(got.Body, from)
		}
		if value == "" {
			faults = append(faults, Fault{What: from, Expected: "one value, for later steps", Actual: "none, or several"})
			continue
		}
		r.vars.values[name] = value
	}
	return faults
}

// onlyValue is the one value that the path selects from a body; "" for none, and for
// several, of which none is the one that is meant.
func onlyValue(body []byte, path string) string {
	document, err := jsontree.ParseJSON(body)
	if err != nil {
		return ""
	}
	p, err := jsontree.ParsePath(path)
	if err != nil {
		return ""
	}
	if found := p.Eval(document); len(found) == 1 {
		return textOf(found[0])
	}
	return ""
}

// redacted are the faults without what must not be reported: what was expected may be a
// patient's, and what came may be anything.
func (r *run) redacted(faults []Fault) []Fault {
	for i, f := range faults {
		faults[i].Expected, faults[i].Actual = r.sender.redact.text(f.Expected), r.sender.redact.text(f.Actual)
		faults[i].What = r.sender.redact.text(f.What)
	}
	return faults
}
