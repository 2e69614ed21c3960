package r4

import (
	"strings"

	"caselink.example/fhir"
)

// CheckNarrative reports what Narrative.div may not hold: it is one div of XHTML with
// basic formatting, no script, form, frame or event handler. The fault has no FHIRPath.
// https://hl7.org/fhir/R4/narrative.html
func CheckNarrative(div string) error {
	elements, fault := scanXML([]byte(div))
	if fault != nil {
		return fhir.Errors{fault}
	}
	return checkDiv(elements, 0).OrNil()
}

// checkDiv reports the first fault of each kind within element i.
func checkDiv(elements []xmlElement, i int32) fhir.Errors {
	var faults fhir.Errors
	report := func(format string, args ...any) {
		if len(faults) < maxFaults {
			faults = append(faults, fhir.Errorf(fhir.IssueInvariant, format, args...).Breaks("txt-1"))
		}
	}
	if e := &elements[i]; e.space != xhtmlSpace || e.name != "div" || !e.own {
		report(`the narrative is one <div xmlns="%s">`, xhtmlSpace)
		return faults
	}
	// What is not on the list is refused, rather than what is known to be harmful: browsers
	// learn new tricks.
	var walk func(i int32)
	walk = func(i int32) {
		e := &elements[i]
		switch {
		case e.space != xhtmlSpace:
			report("the narrative has an element of another namespace than XHTML")
		case !narrativeElements[e.name]:
			report("the narrative may not hold <%s>; only basic formatting is taken", printableName(e.name))
		}
		for _, a := range e.attributes {
			if !narrativeAttributes[a.name] || a.space != "" && a.space != xmlSpace {
				report("the narrative may not hold the attribute %s", printableName(a.name))
			} else if (a.name == "href" || a.name == "src") && isScript(a.value) {
				report("a link of the narrative may not run a script")
			}
		}
		for child := e.child; child != 0; child = elements[child].next {
			walk(child)
		}
	}
	walk(i)
	return faults
}

func printableName(name string) string {
	if isIdentifier([]byte(name)) {
		return name
	}
	return "..."
}

// isScript reports whether a browser would run the URL: it skips white space and control
// characters before it reads the scheme.
func isScript(url string) bool {
	url = strings.ToLower(strings.Map(func(r rune) rune {
		if r <= ' ' {
			return -1
		}
		return r
	}, url))
	return strings.HasPrefix(url, "javascript:") || strings.HasPrefix(url, "vbscript:") || strings.HasPrefix(url, "data:text/html")
}

// What txt-1 allows: HTML 4.0 chapters 7 to 11 (without 9.4) and 15, a and img.
var (
	narrativeElements = set(`a abbr acronym address area b bdo big blockquote br caption cite code col colgroup dd del dfn
		div dl dt em h1 h2 h3 h4 h5 h6 hr i img ins kbd li map ol p pre q samp small span strong sub sup table tbody td
		tfoot th thead tr tt ul var`)
	narrativeAttributes = set(`abbr accesskey align alt axis bgcolor border cellpadding cellspacing char charoff charset cite
		class color colspan coords dir frame headers height href hreflang id ismap lang longdesc name nohref nowrap rel rev
		rowspan rules scope shape space span src start style summary tabindex title type usemap valign value width`)
)

func set(words string) map[string]bool {
	m := map[string]bool{}
	for word := range strings.FieldsSeq(words) {
		m[word] = true
	}
	return m
}
