package workflow

import (
	"net/url"
	"slices"
	"strings"

	"caselink.example/fhir"
)

// identities are the names by which the sender will know this referral again: its
// identifiers and the criteria of If-None-Exist; with neither, the sender's own
// X-Request-Id. Without any, a retry would be a second patient journey.
func identities(ids []fhir.Identifier, in Incoming, scope fhir.Scope) ([]Identity, error) {
	var out []Identity
	for _, id := range ids {
		out = append(out, Identity{Kind: IdentityIdentifier, System: id.System, Value: id.Value})
	}
	if in.IfNoneExist != "" {
		named, err := conditional(in.IfNoneExist)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, named) {
			out = append(out, named)
		}
	}

	// The request's id is the weakest name: a sender may use another for a retry. It counts
	// only where there is no better one, and only when the sender chose it.
	if len(out) == 0 && in.NamedByID {
		out = append(out, Identity{Kind: IdentityRequest, Value: scope.Caller.RequestID})
	}
	if len(out) == 0 {
		return nil, fhir.Errorf(fhir.IssueBusinessRule, "a referral needs an identifier (system and value), so that "+
			"a retry is not a second referral: add ServiceRequest.identifier, or send If-None-Exist or X-Request-Id").
			At("ServiceRequest.identifier")
	}
	return out, nil
}

// conditional is the name that If-None-Exist gives a referral. Criteria that ask for
// one identifier are that identifier; others are a name of their own, spelled in one
// way whatever the order and escaping.
// https://hl7.org/fhir/R4/http.html#ccreate
func conditional(criteria string) (Identity, error) {
	values, err := url.ParseQuery(strings.TrimPrefix(criteria, "?"))
	if err != nil || len(values) == 0 || slices.Contains(values["identifier"], "") {
		return Identity{}, fhir.Errorf(fhir.IssueInvalid,
			"If-None-Exist must hold search parameters, such as identifier=SYSTEM|VALUE")
	}

	// One identifier is the same name whether it comes in the header or in the body. A comma
	// asks for any of several, and a backslash escapes one: those stay criteria.
	if ids := values["identifier"]; len(values) == 1 && len(ids) == 1 && !strings.ContainsAny(ids[0], `,\`) {
		if system, value, ok := strings.Cut(ids[0], "|"); ok && value != "" {
			return Identity{Kind: IdentityIdentifier, System: system, Value: value}, nil
		}
	}
	return Identity{Kind: IdentityCondition, Value: values.Encode()}, nil // Encode sorts by parameter
}
