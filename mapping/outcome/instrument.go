// Package outcome holds the instruments that social prescribing measures with: what
// they ask, what an answer may be, how the answers are scored, and how the scores
// are written back as Observations. An incomplete set of answers is refused, never
// completed by a guess. Instruments are a value, so that others can be handed down; today
// there is one set.
package outcome

import "slices"

// Direction says which way a score moves when things get better.
// https://hl7.org/fhir/R4/codesystem-measure-improvement-notation.html
type Direction string

// The directions.
const (
	Increase Direction = "increase"
	Decrease Direction = "decrease"
)

// Instrument is a set of questions that are asked and scored together.
type Instrument struct {
	ID      string // such as ons4
	Title   string
	Licence string // who may use it, and whether Caselink may show its words
	Items   []Item
	Total   *Total    // nil: each answer stands for itself and they are never summed
	Safety  string    // what a person must be told about an answer
	Better  Direction // of the total
	metric  []string  // the score of each sum from Total.Min on, where it is not the sum itself
	snomed  string    // of the total
}

// Item is one question of an instrument, or one score that the instrument's owner
// computes and a person copies.
type Item struct {
	Code    string // the name of the answer
	Text    string // the question; "" where the licence keeps it
	Min     int
	Max     int
	MinText string
	MaxText string
	Better  Direction
	Decimal bool // one decimal place is allowed
}

// Total is the sum of all answers, or what a table makes of it.
type Total struct {
	Min int // of the sum
	Max int
}

// Instruments are those that a service may measure with, in the order in which they
// are shown.
type Instruments []Instrument

// Lookup finds an instrument by its id.
func (all Instruments) Lookup(id string) (Instrument, bool) {
	i := slices.IndexFunc(all, func(in Instrument) bool { return in.ID == id })
	if i < 0 {
		return Instrument{}, false
	}
	return all[i], true
}

const openGovernment = "Open Government Licence v3.0"

// Default is the instruments that Caselink comes with, ONS4 first: ranges, directions and
// codes as published; see each instrument's owner.
// ONS4: https://www.ons.gov.uk/peoplepopulationandcommunity/wellbeing/methodologies/personalwellbeingfrequentlyaskedquestions
func Default() Instruments { return slices.Clone(instruments) }

var instruments = Instruments{
	{
		ID: "ons4", Title: "ONS4 personal well-being", Licence: openGovernment,
		Items: []Item{
			{
				Code: "life-satisfaction", Text: "Overall, how satisfied are you with your life nowadays?",
				Max: 10, MinText: "not at all", MaxText: "completely", Better: Increase,
			},
			{
				Code: "worthwhile", Text: "Overall, to what extent do you feel that the things you do in your life are worthwhile?",
				Max: 10, MinText: "not at all", MaxText: "completely", Better: Increase,
			},
			{
				Code: "happy-yesterday", Text: "Overall, how happy did you feel yesterday?",
				Max: 10, MinText: "not at all", MaxText: "completely", Better: Increase,
			},
			{
				Code: "anxious-yesterday", Text: "On a scale where 0 is 'not at all anxious' and 10 is 'completely anxious', " +
					"overall, how anxious did you feel yesterday?",
				Max: 10, MinText: "not at all", MaxText: "completely", Better: Decrease,
			},
		},
	},
	{
		ID: "ucla-3", Title: "UCLA three-item loneliness scale", Licence: openGovernment, Better: Decrease, Total: &Total{3, 9},
		Items: []Item{
			loneliness("companionship", "How often do you feel that you lack companionship?"),
			loneliness("left-out", "How often do you feel left out?"),
			loneliness("isolated", "How often do you feel isolated from others?"),
		},
	},
	{
		ID: "swemwbs", Title: "Short Warwick-Edinburgh Mental Wellbeing Scale", Better: Increase, Total: &Total{7, 35},
		Licence: "University of Warwick: registration; the questions are not ours to show",
		Items:   numbered(7, 1, 5, Increase), snomed: "718466001",
		metric: []string{
			"7.00", "9.51", "11.25", "12.40", "13.33", "14.08", "14.75", "15.32", "15.84", "16.36", // sums of 7 to 16
			"16.88", "17.43", "17.98", "18.59", "19.25", "19.98", "20.73", "21.54", "22.35", "23.21", // 17 to 26
			"24.11", "25.03", "26.02", "27.03", "28.13", "29.31", "30.70", "32.55", "35.00", // 27 to 35
		},
	},
	{
		ID: "wemwbs", Title: "Warwick-Edinburgh Mental Wellbeing Scale", Better: Increase, Total: &Total{14, 70},
		Licence: "University of Warwick: registration; the questions are not ours to show",
		Items:   numbered(14, 1, 5, Increase), snomed: "718426000",
	},
	{
		ID: "pam", Title: "Patient Activation Measure", Licence: "Insignia Health: paid licence; the score is theirs to compute",
		Items: []Item{
			{Code: "score", Max: 100, Better: Increase, Decimal: true},
			{Code: "level", Min: 1, Max: 4, Better: Increase},
		},
	},
	{
		ID: "phq-9", Title: "Patient Health Questionnaire", Licence: "free to use", Better: Decrease, Total: &Total{0, 27},
		Items: numbered(9, 0, 3, Decrease), snomed: "720433000",
		Safety: "an answer above 0 to item-9 is about self-harm, whatever the total: a clinician is told the same day",
	},
	{
		ID: "gad-7", Title: "Generalised Anxiety Disorder scale", Licence: "free to use", Better: Decrease, Total: &Total{0, 21},
		Items: numbered(7, 0, 3, Decrease), snomed: "445455005",
	},
}

func loneliness(code, text string) Item {
	return Item{Code: code, Text: text, Min: 1, Max: 3, MinText: "hardly ever or never", MaxText: "often", Better: Decrease}
}
