package fetch

import (
	"context"
	"crypto/tls"
	"net"
	"strconv"
	"sync"

	"edge/plugins"
)

// Dial connects a plugin to the server of a URL, for a WebSocket: with the grants and the
// rules for addresses of Fetch, and to the edge itself for its own previews. The caller
// closes the connection, which counts among the plugin's open fetches until then.
func (c *Client) Dial(ctx context.Context, r plugins.SocketRequest) (net.Conn, error) {
	p, err := c.enter(r.Plugin)
	if err != nil {
		return nil, err
	}
	conn, err := c.reach(ctx, r)
	if err != nil {
		c.leave(p)
		return nil, c.failure(ctx, r.URL, err)
	}
	return &countedConn{Conn: conn, left: sync.OnceFunc(func() { c.leave(p) })}, nil
}

// reach makes the connection that Dial counts.
func (c *Client) reach(ctx context.Context, r plugins.SocketRequest) (net.Conn, error) {
	u := r.URL
	if c.Inside != nil && c.Inside.Answers(u) {
		return c.Inside.Dial(ctx)
	}
	if err := r.Allow(u.Scheme, u.Hostname(), portOf(u)); err != nil {
		return nil, err
	}
	ctx = context.WithValue(ctx, guardKey{}, guard{u.Scheme, u.Hostname(), r.AllowAddr})
	conn, err := c.dial(ctx, "tcp", net.JoinHostPort(u.Hostname(), strconv.Itoa(portOf(u))))
	if err != nil || u.Scheme != "https" {
		return conn, err
	}
	secure := tls.Client(conn, &tls.Config{RootCAs: c.Roots, ServerName: u.Hostname(), MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	bound, cancel := context.WithTimeout(ctx, c.connectTime())
	defer cancel()
	if err := secure.HandshakeContext(bound); err != nil {
		_ = conn.Close() // it is of no use
		return nil, err
	}
	return secure, nil
}

// countedConn is a connection that counts until it is closed.
type countedConn struct {
	net.Conn
	left func()
}

// Close closes the connection.
func (c *countedConn) Close() error {
	c.left()
	return c.Conn.Close()
}
