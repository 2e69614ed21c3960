package outcome

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"caselink.example/fhir"
	"caselink.example/mapping/cases"
)

// Scored is a complete set of answers to an instrument.
type Scored struct {
	Instrument string
	Point      cases.Point
	Answers    map[string]int
	// Scores are decimals, exact: the sum as "total", what a table makes of it as
	// "metric", and an answer with a decimal place under its own name.
	Scores map[string]json.Number
}

// Score checks the answers to an instrument. Every question has one answer, an
// integer within its range; 0 is an answer. Every fault is reported, at answers.NAME:
// fhir.IssueRequired for a missing one, fhir.IssueValue for one that does not fit or
// that no question asks for.
func (all Instruments) Score(instrument string, point cases.Point, answers map[string]json.RawMessage) (Scored, error) {
	// Nothing is guessed: a mean in place of a missing answer, or the next whole number, would
	// be written into a patient's record as something that the person said.
	in, ok := all.Lookup(instrument)
	var faults fhir.Errors
	if !ok {
		faults = append(faults, fhir.Errorf(fhir.IssueValue, "no such instrument; the instruments are %s", all.ids()).At("instrument"))
	}
	if points := cases.Points(); !slices.Contains(points, point) {
		faults = append(faults, fhir.Errorf(fhir.IssueValue, "no such point; the points are %s", join(points)).At("point"))
	}
	if !ok {
		return Scored{}, faults.OrNil()
	}
	s := Scored{Instrument: instrument, Point: point, Answers: map[string]int{}}
	faults = append(faults, s.take(in, answers)...)
	if err := faults.OrNil(); err != nil {
		return Scored{}, err
	}
	s.total(in)
	return s, nil
}

// take reads each item's answer and looks for answers that no item asks for.
func (s *Scored) take(in Instrument, answers map[string]json.RawMessage) (faults fhir.Errors) {
	for _, item := range in.Items {
		raw, ok := answers[item.Code]
		if !ok {
			faults = append(faults, fhir.Errorf(fhir.IssueRequired,
				"an answer is missing; %s is recorded whole: give %s", in.ID, item.allows()).At("answers."+item.Code))
			continue
		}
		if err := s.answer(item, string(bytes.TrimSpace(raw))); err != nil {
			faults = append(faults, err.At("answers."+item.Code))
		}
	}

	// An answer to no question is most likely one that was meant for a question, misspelled.
	// Its name is the client's own words and is not repeated.
	for _, name := range slices.Sorted(maps.Keys(answers)) {
		if !slices.ContainsFunc(in.Items, func(i Item) bool { return i.Code == name }) {
			faults = append(faults, fhir.Errorf(fhir.IssueValue,
				"%s has an answer that it does not ask for; its answers are %s", in.ID, in.names()).At("answers"))
		}
	}
	return faults
}

func (s *Scored) answer(item Item, text string) *fhir.Error {
	refused := fhir.Errorf(fhir.IssueValue, "the answer is %s", item.allows())

	// The text is kept, no float made of it: 47.4 is written back as 47.4.
	if item.Decimal {
		if !item.takes(text) {
			return refused
		}
		if s.Scores == nil {
			s.Scores = map[string]json.Number{}
		}
		s.Scores[item.Code] = json.Number(text)
		return nil
	}

	// As JSON writes a whole number: "3", 3.0, 1e0 and true come from a form that sends
	// something else than what was chosen.
	n, err := strconv.Atoi(text)
	if err != nil || text != strconv.Itoa(n) || n < item.Min || n > item.Max {
		return refused
	}
	s.Answers[item.Code] = n
	return nil
}

// takes reports whether the text is a decimal within the range, of at most one place.
func (i Item) takes(text string) bool {
	whole, tenth, dot := strings.Cut(text, ".")
	n, err := strconv.Atoi(whole)
	if err != nil || whole != strconv.Itoa(n) || n < i.Min || n > i.Max {
		return false
	}
	return !dot || len(tenth) == 1 && tenth[0] >= '0' && tenth[0] <= '9' && (n < i.Max || tenth == "0")
}

// allows says what an answer may be.
func (i Item) allows() string {
	kind := "an integer"
	if i.Decimal {
		kind = "a number with at most one decimal place,"
	}
	return fmt.Sprintf("%s %d to %d", kind, i.Min, i.Max)
}

func (s *Scored) total(in Instrument) {
	if in.Total == nil {
		return
	}

	// The table gives the metric as it is published, digit for digit; nothing is computed.
	sum := sum(in, s.Answers)
	s.Scores = map[string]json.Number{"total": json.Number(strconv.Itoa(sum))}
	if in.metric != nil {
		s.Scores["metric"] = json.Number(in.metric[sum-in.Total.Min])
	}
}

func sum(in Instrument, answers map[string]int) (sum int) {
	for _, item := range in.Items {
		sum += answers[item.Code]
	}
	return sum
}

func (in Instrument) names() string {
	var names []string
	for _, item := range in.Items {
		names = append(names, item.Code)
	}
	return strings.Join(names, ", ")
}

func (all Instruments) ids() string {
	var ids []string
	for _, in := range all {
		ids = append(ids, in.ID)
	}
	return strings.Join(ids, ", ")
}

func join(points []cases.Point) string {
	var names []string
	for _, p := range points {
		names = append(names, string(p))
	}
	return strings.Join(names, ", ")
}

// numbered are the items of an instrument whose words stay with their owner.
func numbered(count, from, to int, better Direction) []Item {
	items := make([]Item, count)
	for i := range items {
		items[i] = Item{Code: "item-" + strconv.Itoa(i+1), Min: from, Max: to, Better: better}
	}
	return items
}
