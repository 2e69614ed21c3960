package config

import (
	"fmt"
	"net"
	"os"
	"strconv"
)

// Listen is the socket that was passed to this process, else a new one.
func Listen(address string, env Environment) (net.Listener, error) {
	passed, err := Passed(env)
	switch {
	case err != nil:
		return nil, err
	case len(passed) > 1:
		return nil, fmt.Errorf("%d sockets were passed (LISTEN_FDS), and one is used", len(passed))
	case len(passed) == 1:
		return passed[0], nil
	}
	return net.Listen("tcp", address)
}

// firstPassed is the descriptor at which passed sockets begin.
const firstPassed = 3

// Passed are the sockets that were opened before this process began, as
// systemd passes them. Without LISTEN_PID they are for whoever has them: a parent
// that is not systemd cannot know the number before.
// https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html
func Passed(env Environment) ([]net.Listener, error) {
	// Variables are inherited: those that were meant for another process must not make this
	// one take a descriptor that is something else here.
	if pid := env["LISTEN_PID"]; pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, _ := strconv.Atoi(env["LISTEN_FDS"]) // absent is none
	var passed []net.Listener
	for i := range n {
		f := os.NewFile(uintptr(firstPassed+i), "passed socket")
		ln, err := net.FileListener(f)
		if err != nil {
			return nil, fmt.Errorf("passed socket %d: %w", firstPassed+i, err)
		}
		// ln has a descriptor of its own. This one would keep the port open after the drain.
		if err := f.Close(); err != nil {
			return nil, err
		}
		passed = append(passed, ln)
	}
	return passed, nil
}
