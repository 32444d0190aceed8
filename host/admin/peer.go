package admin

import (
	"context"
	"net"
	"os"
)

// peer is who is at the other end of a Unix socket, as the kernel says.
type peer struct {
	uid int
	err error // why it is not known
}

// trusted tells whether the peer is root or who the edge runs as: either could
// do all this without asking.
func (p *peer) trusted() bool {
	return p.err == nil && (p.uid == 0 || p.uid == os.Geteuid())
}

// peerListener asks the kernel who connects, while the connection is new: the
// peer's process may be another one later.
type peerListener struct{ net.Listener }

// Accept returns a connection that knows its peer.
func (l peerListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	p := &peer{err: errNotUnix}
	if u, ok := c.(*net.UnixConn); ok {
		p.uid, p.err = peerUID(u)
	}
	return &peerConn{c, p}, nil
}

type peerConn struct {
	net.Conn
	peer *peer
}

type peerKey struct{}

// withPeer keeps the peer for the requests of a connection.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	if pc, ok := c.(*peerConn); ok {
		return context.WithValue(ctx, peerKey{}, pc.peer)
	}
	return ctx
}

// peerOf returns who asks over a Unix socket, or nil over TCP.
func peerOf(ctx context.Context) *peer {
	p, _ := ctx.Value(peerKey{}).(*peer)
	return p
}
