package httpclient

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"syscall"
	"testing"
	"time"
)

func TestRetryAfterIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                              0,
		"0":                             0,
		"5":                             5 * time.Second,
		" 120 ":                         2 * time.Minute,
		"86400":                         24 * time.Hour,
		"86401":                         24 * time.Hour,
		"9223372036854775807":           24 * time.Hour,
		"99999999999999999999999999":    24 * time.Hour,
		"-1":                            0,
		"1.5":                           0,
		"soon":                          0,
		"Sun, 22 Nov 2026 12:00:30 GMT": 30 * time.Second,
		"Sun, 22 Nov 2026 11:00:00 GMT": 0,
		"Fri, 31 Dec 9999 23:59:59 GMT": 24 * time.Hour,
	} {
		if got := retryAfter(http.Header{"Retry-After": {value}}, now); got != want {
			t.Errorf("retryAfter(%q) = %v, want %v", value, got, want)
		}
	}
}

func TestWaitStaysWithinBounds(t *testing.T) {
	t.Parallel()
	asked := &http.Response{Header: http.Header{"Retry-After": {"2"}}}
	for attempt := range 100 {
		if got := wait(0, 0, attempt, nil); got < minWait || got > maxWait {
			t.Errorf("wait(%d) = %v, want between %v and %v", attempt, got, minWait, maxWait)
		}
		if got := wait(0, 0, attempt, asked); got != 2*time.Second {
			t.Errorf("wait(%d) = %v under Retry-After: 2", attempt, got)
		}
	}
}

func TestLocalAddressesInEverySpelling(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{
		"127.0.0.1": true, "127.255.255.254": true, "0.0.0.0": true, "0.1.2.3": true, "255.255.255.255": true,
		"169.254.169.254": true, "224.0.0.1": true, "::1": true, "::": true, "fe80::1": true, "fe80::1%eth0": true, "ff02::1": true,
		"::ffff:127.0.0.1": true, "::ffff:169.254.169.254": true, "::127.0.0.1": true,
		"64:ff9b::7f00:1": true, "64:ff9b::a9fe:a9fe": true, "2002:7f00:1::": true, "2002:a9fe:a9fe::1": true,
		"10.1.2.3": false, "192.168.1.1": false, "172.16.0.1": false, "155.231.9.1": false, "fd00::1": false, "2a00:1450::1": false,
		"64:ff9b::9be7:901": false, "2002:9be7:901::1": false,
	} {
		if got := isLocal(netip.MustParseAddr(addr)); got != want {
			t.Errorf("isLocal(%s) = %v, want %v", addr, got, want)
		}
	}
}

func TestNameMustNotResolveToThisMachine(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{"127.0.0.1:80": false, "[::1]:443": false, "10.0.0.1:443": true, "nonsense": false} {
		if got := refuseLocal("tcp", addr, nil) == nil; got != want {
			t.Errorf("refuseLocal(%s) allows: %v, want %v", addr, got, want)
		}
	}
}

func TestAddressNamesHostAndPort(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://GP.example/FHIR/R4": "gp.example:443",
		"http://127.0.0.1/x":         "127.0.0.1:80",
		"https://[2001:DB8::1]:8443": "[2001:db8::1]:8443",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := Address(u); got != want {
			t.Errorf("Address(%s) = %s, want %s", raw, got, want)
		}
	}
}

func TestOnlyBrokenConnectionsAreRepeated(t *testing.T) {
	t.Parallel()
	op := func(err error) error { return &net.OpError{Op: "read", Net: "tcp", Err: err} }
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"refused":            {op(os.NewSyscallError("connect", syscall.ECONNREFUSED)), true},
		"reset":              {op(os.NewSyscallError("read", syscall.ECONNRESET)), true},
		"closed early":       {&url.Error{Op: "Put", Err: io.EOF}, true},
		"name server away":   {op(&net.DNSError{Err: "server misbehaving", IsTemporary: true}), true},
		"no such host":       {op(&net.DNSError{Err: "no such host", IsNotFound: true}), false},
		"dial timed out":     {op(os.ErrDeadlineExceeded), false},
		"address not named":  {op(errNotAllowed), false},
		"certificate":        {&tls.CertificateVerificationError{Err: errors.New("expired")}, false},
		"malformed response": {errors.New("malformed HTTP response"), false},
	} {
		if got := broken(c.err); got != c.want {
			t.Errorf("%s: repeated %v, want %v", name, got, c.want)
		}
	}
}
