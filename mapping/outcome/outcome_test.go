package outcome_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/outcome"
)

var instruments = outcome.Default()

var answered = time.Date(2026, 3, 2, 14, 5, 0, 0, time.UTC)

func answers(t *testing.T, text string) map[string]json.RawMessage {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

const ons4 = `{"life-satisfaction": 7, "worthwhile": 0, "happy-yesterday": 10, "anxious-yesterday": 3}`

func TestONS4IsFourAnswersAndNeverASum(t *testing.T) {
	t.Parallel()
	got, err := instruments.Score("ons4", "baseline", answers(t, ons4))

	want := outcome.Scored{
		Instrument: "ons4", Point: "baseline",
		Answers: map[string]int{"life-satisfaction": 7, "worthwhile": 0, "happy-yesterday": 10, "anxious-yesterday": 3},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Score: %v, mismatch (-want +got):\n%s", err, diff)
	}
}

func TestAnswerThatDoesNotFitIsRefused(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{`1.5`, `7.0`, `7e0`, `-0`, `-1`, `11`, `"7"`, `null`, `true`, `[7]`, `{}`, `99999999999999999999`} {
		all := answers(t, ons4)
		all["worthwhile"] = json.RawMessage(answer)

		_, err := instruments.Score("ons4", "final", all)

		es := fhir.ErrorsOf(err)
		if len(es) != 1 || es[0].Error() != "value at answers.worthwhile: the answer is an integer 0 to 10" {
			t.Errorf("%s: %v; want the range at answers.worthwhile", answer, err)
		}
	}
}

func TestEveryFaultOfTheAnswersIsTold(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		instrument string
		point      cases.Point
		answers    string
		want       []string
	}{
		"two missing, one unknown, one out of range": {"ons4", "baseline", `{"life-satisfaction":11,"worthwhile":1,"joy":1}`, []string{
			"value at answers.life-satisfaction", "required at answers.happy-yesterday", "required at answers.anxious-yesterday",
			"value at answers",
		}},
		"no answers": {
			"ucla-3", "final", `null`,
			[]string{"required at answers.companionship", "required at answers.left-out", "required at answers.isolated"},
		},
		"unknown instrument": {"mycaw", "first", `{}`, []string{"value at instrument", "value at point"}},
		"unknown point":      {"ons4", "", ons4, []string{"value at point"}},
		"another case":       {"ONS4", "baseline", ons4, []string{"value at instrument"}},
	}
	for name, test := range tests {
		_, err := instruments.Score(test.instrument, test.point, answers(t, test.answers))

		var got []string
		for _, e := range fhir.ErrorsOf(err) {
			got = append(got, fmt.Sprintf("%s at %s", e.Code, e.Expression))
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: faults mismatch (-want +got):\n%s", name, diff)
		}
	}
}

// same gives every item of the instrument the same answer.
func same(t *testing.T, instrument string, answer int) map[string]json.RawMessage {
	t.Helper()
	in, ok := instruments.Lookup(instrument)
	if !ok {
		t.Fatalf("no %s", instrument)
	}
	all := map[string]json.RawMessage{}
	for _, item := range in.Items {
		all[item.Code] = json.RawMessage(fmt.Sprint(answer))
	}
	return all
}

func TestTotalsAreWhatTheInstrumentSays(t *testing.T) {
	t.Parallel()
	tests := []struct {
		instrument string
		answer     int
		want       map[string]json.Number
	}{
		{"ucla-3", 1, map[string]json.Number{"total": "3"}},
		{"ucla-3", 3, map[string]json.Number{"total": "9"}},
		{"swemwbs", 1, map[string]json.Number{"total": "7", "metric": "7.00"}},
		{"swemwbs", 3, map[string]json.Number{"total": "21", "metric": "19.25"}},
		{"swemwbs", 4, map[string]json.Number{"total": "28", "metric": "25.03"}},
		{"swemwbs", 5, map[string]json.Number{"total": "35", "metric": "35.00"}},
		{"wemwbs", 1, map[string]json.Number{"total": "14"}},
		{"wemwbs", 5, map[string]json.Number{"total": "70"}},
		{"phq-9", 0, map[string]json.Number{"total": "0"}},
		{"phq-9", 3, map[string]json.Number{"total": "27"}},
		{"gad-7", 3, map[string]json.Number{"total": "21"}},
	}
	for _, test := range tests {
		got, err := instruments.Score(test.instrument, "interim", same(t, test.instrument, test.answer))
		if diff := cmp.Diff(test.want, got.Scores); err != nil || diff != "" {
			t.Errorf("%s of all %d: %v, scores mismatch (-want +got):\n%s", test.instrument, test.answer, err, diff)
		}
	}
}

func TestPAMScoreIsTakenAsItIsGiven(t *testing.T) {
	t.Parallel()
	for text, fits := range map[string]bool{
		"0": true, "55.1": true, "100": true, "100.0": true, "72.4": true,
		"100.1": false, "-0.1": false, "55.12": false, "55.": false, ".5": false, "5e1": false, "055": false,
		`"55.1"`: false, "null": false,
	} {
		given := map[string]json.RawMessage{"score": json.RawMessage(text), "level": json.RawMessage("3")}
		got, err := instruments.Score("pam", "baseline", given)

		if fits && (err != nil || got.Scores["score"] != json.Number(text) || got.Answers["level"] != 3) {
			t.Errorf("%s: %+v, %v; want it as it is", text, got, err)
		}
		if !fits && !fhir.Is(err, fhir.IssueValue) {
			t.Errorf("%s: %+v, %v; want it refused", text, got, err)
		}
	}
}

func TestInstrumentsAreWhole(t *testing.T) {
	t.Parallel()
	for _, in := range instruments {
		found, ok := instruments.Lookup(in.ID)
		if !ok || found.Title == "" || found.Licence == "" || len(found.Items) == 0 {
			t.Errorf("%s: a title, a licence and items are needed", in.ID)
		}
		low, high := 0, 0
		for _, item := range in.Items {
			if item.Min >= item.Max || item.Better == "" {
				t.Errorf("%s %s: range %d to %d, better %q", in.ID, item.Code, item.Min, item.Max, item.Better)
			}
			low, high = low+item.Min, high+item.Max
		}
		if in.Total != nil && (in.Total.Min != low || in.Total.Max != high || in.Better == "") {
			t.Errorf("%s: total %v, better %q; its items give %d to %d", in.ID, *in.Total, in.Better, low, high)
		}
	}
	ons, _ := instruments.Lookup("ons4")
	directions := map[string]outcome.Direction{}
	for _, item := range ons.Items {
		directions[item.Code] = item.Better
	}
	if want := (map[string]outcome.Direction{
		"life-satisfaction": outcome.Increase, "worthwhile": outcome.Increase, "happy-yesterday": outcome.Increase,
		"anxious-yesterday": outcome.Decrease,
	}); !maps.Equal(directions, want) || ons.Total != nil {
		t.Errorf("ons4 has directions %v and total %v, want %v and none", directions, ons.Total, want)
	}
}

func input(instrument string) outcome.Input {
	return outcome.Input{
		Base: "https://caselink.example/FHIR/R4", Issued: answered.Add(time.Minute),
		Case: cases.Case{
			ID: "case-1", Patient: cases.Patient{NHSNumber: "9990000018", Name: "Ann Example"},
			Referral: cases.Origin{ID: "sr-1", Identifiers: []fhir.Identifier{{System: "https://gp.example/Id/referral", Value: "R1"}}},
		},
		Outcome: cases.Outcome{
			ID: "0f5c8a3e-58a5-4d9c-9b43-6b6e8dfb2f11", Version: 1, Instrument: instrument, Point: "baseline", AnsweredAt: answered,
			RecordedBy: cases.Actor{ID: "lw-1", Name: "Priya Shah"},
			Answers:    map[string]int{"life-satisfaction": 7, "worthwhile": 0, "happy-yesterday": 10, "anxious-yesterday": 3},
		},
	}
}

// sent are the Observations as the practice reads them.
func sent(t *testing.T, in outcome.Input) []map[string]any {
	t.Helper()
	var all []map[string]any
	for _, o := range instruments.Observations(in) {
		raw, err := r4.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r4.Unmarshal(raw); err != nil {
			t.Fatalf("%s\n is no sound Observation: %v", raw, err)
		}
		var m map[string]any
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

func TestONS4IsFourObservations(t *testing.T) {
	t.Parallel()
	in := input("ons4")

	all := sent(t, in)

	values := map[string]any{}
	for _, o := range all {
		values[o["code"].(map[string]any)["coding"].([]any)[0].(map[string]any)["code"].(string)] = o["valueInteger"]
	}
	want := map[string]any{"life-satisfaction": 7.0, "worthwhile": 0.0, "happy-yesterday": 10.0, "anxious-yesterday": 3.0}
	if diff := cmp.Diff(want, values); diff != "" || len(all) != 4 {
		t.Errorf("%d Observations, values mismatch (-want +got):\n%s", len(all), diff)
	}
}

func TestObservationIsThatOfTheContract(t *testing.T) {
	t.Parallel()
	in := input("ons4")
	raw, err := os.ReadFile("testdata/worthwhile.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]any
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}

	got := sent(t, in)[1]

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Observation mismatch (-want +got):\n%s", diff)
	}
}

func TestCorrectionKeepsIdAndIdentifier(t *testing.T) {
	t.Parallel()
	first := sent(t, input("ons4"))
	in := input("ons4")
	in.Outcome.Version = 2
	in.Outcome.Answers = map[string]int{"worthwhile": 5}

	second := sent(t, in)

	for i := range first {
		if diff := cmp.Diff(first[i]["identifier"], second[i]["identifier"]); diff != "" || first[i]["id"] != second[i]["id"] {
			t.Errorf("the correction has another identity (-first +second):\n%s", diff)
		}
		if first[i]["status"] != "final" || second[i]["status"] != "corrected" {
			t.Errorf("status %v, then %v; want final, then corrected", first[i]["status"], second[i]["status"])
		}
	}
}

func TestSummedInstrumentIsOneObservationWithItsAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		instrument string
		answer     int
		value      any
		components int
		snomed     string
	}{
		{"ucla-3", 2, 6.0, 3, ""},
		{"phq-9", 0, 0.0, 9, "720433000"},
		{"gad-7", 1, 7.0, 7, "445455005"},
		{"wemwbs", 4, 56.0, 14, "718426000"},
		{"swemwbs", 3, "19.25", 8, "718466001"}, // and the raw score
	}
	for _, test := range tests {
		scored, err := instruments.Score(test.instrument, "final", same(t, test.instrument, test.answer))
		if err != nil {
			t.Fatal(err)
		}
		in := input(test.instrument)
		in.Outcome.Answers, in.Outcome.Scores = scored.Answers, scored.Scores
		protos := instruments.Observations(in)

		all := sent(t, in)

		if len(all) != 1 {
			t.Fatalf("%s: %d Observations, want 1", test.instrument, len(all))
		}
		value := all[0]["valueInteger"]
		if value == nil {
			value = protos[0].GetValue().GetQuantity().GetValue().GetValue()
		}
		codings, _ := json.Marshal(all[0]["code"])
		components, coded := len(all[0]["component"].([]any)), strings.Contains(string(codings), test.snomed)
		if value != test.value || components != test.components || !coded {
			t.Errorf("%s: value %v with %d components, code %s; want %v, %d, %s",
				test.instrument, value, components, codings, test.value, test.components, test.snomed)
		}
	}
}

func TestPAMIsItsScoreAndItsLevel(t *testing.T) {
	t.Parallel()
	in := input("pam")
	in.Outcome.Answers, in.Outcome.Scores = map[string]int{"level": 3}, map[string]json.Number{"score": "55.2"}

	protos := instruments.Observations(in)

	got := protos[0].GetValue().GetQuantity()
	if len(sent(t, in)) != 2 || got.GetValue().GetValue() != "55.2" || got.GetCode().GetValue() != "{score}" {
		t.Errorf("score %v, want 55.2 {score}", got)
	}
	if got := protos[1].GetValue().GetInteger().GetValue(); got != 3 {
		t.Errorf("level %d, want 3", got)
	}
}

func TestPersonAndPerformerAreNotInvented(t *testing.T) {
	t.Parallel()
	in := input("ons4")
	in.Case.Patient = cases.Patient{Name: "Ann Example"}
	in.Outcome.RecordedBy.ID = ""

	got := sent(t, in)[0]

	if got["subject"] != nil || len(got["performer"].([]any)[0].(map[string]any)) != 1 {
		t.Errorf("subject %v, performer %v; want none, and a name alone", got["subject"], got["performer"])
	}
	if in.Outcome.Instrument = "gone"; instruments.Observations(in) != nil {
		t.Error("an instrument that is not known has Observations")
	}
}

func TestObservationIDIsDerived(t *testing.T) {
	t.Parallel()
	const want = "e69e35a4-fd62-5e36-832e-cfc95e065f54"
	got := outcome.ObservationID("0f5c8a3e-58a5-4d9c-9b43-6b6e8dfb2f11", "worthwhile")
	if got != want || !regexp.MustCompile(`^[0-9a-f-]{36}$`).MatchString(got) {
		t.Errorf("ObservationID = %s, want %s: a practice that has it would get a second one", got, want)
	}
	if got == outcome.ObservationID("0f5c8a3e-58a5-4d9c-9b43-6b6e8dfb2f11", "happy-yesterday") {
		t.Error("two scores share an id")
	}
}

func FuzzScore(f *testing.F) {
	f.Add("ons4", "worthwhile", "0")
	f.Add("pam", "score", "55.1")
	f.Add("swemwbs", "item-1", "5")
	f.Fuzz(func(t *testing.T, instrument, name, text string) {
		in, ok := instruments.Lookup(instrument)
		if !ok {
			return
		}
		all := same(t, instrument, in.Items[0].Max)
		if instrument == "pam" {
			all["level"] = json.RawMessage("1")
		}
		all[name] = json.RawMessage(text)
		scored, err := instruments.Score(instrument, "final", all)
		if err != nil {
			return
		}
		for _, item := range in.Items {
			if n := scored.Answers[item.Code]; !item.Decimal && (n < item.Min || n > item.Max) {
				t.Errorf("%s %s: %d was taken from %q", instrument, item.Code, n, text)
			}
		}
	})
}

func BenchmarkObservations(b *testing.B) {
	in := input("ons4")
	b.ReportAllocs()
	for b.Loop() {
		for _, o := range instruments.Observations(in) {
			if _, err := r4.Marshal(o); err != nil {
				b.Fatal(err)
			}
		}
	}
}
