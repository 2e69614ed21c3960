// Package terminology says what a code means to a link worker: which need it
// stands for, and whether it asks for social prescribing at all. Unknown is an
// answer; no code is refused, changed or guessed from its words.
package terminology

import (
	_ "embed"
	"slices"
	"strings"

	"caselink.example/fhir"
	"caselink.example/fhir/nhs"
)

// SystemNeed is the code system of the need categories.
const SystemNeed = fhir.Canonical + "/CodeSystem/need"

// Unspecified is the category of a need that no code tells.
const Unspecified = "unspecified"

var categories = []fhir.Coding{
	{System: SystemNeed, Code: "loneliness-isolation", Display: "Loneliness or isolation"},
	{System: SystemNeed, Code: "debt-finance", Display: "Debt and money"},
	{System: SystemNeed, Code: "housing", Display: "Housing"},
	{System: SystemNeed, Code: "homelessness", Display: "Homelessness"},
	{System: SystemNeed, Code: "food", Display: "Food"},
	{System: SystemNeed, Code: "low-physical-activity", Display: "Low physical activity"},
	{System: SystemNeed, Code: "mental-wellbeing", Display: "Mental wellbeing"},
	{System: SystemNeed, Code: "carer-support", Display: "Support as a carer"},
	{System: SystemNeed, Code: "employment-training", Display: "Work and training"},
	{System: SystemNeed, Code: "domestic-abuse-safety", Display: "Domestic abuse and safety"},
	{System: SystemNeed, Code: "transport-access", Display: "Transport"},
	{System: SystemNeed, Code: "long-term-condition-self-management", Display: "Living with a long-term condition"},
	{System: SystemNeed, Code: "bereavement", Display: "Bereavement"},
	{System: SystemNeed, Code: "substance-gambling", Display: "Alcohol, drugs or gambling"},
	{System: SystemNeed, Code: "migration-asylum", Display: "Migration and asylum"},
	{System: SystemNeed, Code: "other-social", Display: "Another social need"},
	{System: SystemNeed, Code: Unspecified, Display: "Not specified"},
}

// Categories are the need categories with their texts for people.
func Categories() []fhir.Coding { return slices.Clone(categories) }

// Display is the category's text for people; "" for an unknown one.
func Display(category string) string {
	for _, c := range categories {
		if c.Code == category {
			return c.Display
		}
	}
	return ""
}

// Concept is one row of the map from codes to needs.
type Concept struct {
	Display     string
	Category    string
	Equivalence string // of the category to the code: equivalent, wider, inexact (R4 ConceptMap)
	Sensitive   bool   // not for every eye
}

//go:embed needs.tsv
var needs string

type key struct{ system, code string }

// concepts holds the rows whose source is marked A, A- or B: a primary source or an
// open code list of the NHS. Nothing less is shipped.
var concepts = func() map[key]Concept {
	rows := map[key]Concept{}
	for line := range strings.Lines(needs) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		rows[key{f[0], f[1]}] = Concept{Display: f[2], Category: f[3], Equivalence: f[4], Sensitive: f[5] == "sensitive"}
	}
	delete(rows, key{"system", "code"})
	return rows
}()

// Lookup finds the need that one coding stands for. A coding of our own categories
// stands for itself.
func Lookup(c fhir.Coding) (Concept, bool) {
	system := nhs.System(c.System)
	if system == SystemNeed {
		text := Display(c.Code)
		return Concept{Display: text, Category: c.Code, Equivalence: "equivalent", Sensitive: c.Code == "domestic-abuse-safety"}, text != ""
	}
	concept, ok := concepts[key{system, normal(system, c.Code)}]
	return concept, ok
}

// normal drops the two-character term code of a seven-byte Read code. Case and
// trailing dots of Read codes carry meaning and stay.
func normal(system, code string) string {
	if (system == nhs.SystemReadV2 || system == nhs.SystemCTV3) && len(code) == 7 {
		return code[:5]
	}
	return code
}

// Category is the need category of a concept's codings: the first that the map
// knows. ok is false, and the category Unspecified, when it knows none.
func Category(codings []fhir.Coding) (category string, ok bool) {
	for _, c := range codings {
		if concept, ok := Lookup(c); ok {
			return concept.Category, true
		}
	}
	return Unspecified, false
}

// Disagree reports whether two of the codings stand for different needs.
func Disagree(codings []fhir.Coding) bool {
	first := ""
	for _, c := range codings {
		concept, ok := Lookup(c)
		if ok && first != "" && concept.Category != first {
			return true
		}
		if ok && first == "" {
			first = concept.Category
		}
	}
	return false
}

// Damaged reports whether the coding is a SNOMED CT identifier that is not well
// formed. The repair is the identifier that a spreadsheet cut, for a person to
// confirm; empty unless it is one that these tables know.
func Damaged(c fhir.Coding) (repair fhir.Coding, damaged bool) {
	if nhs.System(c.System) != nhs.SystemSNOMED || c.Code == "" {
		return fhir.Coding{}, false
	}
	if _, err := nhs.ParseSCTID(c.Code); err == nil {
		return fhir.Coding{}, false
	}
	id, ok := nhs.RepairSCTID(c.Code)
	if !ok {
		return fhir.Coding{}, true
	}
	if concept, ok := concepts[key{nhs.SystemSNOMED, id.String()}]; ok {
		return fhir.Coding{System: nhs.SystemSNOMED, Code: id.String(), Display: concept.Display}, true
	}
	if request, ok := requests[key{nhs.SystemSNOMED, id.String()}]; ok {
		return fhir.Coding{System: nhs.SystemSNOMED, Code: id.String(), Display: request.display}, true
	}
	return fhir.Coding{}, true
}
