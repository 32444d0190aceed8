package host

import (
	"context"
	"net"
	"net/url"
	"slices"
	"sync"

	"edge/abi"
)

// maxInside bounds how deep requests that the edge makes to itself may be nested:
// a plugin that decides on its own fetches would go on for ever.
const maxInside = 4

// Inside lets plugins fetch the edge's own previews without a socket: a request on
// a connection of Dial takes the way of every other one, from the gate to the look-up
// of the exposure, but for one thing: it is for a preview or for nothing.
type Inside struct{ Server *Server }

// Answers tells whether a URL is in the form of a preview of this edge, whether or
// not there is such an exposure: by its label directly under a domain, or by a
// path of a domain itself.
func (i *Inside) Answers(u *url.URL) bool {
	i.Server.once.Do(i.Server.prepare)
	name, ok := hostName(u.Host)
	if !ok {
		return false
	}
	if !slices.Contains(i.Server.Domains, name) {
		_, ok = previewLabel(name, i.Server.Domains)
		return ok
	}
	_, ok = i.Server.previewOf(name, u.EscapedPath())
	return ok
}

// Dial returns a connection in memory, on which the server serves one request
// after the other until it is closed. ctx is that of the request that a plugin
// decides on, if it is one; FETCH_FAILED if such requests are nested too deep.
func (i *Inside) Dial(ctx context.Context) (net.Conn, error) {
	i.Server.once.Do(i.Server.prepare)
	depth, _ := ctx.Value(depthKey{}).(int)
	if depth >= maxInside {
		return nil, abi.Errorf(abi.CodeFetchFailed, "fetch: the edge has answered itself %d times for one request", maxInside).
			WithSuggestion("a plugin that handles this preview fetches it again")
	}
	here, there := net.Pipe()
	gone := make(chan struct{})
	i.Server.admit(&insideConn{Conn: there, depth: depth + 1, gone: gone}, &entry{})
	return &insideClient{Conn: here, gone: gone}, nil
}

// depthKey is under what a request's context holds how many requests of the edge
// to itself it is nested in (lifetime.depth).
type depthKey struct{}

// insideConn is the server's end of a connection of Inside.
type insideConn struct {
	net.Conn
	depth int
	gone  <-chan struct{} // closed when the other end is
}

// Gone is closed when nobody reads the answer any more: a pipe cannot be watched as
// a socket can.
func (c *insideConn) Gone() <-chan struct{} { return c.gone }

// RemoteAddr is this machine, by no port.
func (c *insideConn) RemoteAddr() net.Addr { return insideAddr{} }

// insideAddr is no *net.TCPAddr: what is bounded for each client is not for this.
type insideAddr struct{}

func (insideAddr) Network() string { return "inside" }
func (insideAddr) String() string  { return "127.0.0.1:0" }

// insideClient is the other end.
type insideClient struct {
	net.Conn
	once sync.Once
	gone chan<- struct{}
}

// Close closes the connection and ends what it asked for.
func (c *insideClient) Close() error {
	c.once.Do(func() { close(c.gone) })
	return c.Conn.Close()
}

// inside returns the exchange's connection if it is one of Inside, or nil.
func (x *exchange) inside() *insideConn {
	if x.conn == nil {
		return nil
	}
	c, _ := x.conn.Conn.(*insideConn)
	return c
}
