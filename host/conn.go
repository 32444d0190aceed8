package host

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"edge/bridge"
)

// clientConn is one accepted connection. It knows whether a request is under
// way on it, which a graceful shutdown asks, and checks the framing of what is
// read (framing.go), which fasthttp hides from those behind it.
//
// A WebSocket's connection is given away under fasthttp's hands, while the handler
// runs.
type clientConn struct {
	net.Conn          // raw, or TLS on it; only open, before the first request, changes it
	raw      net.Conn // as it was accepted
	entry    *entry
	secure   bool           // Conn is TLS
	proxied  bool           // a PROXY protocol header named peer
	trusted  bool           // what peer forwards is believed
	peer     netip.AddrPort // the client, or the proxy nearest to us that speaks HTTP; not valid for who has no address
	framing  framing        // used by the one goroutine that reads
	rest     []byte         // of what was read, what stands behind the message; likewise
	heard    bool           // something was read, ever; likewise
	remote   string         // see remoteAddr
	reads    readDeadline
	busy     atomic.Bool
	given    atomic.Bool   // the connection is a bridge's
	unread   atomic.Bool   // the client was answered and may still be sending
	stall    time.Duration // how long one write may wait for the client to read
	patience time.Duration // how long a client that was answered may go on sending
}

// errGiven is what fasthttp finds of a connection that was given away.
var errGiven = errors.New("connection was given to a bridge")

// Yield gives the connection beneath away, with what stands behind the handshake.
// To those above it is a closed one from then on, and closing it does nothing.
func (c *clientConn) Yield() (net.Conn, []byte) {
	c.given.Store(true)
	c.settleDeadline()
	rest := c.rest
	c.rest = nil
	return c.Conn, rest
}

// Close closes the connection, unless it was given away. It lingers first if the
// client may still be sending; a cut ends that.
func (c *clientConn) Close() error {
	if c.given.Load() {
		return nil
	}
	if c.unread.Swap(false) {
		bridge.Linger(c.Conn, c.patience)
	}
	return c.Conn.Close()
}

// cut closes the connection, unless it was given away, with no farewell of TLS: that
// may have to wait for the client, and Conn is not everybody's to look at.
func (c *clientConn) cut() {
	if !c.given.Load() {
		_ = c.raw.Close()
	}
}

// SetWriteDeadline is how fasthttp learns, before it writes an answer to a
// handshake (see onHead), that the connection was given away.
func (c *clientConn) SetWriteDeadline(t time.Time) error {
	if c.given.Load() {
		return errGiven
	}
	return c.Conn.SetWriteDeadline(t)
}

// Read reads from the client. Bytes that break the framing rules are not
// returned. Where they are part of a head, one byte that no head can hold is
// returned in their place before the error, because fasthttp answers a head
// that breaks off in the middle (onReadError) and is silent about one that never
// began.
//
// No read goes past the end of a message. A client that sends its requests ahead
// is so served one after the other: fasthttp, which would keep an answer back while
// it knows of a next request, sends each at once, and what is written beside its
// writer (bridge.Relay.HTTP) comes in order. And what stands behind a handshake is
// not in fasthttp's reader when the connection is given away.
func (c *clientConn) Read(p []byte) (int, error) {
	switch {
	case c.framing.err != nil:
		return 0, c.framing.err
	case c.given.Load():
		return 0, errGiven
	}
	n, err := copy(p, c.rest), error(nil)
	if c.rest = c.rest[n:]; len(c.rest) == 0 {
		c.rest = nil
	}
	if n == 0 {
		if n, err = c.readSocket(p); n <= 0 {
			return n, err
		}
	}
	c.heard = true
	c.busy.Store(true)
	good, bad := c.framing.scanMessage(p[:n])
	switch {
	case bad == nil && good < n:
		c.rest = append(append([]byte(nil), p[good:n]...), c.rest...)
		return good, nil // err comes again
	case bad == nil:
		return n, err
	case c.framing.phase <= phaseHeader:
		p[good] = 0
		return good + 1, nil
	case good > 0:
		return good, nil
	}
	return 0, bad
}

// Write writes to the client and gives up on one that does not read; a bridge
// has its own rules.
func (c *clientConn) Write(p []byte) (int, error) {
	if c.given.Load() {
		return 0, errGiven
	}
	if err := c.Conn.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// remoteAddr is the peer's address as the log has it. It is made once, for all
// requests on the connection, by whoever serves them.
func (c *clientConn) remoteAddr() string {
	switch {
	case c.remote != "":
	case c.peer.IsValid():
		c.remote = c.peer.String()
	default:
		c.remote = c.raw.RemoteAddr().String()
	}
	return c.remote
}

// RemoteAddr is the peer's.
func (c *clientConn) RemoteAddr() net.Addr {
	if c.proxied {
		return net.TCPAddrFromAddrPort(c.peer)
	}
	return c.raw.RemoteAddr()
}

// peerOf is the other end of a connection; not valid if that has no IP address.
func peerOf(c net.Conn) netip.AddrPort {
	if s, ok := c.(interface{ Peer() netip.AddrPort }); ok {
		p := s.Peer()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return addressPort(c.RemoteAddr())
}

// CloseWrite sends the end of the stream, where the connection can.
func (c *clientConn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

// UnsafeConn returns the connection beneath, TLS if it is. Who reads from
// it after a hijack goes past the framing check, which has nothing to say then.
func (c *clientConn) UnsafeConn() net.Conn {
	c.settleDeadline()
	return c.Conn
}

// NetConn returns the connection at the bottom, as crypto/tls.Conn does, for those
// who only ask about its state.
func (c *clientConn) NetConn() net.Conn {
	c.settleDeadline()
	return c.raw
}

// clients are the connections that the server answers for.
type clients struct {
	mu     sync.Mutex
	open   map[*clientConn]struct{}
	closed bool
}

// add takes a connection in, or reports false when the server is going down.
func (cs *clients) add(c *clientConn) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.closed {
		return false
	}
	if cs.open == nil {
		cs.open = map[*clientConn]struct{}{}
	}
	cs.open[c] = struct{}{}
	return true
}

// remove forgets a connection: it was closed, or a bridge has it now.
func (cs *clients) remove(c *clientConn) {
	cs.mu.Lock()
	delete(cs.open, c)
	cs.mu.Unlock()
}

func (cs *clients) count() int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return len(cs.open)
}

// shut closes the idle connections, or all of them, and takes no new ones.
func (cs *clients) shut(all bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.closed = true
	for c := range cs.open {
		if all || !c.busy.Load() {
			c.cut()
		}
	}
}

// state is fasthttp's hook: it learns when a connection waits for its next
// request.
func (s *Server) state(c net.Conn, to fasthttp.ConnState) {
	if to != fasthttp.StateIdle {
		return
	}
	if cc, ok := c.(*clientConn); ok {
		cc.busy.Store(false)
		if s.draining.Load() {
			_ = cc.Close()
		}
	}
}
