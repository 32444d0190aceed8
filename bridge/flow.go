package bridge

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// transport is how an engine carries out what a flow decides. It is called by
// whoever runs the flow, wake and cut by anybody.
type transport interface {
	// send gives p to the flow's sink behind all that went before. An engine that
	// does not wait keeps what the sink does not take at once, and has the flow
	// take nothing more before that is gone. own is a frame of the edge's, which
	// is not counted.
	send(p []byte, own bool) error
	// shut ends the sink's incoming half behind all that was sent.
	shut()
	// bound is until when the next step must have come: a read from the source, or
	// the end of a write.
	bound(until time.Time)
	// age is how long the bridge has been, exact enough for its bounds.
	age() time.Duration
	// wake has the flow look at the splice's stop soon, and ends what it is
	// writing by until.
	wake(until time.Time)
	// cut closes the source at once.
	cut()
}

// flow is one direction of a bridge: what its source says goes to its sink, as
// far as frames and policy allow. It decides and its engine's transport moves the
// bytes, so that both engines have one behaviour. One goroutine at a time.
type flow struct {
	splice *splice
	io     transport
	scan   scanner
	bytes  int64 // that the sink took

	held    [maxHeader]byte // beginning of a header that has not wholly come
	heldLen uint8

	discard bool        // the sink takes nothing more: read on, so that the source is not reset
	blind   bool        // the source has left the protocol: its frames cannot be followed
	stopped bool        // the splice's stop was carried out here
	eof     atomic.Bool // the source says nothing more
	refused atomic.Bool // the sink takes nothing more
}

func (f *flow) init(p *splice, io transport, s scanner) { f.splice, f.io, f.scan = p, io, s }

// from is who speaks.
func (f *flow) from() string {
	if f.fromClient() {
		return "client"
	}
	return "backend"
}

// to is who is spoken to.
func (f *flow) to() string {
	if f.fromClient() {
		return "backend"
	}
	return "client"
}

func (f *flow) fromClient() bool { return f.scan.state&scanMasked != 0 }

// over says that the source has answered the edge's close.
func (f *flow) over() bool { return f.stopped && f.scan.closed() }

// take sends on what was read into b[headroom:], behind the bytes held from
// before, for which there is the headroom.
func (f *flow) take(b []byte) error {
	at := headroom - int(f.heldLen)
	copy(b[at:headroom], f.held[:f.heldLen])
	f.heldLen = 0
	p := b[at:]
	if bs := f.splice.bounds; bs != nil {
		bs.touch(f.io.age(), p, f.fromClient())
	}
	if f.splice.half.Load() && f.splice.stop.Load() == nil && !f.discard {
		f.extend() // what is not sent on is no progress
	}
	for len(p) > 0 {
		f.heed()
		if f.discard {
			f.skim(p)
			return nil
		}
		k, err := f.forward(p)
		if err != nil {
			return err
		}
		p = p[k:]
		if k == 0 {
			f.heldLen = uint8(copy(f.held[:], p))
			return nil
		}
	}
	return nil
}

// forward sends on the good part of p, to the end of the current frame only when
// the bridge is to stop there. It returns how many bytes are done with: none
// when p is the beginning of a header.
func (f *flow) forward(p []byte) (int, error) {
	n, bad := f.follow(p, f.splice.stop.Load() != nil)
	if f.scan.closed() && f.splice.stop.Load() == nil {
		f.splice.note(fmt.Sprintf("%s %d", f.from(), f.scan.code), nil) // before the peer can answer
	}
	if n > 0 {
		if err := f.io.send(p[:n], false); err != nil {
			return len(p), f.unsent(err)
		}
	}
	if bad != nil {
		f.blind = true
		f.splice.end(&stop{code: closeFor(bad), reason: reasonOf(bad), err: fmt.Errorf("%s: %w", f.from(), bad)})
	}
	return n, nil // take halts at this boundary
}

// follow is scan within the bounds of the policy.
func (f *flow) follow(p []byte, one bool) (int, error) {
	bs := f.splice.bounds
	if bs == nil {
		return f.scan.scan(p, one)
	}
	if bs.rate > 0 && f.fromClient() {
		f.scan.allow = bs.refill(f.io.age(), f.scan.allow)
	}
	if bs.maxBytes <= 0 {
		return f.scan.scan(p, one)
	}
	n := 0
	for n < len(p) {
		s := f.scan
		k, err := s.scan(p[n:], true)
		if k > 0 && f.scan.between() && !bs.reserve(uint64(k)+s.left) {
			return n, BreachBytes.err()
		}
		f.scan = s
		n += k
		if err != nil || k == 0 || one && s.between() {
			return n, err
		}
	}
	return n, nil
}

// heed carries out the splice's stop here, if there is one: between frames the
// close frame goes out and the sink's half is closed; inside one, forward goes on
// to its end.
func (f *flow) heed() {
	s := f.splice.stop.Load()
	if s == nil || f.stopped {
		return
	}
	f.io.bound(s.until)
	if s.code == 0 || f.discard {
		f.stopped, f.discard = true, true
		return
	}
	if f.scan.between() {
		f.inject(s)
	}
}

// inject sends the close frame and closes the sink's half; the sink must stand
// between frames. After a Close of the peer's own nothing more may be sent (RFC
// 6455, section 5.5.1).
func (f *flow) inject(s *stop) {
	f.stopped, f.discard = true, true
	if !f.scan.closed() {
		var key []byte
		if f.fromClient() {
			key = mask()
		}
		f.io.send(appendClose(nil, s.code, s.reason, key), true)
	}
	f.io.shut()
}

// ping sends an empty Ping toward the client, if its stream stands between two
// frames and neither side has begun to leave, and says whether it did.
func (f *flow) ping() bool {
	p := f.splice
	if f.discard || !f.scan.between() || p.half.Load() || p.cause.Load() != nil || p.stop.Load() != nil {
		return false
	}
	if err := f.io.send([]byte{bitFin | opPing, 0}, true); err != nil {
		f.unsent(err)
	}
	return true
}

// skim follows frames that are not sent on, to see the peer's Close.
func (f *flow) skim(p []byte) {
	if f.blind {
		return
	}
	n, err := f.scan.scan(p, false)
	if err != nil {
		f.blind = true
		return
	}
	f.heldLen = uint8(copy(f.held[:], p[n:]))
}

// unsent handles a sink that takes no more. What it has said itself may still be
// on its way to the source, its Close above all, so the source is not cut off: it
// is read and not sent on until the other direction ends, or for the drain. The
// source of a sink that has stalled is told to go.
func (f *flow) unsent(err error) error {
	f.discard, f.blind = true, true // whatever comes, nothing may be injected here any more
	f.refused.Store(true)
	switch {
	case errors.Is(err, ErrStalled):
		f.splice.note(f.to()+" stalled", err)
		f.splice.end(&stop{code: closeGoingAway, reason: f.to() + " stalled"})
		return nil
	case expired(err):
		return errors.Join(errTorn, err)
	}
	f.splice.note(f.to()+broke(err), err)
	f.extend()
	f.splice.halfClosed(f)
	return nil
}

// extend gives a half-closed flow time for its next step, reading or writing.
func (f *flow) extend() { f.io.bound(time.Now().Add(f.splice.drain)) }

// finish ends the flow: at its source's end, the sink is told so and may go on
// speaking.
func (f *flow) finish(err error) {
	p := f.splice
	f.heed() // the source ended before it could be told
	switch {
	case errors.Is(err, io.EOF):
		p.note(f.from()+" eof", nil)
		f.eof.Store(true)
		if !f.discard {
			if f.heldLen > 0 { // half a header and no more: as the source said it
				f.io.send(f.held[:f.heldLen], false)
			}
			f.io.shut()
		}
		p.halfClosed(f)
		if f.discard {
			p.end(&stop{})
		}
	case expired(err):
		p.note(f.from()+" stalled", ErrStalled)
		p.sever()
	default:
		p.note(f.from()+broke(err), err)
		f.io.shut()
		p.end(&stop{})
	}
}

// expired says that a bound passed or the edge closed the connection itself. A
// connection that the kernel gave up (ETIMEDOUT) is something else.
func expired(err error) bool {
	return (isTimeout(err) || errors.Is(err, net.ErrClosed)) && !errors.Is(err, syscall.ETIMEDOUT)
}

// broke is how a broken connection is told of.
func broke(err error) string {
	if errors.Is(err, syscall.ETIMEDOUT) {
		return " dead"
	}
	return " reset"
}

// errTorn ends a flow whose sink took only a part of a frame.
var errTorn = errors.New("write cut short")
