package validate

import (
	"strings"

	"caselink.example/fhir/r4"
)

// workflow are the rules of requests, plans and what follows them.
var workflow = map[string][]rule{
	"CarePlan.activity": {
		shall("cpl-3", atMostOne("detail", "reference"), "detail or reference, not both"),
	},
	"CareTeam": {
		find("ctm-1", onBehalfOfNoPractitioner, "onBehalfOf for a member that is a Practitioner only"),
	},
	"Goal.target": {
		shall("gol-1", needs("detail", "measure"), "a target's detail needs its measure"),
	},
	"ServiceRequest": {
		shall("prr-1", needs("orderDetail", "code"), "orderDetail needs code"),
	},
	"Task": {
		shall("inv-1", inOrder("authoredOn", "lastModified"), "lastModified is not before authoredOn, and both are precise enough to tell"),
	},
}

// onBehalfOfNoPractitioner finds the participants that act for somebody though what they
// refer to is known to be no Practitioner.
func onBehalfOfNoPractitioner(team r4.Node) []r4.Node {
	// A contained CareTeam refers to the resources beside it, which its container holds.
	holder := team
	if isContained(team) {
		holder = team.Parent()
	}
	contained := map[string]string{}
	for c := range holder.All("contained") {
		contained["#"+c.Get("id").Text()] = c.Type()
	}
	var wrong []r4.Node
	for participant := range team.All("participant") {
		if participant.Get("onBehalfOf").Exists() && !mayBe("Practitioner", participant.Get("member"), contained) {
			wrong = append(wrong, participant)
		}
	}
	return wrong
}

// mayBe reports whether the reference says that it is to a resource of the type, or does
// not say; contained has the types of the contained resources by their fragments.
func mayBe(typ string, reference r4.Node, contained map[string]string) bool {
	said := reference.Get("type").Text()
	text := reference.Get("reference").Text()

	// A URL may lead anywhere and is not followed: only what surely is another type is reported.
	switch local, is := contained[text]; {
	case said != "":
		return said == typ
	case is:
		return local == typ
	}
	return text == "" || text[0] == '#' || strings.Contains(text, ":") || strings.HasPrefix(text, typ+"/")
}
