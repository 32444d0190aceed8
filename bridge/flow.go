package bridge

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// flow is one direction of a pair: what src says goes to dst. All of it belongs
// to the goroutine that runs it.
type flow struct {
	pair     *pair
	from     string // who speaks: "client" or "backend"
	src, dst net.Conn
	scan     scanner
	bytes    int64

	held    [maxHeader]byte // beginning of a header that has not wholly come
	heldLen int

	eof     atomic.Bool // src says nothing more
	refused atomic.Bool // dst takes nothing more
	discard bool        // dst takes nothing more: read on, so that src is not reset
	blind   bool        // src has left the protocol: its frames cannot be followed
	stopped bool        // the pair's stop was carried out here

	source source
}

func (f *flow) init(p *pair, from string, src, dst net.Conn, s scanner) {
	f.pair, f.from, f.src, f.dst, f.scan = p, from, src, dst, s
	f.source.init(src, p.buffers)
}

// run carries src to dst until src ends. early comes first.
func (f *flow) run(early []byte) {
	defer f.pair.leave()
	err := f.replay(early)
	for err == nil {
		if s := f.pair.stop.Load(); s != nil && !f.stopped {
			f.halt(s)
		}
		if f.stopped && f.scan.closed() {
			return // the peer has answered the close
		}
		if err = f.source.wait(); err != nil {
			err = f.wake(err)
			continue
		}
		err = f.take(f.source.buf, f.source.w)
		f.source.drop()
	}
	f.finish(err)
}

// replay sends on what came before the bridge did.
func (f *flow) replay(early []byte) error {
	for len(early) > 0 {
		b := f.pair.buffers.get()
		n := copy(b[headroom:], early)
		early = early[n:]
		err := f.take(b, headroom+n)
		f.pair.buffers.put(b)
		if err != nil {
			return err
		}
	}
	return nil
}

// take sends on what was read into b[headroom:end], behind the bytes held from
// before.
func (f *flow) take(b *buffer, end int) error {
	f.pair.limits.touch()
	at := headroom - f.heldLen
	copy(b[at:headroom], f.held[:f.heldLen])
	f.heldLen = 0
	p := b[at:end]
	if f.pair.half.Load() && f.pair.stop.Load() == nil && !f.discard {
		f.extend() // what is not sent on is no progress
	}
	for len(p) > 0 {
		if s := f.pair.stop.Load(); s != nil && !f.stopped {
			f.halt(s)
		}
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
			f.heldLen = copy(f.held[:], p)
			return nil
		}
	}
	return nil
}

// forward sends on the good part of p, to the end of the current frame only when
// the bridge is to stop there. It returns how many bytes are done with: none
// when p is the beginning of a header.
func (f *flow) forward(p []byte) (int, error) {
	whole := f.scan.between()
	n, ferr := f.scan.scan(p, f.pair.stop.Load() != nil)
	if max := f.pair.maxBytes; max > 0 && f.pair.total.Add(int64(n)) > max {
		f.overrun(whole)
		return len(p), nil
	}
	if f.scan.closed() && f.pair.stop.Load() == nil {
		f.pair.note(fmt.Sprintf("%s %d", f.from, f.scan.code), nil) // before the peer can answer
	}
	if n > 0 {
		w, err := f.dst.Write(p[:n])
		f.bytes += int64(w)
		if err != nil {
			return len(p), f.unsent(err)
		}
	}
	if ferr != nil {
		var fe *frameError
		errors.As(ferr, &fe)
		f.blind = true
		f.pair.end(&stop{code: fe.code, reason: fe.reason, err: fmt.Errorf("%s: %w", f.from, ferr)})
		return n, nil // take halts at this boundary
	}
	return n, nil
}

// halt carries out the pair's stop here: between frames the close frame goes out
// and the sink's half is closed; inside one, forward goes on to its end.
func (f *flow) halt(s *stop) {
	f.src.SetReadDeadline(s.until)
	f.dst.SetWriteDeadline(s.until)
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
		if f.from == "client" {
			key = mask()
		}
		f.dst.Write(appendClose(nil, s.code, s.reason, key))
	}
	closeWrite(f.dst)
}

// overrun ends a bridge whose bytes are used up. What is over is not sent: if
// its frame had not begun, the close frame takes its place, otherwise the sink
// is left with a torn one.
func (f *flow) overrun(whole bool) {
	f.pair.breach("too many bytes")
	f.blind = true
	s := f.pair.stop.Load()
	f.src.SetReadDeadline(s.until)
	if whole && s.code != 0 {
		f.inject(s)
		return
	}
	f.stopped, f.discard = true, true
	closeWrite(f.dst)
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
	f.heldLen = copy(f.held[:], p[n:])
}

// unsent handles a sink that takes no more. What it has said itself may still be
// on its way to src, its Close above all, so src is not cut off: it is read and
// not sent on until the other direction ends, or for drainWait.
func (f *flow) unsent(err error) error {
	f.torn() // whatever comes, nothing may be injected here any more
	f.refused.Store(true)
	if isTimeout(err) || errors.Is(err, net.ErrClosed) {
		return errors.Join(errTorn, err)
	}
	f.pair.note(f.pair.other(f).from+" reset", err)
	f.src.SetReadDeadline(time.Now().Add(drainWait))
	f.pair.halfClosed(f)
	return nil
}

func (f *flow) torn() { f.discard, f.blind = true, true }

// extend gives a half-closed flow time for its next step, reading or writing.
func (f *flow) extend() {
	t := time.Now().Add(drainWait)
	f.src.SetReadDeadline(t)
	f.dst.SetWriteDeadline(t)
}

// wake judges a failed read: nil reads on.
func (f *flow) wake(err error) error {
	s := f.pair.stop.Load()
	if !isTimeout(err) || s == nil || !time.Now().Before(s.until) {
		return err
	}
	if f.stopped || !f.scan.between() {
		f.src.SetReadDeadline(s.until)
	}
	return nil
}

// finish ends the flow: at src's end, dst is told so and may go on speaking.
func (f *flow) finish(err error) {
	p := f.pair
	if s := p.stop.Load(); s != nil && !f.stopped {
		f.halt(s) // src ended before it could be told
	}
	switch {
	case errors.Is(err, io.EOF):
		p.note(f.from+" eof", nil)
		f.eof.Store(true)
		if !f.discard {
			if f.heldLen > 0 { // half a header and no more: as src said it
				f.dst.Write(f.held[:f.heldLen])
			}
			closeWrite(f.dst)
		}
		p.halfClosed(f)
		if f.discard {
			p.end(&stop{})
		}
	case isTimeout(err) || errors.Is(err, net.ErrClosed):
		p.note(f.from+" stalled", ErrStalled)
		p.abort()
	default:
		p.note(f.from+" reset", err)
		closeWrite(f.dst)
		p.end(&stop{})
	}
}
