// Package suite is the language in which checks are written: what is sent, what must come
// back, and which requirement that verifies. All of it is data, in suites/*.yaml and
// requirements.tsv, so that whoever knows FHIR and no Go can read and write a check, and so
// that the same checks can be asked of any system.
//
// Begin with Suite and its parts, which are the keys of the YAML. load.go reads them, and
// check.go refuses what could pass without having tried anything.
// docs/words.md defines suite, check, requirement, twin and target.
package suite

import (
	"iter"
	"slices"
	"time"
)

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

// Checks are the suite's checks in order, each with its group.
func (s Suite) Checks() iter.Seq2[Group, Check] {
	return func(yield func(Group, Check) bool) {
		for _, g := range s.Groups {
			for _, c := range g.Checks {
				if !yield(g, c) {
					return
				}
			}
		}
	}
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

// DependsOn are the checks that must pass before this one means anything.
func (c Check) DependsOn() []string {
	if c.Twin == "" {
		return c.Needs
	}
	return append(slices.Clone(c.Needs), c.Twin)
}

// Step is one request and what its answer must be.
type Step struct {
	Request string `yaml:"request"` // METHOD URL
	// whose token: practice, other-practice, link-worker, other-link-worker, garbage; "" for none
	As           string            `yaml:"as"`
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
	Status  Statuses                `yaml:"status"`
	Headers map[string]HeaderExpect `yaml:"headers"`
	Issues  []IssueExpect           `yaml:"issues"` // the OperationOutcome has an issue for each
	Body    []BodyExpect            `yaml:"body"`
	Text    []string                `yaml:"text"`   // the body has each of these
	NoText  []string                `yaml:"noText"` // the body has none of these
	Empty   bool                    `yaml:"empty"`  // there is no body
	SameAs  *SameAs                 `yaml:"sameAs"`
	// a kept exchange: status, headers and bytes, without the headers of a single request
	IdenticalTo string `yaml:"identicalTo"`
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
