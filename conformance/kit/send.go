package kit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"caselink.example/conformance/kit/suite"
)

// Doer sends HTTP requests; *http.Client is one. It must not follow redirects.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

const (
	stepTimeout = 15 * time.Second
	maxAnswer   = 8 << 20  // bytes of an answer that are read
	maxReported = 16 << 10 // bytes of a body that are reported
)

// sender sends the requests of a run, with the tokens of its clients.
type sender struct {
	http    Doer
	target  Target
	now     func() time.Time
	timeout time.Duration
	redact  *redactor
	tokens  map[string]token // by client and what its scopes leave out
}

type token struct {
	text  string
	until time.Time
}

// request is one request as it leaves.
type request struct {
	method   string
	url      string
	header   http.Header
	body     []byte
	withhold bool // announce the body, and never send it
}

// errNotOffered says what the preset lacks for a check.
type errNotOffered struct{ what string }

func (e errNotOffered) Error() string { return "the preset does not give " + e.what }

// send makes the request. What goes wrong on the way is part of the answer.
func (s *sender) send(ctx context.Context, r request) (answer, time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	start := s.now()
	got := s.exchange(ctx, r)
	if got.Err != nil {
		got.Err = plainError(got.Err)
	}
	return got, s.now().Sub(start)
}

func (s *sender) exchange(ctx context.Context, r request) answer {
	var body io.Reader
	if r.withhold {
		never, hold := io.Pipe()
		defer hold.Close()
		// The transport waits for the body even when its time is over.
		defer context.AfterFunc(ctx, func() { hold.CloseWithError(ctx.Err()) })()
		body = never
	} else if r.body != nil {
		body = strings.NewReader(string(r.body))
	}
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, body)
	if err != nil {
		return answer{Err: err}
	}
	req.Header = r.header
	if r.withhold {
		req.ContentLength = int64(len(r.body))
	}
	res, err := s.http.Do(req)
	if err != nil {
		return answer{Err: err}
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err == nil && len(raw) > maxAnswer {
		err = fmt.Errorf("the answer is longer than %d bytes", maxAnswer)
	}
	return answer{Status: res.StatusCode, Header: res.Header, Body: raw, Err: err}
}

// plainError leaves out the URL, which the exchange shows already.
func plainError(err error) error {
	if inner, ok := errors.AsType[*url.Error](err); ok {
		return inner.Err
	}
	return err
}

// atHome reports whether the URL leads to a host of the target. A token goes nowhere
// else, whatever a Location says.
func (s *sender) atHome(to string) bool {
	host := hostOf(to)
	return host != "" && slices.ContainsFunc([]string{s.target.Base, s.target.CaseAPI, s.target.GPSystem}, func(u string) bool { return hostOf(u) == host })
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Host
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
		scope = strings.Join(slices.DeleteFunc(strings.Fields(scope), func(s string) bool { return strings.Contains(s, withoutScope) }), " ")
		if scope == "" {
			return "", errNotOffered{"the " + name + " a scope besides " + withoutScope}
		}
	}
	t, err := s.fetch(ctx, client, scope)
	if err != nil {
		return "", fmt.Errorf("a token for the %s: %w", name, err)
	}
	s.tokens[key] = t
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
	got, _ := s.send(ctx, request{method: http.MethodPost, url: s.target.TokenURL, body: []byte(form.Encode()), header: http.Header{
		"Content-Type":  {"application/x-www-form-urlencoded"},
		"Accept":        {"application/json"},
		"Authorization": {basic(c)},
	}})
	if got.Err != nil {
		return token{}, got.Err
	}
	var granted struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}
	if err := json.Unmarshal(got.Body, &granted); err != nil || got.Status != http.StatusOK || granted.AccessToken == "" {
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

// reported is an exchange without what must not be reported.
func (s *sender) reported(r request, got answer, took time.Duration) Exchange {
	x := Exchange{
		Method: r.method, URL: s.redact.text(r.url), Sent: s.redact.header(r.header), Body: s.clip(r.body),
		Status: got.Status, Received: s.redact.header(got.Header), Answer: s.clip(got.Body), Millis: took.Milliseconds(),
	}
	if got.Err != nil {
		x.Error = s.redact.text(got.Err.Error())
	}
	x.Curl = curl(x)
	return x
}

func (s *sender) clip(body []byte) string {
	text := s.redact.text(strings.ToValidUTF8(string(body), "\uFFFD"))
	if len(text) > maxReported {
		return strings.ToValidUTF8(text[:maxReported], "") + fmt.Sprintf("... (%d bytes in all)", len(body))
	}
	return text
}
