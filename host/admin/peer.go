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

// askPeer asks the kernel who is at the other end of c.
func askPeer(c net.Conn) *peer {
	p := &peer{err: errNotUnix}
	if u, ok := c.(*net.UnixConn); ok {
		p.uid, p.err = peerUID(u)
	}
	return p
}

// peerOf returns who asks over a Unix socket, or nil over TCP.
func peerOf(ctx context.Context) *peer {
	if c := connOf(ctx); c != nil {
		return c.peer
	}
	return nil
}
