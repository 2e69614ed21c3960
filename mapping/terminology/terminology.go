// Package terminology says what a code means to a link worker: which need it
// stands for, and whether it asks for social prescribing at all. Unknown is an
// answer; no code is refused, changed or guessed from its words. A Map is a value, so that
// another can be handed down; today there is one. What need means here: docs/words.md.
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

// Unspecified is the category of a need that no code names.
const Unspecified = "unspecified"

// Category is a kind of need, as a link worker thinks of it.
type Category struct {
	Code      string // within SystemNeed
	Display   string
	Sensitive bool // not for every eye
}

var categories = []Category{
	{Code: "loneliness-isolation", Display: "Loneliness or isolation"},
	{Code: "debt-finance", Display: "Debt and money"},
	{Code: "housing", Display: "Housing"},
	{Code: "homelessness", Display: "Homelessness"},
	{Code: "food", Display: "Food"},
	{Code: "low-physical-activity", Display: "Low physical activity"},
	{Code: "mental-wellbeing", Display: "Mental wellbeing"},
	{Code: "carer-support", Display: "Support as a carer"},
	{Code: "employment-training", Display: "Work and training"},
	{Code: "domestic-abuse-safety", Display: "Domestic abuse and safety", Sensitive: true},
	{Code: "transport-access", Display: "Transport"},
	{Code: "long-term-condition-self-management", Display: "Living with a long-term condition"},
	{Code: "bereavement", Display: "Bereavement"},
	{Code: "substance-gambling", Display: "Alcohol, drugs or gambling"},
	{Code: "migration-asylum", Display: "Migration and asylum"},
	{Code: "other-social", Display: "Another social need"},
	{Code: Unspecified, Display: "Not specified"},
}

// Concept is one row of the map from codes to needs.
type Concept struct {
	Display     string
	Category    string
	Equivalence string // of the category to the code: equivalent, wider, inexact (R4 ConceptMap)
	Sensitive   bool   // not for every eye: the code itself is, or its category
}

type key struct{ system, code string }

// Map says what codes mean: which need each stands for and what a request for it asks.
// It is never changed once it is made, so that many may read it at once. Its zero value
// knows no code.
type Map struct {
	categories []Category
	concepts   map[key]Concept
	requests   map[key]requestCode
}

//go:embed needs.tsv
var needs string

// Default is the map that Caselink comes with. It holds the rows whose source is marked
// A, A- or B: a primary source or an open code list of the NHS. Nothing less is shipped.
func Default() Map {
	// needs.tsv has six columns that are read; the seventh, how good its source is, is for
	// those who change it. A test reads every row.
	concepts := map[key]Concept{}
	for line := range strings.Lines(needs) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")

		// The category alone is enough: a row added to a sensitive one without a word of its own
		// would show a need such as domestic abuse to every eye.
		sensitive := f[5] == "sensitive" ||
			slices.ContainsFunc(categories, func(c Category) bool { return c.Code == f[3] && c.Sensitive })
		concepts[key{f[0], f[1]}] = Concept{Display: f[2], Category: f[3], Equivalence: f[4], Sensitive: sensitive}
	}
	delete(concepts, key{"system", "code"}) // the heading

	return Map{categories: categories, concepts: concepts, requests: requests}
}

// Categories are the need categories, in the order in which they are shown.
func (m Map) Categories() []Category { return slices.Clone(m.categories) }

// Lookup finds the need that one coding stands for. A coding of the categories
// themselves, in SystemNeed, stands for itself.
func (m Map) Lookup(c fhir.Coding) (Concept, bool) {
	system := nhs.System(c.System)
	if system == SystemNeed {
		i := slices.IndexFunc(m.categories, func(known Category) bool { return known.Code == c.Code })
		if i < 0 {
			return Concept{}, false
		}
		own := m.categories[i]
		return Concept{Display: own.Display, Category: own.Code, Equivalence: "equivalent", Sensitive: own.Sensitive}, true
	}
	concept, ok := m.concepts[key{system, normal(system, c.Code)}]
	return concept, ok
}

// normal drops the two-character term code of a seven-byte Read code. Case and
// trailing dots of Read codes carry meaning and stay.
func normal(system, code string) string {
	// A Read code has five bytes, and seven with its term code. Six are a code that was cut
	// off: the five in front may be another's, so they stay a code that nobody knows.
	if (system == nhs.SystemReadV2 || system == nhs.SystemCTV3) && len(code) == 7 {
		return code[:5]
	}
	return code
}

// Category is the need category of a concept's codings: the first that the map
// knows. ok is false, and the category Unspecified, when it knows none.
func (m Map) Category(codings []fhir.Coding) (category string, ok bool) {
	// The first and not the best: the sender put it first, and knows the person.
	for _, c := range codings {
		if concept, ok := m.Lookup(c); ok {
			return concept.Category, true
		}
	}
	return Unspecified, false
}

// Disagree reports whether two of the codings stand for different needs.
func (m Map) Disagree(codings []fhir.Coding) bool {
	first := "" // what no code names disagrees with nothing
	for _, c := range codings {
		concept, ok := m.Lookup(c)
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
func (m Map) Damaged(c fhir.Coding) (repair fhir.Coding, damaged bool) {
	// Other systems have no check digit, so nothing can be said of their codes.
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

	// A person confirms a repair by its words, so one that the tables do not know is none.
	known := key{nhs.SystemSNOMED, string(id)}
	if concept, ok := m.concepts[known]; ok {
		return fhir.Coding{System: known.system, Code: known.code, Display: concept.Display}, true
	}
	if request, ok := m.requests[known]; ok {
		return fhir.Coding{System: known.system, Code: known.code, Display: request.display}, true
	}
	return fhir.Coding{}, true
}
