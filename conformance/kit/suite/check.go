package suite

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"

	"caselink.example/conformance/kit/jsontree"
)

// maxWithin bounds every wait of a suite.
const maxWithin = 5 * time.Minute

var checkID = regexp.MustCompile(`^[a-z0-9]+([.-][a-z0-9]+)*$`)

// check finds every fault of the suite that can be found before a run.
func (s Suite) check(files fs.FS, requirements []Requirement) error {
	var faults []error
	if s.Role != RoleAdapter && s.Role != RoleGPSystem {
		faults = append(faults, fmt.Errorf("there is no role %q", s.Role))
	}
	earlier := map[string]bool{}
	for _, c := range s.Checks() {
		for _, err := range c.faults(files, requirements, earlier) {
			faults = append(faults, fmt.Errorf("check %s: %w", c.ID, err))
		}
		earlier[c.ID] = true
	}
	return errors.Join(faults...)
}

// faults are all that is wrong with the check.
func (c Check) faults(files fs.FS, requirements []Requirement, earlier map[string]bool) []error {
	var faults []error
	wrong := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if !checkID.MatchString(c.ID) || earlier[c.ID] {
		wrong("an id is small letters and digits with dots and hyphens between them, and is given once")
	}
	if c.Title == "" || c.Fix == "" || len(c.Steps) == 0 || len(c.Verifies) == 0 {
		wrong("title, fix, verifies and steps are needed")
	}
	for _, id := range c.Verifies {
		if !slices.ContainsFunc(requirements, func(r Requirement) bool { return r.ID == id }) {
			wrong("requirements.tsv has no %s", id)
		}
	}
	// Checks run in their order. One that needs a later one would never have its answer.
	for _, id := range c.DependsOn() {
		if !earlier[id] {
			wrong("it depends on %s, which is not an earlier check", id)
		}
	}
	// A server that refuses everything would pass every check that expects a refusal.
	if c.refuses() && c.Twin == "" {
		wrong("a check that expects a refusal needs a twin that is accepted, else it may pass for another reason")
	}
	for _, when := range c.When {
		if err := when.check(); err != nil {
			wrong("when: %w", err)
		}
	}
	for i, step := range slices.Concat(c.Steps, c.Cleanup) {
		if err := step.check(files); err != nil {
			wrong("step %d: %w", i+1, err)
		}
	}
	return faults
}

// refuses reports whether every step expects a refusal.
func (c Check) refuses() bool {
	return !slices.ContainsFunc(c.Steps, func(s Step) bool {
		accepts := func(status int) bool { return status < 400 }
		return len(s.Expect.Status) == 0 || slices.ContainsFunc(s.Expect.Status, accepts)
	})
}

var (
	methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
	clients = []string{"", "practice", "other-practice", "link-worker", "other-link-worker", "garbage"}
)

// check finds what is wrong with the step; the first fault is enough.
func (s Step) check(files fs.FS) error {
	method, url, ok := strings.Cut(s.Request, " ")
	switch {
	// A URL begins with what the preset says: a suite that names a host would send the
	// target's tokens there.
	case !ok || !slices.Contains(methods, method) || !strings.HasPrefix(url, "${"):
		return fmt.Errorf("request %q is not METHOD and ${base} with a path", s.Request)
	case !slices.Contains(clients, s.As):
		return fmt.Errorf("there is no client %q", s.As)
	case s.Template != "" && s.Body != "" || len(s.Change) > 0 && s.Template == "":
		return fmt.Errorf("a step has a template, which may be changed, or a body")
	case s.Until != nil && (s.Until.Within <= 0 || s.Until.Within > maxWithin || s.Until.Every <= 0):
		return fmt.Errorf("until needs within, at most %s, and every", maxWithin)
	}
	if s.Template != "" {
		if _, err := fs.Stat(files, TemplateFile(s.Template)); err != nil {
			return err
		}
	}
	for _, c := range s.Change {
		if err := c.check(); err != nil {
			return err
		}
	}
	for variable, from := range s.Capture {
		if _, isHeader := strings.CutPrefix(from, "header:"); !isHeader {
			if _, err := jsontree.ParsePath(from); err != nil {
				return fmt.Errorf("capture %s: %w", variable, err)
			}
		}
	}
	return s.Expect.check()
}

func (c Change) check() error {
	set := 0
	for _, field := range []string{c.Remove, c.Set, c.Replace} {
		if field != "" {
			set++
		}
	}
	if set != 1 || (c.Set != "") != (c.To != nil) {
		return fmt.Errorf("a change is one of remove, set with to, and replace with by")
	}
	_, err := jsontree.ParsePointer(c.Remove + c.Set)
	return err
}

func (e Expect) check() error {
	for _, b := range e.Body {
		if err := b.check(); err != nil {
			return err
		}
	}
	for name, h := range e.Headers {
		if (h.Exists == nil) == (h.Equals == "" && h.Matches == "") {
			return fmt.Errorf("header %s: one of exists, equals and matches", name)
		}
	}
	// A body can be what is expected in an answer that is a fault.
	if len(e.Status) == 0 {
		return fmt.Errorf("expect needs a status")
	}
	return nil
}

func (b BodyExpect) check() error {
	tests := 0
	for _, set := range []bool{
		b.Exists != nil, b.Equals != nil, b.Contains != nil, b.Matches != "", b.Count != nil, b.AtLeast != nil,
	} {
		if set {
			tests++
		}
	}
	if tests != 1 {
		return fmt.Errorf("body %s: one of exists, equals, contains, matches, count and atLeast", b.Path)
	}
	_, err := jsontree.ParsePath(b.Path)
	return err
}
