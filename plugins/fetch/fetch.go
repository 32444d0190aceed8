// Package fetch makes the outbound HTTP requests of plugins, and lets them go
// nowhere else than the plugin was granted.
//
// A request goes from hop to hop. Before each of them the plugin's grants are
// asked whether it may reach that host. A connection is made by the standard
// library's dialer, whose Control sees the address that is about to be dialled,
// after the name was resolved: addresses of this machine, of its links and of
// clouds' metadata services are refused there, so that no name leads to them
// whatever the name server answers, and answers the next time.
//
// A URL of the edge's own previews never becomes a connection: it is answered
// inside (Inside).
//
// No proxy is taken from the environment and no cookie is kept.
package fetch

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"edge/abi"
	"edge/plugins"
)

// Bounds of what plugins fetch.
const (
	MaxBody        = 64 << 20  // bytes of an answer
	MaxHeaderBytes = 256 << 10 // of an answer's head
	MaxRedirects   = 10
	MaxOpen        = 256 // answers that one plugin holds open
	maxPerHost     = 64  // connections of one plugin to one host; more wait
	maxIdle        = 64  // unused connections of one plugin
	maxIdlePerHost = 8
	idleTimeout    = 30 * time.Second
	connectTime    = 10 * time.Second // of a dial, and of a handshake of TLS
	userAgent      = "edge"           // unless the plugin sends one
)

// Inside answers requests for the edge's own previews.
type Inside interface {
	// Answers tells whether a URL is in the form of a preview of this edge,
	// whether or not there is such a preview.
	Answers(u *url.URL) bool
	// Dial returns a connection to the edge, on which it speaks HTTP/1.1. ctx is
	// the plugin's request.
	Dial(ctx context.Context) (net.Conn, error)
}

// Client fetches for all plugins of an edge. The zero value works. Its fields are
// set before the first Fetch; the caller closes it.
type Client struct {
	// Inside answers the edge's own previews; nil: there are none.
	Inside Inside
	// Sandboxes answers what is sent to a sandbox's port; nil: there are none.
	Sandboxes Sandboxes
	// Roots are the certificates that https trusts; nil are the system's.
	Roots *x509.CertPool
	// Log gets why a fetch failed; nil discards it.
	Log *slog.Logger

	resolver *net.Resolver // nil is the system's
	connect  time.Duration // 0 is connectTime; for tests to change

	mu     sync.Mutex
	pools  map[string]*pool
	inside *http.Transport
	boxes  *http.Transport
	closed bool
}

var _ plugins.Fetcher = (*Client)(nil)

// pool is the connections of one plugin. They are not shared: what one plugin's
// grants allowed is no other's to use.
type pool struct {
	transport *http.Transport
	open      int // answers, and requests on their way; Client.mu guards it
}

// Fetch makes one request. See plugins.Fetcher.
func (c *Client) Fetch(ctx context.Context, r plugins.FetchRequest) (*plugins.FetchResponse, error) {
	p, err := c.enter(r.Plugin)
	if err != nil {
		closeStream(&r)
		return nil, err
	}
	h := &journey{client: c, request: &r, outside: p.transport}
	answer, err := h.travel(ctx)
	if err == nil {
		var response *plugins.FetchResponse
		if response, err = h.response(ctx, answer, func() { c.leave(p) }); err == nil {
			return response, nil
		}
		_ = answer.Body.Close() // it is not what was asked for
	}
	c.leave(p)
	return nil, err
}

// enter counts a fetch in.
func (c *Client) enter(plugin string) (p *pool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, abi.Errorf(abi.CodeCanceled, "fetch: the edge is going down")
	}
	if c.pools == nil {
		c.pools = map[string]*pool{}
		c.inside = c.once(func(ctx context.Context) (net.Conn, error) { return c.Inside.Dial(ctx) })
		c.boxes = c.once(dialled)
	}
	p = c.pools[plugin]
	if p == nil {
		p = &pool{transport: c.newTransport()}
		c.pools[plugin] = p
	}
	if p.open >= MaxOpen {
		return nil, abi.Errorf(abi.CodeQuotaExceeded, "fetch: plugin %q has %d fetches open already", plugin, MaxOpen)
	}
	p.open++
	return p, nil
}

func (c *Client) leave(p *pool) {
	c.mu.Lock()
	p.open--
	c.mu.Unlock()
}

// newTransport makes the connections of a plugin.
func (c *Client) newTransport() *http.Transport {
	return &http.Transport{
		DialContext:            c.dial,
		TLSClientConfig:        &tls.Config{RootCAs: c.Roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    c.connectTime(),
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // the bytes are handed on as they were sent
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		MaxConnsPerHost:        maxPerHost,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: MaxHeaderBytes,
	}
}

// connectTime bounds a dial, and a handshake of TLS.
func (c *Client) connectTime() time.Duration { return cmp.Or(c.connect, connectTime) }

// once makes connections of which none is used twice: each stands for the request that
// it was made for.
func (c *Client) once(dial func(context.Context) (net.Conn, error)) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dial(ctx)
		},
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: MaxHeaderBytes,
	}
}

// Close refuses further fetches and closes the connections that nobody uses; the
// others end with their answers.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, p := range c.pools {
		p.transport.CloseIdleConnections()
	}
	return nil
}

// log is where to say why something failed.
func (c *Client) log() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log
}

// closeStream closes a body that will not be sent.
func closeStream(r *plugins.FetchRequest) {
	if r.Stream != nil {
		_ = r.Stream.Close()
	}
}
