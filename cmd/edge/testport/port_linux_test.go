package testport

import (
	"errors"
	"net"
	"strconv"
	"syscall"
	"testing"
)

// ipLocalPortRange limits from which ports one is chosen for a socket: the highest
// in the upper half, the lowest in the lower (ip(7), IP_LOCAL_PORT_RANGE).
const ipLocalPortRange = 51

func held(t *testing.T) *Port {
	t.Helper()
	p, err := Hold()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestListenAgainAndAgain: a program may listen on the port, end, and listen again,
// and another one may not meanwhile.
func TestListenAgainAndAgain(t *testing.T) {
	t.Parallel()
	p := held(t)
	for range 3 {
		ln, err := net.Listen("tcp", p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if second, err := net.Listen("tcp", p.Addr()); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("another listener beside the first: %v, %v", second, err)
		}
		if err := ln.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Release(); err != nil {
		t.Fatal(err)
	}
}

// TestNobodyIsGivenAHeldPort has sockets ask for any port where the held one is the
// only one left: they get it when it is released, and not before.
func TestNobodyIsGivenAHeldPort(t *testing.T) {
	t.Parallel()
	to, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	there := &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: to.Addr().(*net.TCPAddr).Port}
	takers := []struct {
		name string
		take func(fd int) error
	}{
		{"to listen", func(fd int) error { return syscall.Bind(fd, &syscall.SockaddrInet4{Addr: there.Addr}) }},
		{"to listen, with SO_REUSEADDR", func(fd int) error {
			return errors.Join(syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1), syscall.Bind(fd, &syscall.SockaddrInet4{Addr: there.Addr}))
		}},
		{"to connect", func(fd int) error { return syscall.Connect(fd, there) }},
	}
	for _, taker := range takers {
		t.Run(taker.name, func(t *testing.T) {
			p := held(t)
			if err := takeOnly(t, p, taker.take); !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, syscall.EADDRNOTAVAIL) {
				t.Errorf("a held port: %v, want that there is none", err)
			}
			if err := p.Release(); err != nil {
				t.Fatal(err)
			}
			if err := takeOnly(t, p, taker.take); err != nil {
				t.Errorf("a port that was released: %v", err)
			}
		})
	}
}

// takeOnly has a new socket take any port, of which there is this one alone.
func takeOnly(t *testing.T, p *Port, take func(fd int) error) error {
	t.Helper()
	port, err := strconv.Atoi(p.Number())
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	only := int(int32(uint32(port)<<16 | uint32(port)))
	if err := syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, ipLocalPortRange, only); errors.Is(err, syscall.ENOPROTOOPT) {
		t.Logf("this kernel is older than 6.3 and cannot limit the ports of one socket; it asks for port %d instead", port)
		return syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port})
	} else if err != nil {
		t.Fatal(err)
	}
	return take(fd)
}
