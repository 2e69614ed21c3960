package validate

import (
	"strings"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
)

const ucum = "http://unitsofmeasure.org"

// Each quantity, whatever it is a quantity of, keeps these.
var (
	qty3     = shall("qty-3", needs("code", "system"), "a code for the unit needs its system, such as "+ucum)
	unitCode = shall("ucum", ucumCode,
		"a UCUM code, such as mg/dL or {score}, without spaces and with its brackets closed").as(fhir.IssueCodeInvalid)
)

// datatypes are the rules of the types that occur in any resource.
// https://hl7.org/fhir/R4/datatypes.html
var datatypes = map[string][]rule{
	"Age": {
		qty3, unitCode,
		shall("age-1", all(quantityInUCUM, positive), "an age above zero, with a UCUM code for its unit of time"),
	},
	"Count": {
		qty3, unitCode,
		shall("cnt-3", all(quantityInUCUM, whole, either(lacks("code"), is("code", "1"))), "a whole number with the UCUM code 1"),
	},
	"Distance": {
		qty3, unitCode,
		shall("dis-1", quantityInUCUM, "a length with a UCUM code for its unit"),
	},
	"Duration": {
		qty3, unitCode,
		shall("drt-1", either(lacks("code"), all(is("system", ucum), has("value"))),
			"a duration with a code has a value, and the system "+ucum),
	},
	"Quantity": {qty3, unitCode},
	"Range":    {shall("rng-2", lowToHigh, "low is not above high, and both are in the same unit")},
	"Ratio": {
		shall("rat-1", all(together("numerator", "denominator"), has("numerator", "extension")),
			"numerator and denominator together, or an extension in their place"),
	},
	"Period": {shall("per-1", inOrder("start", "end"), "start is not after end, and both are precise enough to tell")},
	"Attachment": {
		shall("att-1", needs("data", "contentType"), "data needs its contentType, such as application/pdf"),
		shall("attachment-size", sizeOfData, "size is the number of bytes that data holds").as(fhir.IssueValue),
	},
	"ContactPoint": {shall("cpt-2", needs("value", "system"), "a value needs its system: phone, email, ...")},
	"DataRequirement.codeFilter": {
		shall("drq-1", exactlyOne("path", "searchParam"), "a path or a searchParam, one of them"),
	},
	"DataRequirement.dateFilter": {
		shall("drq-2", exactlyOne("path", "searchParam"), "a path or a searchParam, one of them"),
	},
	"Expression": {shall("exp-1", has("expression", "reference"), "an expression or a reference to one")},
	"Extension": {
		shall("extension-url", urlOfExtension,
			"an absolute URL without a version; within another extension a plain name will do").as(fhir.IssueValue),
	},
	"Narrative.div": {
		shall("txt-1", narrativeSafe,
			"well-formed XHTML in one div of the XHTML namespace, with FHIR's formatting elements and attributes only; "+
				"no scripts, forms or frames"),
		shall("txt-2", narrativeSays, "a narrative with some text or an image"),
	},
	"Timing.repeat": {
		shall("tim-1", needs("duration", "durationUnit"), "duration needs durationUnit"),
		shall("tim-2", needs("period", "periodUnit"), "period needs periodUnit"),
		shall("tim-4", notNegative("duration"), "a duration that is not negative"),
		shall("tim-5", notNegative("period"), "a period that is not negative"),
		shall("tim-6", needs("periodMax", "period"), "periodMax needs period"),
		shall("tim-7", needs("durationMax", "duration"), "durationMax needs duration"),
		shall("tim-8", needs("countMax", "count"), "countMax needs count"),
		shall("tim-9", either(lacks("offset"), all(has("when"), every("when", not(meal)))),
			"offset needs a when, and not one of C, CM, CD, CV"),
		shall("tim-10", atMostOne("timeOfDay", "when"), "timeOfDay or when, not both"),
	},
	"TriggerDefinition": {
		shall("trd-1", atMostOne("data", "timing"), "timing or data, not both"),
		shall("trd-2", needs("condition", "data"), "a condition needs data"),
		shall("trd-3", all(
			when(is("type", "named-event"), has("name")),
			when(is("type", "periodic"), has("timing")),
			when(is("type", "data-changed", "data-added", "data-modified", "data-removed", "data-accessed", "data-access-ended"),
				has("data")),
		), "a named event has a name, a periodic one timing, a data event data"),
	},
}

// urlOfExtension: https://hl7.org/fhir/R4/extensibility.html#exurl
func urlOfExtension(n r4.Node) bool {
	url := n.Get("url").Text()
	absolute := strings.Contains(url, ":") || url == "" || n.Parent().Type() == "Extension"
	return absolute && !strings.Contains(url, "|")
}

// ucumCode reports whether the code of a quantity in UCUM can be one: visible ASCII, each
// bracket and brace closed by its like. Which units exist is not looked at.
// https://ucum.org/ucum#section-Character-Set-and-Lexical-Rules
func ucumCode(n r4.Node) bool {
	if n.Get("system").Text() != ucum {
		return true
	}
	open := rune(0)
	for _, c := range n.Get("code").Text() {
		switch {
		case c <= ' ' || c > '~':
			return false
		case open != 0 && c == open+2: // ] follows [, and } {, by two
			open = 0
		case open == '{' && c != '{': // any annotation
		case open == 0 && (c == '[' || c == '{'):
			open = c
		case strings.ContainsRune("[]{}", c):
			return false
		}
	}
	return open == 0
}

// quantityInUCUM: a value has a code, and a system can only be UCUM.
func quantityInUCUM(n r4.Node) bool {
	system := n.Get("system")
	return needs("value", "code")(n) && (!system.Exists() || system.Text() == ucum)
}

func positive(n r4.Node) bool {
	value := n.Get("value")
	return !value.HasValue() || number(value) > 0
}

func whole(n r4.Node) bool { return !strings.Contains(n.Get("value").Text(), ".") }

func notNegative(name string) predicate {
	return every(name, func(n r4.Node) bool { return !n.HasValue() || number(n) >= 0 })
}

func meal(n r4.Node) bool {
	switch n.Text() {
	case "C", "CM", "CD", "CV":
		return true
	}
	return false
}

// lowToHigh: where both are there, they compare, and low is not above high.
func lowToHigh(n r4.Node) bool {
	low, high := n.Get("low"), n.Get("high")
	return !low.Exists() || !high.Exists() || sameUnit(low, high) && number(low.Get("value")) <= number(high.Get("value"))
}

// sizeOfData: a size beside the data is that of the data.
func sizeOfData(n r4.Node) bool {
	data, size := n.Get("data"), n.Get("size")
	return !data.HasValue() || !size.HasValue() || number(size) == float64(decodedSize(data.Text()))
}

// decodedSize is how many bytes the base64 text stands for; its format has been checked.
func decodedSize(text string) int {
	// Nothing is decoded: an attachment may be megabytes, and its length is all that is asked.
	digits := 0
	for i := range len(text) {
		switch text[i] {
		case ' ', '\t', '\r', '\n', '=':
		default:
			digits++
		}
	}
	return digits * 3 / 4
}
