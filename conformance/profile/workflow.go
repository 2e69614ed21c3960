package profile

// workflow are the rules of requests, plans and what follows them.
var workflow = map[string][]rule{
	"CarePlan.activity": {
		shall("cpl-3", atMostOne("detail", "reference"), "detail or reference, not both"),
	},
	"CareTeam.participant": {
		shall("ctm-1", either(lacks("onBehalfOf"), refersTo("member", "Practitioner")), "onBehalfOf for a member that is a Practitioner only"),
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
