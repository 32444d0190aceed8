package admin

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"

	"edge/bridge"
)

// listener accepts connections as the server needs them.
type listener struct {
	net.Listener
	s *Server
	// peers: the kernel is asked who connects, while the connection is new: the
	// peer's process may be another one later.
	peers bool
}

// Accept returns a *conn.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	made := &conn{Conn: c, s: l.s}
	if l.peers {
		made.peer = askPeer(c)
	}
	return made, nil
}

// conn is a client's connection.
type conn struct {
	net.Conn
	s    *Server
	peer *peer // nil over TCP
	// lingers is set while the client was answered and may still be sending.
	lingers atomic.Bool
}

var _ interface{ CloseWrite() error } = (*conn)(nil) // net/http looks for it

type connKey struct{}

// withConn keeps the connection for its requests.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// connOf returns the connection of a request, or nil if there is none.
func connOf(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}

// connState forgets that an answer went out before its request was read, once the
// rest of the request has come.
func connState(c net.Conn, state http.ConnState) {
	if c, ok := c.(*conn); ok && state == http.StateIdle {
		c.lingers.Store(false)
	}
}

// CloseWrite sends the end of the stream: the server does so before it closes on a
// request of which there may be more.
func (c *conn) CloseWrite() error {
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return nil
}

// Close closes the connection. It lingers first if the client may still be sending,
// until another Close, or a Shutdown that gives up waiting, ends that.
func (c *conn) Close() error {
	if c.lingers.Swap(false) {
		stop := context.AfterFunc(c.s.base, c.cut)
		bridge.Linger(c.Conn, c.s.pace.drain)
		stop()
	}
	return c.Conn.Close()
}

func (c *conn) cut() { _ = c.Conn.Close() }
