package host

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
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
	if c.entry.tls == nil {
		return nil
	}
	if err := c.raw.SetDeadline(time.Now().Add(s.HeadTimeout)); err != nil {
		return err
	}
	if err := c.handshake(); err != nil {
		return err
	}
	return c.raw.SetDeadline(time.Time{})
}

// errForeign is what a handshake ends with that negotiated another protocol.
var errForeign = errors.New("no HTTP was negotiated")

// handshake puts TLS onto the connection.
func (c *clientConn) handshake() error {
	t := tls.Server(c.Conn, c.entry.tls)
	if err := t.Handshake(); err != nil {
		var record tls.RecordHeaderError
		if errors.As(err, &record) && record.Conn != nil && looksLikeHTTP(record.RecordHeader) {
			_, _ = io.WriteString(c.raw, plainAnswer)
		}
		return fmt.Errorf("TLS handshake: %w", err)
	}
	if p := t.ConnectionState().NegotiatedProtocol; p != "" && p != "http/1.1" {
		return errForeign
	}
	c.Conn, c.secure = t, true
	return nil
}

// plainAnswer is for those who speak plain HTTP where HTTPS is spoken.
const plainAnswer = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 53\r\nConnection: close\r\n\r\n" +
	"this port speaks HTTPS: use https:// in the address.\n"

// looksLikeHTTP tells whether what should have been a TLS record begins as a request
// line does.
func looksLikeHTTP(begin [5]byte) bool {
	return !slices.ContainsFunc(begin[:], func(b byte) bool { return b < ' ' || b > '~' })
}
