package bridge

import (
	"io"
	"os"
	"syscall"
	"time"
)

const (
	readsATurn = 4
	// smallRest is how much of a read is copied when its sink does not take it;
	// more keeps its buffer.
	smallRest = 4 << 10
)

// How a lane's descriptor stands in the epoll set.
const (
	unlisted uint8 = iota
	listed
	muted // taken out: it tells of an error that nobody can do anything about yet
)

// lane carries one direction: from fd to sink.
type lane struct {
	flow
	bridge   *loopBridge
	backlog  *backlog      // what sink did not take, nil without any
	due      time.Duration // of the reactor's clock: until when the next step must have come; 0: none
	fd, sink int32
	events   uint32 // that fd is listed with
	listing  uint8
	full     uint8 // reads in a row that filled the buffer
	ended    bool  // fd says nothing more
	left     bool  // and all of it is sent
	unshut   bool  // the sink's half is to be closed when this turn leaves the bridge open
}

// backlog is what waits for a sink.
type backlog struct {
	rest     []byte
	own      int     // bytes at its end that are not counted
	buf      *buffer // where rest lies, if it is a pooled one
	shut     bool    // the sink's half is closed behind it
	moved    bool    // something was taken since patience looked
	patience patience
}

var _ transport = (*lane)(nil)

func (l *lane) connect(b *loopBridge, fd, sink int32, s scanner) {
	l.init(&b.splice, l, s)
	l.bridge, l.fd, l.sink = b, fd, sink
}

// reading says whether fd is to be read: not while something waits for the sink,
// unless what comes is not sent on.
func (l *lane) reading() bool {
	return !l.ended && !l.over() && (l.backlog == nil || l.discard) && !l.bridge.cutOff
}

// pull reads and sends on, a bounded number of times. A read that does not fill
// the buffer has emptied the socket, unless its end is known to stand behind.
func (l *lane) pull(ending bool) {
	r := l.bridge.reactor
	for range readsATurn {
		b := r.buffer(l)
		n, errno := receive(l.fd, b[headroom:])
		switch {
		case errno == syscall.EAGAIN:
			return
		case errno == syscall.EINTR:
			continue
		case errno != 0:
			l.end(os.NewSyscallError("read", errno))
			return
		case n == 0:
			l.end(io.EOF)
			return
		}
		if err := l.take(b[:headroom+n]); err != nil {
			l.end(err)
			return
		}
		if n < len(b)-headroom {
			if l.full = 0; !ending {
				return
			}
		} else {
			l.full = min(l.full+1, fullReads)
		}
		if !l.reading() {
			return
		}
	}
	r.again = true
}

// replay sends on what came before the bridge did.
func (l *lane) replay(early []byte) {
	if len(early) == 0 {
		return
	}
	l.bridge.reactor.reading = nil
	b := make([]byte, headroom+len(early))
	copy(b[headroom:], early)
	if err := l.take(b); err != nil {
		l.end(err)
	}
}

// end notes that fd says nothing more that is sent on.
func (l *lane) end(err error) {
	l.ended = true
	l.finish(err)
	if l.backlog != nil && l.due == 0 {
		l.extend()
	}
}

// settle carries a stop out and leaves when nothing is left to do.
func (l *lane) settle() {
	if l.left {
		return
	}
	l.heed()
	l.left = (l.ended || l.over()) && l.backlog == nil
}

// listen has epoll tell what can be acted on, and says whether it will.
func (l *lane) listen(writable bool) bool {
	var want uint32
	if l.reading() {
		want = syscall.EPOLLIN | syscall.EPOLLRDHUP
	}
	if writable {
		want |= syscall.EPOLLOUT
	}
	if l.listing != unlisted && want == l.events {
		return true
	}
	op := syscall.EPOLL_CTL_ADD
	b := l.bridge
	if l.listing == listed {
		op = syscall.EPOLL_CTL_MOD
		// A descriptor that this turn was told of is still in epoll's list of ready
		// ones, and one in there makes no edge when it is asked for more.
		b.reactor.again = b.reactor.again || want&^l.events != 0
	}
	l.events, l.listing = want, listed
	ev := syscall.EpollEvent{Events: want, Fd: int32(b.slot) << 1, Pad: int32(b.reactor.slots[b.slot].generation)}
	if !l.fromClient() {
		ev.Fd |= 1
	}
	if errno := control(b.reactor.ep, op, l.fd, &ev); errno != 0 {
		b.note("edge", os.NewSyscallError("epoll_ctl", errno))
		return false
	}
	return true
}

// mute takes fd out of the epoll set, which would tell of its error for ever. It
// comes back when there is something else to wait for.
func (l *lane) mute() {
	if l.listing == listed {
		control(l.bridge.reactor.ep, syscall.EPOLL_CTL_DEL, l.fd, nil)
		l.listing = muted
	}
}

// late handles a bound that has passed.
func (l *lane) late(now time.Duration) {
	k, stall := l.backlog, l.bridge.stall
	if k == nil || stall <= 0 || l.splice.stop.Load() != nil || l.splice.half.Load() {
		l.end(os.ErrDeadlineExceeded)
		return
	}
	if k.patience.lost(untakenFD(int(l.sink)), l.bridge.reactor.base.Add(now), k.moved, stall) {
		l.drop()
		l.unsent(ErrStalled)
		return
	}
	k.moved = false
	l.due = now + stall/stallSteps
}

// send gives p to the sink; what it does not take waits.
func (l *lane) send(p []byte, own bool) error {
	if l.backlog == nil {
		n, errno := transmit(l.sink, p)
		if errno != 0 && errno != syscall.EAGAIN && errno != syscall.EINTR {
			return os.NewSyscallError("write", errno)
		}
		if !own {
			l.bytes += int64(n)
		}
		if p = p[n:]; len(p) == 0 {
			return nil
		}
	}
	l.keep(p, own)
	return nil
}

// keep has p wait behind what waits already.
func (l *lane) keep(p []byte, own bool) {
	k := l.backlog
	if k == nil {
		k = new(backlog)
		l.backlog, l.full = k, 0
		if len(p) > smallRest {
			k.buf = l.bridge.reactor.surrender()
		}
		if k.buf != nil {
			k.rest = p[:len(p):len(p)]
			p = nil
		}
		if stall := l.bridge.stall; stall > 0 && l.due == 0 {
			l.setDue(l.bridge.reactor.now() + stall/stallSteps)
		}
	}
	k.rest = append(k.rest, p...)
	if own {
		k.own += len(p)
	}
}

// flush sends what waits.
func (l *lane) flush() {
	k := l.backlog
	n, errno := transmit(l.sink, k.rest)
	if errno != 0 && errno != syscall.EAGAIN && errno != syscall.EINTR {
		l.drop()
		l.unsent(os.NewSyscallError("write", errno))
		return
	}
	if n == 0 {
		return
	}
	l.bytes += int64(max(min(n, len(k.rest)-k.own), 0))
	k.rest = k.rest[n:]
	k.own = min(k.own, len(k.rest))
	k.moved = true
	stopping := l.splice.stop.Load() != nil
	if l.splice.half.Load() && !stopping {
		l.extend()
	}
	if len(k.rest) > 0 {
		l.bridge.reactor.again = true
		return
	}
	shut := k.shut
	l.drop()
	if shut {
		l.shut()
	}
	if !stopping && !l.splice.half.Load() {
		l.due = 0
	}
	if l.reading() {
		l.pull(true) // nothing is known of it, least of all from an edge
	}
}

// drop forgets what waits.
func (l *lane) drop() {
	if k := l.backlog; k != nil {
		if k.buf != nil {
			l.bridge.reactor.loop.buffers.put(k.buf)
		}
		l.backlog = nil
	}
}

func (l *lane) shut() {
	if l.backlog != nil {
		l.backlog.shut = true
		return
	}
	l.unshut = true
}

// closeHalf does what shut asked for.
func (l *lane) closeHalf() {
	if l.unshut {
		l.unshut = false
		syscall.Shutdown(int(l.sink), syscall.SHUT_WR)
	}
}

func (l *lane) bound(until time.Time) { l.setDue(until.Sub(l.bridge.reactor.base)) }

func (l *lane) setDue(at time.Duration) {
	l.due = max(at, 1)
	l.bridge.rearm = true
}

func (l *lane) age() time.Duration {
	r := l.bridge.reactor
	return max(r.now()-l.bridge.bounds.begun.Sub(r.base), 0)
}

// wake has nothing to do: whoever calls it settles the bridge afterwards.
func (l *lane) wake(time.Time) {}

func (l *lane) cut() { l.bridge.cutOff = true }
