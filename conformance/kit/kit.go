// Package kit is the conformance kit: it plays the other side of a referral against
// a running system, over HTTP alone, and says which promises hold. What it tries is
// data, the checks of package suite; the engine here knows no referral.
//
// Every verdict explains itself: what was asked, what was expected, what came, and
// what a fix looks like. A refusal counts only when its twin, the same request made
// well, was accepted; what could not be tried is said and is never a pass.
//
// Begin with Runner.Run. plan.go chooses the checks, check.go tries one of them, request.go
// and send.go make its requests, judge.go compares the answers, redact.go takes out what
// must not be reported. The result is a Report, which package report writes; Preset says
// how to reach a target.
// docs/words.md defines target, preset, check, twin and mutant.
package kit

// Verdict is what became of one check.
type Verdict string

// The verdicts.
const (
	Pass          Verdict = "pass"
	Fail          Verdict = "fail"
	Blocked       Verdict = "blocked"        // a check that it depends on failed; Because names it
	NotApplicable Verdict = "not-applicable" // the target does not claim to do this; Because names the claim
	NotChecked    Verdict = "not-checked"    // the preset lacks what the check needs; Because names it
)

// Verdicts are all of them, in the order in which reports count them.
var Verdicts = []Verdict{Pass, Fail, Blocked, NotApplicable, NotChecked}

// The exit codes of a run.
const (
	ExitPass    = 0
	ExitFail    = 1
	ExitKit     = 2 // the kit itself could not work
	ExitBlocked = 3 // nothing failed here, but something could not be tried
)

var legend = map[Verdict]string{
	Pass:          "every expectation was met",
	Fail:          "an expectation was not met",
	Blocked:       "not tried, because a check that it depends on failed",
	NotApplicable: "not tried, because the target does not claim to do this",
	NotChecked:    "not tried, because the preset lacks what the check needs",
}
