package auth

import (
	"math"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4/json"

	"caselink.example/fhir"
)

// claims are the claims of a token by name.
type claims map[string]json.RawMessage

func (c claims) has(name string) bool { return c[name] != nil }

// text is a claim that is one string.
func (c claims) text(name string) (text string, ok bool) {
	ok = c.has(name) && json.Unmarshal(c[name], &text) == nil && text != ""
	return text, ok
}

// list is a claim that is a list of strings, or one string.
func (c claims) list(name string) (list []string, ok bool) {
	if text, one := c.text(name); one {
		return []string{text}, true
	}
	ok = c.has(name) && json.Unmarshal(c[name], &list) == nil
	return list, ok
}

// moment is a NumericDate: a JSON number of seconds since 1970, up to the year 9999.
// https://www.rfc-editor.org/rfc/rfc7519#section-2
func (c claims) moment(name string) (at time.Time, ok bool) {
	var seconds float64
	if !c.has(name) || json.Unmarshal(c[name], &seconds) != nil || seconds <= 0 || seconds > 253402300799 {
		return at, false
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*1e9)).UTC(), true
}

// isIDToken looks for what OpenID Connect puts into ID tokens alone, and for the
// marks that Cognito and Keycloak give them.
// https://openid.net/specs/openid-connect-core-1_0.html#IDToken
func (c claims) isIDToken() bool {
	use, _ := c.text("token_use")
	kind, _ := c.text("typ")
	return c.has("nonce") || c.has("at_hash") || c.has("c_hash") || c.has("s_hash") || use == "id" || kind == "ID"
}

// client is the OAuth client that the token was given to; "" when it names none.
func (i *issuer) client(c claims) string {
	if i.Claims.Client != "" {
		client, _ := c.text(i.Claims.Client)
		return client
	}
	if client, ok := c.text("client_id"); ok {
		return client
	}
	client, _ := c.text("azp")
	return client
}

// principal believes the claims of a token whose signature is verified, within their times.
func (i *issuer) principal(c claims, now time.Time) (Principal, error) {
	// A token for another service, which that service could send on, is good for nothing here.
	audience, _ := c.list("aud")
	if !slices.Contains(audience, i.Audience) {
		return Principal{}, fhir.Errorf(fhir.IssueUnknown, "the token is for another audience: ask the issuer for one for this service")
	}
	expires, err := i.checkTimes(c, now)
	if err != nil {
		return Principal{}, err
	}
	subject, hasSubject := c.text("sub")
	client := i.client(c)
	if !hasSubject || client == "" {
		return Principal{}, fhir.Errorf(fhir.IssueSecurity, "the token needs sub and the client that it was given to")
	}

	// A system's own token has the client for its subject too; any other subject is a person.
	principal := Principal{Client: client, Expires: expires}
	if user, _ := c.text(i.Claims.User); user != client && subject != client {
		principal.User = user
		principal.UserName, _ = c.text(i.Claims.UserName)
		principal.UserRole, _ = c.text(i.Claims.UserRole)
	}
	if err := i.authorise(&principal, c); err != nil {
		return Principal{}, err
	}
	return principal, nil
}

// authorise takes what the principal may see. An organisation or service that is named in
// a way that cannot be understood is not the same as none.
func (i *issuer) authorise(principal *Principal, c claims) error {
	var ok bool
	if principal.ODS, ok = c.text(i.Claims.ODS); !ok && c.has(i.Claims.ODS) {
		return fhir.Errorf(fhir.IssueForbidden, "the organisation of the token must be one ODS code")
	}
	if principal.Services, ok = c.list(i.Claims.Services); !ok && c.has(i.Claims.Services) {
		return fhir.Errorf(fhir.IssueForbidden, "the services of the token must be a list of ids")
	}

	// Scopes that cannot be understood are none, for they only ever add.
	scopes, _ := c.list(i.Claims.Scope)
	for _, scope := range scopes {
		principal.Scopes = append(principal.Scopes, ParseScopes(scope)...)
	}
	return nil
}

// checkTimes holds exp, nbf and iat against our clock, with the leeway included: a
// token that expired a minute ago is good, one second later it is not.
// https://www.rfc-editor.org/rfc/rfc7519#section-4.1.4
func (i *issuer) checkTimes(c claims, now time.Time) (expires time.Time, err error) {
	expires, hasExpires := c.moment("exp")
	issued, hasIssued := c.moment("iat")
	starts, hasStart := c.moment("nbf")
	switch {
	case !hasExpires || !hasIssued || !hasStart && c.has("nbf"):
		err = fhir.Errorf(fhir.IssueSecurity, "the token needs exp and iat, as numbers of seconds since 1970")
	case now.After(expires.Add(leeway)):
		err = fhir.Errorf(fhir.IssueExpired, "the token has expired: get a new one")
	case issued.After(now.Add(leeway)) || hasStart && starts.After(now.Add(leeway)):
		err = fhir.Errorf(fhir.IssueSecurity, "the token is not valid yet: check the clocks")
	case expires.Sub(issued) > i.MaxLife+leeway:
		err = fhir.Errorf(fhir.IssueSecurity, "the token lives longer than %s: ask the issuer for shorter ones", i.MaxLife)
	}
	return expires, err
}
