package httpclient

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

var errNotAllowed = errors.New("address not allowed")

// guard dials only what the configuration names. A name that it allows must not
// lead back to this machine or to the cloud's metadata service either, however
// the resolver answers: that is checked on the address that is really dialled.
type guard struct {
	allow map[string]bool // nil allows all
	plain net.Dialer      // for addresses that the configuration spells out
	named net.Dialer      // for names: looks at what they resolve to
}

func newGuard(allow []string) *guard {
	g := &guard{
		plain: net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second},
		named: net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second, Control: refuseLocal},
	}
	if allow != nil { // an empty list allows nothing, and must not become nil
		g.allow = make(map[string]bool, len(allow))
	}
	for _, a := range allow {
		if host, port, err := net.SplitHostPort(a); err == nil {
			g.allow[address(host, port)] = true
		}
	}
	return g
}

func address(host, port string) string { return net.JoinHostPort(strings.ToLower(host), port) }

func (g *guard) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if g.allow == nil {
		return g.plain.DialContext(ctx, network, addr)
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil || !g.allow[address(host, port)] {
		return nil, errNotAllowed
	}

	// Whoever wrote a local address into the configuration meant it. A name means what a
	// resolver says, which is somebody else.
	if _, err := netip.ParseAddr(host); err == nil || strings.EqualFold(host, "localhost") {
		return g.plain.DialContext(ctx, network, addr)
	}
	return g.named.DialContext(ctx, network, addr)
}

func refuseLocal(_, addr string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil || isLocal(ap.Addr()) {
		return errNotAllowed
	}
	return nil
}

// isLocal reports whether the address is this machine, this link or a group.
// Private networks are not local: HSCN addresses are private.
func isLocal(a netip.Addr) bool {
	// By what it leads to: ::ffff:127.0.0.1 and 64:ff9b::7f00:1 are this machine as well.
	a = embedded(a.WithZone(""))
	return a.IsLoopback() || a.IsUnspecified() || a.IsLinkLocalUnicast() || a.IsMulticast() ||
		a.Is4() && (a.As4()[0] == 0 || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}))
}

var (
	nat64     = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052
	sixToFour = netip.MustParsePrefix("2002::/16")    // RFC 3056
	v4Compat  = netip.MustParsePrefix("::/96")        // RFC 4291, 2.5.5.1
)

// embedded returns the IPv4 address that an IPv6 address stands for, or the address itself.
func embedded(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if a.Is4() || a == netip.IPv6Unspecified() || a == netip.IPv6Loopback() {
		return a
	}
	b := a.As16()
	switch {
	case nat64.Contains(a), v4Compat.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case sixToFour.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return a
}
