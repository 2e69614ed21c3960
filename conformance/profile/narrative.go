package profile

import (
	"strings"

	"caselink.example/fhir"
)

// narrativeSafe reports whether the narrative holds nothing but what a narrative may be
// made of. https://hl7.org/fhir/R4/narrative.html#xhtml
func narrativeSafe(n fhir.Node) bool { return fhir.CheckNarrative(n.Text()) == nil }

// narrativeSays reports whether a reader sees anything: text or an image.
func narrativeSays(n fhir.Node) bool {
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
