package fetch

import (
	"context"
	"crypto/tls"
	"net"
	"strconv"

	"edge/abi"
	"edge/plugins"
)

// Dial connects a plugin to the server of a URL, for a WebSocket: with the grants and the
// rules for addresses of Fetch, and to the edge itself for its own previews. The caller
// closes the connection.
func (c *Client) Dial(ctx context.Context, r plugins.SocketRequest) (net.Conn, error) {
	u := r.URL
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if closed {
		return nil, abi.Errorf(abi.CodeCanceled, "fetch: the edge is going down")
	}
	if c.Inside != nil && c.Inside.Answers(u) {
		return c.Inside.Dial(ctx)
	}
	if err := r.Allow(u.Scheme, u.Hostname(), portOf(u)); err != nil {
		return nil, err
	}
	ctx = context.WithValue(ctx, guardKey{}, guard{u.Scheme, u.Hostname(), r.AllowAddr})
	conn, err := c.dial(ctx, "tcp", net.JoinHostPort(u.Hostname(), strconv.Itoa(portOf(u))))
	if err != nil {
		return nil, c.failure(ctx, u, err)
	}
	if u.Scheme != "https" {
		return conn, nil
	}
	secure := tls.Client(conn, &tls.Config{RootCAs: c.Roots, ServerName: u.Hostname(), MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	bound, cancel := context.WithTimeout(ctx, tlsTimeout)
	defer cancel()
	if err := secure.HandshakeContext(bound); err != nil {
		_ = conn.Close() // it is of no use
		return nil, c.failure(ctx, u, err)
	}
	return secure, nil
}
