package initd

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"edge/abi"
	"edge/sandboxmgr/initrelay"
)

// dialTimeout bounds connecting to a port, all addresses together.
const dialTimeout = 2 * time.Second

// dial connects to a port inside: 127.0.0.1, ::1, then the sandbox's own
// addresses.
func dial(ctx context.Context, port int) (*net.TCPConn, error) {
	if port < 1 || port > 65535 {
		return nil, abi.Errorf(abi.CodeInvalidPort, "port %d is not between 1 and 65535", port)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	d := net.Dialer{KeepAlive: -1}
	var first error
	for host := range hosts {
		c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil {
			return c.(*net.TCPConn), nil
		}
		if first == nil || isRefused(first) && !isRefused(err) && !isAbsent(err) {
			first = err
		}
	}
	switch {
	case isRefused(first) || isAbsent(first):
		return nil, abi.Errorf(abi.CodePortNotListening, "nothing listens on port %d", port)
	case errors.Is(first, context.DeadlineExceeded):
		return nil, abi.Errorf(abi.CodeTimeout, "port %d did not accept a connection within %s", port, dialTimeout)
	}
	return nil, abi.Errorf(abi.CodePortNotListening, "port %d cannot be connected to", port)
}

// hosts yields the addresses to try, each looked up only when it is needed.
func hosts(yield func(string) bool) {
	if !yield("127.0.0.1") || !yield("::1") {
		return
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return
	}
	for _, a := range addrs {
		ip, ok := a.(*net.IPNet)
		if ok && !ip.IP.IsLoopback() && !ip.IP.IsLinkLocalUnicast() && !yield(ip.IP.String()) {
			return
		}
	}
}

func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// isAbsent tells whether the sandbox has no such address at all, ::1 for one
// where IPv6 is off.
func isAbsent(err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) ||
		errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH)
}

// tunnel is a connection of the edge that leads to a port.
type tunnel struct {
	edge   *net.UnixConn
	server *net.TCPConn
	// finished is set when the edge has ended its direction.
	finished atomic.Bool
}

// carry moves bytes both ways until both directions have ended, one of them
// failed, or the edge has gone. The end of one direction is passed on as such.
// It closes both connections.
func (t *tunnel) carry() {
	defer t.close()
	var back sync.WaitGroup
	back.Go(t.carryBack)
	defer back.Wait()
	if !relay(t.server, t.edge) || t.server.CloseWrite() != nil {
		t.close()
		return
	}
	t.finished.Store(true)
	if initrelay.AwaitHangup(t.edge) {
		t.close() // what the server still says has no reader
	}
}

// carryBack moves what the server says.
func (t *tunnel) carryBack() {
	if !relay(t.edge, t.server) || t.edge.CloseWrite() != nil || t.finished.Load() {
		t.close()
	}
}

func (t *tunnel) close() {
	t.edge.Close()
	t.server.Close()
}

// endpoint is what both ends of a tunnel are.
type endpoint interface {
	net.Conn
	syscall.Conn
}

// relay copies from src to dst and tells whether it came to src's end. It holds
// no memory while nothing comes.
func relay(dst, src endpoint) bool {
	rc, err := src.SyscallConn()
	for err == nil {
		err = readReady(rc, dst)
	}
	return err == io.EOF
}
