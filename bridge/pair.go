package bridge

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

// Bounds on how a bridge ends.
const (
	// closeWait is what a bridge that the edge ends has for the frame under way
	// to finish, for the close frame to be taken and for the peers to answer.
	closeWait = 2 * time.Second
	// drainWait is how long the other direction of a half-closed bridge may go
	// without progress.
	drainWait = 30 * time.Second
)

// Pair is the portable Engine: two goroutines a bridge, which hold a buffer only
// while data is readable. The zero value is ready; it must not be copied.
type Pair struct{ buffers bufferPool }

var _ Engine = (*Pair)(nil)

// Bridge starts the two directions and returns.
func (e *Pair) Bridge(client, backend net.Conn, early []byte, pol Policy, done func(Summary)) Live {
	var answer []byte
	if b, ok := backend.(interface{ Early() []byte }); ok {
		answer = b.Early()
	}
	if b, ok := backend.(*earlyConn); ok {
		backend = b.Conn
	}
	p := &pair{buffers: &e.buffers, done: done, start: time.Now(), maxBytes: pol.MaxBytes}
	p.up.init(p, "client", client, backend, newScanner(true, pol.Deflate, pol.MaxMessageBytes))
	p.down.init(p, "backend", backend, client, newScanner(false, pol.Deflate, pol.MaxMessageBytes))
	p.running.Store(2)
	p.limits.start(pol, p.breach)
	go p.up.run(early)
	go p.down.run(answer)
	return p
}

// earlyConn is a backend connection with the bytes that came with its answer.
type earlyConn struct {
	net.Conn
	early []byte
}

// Early returns what came before the bridge did.
func (c *earlyConn) Early() []byte { return c.early }

// stop says how a bridge is to end.
type stop struct {
	code   int // 0: no close frame is sent
	reason string
	err    error
	until  time.Time
}

// pair is one bridge. Each flow is touched by its own goroutine alone; what they
// share is atomic.
type pair struct {
	up, down flow
	buffers  *bufferPool
	limits   limits
	done     func(Summary)
	start    time.Time

	maxBytes int64
	total    atomic.Int64 // both directions, counted when maxBytes is set
	stop     atomic.Pointer[stop]
	half     atomic.Bool           // one direction has ended
	cause    atomic.Pointer[ended] // how the bridge ended: the first to say wins
	running  atomic.Int32
}

// ended is one side's word on how a bridge ended.
type ended struct {
	text string
	err  error
}

// Close ends the bridge with a close frame to both sides; see Live.
func (p *pair) Close(code int, reason string) {
	p.end(&stop{code: code, reason: reason, err: nil})
}

// abort closes both connections at once, in the middle of whatever.
func (p *pair) abort() {
	p.note("edge", ErrClosed)
	p.up.src.Close()
	p.down.src.Close()
}

func (p *pair) breach(reason string) {
	p.end(&stop{code: closePolicy, reason: reason, err: fmt.Errorf("%w: %s", ErrPolicy, reason)})
}

// end makes s the way this bridge ends, if nothing else is yet, and wakes the
// flows to see it: a flow that waits for data by a read deadline that has
// passed, one that writes by a deadline a little ahead. Injection itself is the
// flows' own work, so that nobody writes beside them.
func (p *pair) end(s *stop) {
	s.until = time.Now().Add(closeWait)
	if !p.stop.CompareAndSwap(nil, s) {
		return
	}
	p.noteStop()
	for _, c := range []net.Conn{p.up.src, p.down.src} {
		c.SetWriteDeadline(s.until)
		c.SetReadDeadline(past)
	}
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// note keeps the first word on how the bridge ended. A stop speaks when it is made,
// even if a flow that saw it is here before end is.
func (p *pair) note(text string, err error) {
	p.noteStop()
	p.cause.CompareAndSwap(nil, &ended{text, err})
}

func (p *pair) noteStop() {
	if s := p.stop.Load(); s != nil && s.code != 0 && p.cause.Load() == nil {
		p.cause.CompareAndSwap(nil, &ended{fmt.Sprintf("edge %d %s", s.code, s.reason), s.err})
	}
}

// halfClosed tells the other flow that it goes on alone.
func (p *pair) halfClosed(f *flow) {
	p.half.Store(true)
	if p.up.eof.Load() && p.down.refused.Load() { // the client is gone: what the backend says is for nobody
		p.end(&stop{})
	}
	if p.stop.Load() != nil {
		return
	}
	o := p.other(f)
	o.extend()
	if s := p.stop.Load(); s != nil { // set meanwhile: its deadlines win, and its call to wake
		o.dst.SetWriteDeadline(s.until)
		o.src.SetReadDeadline(past)
	}
}

func (p *pair) other(f *flow) *flow {
	if f == &p.up {
		return &p.down
	}
	return &p.up
}

// leave is called by each flow as its last act; the second one ends the bridge.
func (p *pair) leave() {
	if p.running.Add(-1) > 0 {
		return
	}
	p.limits.stop()
	p.up.src.Close()
	p.down.src.Close()
	s := Summary{
		Status:      101,
		BytesIn:     p.up.bytes,
		BytesOut:    p.down.bytes,
		MessagesIn:  p.up.scan.messages,
		MessagesOut: p.down.scan.messages,
		Duration:    time.Since(p.start),
	}
	if c := p.cause.Load(); c != nil {
		s.Close, s.Err = c.text, c.err
	}
	p.done(s)
}

// mask draws the key of a frame toward the backend (RFC 6455, section 5.3).
func mask() []byte {
	var key [4]byte
	rand.Read(key[:])
	return key[:]
}

// closeWrite ends c's outgoing half, or all of c where it has no halves.
func closeWrite(c net.Conn) {
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		h.CloseWrite()
		return
	}
	c.Close()
}

// errTorn ends a flow whose sink took only a part of a frame.
var errTorn = errors.New("write cut short")
