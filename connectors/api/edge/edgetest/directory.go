package edgetest

import (
	"caselink.example/connectors/simulator"
	"caselink.example/fhir"
	"caselink.example/mapping/workflow"
)

// The practices and the services of every world.
const (
	PracticeA = "Y99901" // its default service is ServiceA; its GP system is written to
	PracticeB = "Y99902" // has no default service, and polls
	ServiceA  = "service-a"
	ServiceB  = "service-b"
)

// Directory knows them.
type Directory struct{}

var _ workflow.Directory = Directory{}

// Practice is one of the two practices.
func (Directory) Practice(ods string) (workflow.Practice, bool) {
	p, ok := map[string]workflow.Practice{
		PracticeA: {ODS: PracticeA, Name: "Example Surgery", DefaultService: ServiceA, Destinations: []string{PracticeA}},
		PracticeB: {ODS: PracticeB, Name: "Sample Surgery"},
	}[ods]
	return p, ok
}

// Service is one of the two services.
func (Directory) Service(id string) (workflow.Service, bool) {
	return workflow.Service{ID: id, Name: "Service " + id}, id == ServiceA || id == ServiceB
}

// ServiceBy finds a service by its Identifier.
func (d Directory) ServiceBy(id fhir.Identifier) (workflow.Service, bool) {
	s, ok := d.Service(id.Value)
	return s, ok && id == Identifier(s.ID)
}

const secret = "for tests"

// clients are who may ask for tokens.
var clients = []simulator.Client{
	gp("gp-a", PracticeA, "system/ServiceRequest.cruds system/Task.rs system/Observation.rs"),
	gp("gp-b", PracticeB, "system/*.cruds"),
	gp("gp-reader", PracticeA, "system/ServiceRequest.rs"),
	gp("gp-stranger", "Y99999", "system/*.cruds"),
	{ID: "gp-nowhere", Secret: secret, Scope: "system/*.cruds"},
	app("app-a", "cases.read cases.write", ServiceA),
	app("app-b", "cases.read cases.write", ServiceB),
	app("app-reader", "cases.read", ServiceA),
	app("app-trusted", "cases.read cases.write cases.sensitive", ServiceA),
	app("app-nobody", "cases.read cases.write"),
	{ID: "app-person", Secret: secret, Scope: "cases.read cases.write", Claims: map[string]any{
		"services": []string{ServiceA}, "ods": "Y99903", "client_id": "app-person",
		"sub": "user-7", "name": "Ola Example", "role": "link worker",
	}},
}

func gp(id, ods, scope string) simulator.Client {
	return simulator.Client{ID: id, Secret: secret, Scope: scope, Claims: map[string]any{"ods": ods}}
}

func app(id, scope string, services ...string) simulator.Client {
	c := simulator.Client{ID: id, Secret: secret, Scope: scope}
	if len(services) > 0 {
		c.Claims = map[string]any{"services": services}
	}
	return c
}

// ODS is the practice of a client; "" for none.
func ODS(client string) string {
	for _, c := range clients {
		if c.ID == client {
			ods, _ := c.Claims["ods"].(string)
			return ods
		}
	}
	return ""
}

// Identifier is one by which a service is named in performer.
func Identifier(service string) fhir.Identifier {
	return fhir.Identifier{System: fhir.SystemService, Value: service}
}
