package kit

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"caselink.example/conformance/kit/suite"
)

// token is an access token and how long it is used.
type token struct {
	text  string
	until time.Time
}

// authorization is the Authorization header of a step; "" for none.
func (s *sender) authorization(ctx context.Context, step suite.Step) (string, error) {
	switch {
	case step.As == "garbage":
		return "Bearer not-a-token", nil
	case step.As == "" || s.target.Open:
		return "", nil
	}
	text, err := s.token(ctx, step.As, step.WithoutScope)
	if step.Tamper {
		text = tampered(text)
	}
	return "Bearer " + text, err
}

// tampered changes the signature of a token, and nothing else of it.
func tampered(token string) string {
	// The first character of it: the last one may hold bits that are not part of the
	// signature, and a change of those changes nothing.
	i := strings.LastIndexByte(token, '.') + 1
	if i == len(token) {
		return token
	}
	other := byte('A')
	if token[i] == other {
		other = 'B'
	}
	return token[:i] + string(other) + token[i+1:]
}

// token is an access token of the client, from its endpoint or from before. A
// token is renewed half a minute before it expires.
func (s *sender) token(ctx context.Context, name, withoutScope string) (string, error) {
	// One token for a client, as clients do it: an issuer that limits how often it is asked
	// would fail the run.
	key := name + " " + withoutScope
	if t, ok := s.tokens[key]; ok && s.now().Before(t.until) {
		return t.text, nil
	}
	client, ok := s.target.Clients[name]
	if !ok {
		return "", errNotOffered{"a client for the " + name}
	}
	scope := client.Scope
	if withoutScope != "" {
		left := slices.DeleteFunc(strings.Fields(scope), func(s string) bool { return strings.Contains(s, withoutScope) })
		scope = strings.Join(left, " ")
		// No scope at all asks most issuers for every scope, which is the opposite.
		if scope == "" {
			return "", errNotOffered{"the " + name + " a scope besides " + withoutScope}
		}
	}
	t, err := s.fetch(ctx, client, scope)
	if err != nil {
		return "", fmt.Errorf("a token for the %s: %w", name, err)
	}
	s.tokens[key] = t
	// Before it is sent for the first time.
	s.redact.hide(t.text, "TOKEN_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_")))
	return t.text, nil
}

// fetch asks for a token with the client's secret.
// https://www.rfc-editor.org/rfc/rfc6749#section-4.4
func (s *sender) fetch(ctx context.Context, c Client, scope string) (token, error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if scope != "" {
		form.Set("scope", scope)
	}
	got, _ := s.send(ctx, request{
		method: http.MethodPost, url: s.target.TokenURL, body: []byte(form.Encode()),
		header: http.Header{
			"Content-Type":  {"application/x-www-form-urlencoded"},
			"Accept":        {"application/json"},
			"Authorization": {basic(c)},
		},
	})
	if got.Err != nil {
		return token{}, got.Err
	}
	var granted struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}
	if err := json.Unmarshal(got.Body, &granted); err != nil || got.Status != http.StatusOK || granted.AccessToken == "" {
		// Without the body, which may be a token in another form.
		return token{}, fmt.Errorf("the token endpoint answered %d and gave none", got.Status)
	}
	life := time.Duration(granted.ExpiresIn)*time.Second - 30*time.Second
	return token{granted.AccessToken, s.now().Add(life)}, nil
}

// basic is HTTP Basic as OAuth 2 has it: both parts form-encoded first.
// https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
func basic(c Client) string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(c.Secret))
	return r.Header.Get("Authorization")
}
