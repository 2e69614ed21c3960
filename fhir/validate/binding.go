package validate

import (
	_ "embed"
	"regexp"
	"slices"
	"strings"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
)

// bindings are the required bindings that the types do not already express: an element
// with a coding from a small code system, currencies, media types and languages.
func bindings() map[string][]rule {
	table := map[string][]rule{
		"Money.currency": {
			shall("currencies", func(n r4.Node) bool { return !n.HasValue() || slices.Contains(currencies, n.Text()) },
				"a code of ISO 4217 in capitals, such as GBP").as(fhir.IssueCodeInvalid),
		},
		"Attachment.language": {language},
	}
	for _, path := range []string{
		"Attachment.contentType", "Signature.targetFormat", "Signature.sigFormat", "Endpoint.payloadMimeType",
		"Subscription.channel.payload",
	} {
		table[path] = []rule{mediaType}
	}
	for path, b := range concepts {
		codes := strings.Fields(b.codes)
		right := "one coding of " + b.system + ": " + strings.Join(codes, ", ")
		table[path] = []rule{
			shall(b.valueSet, either(fromSystem(b.system, codes), fromSystem("", codes)), right).as(fhir.IssueCodeInvalid),
			should(b.valueSet, either(fromSystem(b.system, codes), not(fromSystem("", codes))),
				"the code should name its system, "+b.system).as(fhir.IssueCodeInvalid),
		}
	}
	return table
}

var (
	mediaType = shall("mimetypes", matches(mediaTypeForm), "a media type (BCP 13) such as application/pdf").as(fhir.IssueCodeInvalid)
	language  = shall("languages", matches(languageForm), "a language tag (BCP 47) such as en-GB").as(fhir.IssueCodeInvalid)

	mediaTypeForm = regexp.MustCompile(`^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+*-]+(\s*;.*)?$`)
	languageForm  = regexp.MustCompile(`^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$`)
)

// concepts are the CodeableConcepts whose binding is required.
var concepts = map[string]struct{ valueSet, system, codes string }{
	"AllergyIntolerance.clinicalStatus": {
		"allergyintolerance-clinical", allergyClinical,
		"active inactive resolved",
	},
	"AllergyIntolerance.verificationStatus": {
		"allergyintolerance-verification", allergyVerification,
		"unconfirmed confirmed refuted entered-in-error",
	},
	"Condition.clinicalStatus": {
		"condition-clinical", conditionClinical,
		"active recurrence relapse inactive remission resolved",
	},
	"Condition.verificationStatus": {
		"condition-ver-status", conditionStatus,
		"unconfirmed provisional differential confirmed refuted entered-in-error",
	},
}

// fromSystem reports whether a coding of the concept has the system and one of the codes;
// "" is no system. A required binding asks for a coding: text alone is not enough. A code
// without its system says little, but published BaRS messages send one: it is taken, with
// a warning. https://hl7.org/fhir/R4/terminologies.html#required
func fromSystem(system string, codes []string) predicate {
	return func(n r4.Node) bool {
		for coding := range n.All("coding") {
			if coding.Get("system").Text() == system && slices.Contains(codes, coding.Get("code").Text()) {
				return true
			}
		}
		return false
	}
}

//go:embed currencies.txt
var currencyCodes string

// currencies are the codes of ISO 4217, those of the years since FHIR R4 included.
// https://hl7.org/fhir/R4/valueset-currencies.html
var currencies = strings.Fields(currencyCodes)
