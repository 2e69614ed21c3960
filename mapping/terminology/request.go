package terminology

import (
	"caselink.example/fhir"
	"caselink.example/fhir/nhs"
)

// SocialPrescribing is the national code for a referral to social prescribing.
var SocialPrescribing = fhir.Coding{
	System: nhs.SystemSNOMED, Code: "871731000000106", Display: "Referral to social prescribing service",
}

// Request is what a ServiceRequest's code asks for.
type Request string

// The kinds of request.
const (
	RequestSocialPrescribing Request = "social-prescribing"
	RequestOther             Request = "other-service" // clearly another service's
	RequestDeclined          Request = "declined"      // the person said no
	RequestUnknown           Request = "unknown"       // the tables do not know the code
)

// requestCode is a code that a request may have.
type requestCode struct {
	display string
	request Request
}

var requests = map[key]requestCode{
	{nhs.SystemSNOMED, "871731000000106"}:  {"Referral to social prescribing service", RequestSocialPrescribing},
	{nhs.SystemSNOMED, "515721000000104"}:  {"Social prescribing for mental health", RequestSocialPrescribing},
	{nhs.SystemSNOMED, "1084281000000109"}: {"Signposting to social prescribing service", RequestSocialPrescribing},
	{nhs.SystemReadV2, "8T09."}:            {"Referral to social prescribing service", RequestSocialPrescribing},
	{nhs.SystemCTV3, "XaaEC"}:              {"Referral to social prescribing service", RequestSocialPrescribing},
	{nhs.SystemSNOMED, "871711000000103"}:  {"Social prescribing declined", RequestDeclined},
	{nhs.SystemSNOMED, "1078371000000100"}: {"Referral for health coaching", RequestOther},
	{nhs.SystemSNOMED, "276221000000100"}:  {"Referred for health coaching", RequestOther},
	{nhs.SystemSNOMED, "1156338001"}:       {"Health coaching", RequestOther},
	{nhs.SystemSNOMED, "390893007"}:        {"Referral to physical activity program", RequestOther},
	{nhs.SystemSNOMED, "526151000000109"}:  {"Referral to exercise on referral programme", RequestOther},
	{nhs.SystemSNOMED, "416974006"}:        {"Referred for exercise program", RequestOther},
	{nhs.SystemSNOMED, "771491000000104"}:  {"Referral to local-authority weight management programme", RequestOther},
	{nhs.SystemSNOMED, "837111000000105"}:  {"Referral to residential weight management programme", RequestOther},
	{nhs.SystemSNOMED, "306238000"}:        {"Referral to Social Services", RequestOther},
	{nhs.SystemSNOMED, "514331000000104"}:  {"Referral to safeguarding adults team", RequestOther},
	{nhs.SystemReadV2, "8H7s."}:            {"Referral to physical activity programme", RequestOther},
	{nhs.SystemReadV2, "8HHB."}:            {"Referral to Social Services", RequestOther},
	{nhs.SystemReadV2, "8H75."}:            {"Refer to social worker", RequestOther},
}

// Requested says what the codings of ServiceRequest.code ask for. One that asks for
// social prescribing decides it, whatever local codes stand beside it.
func (m Map) Requested(codings []fhir.Coding) Request {
	// What says no, or names another service, counts only when no code says yes: the codings
	// of one concept mean one thing, and practices put local codes of any meaning beside it.
	found := RequestUnknown
	for _, c := range codings {
		system := nhs.System(c.System)
		switch r := m.requests[key{system, normal(system, c.Code)}].request; {
		case r == RequestSocialPrescribing:
			return r
		case r != "" && found == RequestUnknown:
			found = r
		}
	}
	return found
}
