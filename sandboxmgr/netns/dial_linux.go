package netns

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"edge/bridge/socket"
)

// dialTimeout bounds a Dial whose context has no deadline: a server whose
// backlog is full answers nothing at all.
const dialTimeout = 10 * time.Second

// Dial connects to a TCP port in the namespace: on 127.0.0.1, then on ::1, then
// on the namespace's own addresses, going on when one refuses. What it returns
// is a *socket.Conn with TCP_NODELAY set, which the caller closes. When nothing
// listens on any of them the error wraps syscall.ECONNREFUSED.
//
// Over loopback the connection is there when connect returns, so that nothing
// waits: no timer, no poller, and the socket was mostly made ahead (spares).
func (n *Namespace) Dial(ctx context.Context, port int) (net.Conn, error) {
	if port < 1 || port > 65535 {
		return nil, fmt.Errorf("dial sandbox port %d: %w", port, syscall.EINVAL)
	}
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	c, err := n.dialAddr(ctx, netip.AddrPortFrom(loopback, uint16(port)))
	if err != nil && elsewhere(loopback, err) {
		c, err = n.dialFurther(ctx, uint16(port), err)
	}
	if err != nil {
		return nil, fmt.Errorf("dial sandbox port %d: %w", port, err)
	}
	return c, nil
}

// dialFurther tries the addresses after 127.0.0.1 in turn, until one answers
// otherwise than that nothing is there. When none does, a refusal is what counts.
func (n *Namespace) dialFurther(ctx context.Context, port uint16, failure error) (net.Conn, error) {
	addrs := []netip.Addr{netip.IPv6Loopback()}
	for i := 0; i < len(addrs); i++ {
		c, err := n.dialAddr(ctx, netip.AddrPortFrom(addrs[i], port))
		if err == nil || !elsewhere(addrs[i], err) {
			return c, err
		}
		if errors.Is(err, syscall.ECONNREFUSED) {
			failure = err
		}
		if i > 0 {
			continue
		}
		own, err := n.addresses(ctx)
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, own...)
	}
	return nil, failure
}

// elsewhere tells whether failing to connect to addr leaves other addresses
// worth trying. Of IPv4, "address not available" means that the namespace has
// no ephemeral port left; of IPv6 that there is none.
func elsewhere(addr netip.Addr, err error) bool {
	for _, e := range []error{
		syscall.ECONNREFUSED, syscall.EAFNOSUPPORT, syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return addr.Is6() && errors.Is(err, syscall.EADDRNOTAVAIL)
}

func (n *Namespace) dialAddr(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	fd, err := n.socket(ctx, to.Addr())
	if err != nil {
		return nil, err
	}
	c := socket.New(fd, to) // which owns the descriptor
	if err := connect(ctx, c, fd, to); err != nil {
		c.Close()
		return nil, err
	}
	if here, err := unix.Getsockname(fd); err != nil || samePort(here, to.Port()) && c.LocalAddr().String() == to.String() {
		// Nothing listens, but the kernel picked the very port that we dial as
		// ours, and TCP lets a socket connect to itself.
		c.Close()
		return nil, cmp.Or(err, error(syscall.ECONNREFUSED))
	}
	return c, nil
}

func samePort(a unix.Sockaddr, port uint16) bool {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return a.Port == int(port)
	case *unix.SockaddrInet6:
		return a.Port == int(port)
	}
	return false
}

// connect makes the connection. Asking a second time is what tells whether it is
// there: over loopback it is, although the kernel first says that it is not.
func connect(ctx context.Context, c *socket.Conn, fd int, to netip.AddrPort) error {
	err := socket.Connect(fd, to)
	if err == unix.EINPROGRESS || err == unix.EINTR {
		err = socket.Connect(fd, to)
	}
	if err == unix.EALREADY || err == unix.EINPROGRESS || err == unix.EINTR {
		return await(ctx, c, fd)
	}
	return os.NewSyscallError("connect", err)
}

// await waits until the connection is there or has failed. Go's poller waits and
// no thread does.
func await(ctx context.Context, c *socket.Conn, fd int) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, dialTimeout)
		defer cancel()
	}
	stop := context.AfterFunc(ctx, func() { c.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	err = raw.Write(func(uintptr) bool { return connected(fd) })
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	return socketError(fd)
}

// connected tells whether the attempt to connect has come to its end.
func connected(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	n, err := unix.Poll(p, 0)
	return n > 0 || (err != nil && err != syscall.EINTR)
}

func socketError(fd int) error {
	e, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	if e != 0 {
		return os.NewSyscallError("connect", syscall.Errno(e))
	}
	return nil
}
