// Package socket holds connections that are one descriptor and nothing else.
//
// A connection of package net enters the runtime's poller when it is made, and
// can leave it only by a duplicate. What a proxy does first with most
// connections needs no waiting: the request has come before the connection is
// accepted, the backend's connection over loopback is there when connect
// returns. A Conn is therefore not in the poller before somebody has to wait,
// and its descriptor can be taken away from it (Detach) by whoever polls by
// other means.
package socket

import (
	"cmp"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Conn is a connected TCP socket. As with every net.Conn, its methods may be
// called at the same time. Its owner closes it, unless it was detached.
type Conn struct {
	peer    netip.AddrPort
	guarded time.Duration

	// polled is set once somebody had to wait. Its file owns the descriptor from
	// then on.
	polled atomic.Pointer[polled]

	// mu is held for reading while the descriptor is used and nothing is polled.
	mu              sync.RWMutex
	fd              int  // -1 once it is closed or somebody else's
	gone            bool // closed or detached, whoever has the descriptor
	readBy, writeBy time.Time
}

// polled is a descriptor that is in the runtime's poller.
type polled struct {
	file *os.File
	raw  syscall.RawConn
}

// read reads what has come, and waits for it if nothing has. The calls are our own: those
// of a file are announced to the scheduler.
func (p *polled) read(b []byte) (n int, err error) {
	e := p.raw.Read(func(fd uintptr) bool {
		n, err = read(int(fd), b)
		return err != syscall.EAGAIN
	})
	return n, cmp.Or(e, err)
}

// write is read for writing: all of b.
func (p *polled) write(b []byte) (n int, err error) {
	e := p.raw.Write(func(fd uintptr) bool {
		for n < len(b) {
			var m int
			if m, err = write(int(fd), b[n:]); err != nil {
				return err != syscall.EAGAIN
			}
			n += m
		}
		err = nil
		return true
	})
	return n, cmp.Or(e, err)
}

var (
	_ net.Conn     = (*Conn)(nil)
	_ syscall.Conn = (*Conn)(nil)
)

// New returns the connection of a connected socket whose descriptor is
// non-blocking and closed on exec, and which it owns from then on. peer is the
// other end.
func New(fd int, peer netip.AddrPort) *Conn { return &Conn{fd: fd, peer: peer} }

// Guarded tells within what time the kernel finds this connection's peer dead,
// because its listener was told so (ListenConfig.DeadPeer); 0 when nobody
// arranged for it.
func (c *Conn) Guarded() time.Duration { return c.guarded }

// Detach gives the descriptor to the caller, who closes it. The connection is a
// closed one afterwards: operations under way end with net.ErrClosed. While
// nobody has had to wait for the connection this takes no system call; else the
// descriptor is duplicated, and with that leaves the runtime's poller.
func (c *Conn) Detach() (fd int, err error) {
	c.mu.Lock()
	p, gone := c.polled.Load(), c.gone
	fd, c.fd, c.gone = c.fd, -1, true
	c.mu.Unlock()
	switch {
	case gone:
		return -1, c.failed("detach", net.ErrClosed)
	case p == nil:
		return fd, nil
	}
	e := p.raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	p.file.Close()
	if err = cmp.Or(e, err); err != nil {
		return -1, c.failed("detach", err)
	}
	return fd, nil
}

// poll puts the descriptor into the runtime's poller, once.
func (c *Conn) poll() (*polled, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.polled.Load(); p != nil {
		return p, nil
	}
	if c.gone {
		return nil, net.ErrClosed
	}
	p := &polled{file: os.NewFile(uintptr(c.fd), "tcp")}
	c.fd = -1 // the file closes it
	var err error
	if p.raw, err = p.file.SyscallConn(); err == nil {
		err = errors.Join(p.file.SetReadDeadline(c.readBy), p.file.SetWriteDeadline(c.writeBy))
	}
	if err != nil {
		c.gone = true
		p.file.Close()
		return nil, err
	}
	c.polled.Store(p)
	return p, nil
}

// try does do with the descriptor while nothing is polled. do says whether it
// was able to; if it was not, or the descriptor is polled by now, the poller's
// end is returned.
func (c *Conn) try(by *time.Time, do func(fd uintptr) bool) (*polled, error) {
	if p := c.polled.Load(); p != nil {
		return p, nil
	}
	c.mu.RLock()
	fd, late := c.fd, by != nil && !by.IsZero() && !time.Now().Before(*by)
	done := fd >= 0 && !late && do(uintptr(fd))
	c.mu.RUnlock()
	switch {
	case done:
		return nil, nil
	case fd >= 0 && late:
		return nil, os.ErrDeadlineExceeded
	}
	return c.poll()
}

// Read reads what has come, and waits for it if nothing has.
func (c *Conn) Read(b []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	p, e := c.try(&c.readBy, func(fd uintptr) bool {
		n, err = read(int(fd), b)
		return err != syscall.EAGAIN
	})
	switch {
	case e != nil:
		n, err = 0, e
	case p != nil:
		n, err = p.read(b)
	}
	switch {
	case err != nil:
		return max(n, 0), c.failed("read", err)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write writes all of b, and waits for room where there is none.
func (c *Conn) Write(b []byte) (n int, err error) {
	p, e := c.try(&c.writeBy, func(fd uintptr) bool {
		for n < len(b) && err == nil {
			var m int
			m, err = write(int(fd), b[n:])
			n += max(m, 0)
		}
		return err != syscall.EAGAIN
	})
	switch {
	case e != nil:
		err = e
	case p != nil:
		var m int
		m, err = p.write(b[n:])
		n += m
	}
	if err != nil {
		return n, c.failed("write", err)
	}
	return n, nil
}

// Close closes the connection. What waits on it ends with net.ErrClosed.
func (c *Conn) Close() error {
	c.mu.Lock()
	p, gone, fd := c.polled.Load(), c.gone, c.fd
	c.fd, c.gone = -1, true
	c.mu.Unlock()
	switch {
	case gone:
		return c.failed("close", net.ErrClosed)
	case p != nil:
		return p.file.Close()
	}
	return os.NewSyscallError("close", syscall.Close(fd))
}

// CloseWrite sends the end of the stream; what comes can still be read.
func (c *Conn) CloseWrite() error {
	var err error
	if e := (rawConn{c}).Control(func(fd uintptr) { err = shutdown(int(fd)) }); e != nil {
		return e
	}
	return c.failed("close", err)
}

// SetLinger is as of *net.TCPConn: with 0, Close resets the connection.
func (c *Conn) SetLinger(sec int) error {
	l := unix.Linger{Onoff: 1, Linger: int32(max(sec, 0))}
	if sec < 0 {
		l.Onoff = 0
	}
	var err error
	if e := (rawConn{c}).Control(func(fd uintptr) { err = unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &l) }); e != nil {
		return e
	}
	return c.failed("set", err)
}

// SetDeadline sets both deadlines; see net.Conn.
func (c *Conn) SetDeadline(t time.Time) error { return c.setDeadlines(t, true, true) }

// SetReadDeadline bounds reads; see net.Conn. A connection that nobody waits for
// only remembers it.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, true, false) }

// SetWriteDeadline bounds writes; see net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, false, true) }

func (c *Conn) setDeadlines(t time.Time, read, write bool) error {
	return c.failed("set", c.keepDeadlines(t, read, write))
}

func (c *Conn) keepDeadlines(t time.Time, read, write bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if read {
		c.readBy = t
	}
	if write {
		c.writeBy = t
	}
	p := c.polled.Load()
	switch {
	case c.gone:
		return net.ErrClosed
	case p == nil:
		return nil
	case read && write:
		return p.file.SetDeadline(t)
	case read:
		return p.file.SetReadDeadline(t)
	}
	return p.file.SetWriteDeadline(t)
}

// LocalAddr asks the kernel; nil when the connection is closed.
func (c *Conn) LocalAddr() net.Addr {
	var local netip.AddrPort
	var err error
	if e := (rawConn{c}).Control(func(fd uintptr) { local, err = localAddr(int(fd)) }); e != nil || err != nil {
		return nil
	}
	return net.TCPAddrFromAddrPort(local)
}

// RemoteAddr is the other end's.
func (c *Conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.peer) }

// Peer is RemoteAddr without an allocation.
func (c *Conn) Peer() netip.AddrPort { return c.peer }

// failed says what failed on which connection, in the form of package net.
func (c *Conn) failed(op string, err error) error {
	if err == nil {
		return nil
	}
	c.mu.RLock()
	gone := c.gone
	c.mu.RUnlock()
	if gone { // a file has other words for it, and more than one
		err = net.ErrClosed
	} else if pe, ok := err.(*os.PathError); ok {
		err = pe.Err
	}
	if errno, ok := err.(syscall.Errno); ok {
		err = os.NewSyscallError(op, errno)
	}
	return &net.OpError{Op: op, Net: "tcp", Addr: c.RemoteAddr(), Err: err}
}
