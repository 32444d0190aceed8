package socket

import (
	"context"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ListenConfig says how connections are accepted.
type ListenConfig struct {
	// DeadPeer is within what time the kernel finds the peers of accepted
	// connections dead (see Guard); 0 does nothing about it.
	DeadPeer time.Duration
}

// Listen listens on a TCP address, as net.Listen("tcp", address) does. What it
// accepts are *Conn. They inherit from the listener what else would be set on
// each: no delay, and the guard.
func (lc ListenConfig) Listen(ctx context.Context, address string) (net.Listener, error) {
	var failure error
	config := net.ListenConfig{KeepAlive: -1, Control: func(_, _ string, raw syscall.RawConn) error {
		err := raw.Control(func(fd uintptr) {
			failure = os.NewSyscallError("setsockopt", unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1))
			if lc.DeadPeer > 0 {
				Guard(int(fd), lc.DeadPeer)
			}
		})
		if err == nil {
			err = failure
		}
		return err
	}}
	config.SetMultipathTCP(false) // its sockets take the options in other ways, and no client asks for it
	ln, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	tcp := ln.(*net.TCPListener)
	defer tcp.Close() // the file's duplicate listens on
	file, err := tcp.File()
	if err != nil {
		return nil, err
	}
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, err
	}
	return &listener{file: file, raw: raw, addr: tcp.Addr(), guarded: lc.DeadPeer}, nil
}

// Guard has the kernel give up a TCP connection whose peer has been gone for about
// dead: by keepalive probes when it is idle, by TCP_USER_TIMEOUT (RFC 5482) when
// something waits to be acknowledged. It is a little less than dead, since probes
// are whole seconds apart. Options that are refused are left out.
func Guard(fd int, dead time.Duration) {
	const parts = 12 // of dead between two probes, after half of it
	seconds := func(d time.Duration) int { return max(int(d/time.Second), 1) }
	for _, o := range []struct{ level, name, value int }{
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, seconds(dead / 2)},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, seconds(dead / parts)},
		{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int((dead - dead/parts).Milliseconds())},
	} {
		_ = unix.SetsockoptInt(fd, o.level, o.name, o.value)
	}
}

// listener accepts connections that are not in the runtime's poller, which it is
// itself.
type listener struct {
	file    *os.File
	raw     syscall.RawConn
	addr    net.Addr
	guarded time.Duration
	closed  atomic.Bool
}

// Accept waits for the next connection. Errors are *net.OpError.
func (l *listener) Accept() (net.Conn, error) {
	var (
		fd   int
		peer netip.AddrPort
		err  error
	)
	waited := l.raw.Read(func(ln uintptr) bool {
		for {
			fd, peer, err = accept(int(ln))
			switch err {
			case syscall.EINTR, syscall.ECONNABORTED: // reset before it was accepted
				continue
			}
			return err != syscall.EAGAIN
		}
	})
	switch {
	case waited == nil && err == nil:
		c := New(fd, peer)
		c.guarded = l.guarded
		return c, nil
	case l.closed.Load():
		err = net.ErrClosed
	case waited != nil:
		err = waited
	default:
		err = os.NewSyscallError("accept4", err)
	}
	return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.addr, Err: err}
}

// Close ends Accept. It may be called again.
func (l *listener) Close() error {
	if l.closed.Swap(true) {
		return &net.OpError{Op: "close", Net: "tcp", Addr: l.addr, Err: net.ErrClosed}
	}
	return l.file.Close()
}

// Addr is what is listened on.
func (l *listener) Addr() net.Addr { return l.addr }
