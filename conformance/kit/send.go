package kit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
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

// request is one request as it leaves.
type request struct {
	method   string
	url      string
	header   http.Header
	body     []byte
	withhold bool // announce the body, and never send it
}

// send makes the request. What goes wrong on the way is part of the answer.
func (s *sender) send(ctx context.Context, r request) (answer, time.Duration) {
	// For the answer to its last byte: a server that sends one a minute would stop the run.
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	start := s.now()
	got := s.exchange(ctx, r)
	if got.Err != nil {
		got.Err = plainError(got.Err)
	}
	return got, s.now().Sub(start)
}

// exchange sends the request and reads the whole answer.
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

// isTarget reports whether the URL leads to a host of the target. A token goes nowhere
// else, whatever a Location says.
func (s *sender) isTarget(to string) bool {
	host := hostOf(to)
	known := []string{s.target.Base, s.target.CaseAPI, s.target.GPSystem}
	return host != "" && slices.ContainsFunc(known, func(u string) bool { return hostOf(u) == host })
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Host
}

// reported is an exchange without what must not be reported.
func (s *sender) reported(r request, got answer, took time.Duration) Exchange {
	x := Exchange{
		Method: r.method, URL: s.redact.text(r.url), Sent: s.redact.header(r.header), Body: s.clip(r.body),
		Status: got.Status, Received: s.redact.header(got.Header), Answer: s.clip(got.Body),
		Millis: took.Milliseconds(),
	}
	if got.Err != nil {
		x.Error = s.redact.text(got.Err.Error())
	}
	// From what is redacted: the command names variables of the shell instead of secrets.
	x.Curl = curl(x)
	return x
}

// clip is a body as it is reported: redacted, and at most maxReported bytes.
func (s *sender) clip(body []byte) string {
	// Redacted first: a secret that the cut goes through would no longer be known as one.
	text := s.redact.text(strings.ToValidUTF8(string(body), "\uFFFD"))
	if len(text) > maxReported {
		return strings.ToValidUTF8(text[:maxReported], "") + fmt.Sprintf("... (%d bytes in all)", len(body))
	}
	return text
}
