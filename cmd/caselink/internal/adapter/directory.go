package adapter

import (
	"strings"

	"caselink.example/cmd/caselink/internal/config"
	"caselink.example/fhir"
	"caselink.example/fhir/nhs"
	"caselink.example/mapping/workflow"
)

// Directory answers the workflow's questions from the configuration, which does not change
// while the adapter runs.
type Directory struct {
	practices map[string]workflow.Practice
	services  map[string]workflow.Service
	named     map[fhir.Identifier]string // service id by what performer may say
}

// NewDirectory is the directory of the configuration.
func NewDirectory(cfg config.Config) Directory {
	d := Directory{
		practices: map[string]workflow.Practice{}, services: map[string]workflow.Service{}, named: map[fhir.Identifier]string{},
	}
	for _, p := range cfg.Practices {
		practice := workflow.Practice{ODS: p.ODS, Name: p.Name, DefaultService: p.DefaultService}
		for _, dest := range p.Destinations {
			// A practice that polls owes itself nothing: an item for it would stay owed for ever.
			if dest.Kind != config.KindNone {
				practice.Destinations = append(practice.Destinations, dest.ID)
			}
		}
		d.practices[p.ODS] = practice
	}
	for _, s := range cfg.Services {
		d.services[s.ID] = workflow.Service{ID: s.ID, Name: s.Name}
		for _, id := range serviceIdentifiers(s) {
			d.named[spelled(id)] = s.ID
		}
	}
	return d
}

// serviceIdentifiers are the names by which a referral may ask for the service.
func serviceIdentifiers(s config.Service) []fhir.Identifier {
	ids := append([]fhir.Identifier{{System: fhir.SystemService, Value: s.ID}}, s.Identifiers...)
	if s.ODS != "" {
		ids = append(ids, fhir.Identifier{System: nhs.SystemODS, Value: s.ODS})
	}
	return ids
}

// spelled is the identifier with its system as the national guides print it, for
// official examples differ in case, scheme and spelling.
func spelled(id fhir.Identifier) fhir.Identifier {
	return fhir.Identifier{System: nhs.System(id.System), Value: strings.TrimSpace(id.Value)}
}

// Practice is the practice with the ODS code.
func (d Directory) Practice(ods string) (workflow.Practice, bool) {
	p, ok := d.practices[ods]
	return p, ok
}

// Service is the service with the id.
func (d Directory) Service(id string) (workflow.Service, bool) {
	s, ok := d.services[id]
	return s, ok
}

// ServiceBy is the service that a performer's identifier names.
func (d Directory) ServiceBy(id fhir.Identifier) (workflow.Service, bool) {
	return d.Service(d.named[spelled(id)])
}

var _ workflow.Directory = Directory{}
