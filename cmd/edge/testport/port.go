// Package testport picks ports for programs that tests start: a program is told its
// port before it listens there, and may end and listen there again. Meanwhile the
// port is nobody else's, whatever other tests and packages open at the same time.
package testport

import (
	"fmt"
	"net"
)

// Port is a TCP port of 127.0.0.1.
type Port struct {
	addr string
	held socket
}

// Hold picks a port on which nobody listens and, on Linux, keeps it until Release:
// the system gives it to nobody who takes any free port, for listening or for
// connecting, and a program that asks for this very one can listen on it. Elsewhere
// the port is only likely to be free.
func Hold() (*Port, error) {
	s, port, err := hold([4]byte{127, 0, 0, 1})
	if err != nil {
		return nil, fmt.Errorf("hold a port of 127.0.0.1: %w", err)
	}
	return &Port{addr: fmt.Sprintf("127.0.0.1:%d", port), held: s}, nil
}

// Addr is the port's address, "127.0.0.1:40123".
func (p *Port) Addr() string { return p.addr }

// Number is the port alone, "40123".
func (p *Port) Number() string {
	_, port, _ := net.SplitHostPort(p.addr) // it was put together here
	return port
}

// Release gives the port back to the system. Whoever listens on it goes on.
func (p *Port) Release() error { return p.held.Close() }
