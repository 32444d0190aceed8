package admin

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
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

// Close closes the connection. A client that may still be sending is first told
// that nothing more comes, and what it sends is taken for pace.drain: to close
// with unread bytes resets the connection, which takes the answer away from who
// has not read it (RFC 9112, 9.6). The end of the server, and another Close, do
// not wait for that.
func (c *conn) Close() error {
	if c.lingers.Swap(false) {
		c.linger()
	}
	return c.Conn.Close()
}

func (c *conn) linger() {
	w, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || w.CloseWrite() != nil || c.SetReadDeadline(time.Now().Add(c.s.pace.drain)) != nil {
		return
	}
	stop := context.AfterFunc(c.s.base, c.hurry)
	defer stop()
	_, _ = io.Copy(io.Discard, c.Conn)
}

// hurry ends the wait of linger.
func (c *conn) hurry() { _ = c.SetReadDeadline(time.Now()) }
