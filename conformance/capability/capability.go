// Package capability says in machine-readable form what this server does: a
// CapabilityStatement built from the routes that exist.
//
// https://hl7.org/fhir/R4/capabilitystatement.html
package capability

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"caselink.example/fhir"
)

// Software is what the statement says about the program.
type Software struct {
	Base     string // absolute URL of the FHIR API
	Release  string
	TokenURL string
	Date     time.Time
}

// Interaction is one thing that a route serves for a resource type.
type Interaction struct {
	Resource string
	Code     string // https://hl7.org/fhir/R4/valueset-type-restful-interaction.html
}

type object = map[string]any

// Statement returns the CapabilityStatement's JSON, checked as any resource is.
func Statement(s Software, served []Interaction) ([]byte, error) {
	var types []string
	interactions := map[string][]object{}
	for _, i := range served {
		if !slices.Contains(types, i.Resource) {
			types = append(types, i.Resource)
		}
		interactions[i.Resource] = append(interactions[i.Resource], object{"code": i.Code})
	}
	slices.Sort(types)
	var resources []object
	for _, t := range types {
		resources = append(resources, resource(t, interactions[t]))
	}
	raw, err := json.Marshal(object{
		"resourceType": "CapabilityStatement", "id": "caselink", "url": fhir.Canonical + "/CapabilityStatement/caselink", "version": s.Release,
		"name": "Caselink", "title": "Caselink: social prescribing referrals", "status": "active", "kind": "instance", "fhirVersion": "4.0.1",
		"date":           s.Date.UTC().Format("2006-01-02"),
		"description":    "Takes social prescribing referrals from GP systems and writes back a Task for each change of status and an Observation for each outcome score.",
		"software":       object{"name": "Caselink", "version": s.Release},
		"implementation": object{"description": "Caselink", "url": s.Base},
		"format":         []string{"application/fhir+json", "json"},
		"rest": []object{{
			"mode":     "server",
			"resource": resources,
			"security": object{
				"service": []object{{"coding": []object{{"system": "http://terminology.hl7.org/CodeSystem/restful-security-service", "code": "SMART-on-FHIR"}}}},
				"extension": []object{{
					"url":       "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
					"extension": []object{{"url": "token", "valueUri": s.TokenURL}},
				}},
				"description": "OAuth 2 client credentials; SMART system scopes; the practice is the token's organisation.",
			},
		}},
	})
	if err != nil {
		return nil, fmt.Errorf("build CapabilityStatement: %w", err)
	}
	if _, err := fhir.Unmarshal(raw); err != nil {
		return nil, fmt.Errorf("check CapabilityStatement: %w", err)
	}
	return raw, nil
}

func resource(t string, interactions []object) object {
	r := object{"type": t, "interaction": interactions, "versioning": "versioned", "readHistory": true}
	if slices.ContainsFunc(interactions, func(i object) bool { return i["code"] == "create" }) {
		r["conditionalCreate"] = true
		r["documentation"] = "One identifier is one referral, for ever: an equal repeat is answered 200, other content 409."
	}
	return r
}
