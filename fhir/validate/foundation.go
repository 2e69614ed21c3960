package validate

import (
	"regexp"

	"caselink.example/fhir/r4"
)

// foundation are the rules of the resources that carry or guard others.
var foundation = map[string][]rule{
	"AuditEvent.entity": {
		shall("sev-1", atMostOne("name", "query"), "a name or a query, not both"),
	},
	"CapabilityStatement": {
		should("cpb-0", every("name", matches(computableName)), nameForPrograms),
		shall("cpb-1", has("rest", "messaging", "document"), "a statement about rest, messaging or documents"),
		shall("cpb-2", has("description", "software", "implementation"), "a description, the software or the implementation"),
		shall("cpb-3", either(is("kind", "instance"), every("messaging", lacks("endpoint"))), "messaging endpoints for an instance only"),
		find("cpb-7", documentTwice, "one document entry for a profile and mode"),
		shall("cpb-14", when(is("kind", "instance"), has("implementation")), "an instance has an implementation"),
		shall("cpb-15", when(is("kind", "capability"), all(lacks("implementation"), has("software"))),
			"a capability has software and no implementation"),
		shall("cpb-16", when(is("kind", "requirements"), lacks("implementation", "software")),
			"requirements have neither implementation nor software"),
	},
	"CapabilityStatement.rest": {
		find("cpb-9", func(n r4.Node) []r4.Node { return twice(n, "resource", "type") }, "one resource entry for a type"),
	},
	"CapabilityStatement.rest.resource": {
		find("cpb-12", func(n r4.Node) []r4.Node { return twice(n, "searchParam", "name") },
			"a name that no other search parameter of the type has"),
	},
	"Composition.section": {
		shall("cmp-1", has("text", "entry", "section"), "a section has text, entries or sections"),
		shall("cmp-2", atMostOne("emptyReason", "entry"), "entries, or the reason why there are none"),
	},
	"Consent": {
		shall("ppc-1", has("policy", "policyRule"), "a policy or a policyRule"),
	},
	"Parameters.parameter": {
		shall("inv-1", exactlyOne("value", "resource", "part"), "a value, a resource or parts, one of them"),
	},
	"SearchParameter": {
		should("spd-0", every("name", matches(computableName)), nameForPrograms),
		shall("spd-1", needs("xpath", "xpathUsage"), "xpath needs xpathUsage"),
		shall("spd-2", either(is("type", "reference"), lacks("chain")), "chain for a parameter of type reference only"),
		shall("searchparameter-composite", when(is("type", "composite"), has("component")), "a composite parameter has components"),
	},
}

// documentTwice finds the documents whose profile and mode an earlier one has.
func documentTwice(n r4.Node) []r4.Node {
	return repeats(collect(n, "document"), func(d r4.Node) string { return d.Get("profile").Text() + " " + d.Get("mode").Text() })
}

// definitions are the rules of ElementDefinition, which a StructureDefinition is made of.
// https://hl7.org/fhir/R4/elementdefinition.html
var definitions = map[string][]rule{
	"ElementDefinition": {
		shall("eld-2", minToMax, "min is not above max"),
		shall("eld-5", when(has("contentReference"),
			lacks("type", "defaultValue", "fixed", "pattern", "example", "minValue", "maxValue", "maxLength", "binding")),
			"a contentReference stands instead of a type and what belongs to it"),
		shall("eld-6", when(has("fixed"), atMost(1, "type")), "a fixed value needs a single type"),
		shall("eld-7", when(has("pattern"), atMost(1, "type")), "a pattern needs a single type"),
		shall("eld-8", atMostOne("pattern", "fixed"), "a pattern or a fixed value, not both"),
		shall("eld-11", when(all(has("binding"), has("type")), bindable), "a binding needs a coded type, string or uri"),
		find("eld-13", func(n r4.Node) []r4.Node { return twice(n, "type", "code") }, "a code that no other type has"),
		find("eld-14", func(n r4.Node) []r4.Node { return twice(n, "constraint", "key") }, "a key that no other constraint has"),
		shall("eld-15", atMostOne("defaultValue", "meaningWhenMissing"), "a default value, or the meaning when it is missing"),
		shall("eld-16", every("sliceName", matches(sliceName)), "a sliceName of letters, digits and / - _ [ ] @"),
		shall("eld-18", when(is("isModifier", "true"), has("isModifierReason")), "a modifier element needs isModifierReason"),
		shall("eld-19", every("path", matches(elementPath)),
			"names of 1 to 64 characters without special ones, with one point between them"),
		should("eld-20", every("path", matches(simplePath)), "element names should be letters and digits"),
		shall("eld-22", needs("sliceIsConstraining", "sliceName"), "sliceIsConstraining needs sliceName"),
	},
	"ElementDefinition.slicing": {
		shall("eld-1", has("discriminator", "description"), "slicing has a discriminator or a description"),
	},
	"ElementDefinition.max": {
		shall("eld-3", matches(maximum), "max is a whole number or *"),
	},
	"ElementDefinition.type": {
		shall("eld-4", either(lacks("aggregation"), is("code", "Reference", "canonical")),
			"aggregation belongs to a Reference or a canonical"),
		shall("eld-17", either(lacks("targetProfile"), is("code", "Reference", "canonical")),
			"targetProfile belongs to a Reference or a canonical"),
	},
	"ElementDefinition.constraint": {
		should("eld-21", has("expression"), "a constraint should have an expression"),
	},
	"ElementDefinition.binding": {
		shall("eld-12", every("valueSet", matches(valueSetURL)), "a valueSet that starts with http:, https or urn:"),
	},
}

var (
	sliceName   = regexp.MustCompile(`^[a-zA-Z0-9\/\-_\[\]\@]+$`)
	elementPath = regexp.MustCompile(`^[^\s.,:;'"/|?!@#$%&*()\[\]{}]{1,64}(\.[^\s.,:;'"/|?!@#$%&*()\[\]{}]{1,64}(\[x\])?(:[^\s.]+)?)*$`)
	simplePath  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*(\.[a-z][A-Za-z0-9]*(\[x\])?)*$`)
	maximum     = regexp.MustCompile(`^(\*|[0-9]+)$`)
	valueSetURL = regexp.MustCompile(`^(http:|https|urn:)`)
)

// matches reports whether the element's own value matches; one without a value does.
func matches(pattern *regexp.Regexp) predicate {
	return func(n r4.Node) bool { return !n.HasValue() || pattern.MatchString(n.Text()) }
}

func minToMax(n r4.Node) bool {
	low, high := n.Get("min"), n.Get("max")
	return !low.HasValue() || !high.HasValue() || high.Text() == "*" || number(low) <= number(high)
}

// bindable reports whether a type of the element can be bound to a value set.
func bindable(n r4.Node) bool {
	coded := is("code", "code", "Coding", "CodeableConcept", "Quantity", "string", "uri")
	return !every("type", not(coded))(n)
}
