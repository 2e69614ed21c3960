package cases_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"caselink.example/fhir"
	"caselink.example/mapping/cases"
)

var (
	morning = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	later   = morning.Add(90 * time.Minute)
	priya   = cases.Actor{ID: "lw-1", Name: "Priya Shah", Role: "link worker"}
)

// legal is the table of moves as the operating model lists it, written apart from the code.
const legal = `
received          -> needs-information accepted rejected cancelled entered-in-error
needs-information -> received rejected cancelled entered-in-error
accepted          -> contacting active on-hold closed cancelled entered-in-error
contacting        -> active on-hold closed cancelled entered-in-error
active            -> on-hold closed cancelled entered-in-error
on-hold           -> active closed cancelled entered-in-error
closed            -> entered-in-error
rejected          ->
cancelled         ->
entered-in-error  ->
`

func table(t *testing.T) map[cases.State][]cases.State {
	t.Helper()
	moves := map[cases.State][]cases.State{}
	for line := range strings.Lines(strings.TrimSpace(legal)) {
		from, to, _ := strings.Cut(line, "->")
		key := cases.State(strings.TrimSpace(from))
		moves[key] = []cases.State{}
		for s := range strings.FieldsSeq(to) {
			moves[key] = append(moves[key], cases.State(s))
		}
	}
	return moves
}

func TestEveryPairOfStatesIsLegalOrAConflict(t *testing.T) {
	t.Parallel()
	moves := table(t)
	if len(moves) != len(cases.States()) {
		t.Fatalf("the table has %d states, want %d", len(moves), len(cases.States()))
	}
	for _, from := range cases.States() {
		for _, to := range cases.States() {
			c := cases.Case{Status: from, Version: 3}

			got, err := c.Move(cases.Move{To: to, Reason: &cases.Reason{Text: "because"}, Actor: priya}, later)

			if slices.Contains(moves[from], to) {
				if err != nil || got.Status != to || got.Version != 4 {
					t.Errorf("%s -> %s: %s version %d, %v; want it moved to version 4", from, to, got.Status, got.Version, err)
				}
				continue
			}
			if !fhir.Is(err, fhir.IssueConflict) || got.Status != from || got.Version != 3 {
				t.Errorf("%s -> %s: %s version %d, %v; want a conflict", from, to, got.Status, got.Version, err)
			}
			for _, s := range moves[from] {
				if !strings.Contains(err.Error(), string(s)) {
					t.Errorf("%s -> %s: %v does not list %s", from, to, err, s)
				}
			}
		}
	}
}

func TestMovesAreWhatMoveAllows(t *testing.T) {
	t.Parallel()
	for from, want := range table(t) {
		got := cases.Moves(from)

		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("Moves of %s = %v, want %v", from, got, want)
		}
	}
}

func TestMovesCannotBeChangedFromOutside(t *testing.T) {
	t.Parallel()
	cases.Moves(cases.Active)[0] = cases.Received

	if cases.Moves(cases.Active)[0] != cases.OnHold {
		t.Error("a caller has changed the table")
	}
}

func TestStateMachineEndsWhereItSays(t *testing.T) {
	t.Parallel()
	for from, to := range table(t) {
		open := slices.ContainsFunc(to, func(s cases.State) bool { return s != cases.EnteredInError })
		if from.Terminal() == open {
			t.Errorf("%s: Terminal = %v, though it leads to %v", from, from.Terminal(), to)
		}
	}
}

func TestMoveTellsEveryFault(t *testing.T) {
	t.Parallel()
	reject := func(r *cases.Reason) cases.Move { return cases.Move{To: cases.Rejected, Reason: r, Actor: priya} }
	because := func(to cases.State, code string) cases.Move {
		return cases.Move{To: to, Reason: &cases.Reason{Code: code, Text: "x"}, Actor: priya}
	}
	tests := map[string]struct {
		from cases.State
		move cases.Move
		want []string // "code at path"
	}{
		"unknown state": {cases.Received, cases.Move{To: "paused", Actor: priya}, []string{"value at to"}},
		"no actor":      {cases.Received, cases.Move{To: cases.Accepted}, []string{"required at actor.name"}},
		"a blank actor": {
			cases.Received, cases.Move{To: cases.Accepted, Actor: cases.Actor{Name: " "}}, []string{"required at actor.name"},
		},
		"no actor, unknown state":  {cases.Received, cases.Move{To: "x"}, []string{"required at actor.name", "value at to"}},
		"no actor, illegal":        {cases.Closed, cases.Move{To: cases.Active}, []string{"required at actor.name", "conflict at to"}},
		"rejected without reason":  {cases.Received, reject(nil), []string{"required at reason"}},
		"rejected, empty reason":   {cases.Received, reject(&cases.Reason{Text: " "}), []string{"required at reason"}},
		"rejected, close reason":   {cases.Received, reject(&cases.Reason{Code: "died"}), []string{"value at reason.code"}},
		"closed, rejection reason": {cases.Active, because(cases.Closed, "duplicate"), []string{"value at reason.code"}},
		"a code where none are":    {cases.Active, because(cases.OnHold, "holiday"), []string{"value at reason.code"}},
	}
	for name, test := range tests {
		_, err := cases.Case{Status: test.from}.Move(test.move, later)

		var got []string
		for _, e := range fhir.ErrorsOf(err) {
			got = append(got, fmt.Sprintf("%s at %s", e.Code, e.Expression))
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: faults mismatch (-want +got):\n%s", name, diff)
		}
	}
}

// reasons are the lists of reason codes as the operating model has them, each with its
// national code, written apart from the code; and a state from which the move is made.
var reasons = map[cases.State]struct {
	from  cases.State
	codes string
}{
	cases.Rejected: {cases.NeedsInformation, `duplicate:01 inappropriate:02 incomplete:03 out-of-area:02 under-age:02 no-consent:02
		deceased:02 patient-not-found:03 identity-mismatch:03 no-capacity:02 expired-unanswered:02 clinical-risk-redirect:02`},
	cases.Closed: {cases.OnHold, `completed-goals-met: completed-goals-part-met: signposted-only: declined: unable-to-contact:
		did-not-attend: disengaged: moved-out-of-area: moved-practice: died: transferred-to-other-service:
		escalated-clinical-or-safeguarding: consent-withdrawn: administrative:`},
}

func TestEveryReasonOfTheListsIsTaken(t *testing.T) {
	t.Parallel()
	for to, list := range reasons {
		for entry := range strings.FieldsSeq(list.codes) {
			code, national, _ := strings.Cut(entry, ":")

			got, err := cases.Case{Status: list.from}.Move(cases.Move{To: to, Reason: &cases.Reason{Code: code}, Actor: priya}, later)

			if err != nil || got.StatusReason.Code != code {
				t.Errorf("%s because of %s: %v", to, code, err)
			}
			if r, ok := cases.ReasonFor(to, code); !ok || r.National != national || r.Display == "" {
				t.Errorf("%s because of %s is %+v, want the national code %q and a display", to, code, r, national)
			}
		}
	}
	if _, err := (cases.Case{Status: cases.Active}).Move(cases.Move{To: cases.Closed, Actor: priya}, later); err != nil {
		t.Errorf("closed without a reason: %v", err)
	}
}

func TestRefusedReasonListsTheCodesAndNoOthers(t *testing.T) {
	t.Parallel()
	for to, list := range reasons {
		var want []string
		for entry := range strings.FieldsSeq(list.codes) {
			code, _, _ := strings.Cut(entry, ":")
			want = append(want, code)
		}

		_, err := cases.Case{Status: list.from}.Move(cases.Move{To: to, Reason: &cases.Reason{Code: "bored"}, Actor: priya}, later)

		if err == nil || !strings.HasSuffix(err.Error(), "the codes are "+strings.Join(want, ", ")) {
			t.Errorf("%s because of nothing known: %v, want the codes %v", to, err, want)
		}
	}
}

func TestClocksStartOnceAndStopOnce(t *testing.T) {
	t.Parallel()
	c := cases.Case{ID: "c1", Version: 1, Status: cases.Received, Clocks: cases.Clocks{Received: morning}}
	now := morning
	for _, to := range []cases.State{
		cases.NeedsInformation, cases.Received, cases.Accepted, cases.Contacting, cases.OnHold, cases.Active, cases.OnHold,
		cases.Active, cases.Closed, cases.EnteredInError,
	} {
		now = now.Add(time.Hour)
		var err error
		if c, err = c.Move(cases.Move{To: to, Actor: priya}, now); err != nil {
			t.Fatal(err)
		}
	}
	at := func(hours int) *time.Time { t := morning.Add(time.Duration(hours) * time.Hour); return &t }

	want := cases.Clocks{Received: morning, Accepted: at(3), FirstContact: at(4), Started: at(6), Ended: at(9)}
	if diff := cmp.Diff(want, c.Clocks); diff != "" {
		t.Errorf("clocks mismatch (-want +got):\n%s", diff)
	}
	if c.Version != 11 || !c.StatusSince.Equal(*at(10)) || !c.UpdatedAt.Equal(*at(10)) {
		t.Errorf("after ten moves: version %d since %v, updated %v", c.Version, c.StatusSince, c.UpdatedAt)
	}
}

func TestMoveLeavesItsInputAlone(t *testing.T) {
	t.Parallel()
	build := func() cases.Case {
		return cases.Case{
			Status: cases.Accepted, Version: 2, StatusReason: &cases.Reason{Text: "before"}, Queries: make([]string, 1, 9),
			Clocks: cases.Clocks{Received: morning, Accepted: &morning}, Outcomes: make([]cases.Outcome, 1, 9),
		}
	}
	c := build()
	reason := &cases.Reason{Text: "in hospital"}

	moved, err := c.Move(cases.Move{To: cases.OnHold, Reason: reason, Actor: priya}, later)
	if err != nil {
		t.Fatal(err)
	}
	reason.Text = "changed by the caller"
	recorded := moved.WithOutcome(cases.Outcome{ID: "o1", RecordedAt: later})
	moved.WithOutcome(cases.Outcome{Version: 2, RecordedAt: later}) // corrects the one that is there

	if diff := cmp.Diff(build(), c); diff != "" {
		t.Errorf("the input has changed (-want +got):\n%s", diff)
	}
	if moved.StatusReason.Text != "in hospital" || len(moved.Outcomes) != 1 || len(recorded.Outcomes) != 2 {
		t.Errorf("the moved case has changed: %+v", moved)
	}
}

func TestAQuestionHoldsTheCaseUntilItIsAnswered(t *testing.T) {
	t.Parallel()
	c := cases.Case{ID: "c1", Version: 1, Status: cases.Received, Clocks: cases.Clocks{Received: morning}}

	held, err := c.Move(cases.Move{To: cases.NeedsInformation, Reason: &cases.Reason{Text: "Which flat?"}, Actor: priya}, later)
	if err != nil || !slices.Equal(held.Queries, []string{"Which flat?"}) {
		t.Fatalf("held with %v, %v; want the question", held.Queries, err)
	}
	answered, err := held.Move(cases.Move{To: cases.Received, Actor: priya}, later)

	if err != nil || len(answered.Queries) != 0 {
		t.Errorf("answered with %v, %v; want no question left", answered.Queries, err)
	}
}

func TestCorrectedOutcomeTakesThePlaceOfTheFirst(t *testing.T) {
	t.Parallel()
	first := cases.Outcome{ID: "o1", Version: 1, RecordedAt: morning}
	other := cases.Outcome{ID: "o2", Version: 1, RecordedAt: morning}
	corrected := cases.Outcome{ID: "o1", Version: 2, RecordedAt: later}

	c := cases.Case{Version: 5}.WithOutcome(first).WithOutcome(other).WithOutcome(corrected)

	if diff := cmp.Diff([]cases.Outcome{corrected, other}, c.Outcomes); diff != "" {
		t.Errorf("outcomes mismatch (-want +got):\n%s", diff)
	}
	if c.Version != 5 || !c.UpdatedAt.Equal(later) {
		t.Errorf("version %d updated %v; want version 5, for it counts moves, updated %v", c.Version, c.UpdatedAt, later)
	}
}

func TestDeliveredIsWhatTheReasonTells(t *testing.T) {
	t.Parallel()
	active := cases.Clocks{Started: &morning}
	tests := []struct {
		reason *cases.Reason
		clocks cases.Clocks
		want   bool
	}{
		{nil, cases.Clocks{}, true},
		{&cases.Reason{Text: "words alone"}, cases.Clocks{}, true},
		{&cases.Reason{Code: "completed-goals-met"}, cases.Clocks{}, true},
		{&cases.Reason{Code: "signposted-only"}, cases.Clocks{}, true},
		{&cases.Reason{Code: "unable-to-contact"}, cases.Clocks{}, false},
		{&cases.Reason{Code: "declined"}, active, false},
		{&cases.Reason{Code: "did-not-attend"}, active, false},
		{&cases.Reason{Code: "moved-practice"}, cases.Clocks{}, false},
		{&cases.Reason{Code: "moved-practice"}, active, true},
	}
	for _, test := range tests {
		if got := cases.Delivered(cases.Case{StatusReason: test.reason, Clocks: test.clocks}); got != test.want {
			t.Errorf("Delivered because of %+v, ever active %v: %v, want %v", test.reason, test.clocks.Started != nil, got, test.want)
		}
	}
}

func TestPersonIsNamedByTheNHSNumberBeforeTheSendersOwn(t *testing.T) {
	t.Parallel()
	own := fhir.Identifier{System: "https://gp.example/Id/patient", Value: "77"}
	tests := map[string]struct {
		patient cases.Patient
		want    fhir.Identifier
	}{
		"both": {
			cases.Patient{NHSNumber: "9990000018", Identifiers: []fhir.Identifier{own}},
			fhir.Identifier{System: "https://fhir.nhs.uk/Id/nhs-number", Value: "9990000018"},
		},
		"own":     {cases.Patient{Identifiers: []fhir.Identifier{{System: "x"}, own}}, own},
		"neither": {cases.Patient{Name: "A"}, fhir.Identifier{}},
	}
	for name, test := range tests {
		got, ok := test.patient.Identifier()
		if got != test.want || ok != (test.want.Value != "") {
			t.Errorf("%s: %v, %v; want %v", name, got, ok, test.want)
		}
	}
}

func TestEventIDIsTheSameOnEveryAttempt(t *testing.T) {
	t.Parallel()
	ids := map[string]bool{}
	for _, referral := range []string{"a", "b"} {
		for seq := range 20 {
			id := cases.EventID(referral, seq)
			if id != cases.EventID(referral, seq) || len(id) != 36 || id[14] != '5' || ids[id] {
				t.Errorf("EventID(%s, %d) = %s, want a UUIDv5 of its own", referral, seq, id)
			}
			ids[id] = true
		}
	}
	if got, want := cases.EventID("a", 1), "8784a554-f64e-5b63-9c3d-a998b84cedea"; got != want {
		t.Errorf("EventID = %s, want %s: a practice that has it would be sent it again", got, want)
	}
}
