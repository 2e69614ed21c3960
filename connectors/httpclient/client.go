// Package httpclient is the door to go-retryablehttp: how Caselink calls every
// other system. A call has a deadline, at most two quick repeats of the same
// bytes, no redirects and a bounded answer; whatever goes wrong on the way is a
// fhir.IssueTransient error that quotes neither the URL nor a body.
// docs/words.md defines door and retry.
package httpclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"caselink.example/fhir"
)

// Config sets a Client up; the zero value works.
type Config struct {
	AttemptTimeout time.Duration // one attempt, its answer's body included; 10 s when zero
	MaxBody        int64         // bytes of an answer that are read; 256 KiB when zero
	Allow          []string      // the only addresses ("host:port", see Address) that may be dialled; any when nil
	TLS            *tls.Config   // client certificate and roots; TLS 1.2 is the least in any case
}

// Client calls other systems. It is safe for concurrent use and keeps one pool
// of connections, so a program needs few of them.
type Client struct {
	maxBody int64
	http    *retryablehttp.Client
}

// Request is one call. It must be repeatable without harm: PUT to an id of our
// own, or POST with If-None-Exist. Each attempt sends exactly these headers and bytes.
type Request struct {
	Method string
	URL    string
	Header http.Header
	Body   []byte
}

// Response is a complete answer, whatever its status; a redirect is an answer
// and is not followed.
type Response struct {
	Status     int
	Header     http.Header
	Body       []byte
	RetryAfter time.Duration // 0 when the answer has none; at most MaxRetryAfter
}

// New returns a Client.
func New(cfg Config) *Client {
	if cfg.AttemptTimeout <= 0 {
		cfg.AttemptTimeout = 10 * time.Second
	}
	if cfg.MaxBody <= 0 {
		cfg.MaxBody = 256 << 10
	}
	return &Client{
		maxBody: cfg.MaxBody,
		http: &retryablehttp.Client{
			HTTPClient: &http.Client{
				Transport: pool{transport(cfg)},
				Timeout:   cfg.AttemptTimeout, // of each attempt; ctx bounds them all together
				CheckRedirect: func(*http.Request, []*http.Request) error {
					return http.ErrUseLastResponse // Go would repeat a redirected POST as a GET
				},
			},
			Logger:       nil, // the default logger prints URLs
			RetryMax:     2,   // for what mends itself within seconds; days are for connectors/delivery
			CheckRetry:   retry,
			Backoff:      wait,
			ErrorHandler: retryablehttp.PassthroughErrorHandler, // keeps the last answer
		},
	}
}

// pool hides the transport's CloseIdleConnections: go-retryablehttp calls it after
// each failure, and one dead practice would close the connections to all others.
type pool struct{ transport *http.Transport }

func (p pool) RoundTrip(r *http.Request) (*http.Response, error) { return p.transport.RoundTrip(r) }

// transport pools connections for thousands of practices, many of which share
// the host of one supplier.
func transport(cfg Config) *http.Transport {
	conf := &tls.Config{}
	if cfg.TLS != nil {
		conf = cfg.TLS.Clone()
	}
	conf.MinVersion = max(conf.MinVersion, tls.VersionTLS12)
	return &http.Transport{
		DialContext:            newGuard(cfg.Allow).dial,
		TLSClientConfig:        conf,
		TLSHandshakeTimeout:    5 * time.Second,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // 199 KB would inflate to 200 MB unasked
		MaxIdleConns:           1024,
		MaxIdleConnsPerHost:    64, // Go keeps 2, and would shake hands anew for nearly each call to a supplier's host
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10, // Go takes 10 MB
	}
}

// Do sends the request and reads the whole answer. It repeats at most twice, as
// long as ctx allows, after 429, 502, 503, 504 or a broken connection. Any error
// is fhir.IssueTransient: the outcome is unknown. When the error comes with a
// status, the answer's head was sound and its body was too long or cut short.
func (c *Client) Do(ctx context.Context, r Request) (Response, error) {
	req, err := retryablehttp.NewRequestWithContext(ctx, r.Method, r.URL, body(r.Body))
	if err != nil {
		return Response{}, fhir.Errorf(fhir.IssueException, "a request could not be built")
	}
	if r.Header != nil {
		req.Header = r.Header.Clone() // the caller may go on to change its own, such as for another token
	}

	resp, err := c.http.Do(req)
	if err != nil {
		return Response{}, failure(err)
	}
	defer resp.Body.Close()

	// The status is kept even when the body is not: a 4xx is a refusal whatever follows it.
	out := Response{Status: resp.StatusCode, Header: resp.Header, RetryAfter: retryAfter(resp.Header, time.Now())}

	// One byte more than is allowed shows a body that is too long, where one just fits.
	out.Body, err = io.ReadAll(io.LimitReader(resp.Body, c.maxBody+1))
	switch {
	case err != nil:
		out.Body = nil
		return out, failure(err)
	case int64(len(out.Body)) > c.maxBody:
		out.Body = nil
		return out, fhir.Errorf(fhir.IssueTransient, "the answer is longer than %d bytes", c.maxBody)
	}
	return out, nil
}

func body(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return bytes.Clone(b) // a late write of an earlier attempt must not see the caller's changes
}

// Address is the host and port that a URL leads to, as Config.Allow wants it.
func Address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return address(u.Hostname(), port)
}

// failure is the error of a call that got no complete answer. The library's own
// texts quote URLs and what the peer sent, so none of them is kept.
func failure(err error) error {
	failed := fhir.Errorf(fhir.IssueTransient, "no complete answer: %s", cause(err))

	// What the caller's own context says is safe to keep, and the caller asks for it.
	for _, ours := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, ours) {
			return failed.Because(ours)
		}
	}
	return failed
}
