package kit

import (
	"fmt"
	"iter"
	"strings"
	"time"

	"caselink.example/conformance/kit/suite"
)

// Report is the result tree that every written report is made from. It is redacted:
// it holds no token, no secret and no NHS number.
type Report struct {
	Kit      string             `json:"kit"` // version of the kit
	Role     string             `json:"role"`
	Seed     string             `json:"seed"` // gives the same identifiers again
	Started  time.Time          `json:"started"`
	Finished time.Time          `json:"finished"`
	Target   TargetReport       `json:"target"`
	Verdict  Verdict            `json:"verdict"`
	Counts   map[Verdict]int    `json:"counts"`
	Suites   []SuiteReport      `json:"suites"`
	Legend   map[Verdict]string `json:"legend"`
}

// TargetReport says what was tested.
type TargetReport struct {
	Base       string `json:"base"`
	Preset     string `json:"preset"`
	Client     string `json:"client,omitempty"` // that played the practice
	Software   string `json:"software,omitempty"`
	Capability string `json:"capability,omitempty"` // SHA-256 of its CapabilityStatement
}

// SuiteReport is one suite as it went.
type SuiteReport struct {
	ID     string        `json:"id"`
	Title  string        `json:"title"`
	Groups []GroupReport `json:"groups"`
}

// GroupReport is one group of checks as it went.
type GroupReport struct {
	ID     string        `json:"id"`
	Title  string        `json:"title"`
	Checks []CheckReport `json:"checks"`
}

// CheckReport is one check as it went.
type CheckReport struct {
	ID           string              `json:"id"`
	Title        string              `json:"title"`
	Requirements []suite.Requirement `json:"requirements"`
	Verdict      Verdict             `json:"verdict"`
	Because      string              `json:"because,omitempty"`   // why it is not a pass, in one line
	BlockedBy    string              `json:"blockedBy,omitempty"` // id of the check at the root
	Fix          string              `json:"fix,omitempty"`       // what a fix looks like, unless it passed
	Millis       int64               `json:"ms"`
	Steps        []StepReport        `json:"steps,omitempty"`
}

// StepReport is one request of a check.
type StepReport struct {
	Request  string   `json:"request"`            // as the suite has it
	Attempts int      `json:"attempts,omitempty"` // how often it was sent
	Faults   []Fault  `json:"faults,omitempty"`
	Exchange Exchange `json:"exchange"` // the last one
}

// Fault is one expectation that was not met.
type Fault struct {
	What     string `json:"what"` // such as status, header ETag, body issue.code
	Expected string `json:"expected"`
	Actual   string `json:"actual"`
}

// Exchange is one request and its answer.
type Exchange struct {
	Method   string              `json:"method"`
	URL      string              `json:"url"`
	Sent     map[string][]string `json:"sent,omitempty"` // request headers
	Body     string              `json:"body,omitempty"`
	Status   int                 `json:"status,omitempty"` // 0: no answer
	Received map[string][]string `json:"received,omitempty"`
	Answer   string              `json:"answer,omitempty"`
	Error    string              `json:"error,omitempty"` // why there was no answer
	Millis   int64               `json:"ms"`
	Curl     string              `json:"curl"` // sends it again, given the variables it names
}

// Exit is the exit code that the report stands for.
func (r Report) Exit() int {
	switch r.Verdict {
	case Fail:
		return ExitFail
	case Blocked:
		return ExitBlocked
	}
	return ExitPass
}

// Checks are the checks of all suites, in order.
func (r Report) Checks() iter.Seq[CheckReport] {
	return func(yield func(CheckReport) bool) {
		for _, s := range r.Suites {
			for _, g := range s.Groups {
				for _, c := range g.Checks {
					if !yield(c) {
						return
					}
				}
			}
		}
	}
}

// Close counts the checks and draws the verdict of the whole: fail before blocked
// before pass. A run that passed no more than it could not check proves nothing, and
// is blocked.
func (r *Report) Close(finished time.Time) {
	r.Finished, r.Legend, r.Counts = finished, legend, map[Verdict]int{}
	for _, v := range Verdicts {
		r.Counts[v] = 0
	}
	for c := range r.Checks() {
		r.Counts[c.Verdict]++
	}
	switch {
	// A fault is known, whatever could not be tried.
	case r.Counts[Fail] > 0:
		r.Verdict = Fail
	// Nothing is known against the target, and not enough for it.
	case r.Counts[Blocked] > 0 || r.Counts[Pass] <= r.Counts[NotChecked]:
		r.Verdict = Blocked
	default:
		r.Verdict = Pass
	}
}

// Summary is the counts in one line, such as "41 pass, 1 fail".
func (r Report) Summary() string {
	var parts []string
	for _, v := range Verdicts {
		if n := r.Counts[v]; n > 0 || v == Pass {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	return strings.Join(parts, ", ")
}

// Took is how long the run was.
func (r Report) Took() time.Duration { return r.Finished.Sub(r.Started).Round(10 * time.Millisecond) }

// With are the checks with the verdict, in order.
func (r Report) With(v Verdict) []CheckReport {
	var out []CheckReport
	for c := range r.Checks() {
		if c.Verdict == v {
			out = append(out, c)
		}
	}
	return out
}
