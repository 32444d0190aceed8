package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"edge/abi"
	"edge/bridge"
	"edge/sandboxmgr"
)

// Server is the public HTTP/1.1 server. Its fields are set before Serve and not
// changed after; the zero value of each works.
type Server struct {
	// Sandboxes carries out what decisions and previews ask of sandboxes; nil
	// answers them RUNTIME_UNAVAILABLE.
	Sandboxes *sandboxmgr.Manager
	// Relay carries the connections; nil is a relay of its own.
	Relay *bridge.Relay
	// Domains are where previews live, "localhost" by default:
	// {port}-{id}-{token}.{domain}.
	Domains []string
	// Ready is asked by /readyz besides the runtimes; nil is always ready.
	Ready func(ctx context.Context) error
	// Log gets what goes wrong inside; nil discards.
	Log *slog.Logger
	// AccessLog gets one line for each request; nil discards. It belongs to the
	// caller, and Shutdown flushes it.
	AccessLog *AccessLog
	// ExplainToken returns the secret with which X-Edge-Explain in a request has
	// its answer tell how it was decided; nil, or an empty one, is nobody's. Explain
	// returns a context under which a Decider fills e in; nil has deciders that
	// explain nothing.
	ExplainToken func() string
	Explain      func(ctx context.Context, e *abi.Explanation) context.Context
	// Observe is told of answered requests and of WebSockets; it must not block.
	Observe func(Event)

	// MaxHeadBytes bounds a request's head (431 beyond it); default 16 KiB.
	MaxHeadBytes int
	// HeadTimeout bounds how long a head may take (408), 10s by default;
	// IdleTimeout how long a connection waits for its next request, 75s.
	HeadTimeout, IdleTimeout time.Duration
	// BodyTimeout bounds a client's silence in the middle of a body that it
	// sends, and how long it may leave an answer unread; default 5m.
	BodyTimeout time.Duration
	// StartTimeout bounds how long a request is held while its sandbox starts
	// (504), besides what the decision's or the exposure's wake says; 0 is no
	// bound of its own.
	StartTimeout time.Duration
	// DrainTimeout is how long Shutdown lets requests and WebSockets go on;
	// default 10s.
	DrainTimeout time.Duration
	// TrustedProxies are the addresses of proxies in front whose word counts: they
	// say in X-Forwarded-For, -Proto and -Port whose request they bring, and how it
	// came to them. Everybody else's are dropped.
	TrustedProxies []netip.Prefix
	// ProxyProtocol has each connection from a trusted proxy begin with a PROXY
	// protocol header, of version 1 or 2, before TLS. One without is closed; from
	// everybody else such a header is bad HTTP.
	ProxyProtocol bool
	// Limits bound what is carried at a time; none by default.
	Limits Limits

	routes   atomic.Pointer[[]Route]
	previews atomic.Pointer[[]Plugin] // of one; nil: nobody
	draining atomic.Bool
	live     atomic.Int64 // exchanges under way, bridged ones included
	ids      requestIDs
	ready    readiness
	watcher  bridge.Watcher // of clients that nobody reads from
	slots    limiter
	shortage shortage // of descriptors
	headless shortage // of PROXY protocol headers
	plans    plans

	// boxes and carrier are what tests put in the place of Sandboxes and Relay.
	boxes   sandboxes
	carrier carrier
	// patience is how long a client may go on sending after it was answered;
	// bridge.LingerWait, but in tests.
	patience time.Duration

	once   sync.Once
	http   *fasthttp.Server
	base   context.Context // ends when the server is forced down
	cancel context.CancelCauseFunc
	forced chan struct{} // closed by the second Shutdown
	quiet  chan struct{} // gets a token when draining and perhaps all is over
	conns  clients
	crew   crew

	mu        sync.Mutex
	listeners []net.Listener
	stopped   bool // Shutdown was called
	twice     bool // and a second time
}

// carrier is what the server uses of *bridge.Relay.
type carrier interface {
	HTTP(ctx context.Context, rc *fasthttp.RequestCtx, head *bridge.Head, up bridge.Upstream, own bridge.Owner, pol bridge.Policy, done func(bridge.Summary)) error
	WebSocket(ctx context.Context, rc *fasthttp.RequestCtx, head *bridge.Head, up bridge.Upstream, own bridge.Owner, pol bridge.Policy, done func(bridge.Summary)) error
	Shutdown(ctx context.Context) error
}

var _ carrier = (*bridge.Relay)(nil)

// errForced is the cause of a request's context that ends with the server.
var errForced = errors.New("the server was stopped")

// prepare fills in the defaults, once.
func (s *Server) prepare() {
	s.Domains = domains(s.Domains)
	s.Log = or(s.Log, slog.New(slog.DiscardHandler))
	s.MaxHeadBytes = or(s.MaxHeadBytes, 16<<10)
	s.HeadTimeout = or(s.HeadTimeout, 10*time.Second)
	s.IdleTimeout = or(s.IdleTimeout, 75*time.Second)
	s.BodyTimeout = or(s.BodyTimeout, 5*time.Minute)
	s.DrainTimeout = or(s.DrainTimeout, 10*time.Second)
	s.patience = or(s.patience, bridge.LingerWait)
	if s.carrier == nil {
		s.carrier = or(s.Relay, &bridge.Relay{})
	}
	if s.boxes == nil && s.Sandboxes != nil {
		s.boxes = managed{s.Sandboxes}
	}
	s.base, s.cancel = context.WithCancelCause(context.Background())
	s.forced = make(chan struct{})
	s.quiet = make(chan struct{}, 1)
	s.ids.init()
	s.crew.serve = s.serveConn
	s.http = s.newHTTP()
}

func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// newHTTP sets fasthttp up as a parser and writer of messages that decides
// nothing by itself; what the bridge needs of it is the bridge's to say.
func (s *Server) newHTTP() *fasthttp.Server {
	h := &fasthttp.Server{
		Handler:               s.serve,
		ErrorHandler:          s.onReadError,
		ExpectHandler:         s.onExpect,
		HeaderReceived:        s.onHead,
		ConnState:             s.state,
		Logger:                fasthttpLog{s.Log},
		ReadBufferSize:        s.MaxHeadBytes,
		ReadTimeout:           s.HeadTimeout,
		IdleTimeout:           s.IdleTimeout,
		MaxRequestBodySize:    1, // what is read before the handler runs; the rest is streamed
		SecureErrorLogMessage: true,
	}
	bridge.Configure(h)
	return h
}

// onHead runs when a head was read, before its body. fasthttp knows an
// expectation only in this spelling. A handshake has a write timeout, because it is
// by setting its deadline that fasthttp learns most cheaply that there is nothing
// to write: a bridge has the connection.
func (s *Server) onHead(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	if n := h.ContentLength(); n > 0 || n == -1 {
		for name, value := range h.All() {
			if strings.EqualFold(string(name), "Expect") && strings.EqualFold(string(value), "100-continue") {
				h.Set("Expect", "100-continue")
				break
			}
		}
	}
	if h.ConnectionUpgrade() {
		return fasthttp.RequestConfig{WriteTimeout: s.BodyTimeout}
	}
	return fasthttp.RequestConfig{}
}

// fasthttpLog sends what fasthttp has to say to the log.
type fasthttpLog struct{ log *slog.Logger }

// Printf meets fasthttp.Logger.
func (l fasthttpLog) Printf(format string, args ...any) {
	l.log.Debug("fasthttp", "text", fmt.Sprintf(format, args...))
}
