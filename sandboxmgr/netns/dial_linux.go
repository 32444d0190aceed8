package netns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// dialTimeout bounds a Dial whose context has no deadline: a server whose
// backlog is full answers nothing at all.
const dialTimeout = 10 * time.Second

// Dial connects to a TCP port in the namespace: on 127.0.0.1, then on ::1, then
// on the namespace's own addresses, going on when one refuses. What it returns
// is a *net.TCPConn with TCP_NODELAY set, which the caller closes. When nothing
// listens on any of them the error wraps syscall.ECONNREFUSED.
func (n *Namespace) Dial(ctx context.Context, port int) (net.Conn, error) {
	if port < 1 || port > 65535 {
		return nil, fmt.Errorf("dial sandbox port %d: %w", port, syscall.EINVAL)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, dialTimeout)
		defer cancel()
	}
	c, err := n.dialAny(ctx, uint16(port))
	if err != nil {
		return nil, fmt.Errorf("dial sandbox port %d: %w", port, err)
	}
	return c, nil
}

// dialAny tries the addresses in turn until one answers otherwise than that
// nothing is there. When none does, a refusal is what counts.
func (n *Namespace) dialAny(ctx context.Context, port uint16) (net.Conn, error) {
	addrs := []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	loopbacks := len(addrs)
	var failure error
	for i := 0; i < len(addrs); i++ {
		c, err := n.dialAddr(ctx, netip.AddrPortFrom(addrs[i], port))
		if err == nil || !elsewhere(addrs[i], err) {
			return c, err
		}
		if failure == nil || errors.Is(err, syscall.ECONNREFUSED) {
			failure = err
		}
		if i == loopbacks-1 {
			own, err := n.addresses(ctx)
			if err != nil {
				return nil, err
			}
			addrs = append(addrs, own...)
		}
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
	fd, err := n.socket(ctx, to.Addr())
	if err != nil {
		return nil, err
	}
	err = unix.Connect(fd, sockaddr(to))
	// From here on the file owns the descriptor; net.FileConn makes its own.
	f := os.NewFile(uintptr(fd), "sandbox:"+to.String())
	defer f.Close()
	if err != nil && err != syscall.EINPROGRESS {
		return nil, os.NewSyscallError("connect", err)
	}
	if err := await(ctx, f, fd); err != nil {
		return nil, err
	}
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	if c.LocalAddr().String() == c.RemoteAddr().String() {
		// Nothing listens, but the kernel picked the very port that we dial as
		// ours, and TCP lets a socket connect to itself.
		c.Close()
		return nil, syscall.ECONNREFUSED
	}
	return c, nil
}

func sockaddr(to netip.AddrPort) unix.Sockaddr {
	if to.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
}

// await waits until the connection that f's socket makes is there or has
// failed. Over loopback it is there before connect returns; otherwise Go's
// poller waits and no thread does.
func await(ctx context.Context, f *os.File, fd int) error {
	if connected(fd) {
		return socketError(fd)
	}
	stop := context.AfterFunc(ctx, func() { f.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	raw, err := f.SyscallConn()
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
