package bridge

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// hijackWait is how long fasthttp has to hand over a connection after the
// handler returned. It does so at once, or never when the connection broke.
const hijackWait = 10 * time.Second

// exchange is one entry of the table while the relay looks after it: an HTTP
// exchange to its last byte, a WebSocket until its engine takes over.
type exchange struct {
	relay     *Relay
	id        uint64
	client    net.Conn
	done      func(Summary)
	start     time.Time
	limits    limits
	maxBytes  int64
	websocket bool

	in, out atomic.Int64 // body bytes
	status  int          // set before the answer, read at the end

	mu      sync.Mutex // guards what follows
	cause   error      // why the exchange was ended from outside
	dialing *dialing   // nil unless it is dialled
	backend net.Conn   // closed with the exchange
	stream  bool       // the answer is being sent: the client is cut too
	events  bool       // and it never ends by itself
	ready   bool       // handshake complete, the engine will start
	pending *stop      // Close that came while ready
	live    Live       // the engine's
	over    bool
}

var _ Live = (*exchange)(nil)

// begin enters an exchange, in the table too before Shutdown may look there.
func (r *Relay) begin(rc *fasthttp.RequestCtx, own Owner, websocket bool, done func(Summary)) (*exchange, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down {
		return nil, ErrShutdown
	}
	r.running++
	x := &exchange{relay: r, client: rc.Conn(), websocket: websocket, done: done, start: time.Now()}
	remote := own.Client
	if remote == nil {
		remote = rc.RemoteAddr()
	}
	x.id = r.table().Add(own, remote, x)
	return x, nil
}

// leave takes an exchange out, after its last act.
func (r *Relay) leave(id uint64) {
	r.table().Remove(id)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running--; r.running == 0 && r.idle != nil {
		close(r.idle)
		r.idle = nil
	}
}

// Close ends the exchange; see Live.
func (x *exchange) Close(code int, reason string) {
	x.mu.Lock()
	switch {
	case x.live != nil:
		live := x.live
		x.mu.Unlock()
		live.Close(code, reason)
		return
	case x.ready:
		if x.pending == nil {
			x.pending = &stop{code: code, reason: reason}
		}
		x.mu.Unlock()
		return
	}
	x.mu.Unlock()
	x.cut(fmt.Errorf("%w: %d %s", ErrClosed, code, reason))
}

// breach cuts an exchange that passed a bound.
func (x *exchange) breach(b Breach) { x.cut(b.err()) }

// gone cuts an exchange whose client has left.
func (x *exchange) gone() { x.cut(ErrClientGone) }

// cut breaks an HTTP exchange or a handshake: the backend's connection is closed
// and, if an answer is under way, writing it fails. The first cause is kept.
func (x *exchange) cut(cause error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over || x.cause != nil {
		return
	}
	x.cause = cause
	if x.dialing != nil {
		x.dialing.end(cause)
	}
	if x.backend != nil {
		x.backend.Close()
	}
	if x.stream {
		x.client.SetWriteDeadline(past)
	}
}

// because is the outside cause of err, if there is one.
func (x *exchange) because(err error) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.cause != nil {
		return x.cause
	}
	return err
}

// hold makes c the connection that is closed with the exchange; nil lets go of
// the one before, which then is the caller's alone. It fails when the exchange
// has been cut: c is closed then.
func (x *exchange) hold(c net.Conn) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.cause != nil {
		if c != nil {
			c.Close()
		}
		return x.cause
	}
	x.backend = c
	return nil
}

// dial makes a connection that a cut also ends.
func (x *exchange) dial(ctx context.Context, up Upstream) (net.Conn, error) {
	d := &dialing{Context: ctx}
	defer d.end(context.Canceled)
	x.mu.Lock()
	if x.cause != nil {
		d.end(x.cause)
	}
	x.dialing = d
	x.mu.Unlock()
	c, err := up.Dial(d)
	x.mu.Lock()
	x.dialing = nil
	x.mu.Unlock()
	if err != nil {
		return nil, &UpstreamError{Stage: StageDial, Err: x.because(err)}
	}
	if err := x.hold(c); err != nil {
		return nil, &UpstreamError{Stage: StageDial, Err: err}
	}
	return c, nil
}

// count notes body bytes. It cuts an exchange that is about to send too many;
// those that come back are bounded where they are read.
func (x *exchange) count(dir *atomic.Int64, n int) {
	dir.Add(int64(n))
	x.limits.touch()
	if dir == &x.in && x.maxBytes > 0 && x.in.Load()+x.out.Load() > x.maxBytes {
		x.breach(BreachBytes)
	}
}

// fail ends an exchange of which the client has seen nothing.
func (x *exchange) fail() {
	x.close()
	x.relay.leave(x.id)
}

// finish ends an exchange that was answered.
func (x *exchange) finish(err error) {
	if !x.close() {
		return
	}
	if err != nil {
		err = x.because(err)
	}
	x.report(Summary{
		Status:   x.status,
		BytesIn:  x.in.Load(),
		BytesOut: x.out.Load(),
		Duration: time.Since(x.start),
		Breach:   breachOf(err),
		Err:      err,
	})
}

func (x *exchange) report(s Summary) {
	if x.done != nil {
		x.done(s)
	}
	x.relay.leave(x.id)
}

// close makes sure that nothing touches the connections any more, and says
// whether it was the first to.
func (x *exchange) close() bool {
	x.limits.stop()
	x.mu.Lock()
	defer x.mu.Unlock()
	first := !x.over
	x.over, x.backend = true, nil
	return first
}

// yielding is met by the connection of a server that lets go of it while the
// handler runs, so that neither another goroutine nor a look into the server's
// reader is needed.
type yielding interface {
	// Yield gives away the connection beneath, and what came on it behind the head
	// of the request that is being handled. The server, when the handler returns,
	// finds that nothing can be written any more, and closing does nothing.
	Yield() (c net.Conn, early []byte)
}

// take takes a WebSocket's client from the server: run gets the connection, as it
// is, and what came behind the handshake. Where the connection is yielding that is
// at once, else when the handler has returned (see hijack).
func (x *exchange) take(rc *fasthttp.RequestCtx, run func(c net.Conn, early []byte), lost func()) {
	if y, ok := rc.Conn().(yielding); ok {
		run(y.Yield())
		return
	}
	x.hijack(rc, func(c, hc net.Conn) { run(c, x.buffered(c, hc)) }, lost)
}

// hijack takes the client's connection from fasthttp: then run gets it on a
// goroutine of fasthttp's, as it is (c) and behind the server's reader (hc). The
// server forgets the request when run returns. If fasthttp never hands the
// connection over, lost is called instead.
func (x *exchange) hijack(rc *fasthttp.RequestCtx, run func(c, hc net.Conn), lost func()) {
	var taken atomic.Bool
	guard := time.AfterFunc(hijackWait, func() {
		if taken.CompareAndSwap(false, true) {
			lost()
		}
	})
	rc.HijackSetNoResponse(true)
	rc.Hijack(func(hc net.Conn) {
		guard.Stop()
		c := unwrap(hc)
		if !taken.CompareAndSwap(false, true) {
			c.Close()
			return
		}
		run(c, hc)
	})
}

// unwrap returns the connection at the bottom: fasthttp wraps what it hands
// over, and a host may have wrapped what it gave to fasthttp.
func unwrap(c net.Conn) net.Conn {
	for {
		u, ok := c.(interface{ UnsafeConn() net.Conn })
		if !ok {
			return c
		}
		c = u.UnsafeConn()
	}
}

// buffered returns what the server's reader has read already. There is no asking
// for it; a read under a deadline that has passed returns it or times out.
func (x *exchange) buffered(c, hc net.Conn) []byte {
	c.SetReadDeadline(past)
	defer c.SetReadDeadline(time.Time{})
	b := x.relay.buffers.get()
	defer x.relay.buffers.put(b)
	var early []byte
	for {
		n, err := hc.Read(b[:])
		early = append(early, b[:n]...)
		if err != nil || n == 0 {
			return early
		}
	}
}
