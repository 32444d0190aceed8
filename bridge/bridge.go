// Package bridge carries bytes between a client and a port of a sandbox: it
// relays HTTP exchanges, splices WebSockets frame by frame without unmasking or
// re-framing them, and keeps the table of live connections.
//
// It knows nothing of plugins, sandboxes or decisions. Whoever calls it has a
// way to dial (Upstream) and a head to send on; what a connection belongs to is
// a set of labels (Owner) that the live table can be asked by. A bridge
// therefore outlives every reload.
//
// The flow: Relay.HTTP and Relay.WebSocket enter the exchange in the Table,
// dial, send the head and read the backend's answer. Nothing but interim answers
// is written to the client before that answer is known to be good, so that the
// caller can still say what went wrong. An HTTP answer then goes out in the place
// of fasthttp's response; a WebSocket is hijacked and handed to an Engine, which
// owns both connections until the last byte. Either way done is called exactly
// once with a Summary.
package bridge

import (
	"context"
	"io"
	"net"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// Header is one header field, name and value as they stand on the wire.
type Header struct{ Name, Value string }

// Head is the request that the upstream is sent.
//
// Header order, spelling and repetitions are kept. Hop-by-hop fields are
// dropped (RFC 9110, section 7.6.1), with those that Connection names; for a
// WebSocket, Connection and Upgrade are made again. Content-Length and
// Transfer-Encoding are made from ContentLength, Expect is dropped because the
// server has already answered it. Nothing else is added.
type Head struct {
	Method, Target string
	Headers        []Header
	// Body is read until EOF and never closed; nil sends no body. A body that
	// is the request's own stream also sends on the trailers that followed it, of
	// those that the request's Trailer field announced: fasthttp shows no others.
	Body io.Reader
	// ContentLength is the exact length of Body, or -1 when it is not known and
	// the body is sent in chunks.
	ContentLength int64
	// Answer, if there is one, is shown the head of every answer before the client
	// is: interim ones, the final one, and a 101.
	Answer AnswerEditor
}

// AnswerEditor changes the heads of answers on their way to the client.
type AnswerEditor interface {
	// EditAnswer returns the fields that the client is sent instead of headers,
	// which it may change in place. It is called while Relay.HTTP or
	// Relay.WebSocket runs, and not after. What Connection names has been taken
	// out, with Connection, so that a backend cannot have a field dropped that is
	// put in here. Fields that frame the message are not its to change, and names
	// and values that it makes are written as they are: they must be valid (RFC
	// 9110, section 5).
	EditAnswer(status int, headers []Header) []Header
}

// Upstream is where a request goes.
type Upstream struct {
	// Key names the pool of idle connections, for example
	// binding/id/generation/port. Connections are shared by equal keys alone.
	Key string
	// Dial makes a connection; it is the caller's to bound, by ctx or itself.
	Dial func(ctx context.Context) (net.Conn, error)
	// Admit, if set, is asked before a connection of the pool is used, which no Dial
	// sees: once the exchange is in the Table, so that whoever takes the right away
	// and then closes what is listed misses nothing. Its error is Dial's.
	Admit func() error
}

// Owner says whom a connection belongs to. The bridge only compares it.
type Owner struct {
	Binding, ID     string
	Generation      int64
	Port            int
	Exposure        bool
	Plugin, Request string
	// Client is whose connection it is, where that is not who is connected: a
	// proxy in front has forwarded it. nil is who is connected.
	Client net.Addr
}

// Policy bounds one connection. Zero values mean no limit.
type Policy struct {
	// IdleTimeout ends a connection on which nothing was sent either way (1008).
	IdleTimeout time.Duration
	// MaxDuration ends a connection however busy it is (1008).
	MaxDuration time.Duration
	// MaxMessageBytes bounds one WebSocket message as it is on the wire, all
	// fragments together (1009). A frame that would pass it is not sent on.
	MaxMessageBytes int64
	// MaxBytes bounds both directions together (1008). A WebSocket frame counts
	// whole when it begins, and one that would pass the bound is not sent on.
	MaxBytes int64
	// MessagesPerSecond bounds the WebSocket data messages that a client begins,
	// by a token bucket that holds one second's worth (1013). The message that
	// would pass it is not sent on.
	MessagesPerSecond int
	// PingInterval is how long nothing may go to or come from the client before
	// it is sent an empty Ping, between two frames. A client of which nothing
	// comes for two further intervals, no Pong either, is cut. Its Pongs go on to
	// the backend as any frame does (RFC 6455, section 5.5.3, allows those that
	// nobody asked for), but an empty one in answer does not count for IdleTimeout.
	PingInterval time.Duration
	// Deflate says that permessage-deflate was agreed on, which allows RSV1 on
	// the first frame of a message (RFC 7692, section 6). Relay.WebSocket sets
	// it from the backend's answer.
	Deflate bool
	// DeadPeer is that of the Relay, which sets it; 0: nothing looks for peers
	// that are gone.
	DeadPeer time.Duration
}

// Breach names the bound of a Policy that ended a connection, for counting.
// Whoever refuses connections before they are dialled may have names of its own.
type Breach string

// The bounds of a Policy; none is the empty Breach.
const (
	BreachIdle         Breach = "idle"          // IdleTimeout
	BreachDuration     Breach = "duration"      // MaxDuration
	BreachMessageBytes Breach = "message-bytes" // MaxMessageBytes
	BreachBytes        Breach = "bytes"         // MaxBytes
	BreachRate         Breach = "rate"          // MessagesPerSecond
	BreachPing         Breach = "ping"          // PingInterval
)

// Summary is what is known of a connection when all is over.
type Summary struct {
	// Status is the backend's: 101 for a bridge.
	Status int
	// BytesIn went from the client to the backend, BytesOut came back; bodies
	// or frames, without heads.
	BytesIn, BytesOut int64
	// MessagesIn and MessagesOut count whole WebSocket data messages.
	MessagesIn, MessagesOut int64
	Duration                time.Duration
	// Close tells how a WebSocket ended: who ("client", "backend", "edge") and
	// the close code, or "eof", "reset", "stalled" or "dead" where there was none.
	Close string
	// Breach is the bound that ended the connection, if one did.
	Breach Breach
	// Err is why the connection broke; nil for an orderly end.
	Err error
}

// Live is a connection that can be ended from outside.
type Live interface {
	// Close ends the connection and returns at once. A WebSocket is sent a close
	// frame with code and reason between two frames, never inside one, and is
	// closed within two seconds whatever its peers do; an HTTP answer is cut.
	// Only the first call counts.
	Close(code int, reason string)
}

// Engine moves the bytes of hijacked WebSockets.
//
// Bridge takes over both connections, closes them, and calls done once when all
// is over. early are the client's bytes that came with the handshake; what the
// backend sent with its own is found through the Early method of backend, if it
// has one. Bridge does not keep the caller waiting.
type Engine interface {
	Bridge(client, backend net.Conn, early []byte, pol Policy, done func(Summary)) Live
}

// Bounds that no configuration changes.
const (
	maxHead    = 64 << 10 // a backend's answer head, trailers too
	maxInterim = 16       // 1xx answers before the real one
)

// Defaults of Relay.
const (
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultResponseTimeout  = 2 * time.Minute
	DefaultDeadPeer         = time.Minute
)

// Relay carries exchanges. The zero value works; it must not be copied once
// used. The server whose requests it is given is set up with Configure.
type Relay struct {
	// Table holds what is live; nil makes one of the relay's own.
	Table *Table
	// Engine moves WebSocket bytes; nil is a Loop of the relay's own on Linux, and
	// a Pair elsewhere.
	Engine Engine
	// HandshakeTimeout bounds a WebSocket handshake with the backend, from the
	// first byte sent to the last of its answer head; default 10 s.
	HandshakeTimeout time.Duration
	// ResponseTimeout bounds the wait for an HTTP answer's head, from the last
	// progress of the request body; default 2 minutes.
	ResponseTimeout time.Duration
	// DeadPeer bounds how long a WebSocket's peer may be gone without a word, or
	// leave what waits for it untaken, before the bridge is cut; default 1 minute.
	DeadPeer time.Duration

	splicer ownEngine
	own     Table
	pool    pool
	waits   waits
	bulk    bulkPool
	buffers bufferPool

	mu      sync.Mutex // guards what follows
	down    bool
	running int
	idle    chan struct{} // closed when running falls to 0 after down
}

// Configure sets on s what the relay relies on: request bodies are streamed,
// hijacked connections are the bridge's, and nothing is added to or respelled
// in an answer. Call it before s serves.
func Configure(s *fasthttp.Server) {
	s.StreamRequestBody = true
	s.KeepHijackedConns = true
	s.DisablePreParseMultipartForm = true
	s.DisableHeaderNamesNormalizing = true
	s.NoDefaultServerHeader = true
	s.NoDefaultContentType = true
	s.NoDefaultDate = true
}

func (r *Relay) table() *Table {
	if r.Table != nil {
		return r.Table
	}
	return &r.own
}

func (r *Relay) engine() Engine {
	if r.Engine != nil {
		return r.Engine
	}
	return &r.splicer
}

func orDefault(d, def time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return def
}
