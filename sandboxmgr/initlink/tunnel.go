package initlink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"edge/abi"
	"edge/sandboxmgr/initproto"
)

// Tunnel has the init connect to a TCP port inside (127.0.0.1, then ::1, then
// the sandbox's own addresses) and returns a connection that carries the bytes.
// The error wraps syscall.ECONNREFUSED when nothing listens; it is
// TOO_MANY_REQUESTS when initproto.MaxTunnels are open. Besides ctx, connecting
// is bounded by two seconds.
//
// The connection has CloseWrite, and a half that the server closed reads as
// io.EOF. A reset by the server reads as io.EOF too: a Unix socket cannot say
// more. The caller closes the connection; Close of the Link does as well.
func (l *Link) Tunnel(ctx context.Context, port int) (net.Conn, error) {
	c, err := l.tunnel(ctx, port)
	if err != nil {
		return nil, fmt.Errorf("tunnel to port %d: %w", port, err)
	}
	return c, nil
}

func (l *Link) tunnel(ctx context.Context, port int) (net.Conn, error) {
	body, err := initproto.EncodeBody(initproto.TunnelRequest{Port: port})
	if err != nil {
		return nil, err
	}
	if l.tunnelsFull() {
		return nil, errTooManyTunnels()
	}
	ctx, cancel := context.WithTimeout(ctx, l.times.dial)
	defer cancel()
	x, err := l.begin(ctx, initproto.OpTunnel, body)
	if err != nil {
		return nil, err
	}
	// Read from the connection itself: what follows the Result is the server's.
	r := initproto.NewReader(x.timed)
	var res initproto.Result
	err = r.Head(initproto.TypeResult, initproto.MaxFrame, &res)
	if err == nil && res.Error != nil {
		details, err := r.Body(maxAnswer(initproto.OpTunnel), nil)
		if err := x.finish(err); err != nil {
			return nil, err
		}
		return nil, refusal(foreignError(res.Error, details))
	}
	if err == nil && !x.stop() {
		err = ctx.Err()
	}
	if err == nil {
		err = x.conn.SetDeadline(time.Time{})
	}
	if err != nil {
		return nil, x.finish(err)
	}
	return l.carry(x.conn)
}

// refusal gives the errors of connecting the form that Dial's callers test for.
func refusal(e *abi.Error) error {
	switch e.Code {
	case abi.CodePortNotListening:
		return syscall.ECONNREFUSED
	case abi.CodeTimeout:
		return fmt.Errorf("%s: %w", e.Message, context.DeadlineExceeded)
	}
	return e
}

func errTooManyTunnels() error {
	return abi.Errorf(abi.CodeTooManyRequests, "the sandbox's init carries %d connections already", initproto.MaxTunnels)
}

func (l *Link) tunnelsFull() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tunnels >= initproto.MaxTunnels
}

// carry makes c a tunnel.
func (l *Link) carry(c *conn) (net.Conn, error) {
	l.mu.Lock()
	err := l.err
	if err == nil && l.tunnels >= initproto.MaxTunnels {
		err = errTooManyTunnels()
	}
	if err == nil {
		c.use = useTunnel
		l.tunnels++
	}
	l.mu.Unlock()
	if err != nil {
		l.drop(c)
		return nil, err
	}
	return &tunnelConn{UnixConn: c.UnixConn, link: l, conn: c}, nil
}

// tunnelConn is the caller's end of a tunnel: the Unix connection itself, which
// the link is told of when it is closed.
type tunnelConn struct {
	*net.UnixConn
	link *Link
	conn *conn
}

// NetConn returns the Unix connection below, for who reads and writes it
// without this one between; it must still be closed here.
func (t *tunnelConn) NetConn() net.Conn { return t.UnixConn }

// Close closes both directions. What the init still wanted to send is lost.
func (t *tunnelConn) Close() error {
	err := t.UnixConn.Close()
	t.link.drop(t.conn)
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
