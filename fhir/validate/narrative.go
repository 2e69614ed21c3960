package validate

import (
	"strings"

	"caselink.example/fhir/r4"
)

// narrativeSafe reports whether the narrative holds nothing but what a narrative may be
// made of. https://hl7.org/fhir/R4/narrative.html#xhtml
func narrativeSafe(n r4.Node) bool { return r4.CheckNarrative(n.Text()) == nil }

// narrativeSays reports whether a reader sees anything: text or an image.
func narrativeSays(n r4.Node) bool {
	// The div is well-formed (txt-1), so all between < and > is markup.
	text := n.Text()
	if strings.Contains(text, "<img") {
		return true
	}
	for text != "" {
		said, rest, _ := strings.Cut(text, "<")
		if strings.TrimSpace(said) != "" {
			return true
		}
		_, text, _ = strings.Cut(rest, ">")
	}
	return false
}
