package socket

import (
	"context"
	"net"
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
			if failure == nil && lc.DeadPeer > 0 {
				failure = Guard(int(fd), lc.DeadPeer)
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

// Guard has the kernel find a dead peer within about dead: a silent one by
// keepalive probes, one that acknowledges nothing or takes nothing that waits for
// it by TCP_USER_TIMEOUT (RFC 5482). dead is at least 4 seconds.
func Guard(fd int, dead time.Duration) error {
	dead = max(dead, 4*time.Second)
	probe := int(dead / (4 * time.Second)) // after half of it, two probes
	for _, o := range []struct{ level, name, value int }{
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 2 * probe},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, probe},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 2},
		{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(dead.Milliseconds())},
	} {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return nil
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
		peer syscall.Sockaddr
		err  error
	)
	waited := l.raw.Read(func(ln uintptr) bool {
		for {
			fd, peer, err = syscall.Accept4(int(ln), syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
			switch err {
			case syscall.EINTR, syscall.ECONNABORTED: // reset before it was accepted
				continue
			}
			return err != syscall.EAGAIN
		}
	})
	if waited != nil {
		err = net.ErrClosed
	} else if err != nil {
		err = os.NewSyscallError("accept4", err)
	}
	if err != nil {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.addr, Err: err}
	}
	c := New(fd, addrPort(peer))
	c.guarded = l.guarded
	return c, nil
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
