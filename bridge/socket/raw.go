package socket

import (
	"net/netip"
	"os"
	"syscall"
	"time"
)

// SyscallConn returns the connection as a descriptor: see syscall.RawConn.
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return rawConn{c}, nil }

// rawConn is a Conn for those who make their own system calls.
type rawConn struct{ c *Conn }

// Control calls f with the descriptor.
func (r rawConn) Control(f func(fd uintptr)) error {
	p, err := r.c.try(nil, func(fd uintptr) bool {
		f(fd)
		return true
	})
	if p != nil {
		err = p.raw.Control(f)
	}
	return r.c.failed("control", err)
}

// Read calls f until it reports true, each time when there may be something to
// read.
func (r rawConn) Read(f func(fd uintptr) bool) error {
	return r.until("read", &r.c.readBy, f, syscall.RawConn.Read)
}

// Write is Read for writing.
func (r rawConn) Write(f func(fd uintptr) bool) error {
	return r.until("write", &r.c.writeBy, f, syscall.RawConn.Write)
}

func (r rawConn) until(op string, by *time.Time, f func(fd uintptr) bool, wait func(syscall.RawConn, func(uintptr) bool) error) error {
	p, err := r.c.try(by, f)
	if p != nil {
		err = wait(p.raw, f)
	}
	return r.c.failed(op, err)
}

// localAddr asks for the address of a socket's own end.
func localAddr(fd int) (netip.AddrPort, error) {
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, os.NewSyscallError("getsockname", err)
	}
	return addrPort(sa), nil
}

// addrPort is a TCP address in the form of package netip; the zero value for what
// is none.
func addrPort(sa syscall.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *syscall.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}
