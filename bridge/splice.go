package bridge

import (
	"crypto/rand"
	"fmt"
	"sync/atomic"
	"time"
)

// Bounds on how a bridge ends.
const (
	// closeWait is what a bridge that the edge ends has for the frame under way
	// to finish, for the close frame to be taken and for the peers to answer.
	closeWait = 2 * time.Second
	// drainWait is how long the other direction of a half-closed bridge may go
	// without progress, if Policy.DeadPeer is not shorter.
	drainWait = 30 * time.Second
)

// splice is one bridge, whichever engine carries it: two flows and how it ends.
// Each flow is touched by one goroutine alone; what they share is atomic.
type splice struct {
	up, down *flow
	bounds   *bounds // nil without any
	done     func(Summary)
	start    time.Time
	drain    time.Duration // drainWait or Policy.DeadPeer

	stop  atomic.Pointer[stop]
	cause atomic.Pointer[ended] // how the bridge ended: the first to say wins
	half  atomic.Bool           // one direction has ended
}

func newSplice(pol Policy, done func(Summary)) splice {
	drain := drainWait
	if pol.DeadPeer > 0 {
		drain = min(drain, pol.DeadPeer)
	}
	return splice{done: done, start: time.Now(), drain: drain}
}

// stop says how a bridge is to end.
type stop struct {
	code   int // 0: no close frame is sent
	reason string
	err    error
	until  time.Time
}

// ended is one side's word on how a bridge ended.
type ended struct {
	text string
	err  error
}

// pass makes a bound that was passed the end of the bridge. A client that is gone
// is not told.
func (p *splice) pass(b Breach) {
	err := b.err()
	if b == BreachPing {
		p.note("client dead", err)
		p.end(&stop{code: closeGoingAway, reason: "client does not answer"})
		return
	}
	p.end(&stop{code: closePolicy, reason: err.reason, err: err})
}

// end makes s the way this bridge ends, if nothing else is yet, and has the flows
// see it. Injection itself is the flows' own work, so that nobody writes beside
// them.
func (p *splice) end(s *stop) {
	if p.claim(s) {
		p.up.io.wake(s.until)
		p.down.io.wake(s.until)
	}
}

// claim is end without having the flows see it. From then on a flow sends on no more
// than the rest of a frame that is under way, whenever it looks.
func (p *splice) claim(s *stop) bool {
	s.until = time.Now().Add(closeWait)
	if !p.stop.CompareAndSwap(nil, s) {
		return false
	}
	p.noteStop()
	return true
}

// sever closes both connections at once, in the middle of whatever.
func (p *splice) sever() {
	p.note("edge", ErrClosed)
	p.up.io.cut()
	p.down.io.cut()
}

// note keeps the first word on how the bridge ended. A stop speaks when it is made,
// even if a flow that saw it is here before end is.
func (p *splice) note(text string, err error) {
	p.noteStop()
	p.cause.CompareAndSwap(nil, &ended{text, err})
}

func (p *splice) noteStop() {
	if s := p.stop.Load(); s != nil && s.code != 0 && p.cause.Load() == nil {
		p.cause.CompareAndSwap(nil, &ended{fmt.Sprintf("edge %d %s", s.code, s.reason), s.err})
	}
}

// halfClosed tells the other flow that it goes on alone.
func (p *splice) halfClosed(f *flow) {
	p.half.Store(true)
	if p.up.eof.Load() && p.down.refused.Load() || p.down.eof.Load() && p.up.refused.Load() {
		p.end(&stop{}) // one side neither speaks nor hears: what the other says is for nobody
	}
	if p.stop.Load() != nil {
		return
	}
	o := p.other(f)
	o.extend()
	if s := p.stop.Load(); s != nil { // set meanwhile: its bounds win, and its call to wake
		o.io.wake(s.until)
	}
}

func (p *splice) other(f *flow) *flow {
	if f == p.up {
		return p.down
	}
	return p.up
}

// summary is what is known when both flows have ended.
func (p *splice) summary() Summary {
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
		s.Breach = breachOf(c.err)
	}
	return s
}

// mask draws the key of a frame toward the backend (RFC 6455, section 5.3).
func mask() []byte {
	var key [4]byte
	rand.Read(key[:])
	return key[:]
}
