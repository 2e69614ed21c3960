package status_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/status"
)

var morning = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// input is the receipt of an ordinary referral.
func input() status.Input {
	practice := "A81001"
	return status.Input{
		ID: "task-1", EventID: cases.EventID("sr-1", 1), Seq: 1, At: morning.Add(time.Hour), Base: "https://caselink.example/FHIR/R4",
		Case: cases.Case{
			ID: "case-1", Status: cases.Received, ReceivedAt: morning, Priority: "urgent",
			Service: &cases.Party{ID: "north-link", Name: "North Link Workers"},
			Referral: cases.Origin{
				ID: "sr-1", Practice: &practice, Identifiers: []fhir.Identifier{{System: "https://gp.example/Id/referral", Value: "R1"}},
				GroupID: &fhir.Identifier{System: "https://gp.example/Id/group", Value: "G1"},
			},
			Patient: cases.Patient{NHSNumber: "9990000018", Name: "Ann Example"},
		},
	}
}

// sent is the Task as the practice reads it.
func sent(t *testing.T, in status.Input) map[string]any {
	t.Helper()
	task, _ := status.Task(in)
	raw, err := r4.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r4.Unmarshal(raw); err != nil {
		t.Fatalf("%s\n is no sound Task: %v", raw, err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestReceiptIsTheTaskOfTheContract(t *testing.T) {
	t.Parallel()
	in := input()
	in.Outputs = []status.Output{{
		ObservationID: "obs-1", Instrument: "ons4",
		Identifier: fhir.Identifier{System: fhir.SystemOutcome, Value: "o1/worthwhile"},
	}}
	raw, err := os.ReadFile("testdata/receipt.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]any
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}

	got := sent(t, in)

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Task mismatch (-want +got):\n%s", diff)
	}
}

func TestTaskStatusFollowsTheCase(t *testing.T) {
	t.Parallel()
	tests := []struct {
		state  cases.State
		reason *cases.Reason
		want   string
	}{
		{cases.Received, nil, "requested"},
		{cases.NeedsInformation, nil, "requested"},
		{cases.Rejected, &cases.Reason{Code: "duplicate"}, "rejected"},
		{cases.Accepted, nil, "accepted"},
		{cases.Contacting, nil, "accepted"},
		{cases.Active, nil, "in-progress"},
		{cases.OnHold, &cases.Reason{Text: "in hospital"}, "on-hold"},
		{cases.Closed, nil, "completed"},
		{cases.Closed, &cases.Reason{Code: "completed-goals-met"}, "completed"},
		{cases.Closed, &cases.Reason{Code: "unable-to-contact"}, "cancelled"},
		{cases.Cancelled, nil, "cancelled"},
		{cases.EnteredInError, nil, "entered-in-error"},
	}
	seen := map[cases.State]bool{}
	for _, test := range tests {
		in := input()
		in.Case.Status, in.Case.StatusReason = test.state, test.reason

		got := sent(t, in)

		business := got["businessStatus"].(map[string]any)["coding"].([]any)[0].(map[string]any)
		if got["status"] != test.want || business["code"] != string(test.state) || business["display"] == nil {
			t.Errorf("%s because of %v: status %v, business status %v; want %s",
				test.state, test.reason, got["status"], business, test.want)
		}
		seen[test.state] = true
	}
	if len(seen) != len(cases.States()) {
		t.Errorf("%d states reported, want all %d", len(seen), len(cases.States()))
	}
}

func TestReasonIsToldInCodesAndWords(t *testing.T) {
	t.Parallel()
	const system = "https://caselink.example/fhir/CodeSystem/case-reason"
	declined := `{"coding":[{"system":"` + system + `","code":"declined","display":"Declined by the person"},` +
		`{"system":"http://snomed.info/sct","code":"871711000000103"}]`
	tests := map[string]struct {
		change func(*status.Input)
		want   string
	}{
		"code and words": {
			func(in *status.Input) { in.Case.StatusReason = &cases.Reason{Code: "declined", Text: "No, thank you"} },
			declined + `,"text":"No, thank you"}`,
		},
		"code": {
			func(in *status.Input) { in.Case.StatusReason = &cases.Reason{Code: "declined"} },
			declined + `,"text":"Declined by the person"}`,
		},
		"words": {
			func(in *status.Input) { in.Case.StatusReason = &cases.Reason{Text: "No, thank you"} },
			`{"text":"No, thank you"}`,
		},
		"coded only": {func(in *status.Input) {
			in.CodedOnly, in.Case.StatusReason = true, &cases.Reason{Code: "declined", Text: "No, thank you"}
		}, declined + `}`},
		"coded only, no code": {func(in *status.Input) {
			in.CodedOnly, in.Case.StatusReason = true, &cases.Reason{Text: "No, thank you"}
		}, `null`},
		"nothing": {func(*status.Input) {}, `null`},
		"a held case asks": {func(in *status.Input) {
			in.Case.Status, in.Case.Queries = cases.NeedsInformation, []string{"Who?", "Where?"}
		}, `{"text":"Who? Where?"}`},
	}
	for name, test := range tests {
		in := input()
		in.Case.Status = cases.Closed
		test.change(&in)
		var want any
		if err := json.Unmarshal([]byte(test.want), &want); err != nil {
			t.Fatal(err)
		}

		got := sent(t, in)["statusReason"]

		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: statusReason mismatch (-want +got):\n%s", name, diff)
		}
	}
}

func TestPersonIsNamedAsThePracticeKnowsThem(t *testing.T) {
	t.Parallel()
	own := fhir.Identifier{System: "https://gp.example/Id/patient", Value: "77"}
	tests := map[string]struct {
		patient cases.Patient
		want    string // the identifier's value
	}{
		"NHS number":     {cases.Patient{NHSNumber: "9990000018", Identifiers: []fhir.Identifier{own}}, "9990000018"},
		"the sender's":   {cases.Patient{Identifiers: []fhir.Identifier{own}}, "77"},
		"no identifier":  {cases.Patient{Name: "Ann Example"}, ""},
		"an empty value": {cases.Patient{Identifiers: []fhir.Identifier{{System: own.System}}}, ""},
	}
	for name, test := range tests {
		in := input()
		in.Case.Patient = test.patient

		task, ok := status.Task(in)

		subject := task.GetForValue()
		if got := subject.GetIdentifier().GetValue().GetValue(); got != test.want || ok != (test.want != "") || r4.Literal(subject) != "" {
			t.Errorf("%s: for %q, ok %v; want %q and no literal reference", name, got, ok, test.want)
		}
	}
}

func TestPartiesThatAreNotKnownAreNotInvented(t *testing.T) {
	t.Parallel()
	in := input()
	in.Case.Referral = cases.Origin{ID: "sr-1"}
	in.Case.Service = nil
	in.Case.Patient = cases.Patient{}

	got := sent(t, in)

	for _, element := range []string{"requester", "owner", "for", "groupIdentifier", "output", "statusReason", "basedOn"} {
		if got[element] != nil {
			t.Errorf("%s = %v, want none", element, got[element])
		}
	}
}

func TestOwnerIsNamedByItsODSCodeWhenItHasOne(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"A99001":     "https://fhir.nhs.uk/Id/ods-organization-code",
		"north-link": "https://caselink.example/fhir/Id/service",
		"northlink":  "https://caselink.example/fhir/Id/service", // ODS codes are capital letters
	} {
		in := input()
		in.Case.Service = &cases.Party{ID: id}

		task, _ := status.Task(in)

		if got := task.GetOwner().GetIdentifier(); got.GetSystem().GetValue() != want || got.GetValue().GetValue() != id {
			t.Errorf("%s: %v, want system %s", id, got, want)
		}
	}
}

func TestSameInputIsTheSameBytes(t *testing.T) {
	t.Parallel()
	a, _ := status.Task(input())
	b, _ := status.Task(input())
	first, err := r4.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	second, err := r4.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	if string(first) != string(second) || strings.Contains(string(first), "Ann Example") {
		t.Errorf("two attempts differ, or give the name:\n%s\n%s", first, second)
	}
}

func BenchmarkTask(b *testing.B) {
	in := input()
	b.ReportAllocs()
	for b.Loop() {
		task, _ := status.Task(in)
		if _, err := r4.Marshal(task); err != nil {
			b.Fatal(err)
		}
	}
}
