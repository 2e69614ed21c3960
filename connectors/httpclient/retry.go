package httpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The quick repeats wait this long; a peer that asks for more is asked again later, by
// connectors/delivery.
const (
	minWait = 200 * time.Millisecond
	maxWait = 2 * time.Second
)

// MaxRetryAfter bounds Response.RetryAfter, however far ahead the peer points.
const MaxRetryAfter = 24 * time.Hour

var repeatable = []int{http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}

// retry decides whether the same request goes out again now. A timeout is not
// repeated: the time is spent, and the caller's own clock is the better one.
func retry(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, nil // an error here would throw an answer away that came in time
	}

	// A repeat that the deadline would cut off in its middle leaves its outcome unknown,
	// and loses the answer that is at hand.
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < maxWait {
		return false, nil
	}
	if err != nil {
		return broken(err), nil
	}
	return slices.Contains(repeatable, resp.StatusCode) && retryAfter(resp.Header, time.Now()) <= maxWait, nil
}

// wait is the pause before the given repeat (from 0): between minWait and a bound
// that doubles up to maxWait, at random, and never shorter than Retry-After.
func wait(_, _ time.Duration, attempt int, resp *http.Response) time.Duration {
	// At random, so that callers that failed together do not come back together.
	bound := min(maxWait, minWait<<min(attempt+1, 8))
	pause := minWait + rand.N(bound-minWait)
	if resp != nil {
		pause = max(pause, retryAfter(resp.Header, time.Now()))
	}
	return min(pause, maxWait)
}

// retryAfter reads Retry-After as seconds or as a date; 0 when there is none that
// can be understood or the moment has passed.
// https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0
	}

	// Digits without end are a number that does not fit, and no date: a long time.
	if strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseUint(value, 10, 64)
		if err != nil || seconds > uint64(MaxRetryAfter/time.Second) {
			return MaxRetryAfter
		}
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), MaxRetryAfter)
}

// broken reports whether the connection failed in a way that a repeat may mend.
func broken(err error) bool {
	// In this order: a lookup that failed for good and an address that is not allowed are
	// wrapped in the same net.OpError as a connection that broke.
	var dns *net.DNSError
	switch {
	case isTimeout(err), errors.Is(err, errNotAllowed), isCertificate(err):
		return false
	case errors.As(err, &dns):
		return dns.IsTemporary
	}
	var op *net.OpError
	return errors.As(err, &op) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

func isCertificate(err error) bool {
	var cert *tls.CertificateVerificationError
	return errors.As(err, &cert)
}

// cause says in words of our own what went wrong.
func cause(err error) string {
	// The special before the general: most of these are timeouts or net.OpErrors as well.
	var dns *net.DNSError
	switch {
	case errors.Is(err, context.Canceled):
		return "the call was cancelled"
	case errors.Is(err, errNotAllowed):
		return "the configuration does not name this address"
	case isTimeout(err):
		return "the time was up"
	case errors.As(err, &dns):
		return "the host name does not resolve"
	case isCertificate(err):
		return "the certificate does not verify"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the connection was closed early"
	}
	return "what came was not sound HTTP"
}
