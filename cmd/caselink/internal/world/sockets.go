package world

import (
	"fmt"
	"net"
	"strconv"
)

// sockets are the listening sockets of all parts. They are opened once and passed
// on, so that while a part restarts its clients wait rather than being refused.
type sockets struct{ adapter, gps, issuer net.Listener }

func openSockets(listen string) (s sockets, err error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return s, fmt.Errorf("--listen must be host:port: %w", err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return s, fmt.Errorf("--listen: the port must be a number, not %q", port)
	}
	offset := func(n int) string {
		// Port 0 is for each a free one; what follows it is not.
		if number == 0 {
			return net.JoinHostPort(host, "0")
		}
		return net.JoinHostPort(host, strconv.Itoa(number+n))
	}
	for _, open := range []struct {
		ln     *net.Listener
		offset int
	}{{&s.adapter, 0}, {&s.gps, gpOffset}, {&s.issuer, issuerOffset}} {
		if *open.ln, err = net.Listen("tcp", offset(open.offset)); err != nil {
			// Those that are open already would block the ports of the next try.
			s.close()
			return s, fmt.Errorf("%w: choose another port with --listen; the two after it are needed too", err)
		}
	}
	return s, nil
}

func (s sockets) close() {
	for _, ln := range []net.Listener{s.adapter, s.gps, s.issuer} {
		if ln != nil {
			_ = ln.Close() // nothing is accepted on it here
		}
	}
}

// addresses are where the parts listen.
type addresses struct{ adapter, gps, issuer string }

// reachable is the address at which clients on this machine reach a listener. One that
// listens on every address is reached on the loopback.
func reachable(ln net.Listener) string {
	address := ln.Addr().(*net.TCPAddr) // the listeners of this program are TCP's
	if address.IP.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", fmt.Sprint(address.Port))
	}
	return address.String()
}
