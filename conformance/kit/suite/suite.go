// Package suite is the language of the checks: suites, requirements, and which check
// verifies which requirement. All of it is data.
package suite

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"caselink.example/conformance/kit/jsontree"
)

//go:embed suites requirements.tsv
var Files embed.FS

// The roles that a target may play.
const (
	RoleAdapter  = "adapter"   // between GP systems and link workers' apps
	RoleGPSystem = "gp-system" // takes the write-backs
)

// Suite is checks for one role, as a file of suites/ declares them.
type Suite struct {
	ID     string  `yaml:"id"`
	Title  string  `yaml:"title"`
	Role   string  `yaml:"role"`
	Groups []Group `yaml:"groups"`
}

// Group is checks that belong together.
type Group struct {
	ID     string  `yaml:"id"`
	Title  string  `yaml:"title"`
	Checks []Check `yaml:"checks"`
}

// Check is one thing that is tried.
type Check struct {
	ID       string       `yaml:"id"`
	Title    string       `yaml:"title"`
	Verifies []string     `yaml:"verifies"` // ids of requirements
	Needs    []string     `yaml:"needs"`    // checks that must have passed, named earlier in the suite
	Twin     string       `yaml:"twin"`     // the check that is accepted where this one is refused; it must have passed
	When     []BodyExpect `yaml:"when"`     // of the target's CapabilityStatement; unmet: not applicable
	Fix      string       `yaml:"fix"`      // what a fix looks like
	Steps    []Step       `yaml:"steps"`
	Cleanup  []Step       `yaml:"cleanup"` // made whatever becomes of the steps
}

// Step is one request and what its answer must be.
type Step struct {
	Request      string            `yaml:"request"`      // METHOD URL
	As           string            `yaml:"as"`           // whose token: practice, other-practice, link-worker, other-link-worker, garbage; "" for none
	WithoutScope string            `yaml:"withoutScope"` // ask for the client's scopes, without those that contain this
	Tamper       bool              `yaml:"tamper"`       // send the token with its signature changed
	Headers      map[string]string `yaml:"headers"`
	Template     string            `yaml:"template"` // a file of suites/data, JSON or XML
	Body         string            `yaml:"body"`     // instead of a template
	With         map[string]string `yaml:"with"`     // more variables, for this step alone
	Change       []Change          `yaml:"change"`   // made to the template
	WithholdBody bool              `yaml:"withholdBody"`
	Expect       Expect            `yaml:"expect"`
	Capture      map[string]string `yaml:"capture"` // variable: path in the body, or header:NAME
	Keep         string            `yaml:"keep"`    // keeps the exchange under this name
	Until        *Until            `yaml:"until"`
}

// Change is one edit of a template; exactly one of its fields is set.
type Change struct {
	Remove  string `yaml:"remove"` // JSON Pointer
	Set     string `yaml:"set"`    // JSON Pointer
	To      *Value `yaml:"to"`     // with Set
	Replace string `yaml:"replace"`
	By      string `yaml:"by"` // with Replace: text for text, after every other edit
}

// Expect is what an answer must be. What is not said does not matter.
type Expect struct {
	Status      Statuses                `yaml:"status"`
	Headers     map[string]HeaderExpect `yaml:"headers"`
	Issues      []IssueExpect           `yaml:"issues"` // the OperationOutcome has an issue for each
	Body        []BodyExpect            `yaml:"body"`
	Text        []string                `yaml:"text"`   // the body has each of these
	NoText      []string                `yaml:"noText"` // the body has none of these
	Empty       bool                    `yaml:"empty"`  // there is no body
	SameAs      *SameAs                 `yaml:"sameAs"`
	IdenticalTo string                  `yaml:"identicalTo"` // a kept exchange: status, headers and bytes, but for Date and X-Request-Id
}

// HeaderExpect is what a header must be; exactly one field is set.
type HeaderExpect struct {
	Exists  *bool  `yaml:"exists"`
	Equals  string `yaml:"equals"`
	Matches string `yaml:"matches"` // regular expression
}

// IssueExpect is an issue that an OperationOutcome must have.
type IssueExpect struct {
	Code       []string `yaml:"code"`       // any of these
	Expression string   `yaml:"expression"` // one of its FHIRPaths begins with this
}

// BodyExpect is what a path of a JSON body must select; exactly one test is set.
type BodyExpect struct {
	Path     string `yaml:"path"`
	Exists   *bool  `yaml:"exists"`
	Equals   *Value `yaml:"equals"` // one value, or a list: all that is selected, in order
	Contains *Value `yaml:"contains"`
	Matches  string `yaml:"matches"` // regular expression for each value selected; at least one
	Count    *int   `yaml:"count"`
	AtLeast  *int   `yaml:"atLeast"`
}

// SameAs says that the body is the JSON that was sent or received before, number
// text included.
type SameAs struct {
	Kept     string   `yaml:"kept"` // name of an exchange
	Received bool     `yaml:"received"`
	At       string   `yaml:"at"`     // JSON Pointer; "" for the whole
	Except   []string `yaml:"except"` // JSON Pointers
}

// Until repeats a step until its expectations are met or the time is over.
type Until struct {
	Within time.Duration `yaml:"within"`
	Every  time.Duration `yaml:"every"`
}

// maxWithin bounds every wait of a suite.
const maxWithin = 5 * time.Minute

// Statuses are the HTTP statuses that will do.
type Statuses []int

// UnmarshalYAML reads one status or a list.
func (s *Statuses) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*s = make(Statuses, 1)
		return n.Decode(&(*s)[0])
	}
	return n.Decode((*[]int)(s))
}

// Value is a JSON value of a suite; its strings may hold variables.
type Value struct{ JSON any }

// UnmarshalYAML reads a value; numbers keep their text.
func (v *Value) UnmarshalYAML(n *yaml.Node) error {
	var err error
	v.JSON, err = valueOf(n)
	return err
}

func valueOf(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			v, err := valueOf(item)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case yaml.MappingNode:
		object := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			v, err := valueOf(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			object[n.Content[i].Value] = v
		}
		return object, nil
	}
	switch n.Tag {
	case "!!int", "!!float":
		return json.Number(n.Value), nil
	case "!!bool":
		return strconv.ParseBool(n.Value)
	case "!!null":
		return nil, nil
	}
	return n.Value, nil
}

// Suites returns the suites of a role, all of them for "", checked against each
// other, their templates and the requirements.
func Suites(role string) ([]Suite, error) { return Load(Files, role) }

// Load is Suites for other files than those that are built in.
func Load(files fs.FS, role string) ([]Suite, error) {
	requirements, err := RequirementsOf(files)
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "suites/*.yaml")
	if err != nil {
		return nil, err
	}
	var suites []Suite
	for _, name := range names {
		s, err := parseSuite(files, name)
		if err != nil {
			return nil, err
		}
		if err := s.check(files, requirements); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if role == "" || s.Role == role {
			suites = append(suites, s)
		}
	}
	if len(suites) == 0 {
		return nil, fmt.Errorf("there is no suite for the role %q: use %s or %s", role, RoleAdapter, RoleGPSystem)
	}
	return suites, nil
}

// parseSuite reads a suite; a key that no type above has is an error.
func parseSuite(files fs.FS, name string) (Suite, error) {
	raw, err := fs.ReadFile(files, name)
	if err != nil {
		return Suite{}, err
	}
	d := yaml.NewDecoder(bytes.NewReader(raw))
	d.KnownFields(true)
	var s Suite
	if err := d.Decode(&s); err != nil {
		return Suite{}, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

var checkID = regexp.MustCompile(`^[a-z0-9]+([.-][a-z0-9]+)*$`)

// check finds every fault of the suite that can be found before a run.
func (s Suite) check(files fs.FS, requirements []Requirement) error {
	var faults []error
	if s.Role != RoleAdapter && s.Role != RoleGPSystem {
		faults = append(faults, fmt.Errorf("there is no role %q", s.Role))
	}
	earlier := map[string]bool{}
	for _, g := range s.Groups {
		for _, c := range g.Checks {
			for _, err := range c.faults(files, requirements, earlier) {
				faults = append(faults, fmt.Errorf("check %s: %w", c.ID, err))
			}
			earlier[c.ID] = true
		}
	}
	return errors.Join(faults...)
}

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
	for _, id := range c.DependsOn() {
		if !earlier[id] {
			wrong("it depends on %s, which is not an earlier check", id)
		}
	}
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

// DependsOn are the checks that must pass before this one means anything.
func (c Check) DependsOn() []string {
	if c.Twin == "" {
		return c.Needs
	}
	return append(slices.Clone(c.Needs), c.Twin)
}

// refuses reports whether every step expects a refusal.
func (c Check) refuses() bool {
	return !slices.ContainsFunc(c.Steps, func(s Step) bool {
		return len(s.Expect.Status) == 0 || slices.ContainsFunc(s.Expect.Status, func(status int) bool { return status < 400 })
	})
}

var (
	methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
	clients = []string{"", "practice", "other-practice", "link-worker", "other-link-worker", "garbage"}
)

func (s Step) check(files fs.FS) error {
	method, url, ok := strings.Cut(s.Request, " ")
	switch {
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

// TemplateFile is where a step's template stands among the files.
func TemplateFile(name string) string { return "suites/data/" + name }

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
	if len(e.Status) == 0 {
		return fmt.Errorf("expect needs a status")
	}
	return nil
}

func (b BodyExpect) check() error {
	tests := 0
	for _, set := range []bool{b.Exists != nil, b.Equals != nil, b.Contains != nil, b.Matches != "", b.Count != nil, b.AtLeast != nil} {
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
