package auth

import (
	"slices"
	"strings"
)

// Scopes are the scopes of a token, as the issuer granted them: SMART v2 scopes for
// FHIR, and plain names such as cases.read.
//
// https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
type Scopes []string

// ParseScopes splits a scope claim. Only a single space separates, as in RFC 6749
// section 3.3; anything else becomes part of a name that grants nothing.
func ParseScopes(claim string) Scopes {
	if claim == "" {
		return nil
	}
	return strings.Split(claim, " ")
}

// Has reports whether the scope was granted by exactly this name.
func (s Scopes) Has(name string) bool { return slices.Contains(s, name) }

// Allows reports whether a system or a user may do the interaction, one of c r u d s,
// with resources of the type. A token that has any patient scope belongs to one
// person's record, which Caselink does not serve: it allows nothing, whatever else
// stands beside it.
func (s Scopes) Allows(resourceType string, interaction byte) bool {
	allowed := false
	for _, scope := range s {
		if strings.HasPrefix(scope, "patient/") {
			return false
		}
		allowed = allowed || grants(scope, resourceType, interaction)
	}
	return allowed
}

// grants judges one scope of the grammar (user|system)/(Type|*).(c?r?u?d?s?|read|write|*).
// A scope that is narrowed by a query, such as system/Task.rs?status=draft, grants
// nothing: to take it for the plain one would widen it.
func grants(scope, resourceType string, interaction byte) bool {
	context, rest, ok := strings.Cut(scope, "/")
	if !ok || context != "system" && context != "user" {
		return false
	}
	granted, letters, ok := strings.Cut(rest, ".")
	if !ok || granted != "*" && granted != resourceType {
		return false
	}
	switch letters {
	case "*":
		letters = interactions
	case "read":
		letters = "rs"
	case "write":
		letters = "cud"
	}
	return inOrder(letters) && strings.IndexByte(letters, interaction) >= 0
}

const interactions = "cruds"

// inOrder reports whether the letters are some of cruds, each once and in that order.
func inOrder(letters string) bool {
	next := 0
	for i := range len(letters) {
		at := strings.IndexByte(interactions[next:], letters[i])
		if at < 0 {
			return false
		}
		next += at + 1
	}
	return true
}
