package fhirapi

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	cpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/codes_go_proto"
	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	cspb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/capability_statement_go_proto"
	vspb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/valuesets_go_proto"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
)

const description = "Takes social prescribing referrals from GP systems and writes back a Task for each change of status " +
	"and an Observation for each outcome score."

// statement is the JSON of the CapabilityStatement that the routes keep.
// https://hl7.org/fhir/R4/capabilitystatement.html
func (a *API) statement(routes []route) ([]byte, error) {
	codes := map[string][]string{}
	for _, r := range routes {
		codes[r.resource] = append(codes[r.resource], r.interaction)
	}
	var resources []*cspb.CapabilityStatement_Rest_Resource
	for _, t := range slices.Sorted(maps.Keys(codes)) {
		resource, err := resourceOf(t, codes[t])
		if err != nil {
			return nil, err
		}
		resources = append(resources, resource)
	}
	return r4.Marshal(&cspb.CapabilityStatement{
		Id: &dtpb.Id{Value: "caselink"},
		Text: &dtpb.Narrative{
			Status: &dtpb.Narrative_StatusCode{Value: cpb.NarrativeStatusCode_GENERATED},
			Div:    &dtpb.Xhtml{Value: `<div xmlns="http://www.w3.org/1999/xhtml">` + description + `</div>`},
		},
		Url:         &dtpb.Uri{Value: fhir.Canonical + "/CapabilityStatement/caselink"},
		Version:     text(a.Release),
		Name:        text("Caselink"),
		Title:       text("Caselink: social prescribing referrals"),
		Status:      &cspb.CapabilityStatement_StatusCode{Value: cpb.PublicationStatusCode_ACTIVE},
		Date:        day(a.Now()),
		Description: &dtpb.Markdown{Value: description},
		Kind:        &cspb.CapabilityStatement_KindCode{Value: cpb.CapabilityStatementKindCode_INSTANCE},
		Software:    &cspb.CapabilityStatement_Software{Name: text("Caselink"), Version: text(a.Release)},
		Implementation: &cspb.CapabilityStatement_Implementation{
			Description: text("Caselink"), Url: &dtpb.Url{Value: a.Base},
		},
		FhirVersion: &cspb.CapabilityStatement_FhirVersionCode{Value: cpb.FHIRVersionCode_V_4_0_1},
		Format: []*cspb.CapabilityStatement_FormatCode{
			{Value: string(fhir.JSON)}, {Value: string(fhir.XML)}, {Value: "json"}, {Value: "xml"},
		},
		Rest: []*cspb.CapabilityStatement_Rest{{
			Mode:     &cspb.CapabilityStatement_Rest_ModeCode{Value: cpb.RestfulCapabilityModeCode_SERVER},
			Security: a.security(),
			Resource: resources,
		}},
	})
}

// security says how to authenticate, in SMART's extension.
// https://hl7.org/fhir/smart-app-launch/1.0.0/conformance/index.html#declaring-support-for-oauth2-endpoints
func (a *API) security() *cspb.CapabilityStatement_Rest_Security {
	token := &dtpb.Extension{
		Url: &dtpb.Uri{Value: "token"},
		Value: &dtpb.Extension_ValueX{Choice: &dtpb.Extension_ValueX_Uri{
			Uri: &dtpb.Uri{Value: a.TokenURL},
		}},
	}
	return &cspb.CapabilityStatement_Rest_Security{
		Extension: []*dtpb.Extension{{
			Url:       &dtpb.Uri{Value: "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"},
			Extension: []*dtpb.Extension{token},
		}},
		Service: []*dtpb.CodeableConcept{r4.Concept("", fhir.Coding{
			System: "http://terminology.hl7.org/CodeSystem/restful-security-service", Code: "SMART-on-FHIR",
		})},
		Description: &dtpb.Markdown{Value: "OAuth 2 client credentials; SMART system scopes; the practice is the token's organisation."},
	}
}

// operations are the definitions of the operations that routes serve.
var operations = map[string]string{
	"$validate": "http://hl7.org/fhir/OperationDefinition/Resource-validate",
	"$map":      fhir.Canonical + "/OperationDefinition/ServiceRequest-map",
}

// resourceOf says what is served for a resource type: interactions
// (https://hl7.org/fhir/R4/valueset-type-restful-interaction.html) and operations.
func resourceOf(resourceType string, codes []string) (*cspb.CapabilityStatement_Rest_Resource, error) {
	kind := cpb.ResourceTypeCode_Value_value[enumName(resourceType)]
	if kind == 0 {
		return nil, fmt.Errorf("CapabilityStatement: %s is no resource type of R4", resourceType)
	}
	r := &cspb.CapabilityStatement_Rest_Resource{
		Type: &cspb.CapabilityStatement_Rest_Resource_TypeCode{Value: cpb.ResourceTypeCode_Value(kind)},
	}
	for _, code := range codes {
		if definition, ok := operations[code]; ok {
			r.Operation = append(r.Operation, &cspb.CapabilityStatement_Rest_Resource_Operation{
				Name: text(strings.TrimPrefix(code, "$")), Definition: &dtpb.Canonical{Value: definition},
			})
			continue
		}
		value := vspb.TypeRestfulInteractionValueSet_Value_value[enumName(code)]
		if value == 0 {
			return nil, fmt.Errorf("CapabilityStatement: %s is no interaction of R4", code)
		}
		r.Interaction = append(r.Interaction, &cspb.CapabilityStatement_Rest_Resource_ResourceInteraction{
			Code: &cspb.CapabilityStatement_Rest_Resource_ResourceInteraction_CodeType{
				Value: vspb.TypeRestfulInteractionValueSet_Value(value),
			},
		})
	}

	// A type that only has operations is checked and never kept, so it has no versions.
	versioning := cpb.ResourceVersionPolicyCode_NO_VERSION
	if r.Interaction != nil {
		versioning = cpb.ResourceVersionPolicyCode_VERSIONED
		r.ReadHistory = &dtpb.Boolean{Value: true}
		r.ConditionalRead = &cspb.CapabilityStatement_Rest_Resource_ConditionalReadCode{Value: cpb.ConditionalReadStatusCode_NOT_MATCH}
	}
	r.Versioning = &cspb.CapabilityStatement_Rest_Resource_VersioningCode{Value: versioning}
	if slices.Contains(codes, "create") {
		r.ConditionalCreate = &dtpb.Boolean{Value: true}
		r.Documentation = &dtpb.Markdown{
			Value: "One identifier is one referral, for ever: an equal repeat is answered 200, other content 409.",
		}
	}
	return r, nil
}

var innerCapital = regexp.MustCompile(`\B[A-Z]`)

// enumName is the name that google/fhir gives a code: SERVICE_REQUEST for
// ServiceRequest, SEARCH_TYPE for search-type.
func enumName(code string) string {
	return strings.ToUpper(strings.ReplaceAll(innerCapital.ReplaceAllString(code, "_$0"), "-", "_"))
}

func text(s string) *dtpb.String { return &dtpb.String{Value: s} }

func day(t time.Time) *dtpb.DateTime {
	return &dtpb.DateTime{ValueUs: t.UnixMicro(), Timezone: "Z", Precision: dtpb.DateTime_DAY}
}
