package host

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"
)

// entry is what every connection of a listener goes through before its first
// request; the zero value is nothing.
type entry struct {
	tls *tls.Config // nil: the connection is plain
}

// ServeTLS is Serve for HTTPS (RFC 2818): each connection is greeted by a TLS
// handshake, within HeadTimeout, in the goroutine that serves it. config is the
// caller's and must be able to give out a certificate; it is not changed. What is
// negotiated besides HTTP/1.1 (RFC 7301; a certificate authority's challenge, say)
// is over with the handshake.
//
// A WebSocket goes to the bridge as the *tls.Conn.
func (s *Server) ServeTLS(ln net.Listener, config *tls.Config) error {
	return s.serveAt(ln, &entry{tls: config})
}

// open takes a connection through its entry, up to where its first request begins.
// It runs in the goroutine that serves the connection. Its error has been answered,
// as far as it can be.
func (s *Server) open(c *clientConn) error {
	c.peer = peerOf(c.raw)
	c.trusted = s.trusts(c.peer.Addr())
	announced := s.ProxyProtocol && c.trusted
	if !announced && c.entry.tls == nil {
		return nil
	}
	if err := c.raw.SetDeadline(time.Now().Add(s.HeadTimeout)); err != nil {
		return err
	}
	if announced {
		if err := s.readAnnouncement(c); err != nil {
			return err
		}
	}
	if c.entry.tls != nil {
		if err := c.handshake(s.base); err != nil {
			return err
		}
	}
	return c.raw.SetDeadline(time.Time{})
}

// readAnnouncement learns from a trusted proxy whose connection it brings. What came
// behind the header is read first afterwards, and the connection is the socket
// itself again.
func (s *Server) readAnnouncement(c *clientConn) error {
	h, rest, err := readProxyHeader(c.raw)
	if err != nil {
		if len(rest) > 0 { // who only looks whether the port is open sends nothing
			s.headless.tell(s.Log, "a trusted proxy's connection was closed: proxyProtocol wants a header on each", fmt.Errorf("%s: %w", c.peer, err))
			c.tellPlainly(rest, noHeaderAnswer)
		}
		return err
	}
	if len(rest) > 0 {
		c.rest = rest
	}
	if h.client.IsValid() {
		c.peer, c.proxied, c.trusted = h.client, true, s.trusts(h.client.Addr())
	} else {
		c.trusted = h.local // else nobody knows who says what comes now
	}
	return nil
}

// errForeign is what a handshake ends with that negotiated another protocol.
var errForeign = errors.New("no HTTP was negotiated")

// handshake puts TLS onto the connection. It ends with ctx at the latest, also where it
// waits for a certificate and not for the client.
func (c *clientConn) handshake(ctx context.Context) error {
	under := c.Conn
	if c.rest != nil {
		under, c.rest = &aheadConn{Conn: c.Conn, rest: c.rest}, nil
	}
	t := tls.Server(under, c.entry.tls)
	if err := t.HandshakeContext(ctx); err != nil {
		var record tls.RecordHeaderError
		if errors.As(err, &record) && record.Conn != nil {
			c.tellPlainly(record.RecordHeader[:], plainAnswer)
		}
		return fmt.Errorf("TLS handshake: %w", err)
	}
	if p := t.ConnectionState().NegotiatedProtocol; p != "" && p != "http/1.1" {
		return errForeign
	}
	c.Conn, c.secure = t, true
	return nil
}

// aheadConn is a connection of which something was read already, for TLS.
type aheadConn struct {
	net.Conn
	rest []byte
}

// Read reads what was read ahead first.
func (c *aheadConn) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.rest)
	if c.rest = c.rest[n:]; len(c.rest) == 0 {
		c.rest = nil
	}
	return n, nil
}

// NetConn returns the connection beneath.
func (c *aheadConn) NetConn() net.Conn { return c.Conn }

// What those are told who speak plain HTTP where something else is expected first.
const (
	plainAnswer    = "this port speaks HTTPS: use https:// in the address\n"
	noHeaderAnswer = "this proxy must send a PROXY protocol header first: proxyProtocol is on\n"
)

// tellPlainly answers a connection that begins as an HTTP request does.
func (c *clientConn) tellPlainly(begin []byte, text string) {
	if len(begin) == 0 || slices.ContainsFunc(begin[:min(len(begin), len("GET /"))], func(b byte) bool { return b < ' ' || b > '~' }) {
		return
	}
	_, _ = fmt.Fprintf(c.raw, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(text), text)
}
