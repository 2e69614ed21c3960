package kit

import (
	"context"
	"net/http"
	"testing"
	"time"

	"caselink.example/conformance/kit/suite"
)

// clock stands still but for waits, so that a wait costs nothing.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func (c *clock) Wait(_ context.Context, d time.Duration) error {
	c.now = c.now.Add(d)
	return nil
}

func runnerFor(t *testing.T, target Target) *Runner {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c := &clock{now: time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Runner{
		Target: target, Now: c.Now, Wait: c.Wait, Seed: t.Name(), Version: "test", Timeout: 5 * time.Second,
		HTTP: &http.Client{Transport: transport, CheckRedirect: stay},
	}
}

func suitesFor(t *testing.T, role string) []suite.Suite {
	t.Helper()
	suites, err := suite.Suites(role)
	if err != nil {
		t.Fatal(err)
	}
	return suites
}

// wantAllPass wants a pass of every check.
func wantAllPass(t *testing.T, report Report) {
	t.Helper()
	for c := range report.Checks() {
		if c.Verdict != Pass {
			t.Errorf("%s: %s: %s", c.ID, c.Verdict, c.Because)
		}
	}
}

// wantKilled wants the killer to fail, and what it needs to pass: a mutant that breaks
// another promise as well shows nothing.
func wantKilled(t *testing.T, report Report, killer string) {
	t.Helper()
	for c := range report.Checks() {
		switch {
		case c.ID == killer && c.Verdict != Fail:
			t.Errorf("%s is %s: the mutant lives: %s", c.ID, c.Verdict, c.Because)
		case c.ID != killer && c.Verdict != Pass:
			t.Errorf("%s is %s without cause: %s", c.ID, c.Verdict, c.Because)
		}
	}
}

// wantMutantOfEach wants a killer to be each check of the role.
func wantMutantOfEach(t *testing.T, role string, killers map[string]bool) {
	t.Helper()
	for _, s := range suitesFor(t, role) {
		for _, c := range s.Checks() {
			if !killers[c.ID] {
				t.Errorf("no mutant shows that %s can fail", c.ID)
			}
		}
	}
}

func TestGoodAdapterPassesEverything(t *testing.T) {
	t.Parallel()
	report, err := runnerFor(t, startPeer(t, "")).Run(t.Context(), suitesFor(t, suite.RoleAdapter), nil)
	if err != nil {
		t.Fatal(err)
	}

	wantAllPass(t, report)
	if report.Exit() != ExitPass {
		t.Errorf("exit code %d, want %d", report.Exit(), ExitPass)
	}
}

// mutants are adapters that break one promise each, and the check that must notice.
var mutants = []struct{ mutant, killer string }{
	{"metadata needs a token", "metadata.open"},
	{"metadata leaves vread out", "metadata.sound"},
	{"smart-configuration is missing", "smart.configuration"},
	{"created is 200", "referral.created"},
	{"no Location", "referral.created"},
	{"no ETag", "referral.created"},
	{"ids are not echoed", "referral.created"},
	{"an unknown extension is dropped", "referral.read"},
	{"decimals lose their zeros", "referral.read"},
	{"there are no versions", "referral.vread"},
	{"every repeat is a new referral", "referral.repeat"},
	{"other content is accepted", "referral.other-content"},
	{"no identity is needed", "referral.no-identity"},
	{"X-Request-Id is no identity", "referral.request-id"},
	{"If-None-Exist is ignored", "referral.if-none-exist"},
	{"Prefer minimal is ignored", "prefer.minimal"},
	{"Prefer OperationOutcome is ignored", "prefer.outcome"},
	{"no token is needed", "token.none"},
	{"401 without WWW-Authenticate", "token.none"},
	{"the body is read before the token", "token.before-body"},
	{"garbage is a bad request", "token.garbage"},
	{"signatures are not verified", "token.tampered"},
	{"scopes are ignored", "scope.create"},
	{"apps may use both APIs", "scope.other-api"},
	{"any media type is read", "media.other"},
	{"Accept is ignored", "media.accept"},
	{"an unknown path is plain text", "path.unknown"},
	{"broken JSON is our fault", "json.broken"},
	{"duplicate keys are taken", "json.duplicate-key"},
	{"faults have no FHIRPath", "element.missing-subject"},
	{"NHS numbers are not checked", "element.nhs-number"},
	{"unknown elements are dropped", "element.unknown"},
	{"only the first fault is told", "element.several"},
	{"a fault quotes the value", "error.no-patient-data"},
	{"XML is not written", "xml.read"},
	{"XML is not read", "xml.created"},
	{"$validate finds nothing", "validate.verdict"},
	{"another practice's is forbidden", "tenancy.read"},
	{"another practice's is told apart", "tenancy.read"},
	{"another practice's version is told apart", "tenancy.read"},
	{"identifiers are of everyone", "tenancy.identifier"},
	{"cases are not listed", "case.listed"},
	{"cases are listed twice", "case.listed"},
	{"a case speaks FHIR", "case.fields"},
	{"every service sees every case", "case.other-service"},
	{"a move does not count", "move.accepted"},
	{"If-Match is not needed", "move.no-if-match"},
	{"a stale If-Match is accepted", "move.stale"},
	{"every move is legal", "move.illegal"},
	{"the legal moves are not named", "move.illegal"},
	{"nobody may move a case", "move.no-actor"},
	{"every service moves every case", "move.other-service"},
	{"a zero answer is dropped", "outcome.recorded"},
	{"only the first answer's fault is told", "outcome.refused"},
	{"answers that do not fit are kept", "outcome.refused"},
	{"a closed case reopens", "move.never-reopened"},
	{"each state is a Task of its own", "writeback.task"},
	{"a state is left out", "writeback.history"},
	{"states arrive out of order", "writeback.history"},
	{"a state arrives twice", "writeback.history"},
	{"an event has no identifier of its own", "writeback.history"},
	{"the focus is relative", "writeback.task-content"},
	{"the Task is based on a fragment", "writeback.task-content"},
	{"the person is a fragment too", "writeback.task-content"},
	{"a sum is sent too", "writeback.observations"},
	{"an Observation is doubled", "writeback.observations"},
	{"a zero value is left out", "writeback.observations"},
	{"scores are quantities", "writeback.observations"},
	{"what is unavailable is given up", "fault.unavailable"},
	{"a lost answer makes another resource", "fault.lost-answer"},
	{"a repeat is written again", "fault.lost-answer"},
}

func TestEachMutantIsKilledByItsCheck(t *testing.T) {
	t.Parallel()
	suites := suitesFor(t, suite.RoleAdapter)
	for _, m := range mutants {
		t.Run(m.mutant, func(t *testing.T) {
			t.Parallel()
			report, err := runnerFor(t, startPeer(t, m.mutant)).Run(t.Context(), suites, []string{m.killer})
			if err != nil {
				t.Fatal(err)
			}

			wantKilled(t, report, m.killer)
			if report.Exit() != ExitFail {
				t.Errorf("exit code %d, want %d", report.Exit(), ExitFail)
			}
		})
	}
}

func TestEveryAdapterCheckHasAMutant(t *testing.T) {
	t.Parallel()
	killers := map[string]bool{}
	for _, m := range mutants {
		killers[m.killer] = true
	}
	killers["move.active"], killers["move.closed"] = true, true // further steps of what move.accepted tries
	wantMutantOfEach(t, suite.RoleAdapter, killers)
}
