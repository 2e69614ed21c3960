package profile

import (
	"encoding/xml"
	"io"
	"strings"

	"caselink.example/fhir"
)

const xhtml = "http://www.w3.org/1999/xhtml"

// elements are what a narrative may be made of: the formatting elements of HTML 4.0
// chapters 7 to 11 (without section 4 of chapter 9) and 15, a with a name or href,
// images and style. https://hl7.org/fhir/R4/narrative.html#xhtml
var elements = set(`a abbr acronym address area b bdo big blockquote br caption cite code col colgroup dd dfn div dl
	dt em h1 h2 h3 h4 h5 h6 hr i img kbd li map ol p pre q samp small span strong sub sup table tbody td tfoot th thead
	tr tt ul var`)

// attributes are what any of the elements may have; links, images and tables have more.
var (
	attributes = set(`abbr accesskey align axis char charoff class colspan dir headers id lang rowspan scope space span style
		tabindex title valign width xmlns`)
	elementAttributes = set(`a.charset a.coords a.href a.hreflang a.name a.rel a.rev a.shape a.type area.alt area.coords area.href
		area.nohref area.shape blockquote.cite img.alt img.border img.height img.ismap img.longdesc img.src img.usemap
		map.name q.cite table.border table.cellpadding table.cellspacing table.frame table.rules table.summary td.nowrap`)
)

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, word := range strings.Fields(words) {
		m[word] = true
	}
	return m
}

// narrativeSafe reports whether the narrative is one well-formed div of XHTML with
// nothing in it but what a narrative may be made of.
func narrativeSafe(n fhir.Node) bool {
	d := xml.NewDecoder(strings.NewReader(n.Text()))
	d.Entity = xml.HTMLEntity
	depth, divs := 0, 0
	for {
		token, err := d.Token()
		switch t := token.(type) {
		case nil:
			return err == io.EOF && divs == 1
		case xml.StartElement:
			if depth == 0 {
				divs++
			}
			if depth == 0 && t.Name.Local != "div" || !elementSafe(t) {
				return false
			}
			depth++
		case xml.EndElement:
			depth--
		case xml.CharData:
			if depth == 0 && len(strings.TrimSpace(string(t))) > 0 {
				return false
			}
		case xml.Directive, xml.ProcInst:
			return false
		}
	}
}

func elementSafe(e xml.StartElement) bool {
	if e.Name.Space != xhtml || !elements[e.Name.Local] {
		return false
	}
	for _, a := range e.Attr {
		name := a.Name.Local
		if !attributes[name] && !elementAttributes[e.Name.Local+"."+name] {
			return false
		}
		if (name == "href" || name == "src") && runs(a.Value) {
			return false
		}
	}
	return true
}

// runs reports whether following the link would run a script. Browsers skip white space
// and control characters in a scheme.
func runs(link string) bool {
	scheme, _, _ := strings.Cut(link, ":")
	scheme = strings.Map(func(r rune) rune {
		if r <= ' ' {
			return -1
		}
		return r
	}, strings.ToLower(scheme))
	return scheme == "javascript" || scheme == "vbscript"
}

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
