package outcome_test

import (
	"encoding/json"
	"fmt"

	"caselink.example/fhir"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/outcome"
)

// A whole set of answers is scored; a missing answer is asked for, never guessed.
func ExampleInstruments_Score() {
	instruments := outcome.Default()
	answers := map[string]json.RawMessage{"companionship": json.RawMessage("2"), "left-out": json.RawMessage("3")}

	_, err := instruments.Score("ucla-3", cases.Baseline, answers)
	for _, fault := range fhir.ErrorsOf(err) {
		fmt.Println(fault.Expression, "-", fault.Diagnostics)
	}

	answers["isolated"] = json.RawMessage("1")
	scored, err := instruments.Score("ucla-3", cases.Baseline, answers)
	fmt.Println(scored.Scores["total"], err)
	// Output:
	// answers.isolated - an answer is missing; ucla-3 is recorded whole: give an integer 1 to 3
	// 6 <nil>
}
