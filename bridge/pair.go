package bridge

import (
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// Pair is the portable Engine: two goroutines a bridge, which hold a buffer only
// while data is readable. The zero value is ready; it must not be copied.
type Pair struct{ buffers bufferPool }

var _ Engine = (*Pair)(nil)

// Bridge starts the two directions and returns.
func (e *Pair) Bridge(client, backend net.Conn, early []byte, pol Policy, done func(Summary)) Live {
	backend, answer := unwrapEarly(backend)
	p := &pair{splice: newSplice(pol, done), stall: pol.DeadPeer}
	p.splice.up, p.splice.down = &p.up.flow, &p.down.flow
	p.up.init(&p.splice, &p.up, pol.scanner(true))
	p.down.init(&p.splice, &p.down, pol.scanner(false))
	p.up.connect(p, client, backend, &e.buffers)
	p.down.connect(p, backend, client, &e.buffers)
	p.running.Store(2)
	if p.limits.start(pol, p.pass, p.pingDue) {
		p.bounds = &p.limits.bounds
	}
	if pol.DeadPeer > 0 {
		findDead(client, pol.DeadPeer)
		findDead(backend, pol.DeadPeer)
	}
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

// unwrapEarly takes a connection and the bytes that came early apart.
func unwrapEarly(c net.Conn) (net.Conn, []byte) {
	var early []byte
	if b, ok := c.(interface{ Early() []byte }); ok {
		early = b.Early()
	}
	if b, ok := c.(*earlyConn); ok {
		c = b.Conn
	}
	return c, early
}

// pair is one bridge of a Pair.
type pair struct {
	splice
	up, down pairFlow
	limits   limits
	stall    time.Duration
	running  atomic.Int32
	wantPing atomic.Bool
}

// Close ends the bridge with a close frame to both sides; see Live.
func (p *pair) Close(code int, reason string) { p.end(&stop{code: code, reason: reason}) }

// abort closes both connections at once.
func (p *pair) abort() { p.sever() }

// pingDue has the flow toward the client send a Ping.
func (p *pair) pingDue() {
	p.wantPing.Store(true)
	if p.half.Load() {
		return
	}
	p.down.src.SetReadDeadline(past)
}

// leave is called by each flow as its last act; the second one ends the bridge.
func (p *pair) leave() {
	if p.running.Add(-1) > 0 {
		return
	}
	p.limits.stop()
	p.up.src.Close()
	p.down.src.Close()
	p.done(p.summary())
}

// pairFlow carries one direction with a goroutine that waits.
type pairFlow struct {
	flow
	pair     *pair
	src, dst net.Conn
	source   source
	patience patience
	armed    time.Time // the sink's write deadline
	warden   *warden   // of a sealed sink; nil else
}

var _ transport = (*pairFlow)(nil)

func (f *pairFlow) connect(p *pair, src, dst net.Conn, buffers *bufferPool) {
	f.pair, f.src, f.dst = p, src, dst
	f.source.init(src, buffers)
	if sealed(dst) {
		f.warden = &warden{dst: dst, stall: p.stall}
	}
}

// run carries the source to the sink until the source ends. early comes first.
func (f *pairFlow) run(early []byte) {
	defer f.pair.leave()
	err := f.replay(early)
	for err == nil {
		f.heed()
		if f.over() {
			return
		}
		if err = f.source.wait(); err != nil {
			err = f.judge(err)
			continue
		}
		err = f.take(f.source.buf[:f.source.w])
		f.source.drop()
	}
	f.finish(err)
}

// replay sends on what came before the bridge did.
func (f *pairFlow) replay(early []byte) error {
	for len(early) > 0 {
		b := f.source.buffers.get()
		n := copy(b[headroom:], early)
		early = early[n:]
		err := f.take(b[:headroom+n])
		f.source.buffers.put(b)
		if err != nil {
			return err
		}
	}
	return nil
}

// judge looks at a failed read: nil reads on.
func (f *pairFlow) judge(err error) error {
	s := f.splice.stop.Load()
	switch {
	case !expired(err) || errors.Is(err, net.ErrClosed):
		return err
	case s == nil && f == &f.pair.down && (f.pair.wantPing.Load() || !f.splice.half.Load()):
		f.remind()
		return nil
	case s == nil || !time.Now().Before(s.until):
		return err
	}
	if f.stopped || !f.scan.between() {
		f.src.SetReadDeadline(s.until)
	}
	return nil
}

// remind sends the Ping for which the flow was woken by its read deadline. Who set
// the deadline anew meanwhile is heeded.
func (f *pairFlow) remind() {
	f.src.SetReadDeadline(time.Time{})
	if f.pair.wantPing.Swap(false) {
		f.splice.bounds.pinging(f.age(), f.ping())
	}
	if f.splice.half.Load() {
		f.extend()
	}
	if s := f.splice.stop.Load(); s != nil {
		f.wake(s.until)
	}
}

func (f *pairFlow) send(p []byte, own bool) error {
	if f.warden != nil {
		w, err := f.warden.write(p)
		if !own {
			f.bytes += int64(w)
		}
		return err
	}
	for f.patience = (patience{}); ; {
		f.arm()
		w, err := f.dst.Write(p)
		if !own {
			f.bytes += int64(w)
		}
		if err == nil {
			return nil
		}
		if p = p[w:]; f.splice.stop.Load() != nil || f.splice.half.Load() || !expired(err) || f.pair.stall <= 0 {
			return err
		}
		if f.patience.lost(untaken(f.dst), time.Now(), w > 0, f.pair.stall) {
			return ErrStalled
		}
	}
}

// arm puts the write deadline off that looks whether the sink takes anything, now
// and then. A half-closed or ending bridge has its own.
func (f *pairFlow) arm() {
	step := f.pair.stall / stallSteps
	if step <= 0 || f.splice.half.Load() {
		return
	}
	now := time.Now()
	if f.armed.Sub(now) > step/2 {
		return
	}
	f.armed = now.Add(step)
	f.dst.SetWriteDeadline(f.armed)
	if f.splice.half.Load() {
		f.extend()
	}
	if s := f.splice.stop.Load(); s != nil {
		f.dst.SetWriteDeadline(s.until)
	}
}

func (f *pairFlow) shut() { closeWrite(f.dst) }

func (f *pairFlow) bound(until time.Time) {
	f.src.SetReadDeadline(until)
	f.dst.SetWriteDeadline(until)
}

func (f *pairFlow) age() time.Duration { return time.Since(f.pair.limits.begun) }

// wake ends a read by a deadline that has passed, a write by one a little ahead.
func (f *pairFlow) wake(until time.Time) {
	f.dst.SetWriteDeadline(until)
	f.src.SetReadDeadline(past)
}

func (f *pairFlow) cut() { f.src.Close() }

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// closeWrite ends c's outgoing half, or all of c where it has no halves.
func closeWrite(c net.Conn) {
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		h.CloseWrite()
		return
	}
	c.Close()
}
