package validate

import (
	"regexp"

	"caselink.example/fhir/r4"
)

// questionnaires are the rules of Questionnaire and QuestionnaireResponse.
// https://hl7.org/fhir/R4/questionnaire.html
var questionnaires = map[string][]rule{
	"Questionnaire": {
		should("que-0", every("name", matches(computableName)), nameForPrograms),
		find("que-2", linkIDTwice, "a linkId that no other item has"),
	},
	"Questionnaire.item": {
		shall("que-1", all(when(is("type", "group"), has("item")), when(is("type", "display"), lacks("item"))),
			"a group has items, and a display has none"),
		shall("que-3", when(is("type", "display"), lacks("code")), "a display has no code"),
		shall("que-4", atMostOne("answerOption", "answerValueSet"), "answerOption or answerValueSet, not both"),
		shall("que-5", either(
			is("type", "choice", "open-choice", "decimal", "integer", "date", "dateTime", "time", "string", "quantity"),
			lacks("answerOption", "answerValueSet")),
			"answers to choose from for a question that has a choice only"),
		shall("que-6", when(is("type", "display"), lacks("required", "repeats")), "a display has neither required nor repeats"),
		shall("que-8", when(is("type", "group", "display"), lacks("initial")), "no initial value for a group or a display"),
		shall("que-9", when(is("type", "display"), lacks("readOnly")), "a display has no readOnly"),
		shall("que-10", either(is("type", "boolean", "decimal", "integer", "string", "text", "url", "open-choice"), lacks("maxLength")),
			"maxLength for a simple question only"),
		shall("que-11", atMostOne("answerOption", "initial"), "answerOption or initial, not both"),
		shall("que-12", either(atMost(1, "enableWhen"), has("enableBehavior")), "several enableWhen need enableBehavior"),
		shall("que-13", either(is("repeats", "true"), atMost(1, "initial")), "several initial values for a repeating item only"),
	},
	"Questionnaire.item.enableWhen": {
		shall("que-7", when(is("operator", "exists"), of("answer", func(n r4.Node) bool { return n.Type() == "boolean" })),
			"the answer to exists is a boolean"),
	},
	"QuestionnaireResponse.item": {
		shall("qrs-1", atMostOne("answer", "item"), "nested items beneath the item or beneath its answers, not both"),
	},
}

var computableName = regexp.MustCompile(`^[A-Z]([A-Za-z0-9_]){0,254}$`)

const nameForPrograms = "a name should suit programs: a capital letter, then letters, digits and _"

func linkIDTwice(n r4.Node) []r4.Node {
	return repeats(appendItems(nil, n), func(item r4.Node) string { return item.Get("linkId").Text() })
}

func appendItems(items []r4.Node, n r4.Node) []r4.Node {
	for item := range n.All("item") {
		items = appendItems(append(items, item), item)
	}
	return items
}
