// The CapabilityStatement, built from the routes that exist.
// https://hl7.org/fhir/R4/capabilitystatement.html

package fhirapi

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
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
	Code     string // https://hl7.org/fhir/R4/valueset-type-restful-interaction.html, or an operation such as $validate
}

// Validated are the types that $validate takes.
var Validated = []string{
	"AllergyIntolerance", "Appointment", "AuditEvent", "Bundle", "CarePlan", "Communication", "Condition", "Consent",
	"DocumentReference", "Encounter", "Endpoint", "EpisodeOfCare", "Flag", "HealthcareService", "Immunization", "List", "Location",
	"MedicationRequest", "MedicationStatement", "MessageHeader", "Observation", "OperationOutcome", "Organization", "Parameters", "Patient",
	"Practitioner", "PractitionerRole", "Procedure", "Provenance", "Questionnaire", "QuestionnaireResponse", "RelatedPerson",
	"ServiceRequest", "Slot", "Subscription", "Task",
}

type object = map[string]any

const description = "Takes social prescribing referrals from GP systems and writes back a Task for each change of status and an Observation for each outcome score."

// Statement returns the CapabilityStatement's JSON, checked as any resource is.
func Statement(s Software, served []Interaction) ([]byte, error) {
	var types []string
	codes := map[string][]string{}
	for _, i := range served {
		if !slices.Contains(types, i.Resource) {
			types = append(types, i.Resource)
		}
		codes[i.Resource] = append(codes[i.Resource], i.Code)
	}
	slices.Sort(types)
	var resources []object
	for _, t := range types {
		resources = append(resources, resource(t, codes[t]))
	}
	raw, err := json.Marshal(object{
		"resourceType": "CapabilityStatement", "id": "caselink", "url": fhir.Canonical + "/CapabilityStatement/caselink", "version": s.Release,
		"name": "Caselink", "title": "Caselink: social prescribing referrals", "status": "active", "kind": "instance", "fhirVersion": "4.0.1",
		"text":           object{"status": "generated", "div": `<div xmlns="http://www.w3.org/1999/xhtml">` + description + `</div>`},
		"date":           s.Date.UTC().Format("2006-01-02"),
		"description":    description,
		"software":       object{"name": "Caselink", "version": s.Release},
		"implementation": object{"description": "Caselink", "url": s.Base},
		"format":         []string{"application/fhir+json", "application/fhir+xml", "json", "xml"},
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
	if _, err := r4.Unmarshal(raw); err != nil {
		return nil, fmt.Errorf("check CapabilityStatement: %w", err)
	}
	return raw, nil
}

// operations are the definitions of the operations that routes serve.
var operations = map[string]string{
	"$validate": "http://hl7.org/fhir/OperationDefinition/Resource-validate",
	"$map":      fhir.Canonical + "/OperationDefinition/ServiceRequest-map",
}

func resource(t string, codes []string) object {
	r := object{"type": t, "versioning": "versioned"}
	var interactions, operation []object
	for _, code := range codes {
		if definition, ok := operations[code]; ok {
			operation = append(operation, object{"name": code[1:], "definition": definition})
			continue
		}
		interactions = append(interactions, object{"code": code})
	}
	if interactions == nil {
		r["versioning"] = "no-version"
	} else {
		r["interaction"], r["readHistory"], r["conditionalRead"] = interactions, true, "not-match"
	}
	if operation != nil {
		r["operation"] = operation
	}
	if slices.Contains(codes, "create") {
		r["conditionalCreate"] = true
		r["documentation"] = "One identifier is one referral, for ever: an equal repeat is answered 200, other content 409."
	}
	return r
}
