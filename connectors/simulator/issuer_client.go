package simulator

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	assertionType  = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	assertionLife  = 5 * time.Minute
	assertionSkew  = 10 * time.Second // as NHS England's platform allows
	maxAssertions  = 100_000          // remembered at once
	invalidClient  = "invalid_client"
	invalidRequest = "invalid_request"
)

// assertionAlgorithms are what SMART asks for (RS384, ES384) and what NHS England's
// platform asks for (RS512).
var assertionAlgorithms = []jose.SignatureAlgorithm{jose.RS384, jose.ES384, jose.RS512}

// authenticate finds the client that sent the form, by exactly one method.
func (i *Issuer) authenticate(r *http.Request) (Client, error) {
	id, secret, basic := r.BasicAuth()
	form := r.PostForm
	post, assertion := form.Has("client_secret"), form.Get("client_assertion")
	switch {
	case basic && (post || assertion != "") || post && assertion != "":
		return Client{}, refuse(http.StatusBadRequest, invalidRequest, "authenticate in one way only")
	case assertion != "":
		return i.byAssertion(form.Get("client_assertion_type"), assertion, form.Get("client_id"))
	case basic: // RFC 6749 section 2.3.1: both parts are form-encoded first
		id, errID := url.QueryUnescape(id)
		secret, errSecret := url.QueryUnescape(secret)
		if errID != nil || errSecret != nil {
			return Client{}, refuse(http.StatusUnauthorized, invalidClient, "form-encode client id and secret before Basic")
		}
		return i.bySecret(id, secret)
	case post:
		return i.bySecret(form.Get("client_id"), form.Get("client_secret"))
	}
	return Client{}, refuse(http.StatusUnauthorized, invalidClient, "send a client secret or a client assertion")
}

// bySecret takes the same path for an unknown client as for a wrong secret.
func (i *Issuer) bySecret(id, secret string) (Client, error) {
	// Hashes have one length, so neither the time nor the answer shows which of the two it
	// was, or how much of a secret was right.
	client := i.clients[id]
	want, got := sha256.Sum256([]byte(client.Secret)), sha256.Sum256([]byte(secret))
	if subtle.ConstantTimeCompare(want[:], got[:]) != 1 || client.Secret == "" {
		return Client{}, refuse(http.StatusUnauthorized, invalidClient, "unknown client or wrong secret")
	}
	return client, nil
}

// byAssertion checks a private_key_jwt assertion.
// https://www.rfc-editor.org/rfc/rfc7523#section-3
func (i *Issuer) byAssertion(kind, assertion, clientID string) (Client, error) {
	bad := func(why string) (Client, error) {
		return Client{}, refuse(http.StatusUnauthorized, invalidClient, why)
	}
	if kind != assertionType {
		return Client{}, refuse(http.StatusBadRequest, invalidRequest, "client_assertion_type is "+assertionType)
	}
	token, err := jwt.ParseSigned(assertion, assertionAlgorithms)
	if err != nil {
		return bad("the assertion is not a JWT signed with RS384, ES384 or RS512")
	}

	// The subject names the client whose key is to verify; until it has, nothing else of
	// the claims is believed.
	var claims jwt.Claims
	if err := token.UnsafeClaimsWithoutVerification(&claims); err != nil {
		return bad("the claims of the assertion cannot be read")
	}
	client, known := i.clients[claims.Subject]
	header := token.Headers[0]
	key := client.Keys.Key(header.KeyID)
	if !known || header.KeyID == "" || len(key) != 1 || token.Claims(key[0].Key, &claims) != nil {
		return bad("no registered key of the client verifies the assertion")
	}
	if key[0].Algorithm != "" && key[0].Algorithm != header.Algorithm {
		return bad("the key is registered for " + key[0].Algorithm)
	}
	if claims.Issuer != claims.Subject || clientID != "" && clientID != claims.Subject {
		return bad("iss, sub and client_id are the client id")
	}
	if !claims.Audience.Contains(i.TokenURL()) && !claims.Audience.Contains(i.config.URL) {
		return bad("aud is " + i.TokenURL() + " or " + i.config.URL)
	}
	if why := i.useOnce(claims); why != "" {
		return bad(why)
	}
	return client, nil
}

// useOnce takes an assertion once, within its life, and says why not otherwise.
func (i *Issuer) useOnce(claims jwt.Claims) (refusal string) {
	now := i.config.Now()
	if claims.Expiry == nil || claims.ID == "" {
		return "exp and jti are needed"
	}
	exp := claims.Expiry.Time()
	if now.After(exp.Add(assertionSkew)) || exp.After(now.Add(assertionLife+assertionSkew)) {
		return "exp lies between now and five minutes from now"
	}
	if claims.NotBefore != nil && claims.NotBefore.Time().After(now.Add(assertionSkew)) {
		return "nbf lies in the future"
	}
	i.mu.Lock()
	defer i.mu.Unlock()

	// Swept now and then: each jti is kept no longer than its assertion would be good.
	if len(i.seen)%1024 == 1023 {
		for key, until := range i.seen {
			if now.After(until) {
				delete(i.seen, key)
			}
		}
	}
	key := claims.Subject + "\x00" + claims.ID
	if until, ok := i.seen[key]; ok && !now.After(until) {
		return "the jti was used before: sign a new assertion for each request"
	}
	if len(i.seen) >= maxAssertions {
		return "too many assertions: try again in five minutes"
	}
	i.seen[key] = exp.Add(assertionSkew)
	return ""
}
