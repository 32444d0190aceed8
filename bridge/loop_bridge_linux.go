package bridge

import (
	"syscall"
	"time"
)

// loopBridge is one bridge of a Loop. It belongs to its reactor's goroutine.
type loopBridge struct {
	splice
	up, down lane
	reactor  *reactor
	stall    time.Duration // Policy.DeadPeer
	timer    timer
	slot     uint32
	rearm    bool // a bound was set that the wheel may not know
	cutOff   bool // abort was called
	closed   bool
}

// Close ends the bridge with a close frame to both sides; see Live. What comes after
// it has returned is not sent on, although the reactor may not have heard yet.
func (b *loopBridge) Close(code int, reason string) {
	if b.claim(&stop{code: code, reason: reason}) {
		b.reactor.post(command{bridge: b, kind: commandStop})
	}
}

// abort closes both connections at once.
func (b *loopBridge) abort() { b.reactor.post(command{bridge: b, kind: commandAbort}) }

// begin enters the bridge, with what came before it did.
func (b *loopBridge) begin(early, answer []byte) {
	b.reactor.enter(b)
	b.rearm = b.bounds != nil
	b.up.replay(early)
	b.down.replay(answer)
	b.settle()
}

// event handles what epoll tells of one descriptor.
func (b *loopBridge) event(client bool, events uint32) {
	from, to := &b.up, &b.down // that read from it, and write to it
	if !client {
		from, to = to, from
	}
	broken := events&(syscall.EPOLLHUP|syscall.EPOLLERR) != 0
	ending := broken || events&syscall.EPOLLRDHUP != 0
	if to.backlog != nil && (broken || events&syscall.EPOLLOUT != 0) {
		to.flush()
	}
	switch {
	case from.reading():
		if ending || events&syscall.EPOLLIN != 0 {
			from.pull(ending)
		}
	case broken:
		from.mute()
	}
	b.settle()
}

// settle draws the conclusions after anything has happened to the bridge.
func (b *loopBridge) settle() {
	if b.closed {
		return
	}
	for {
		s := b.stop.Load()
		b.up.settle()
		b.down.settle()
		if b.stop.Load() == s {
			break
		}
	}
	if b.cutOff || b.up.left && b.down.left {
		b.close()
		return
	}
	b.up.closeHalf()
	b.down.closeHalf()
	if !b.up.listen(b.down.backlog != nil) || !b.down.listen(b.up.backlog != nil) {
		b.close()
		return
	}
	if b.rearm {
		b.schedule()
	}
}

// schedule has the wheel look at the bridge when the next bound may have passed.
func (b *loopBridge) schedule() {
	b.rearm = false
	now := b.reactor.now()
	next := time.Duration(0)
	for _, l := range [...]*lane{&b.up, &b.down} {
		if l.due != 0 && !l.left && (next == 0 || l.due < next) {
			next = l.due
		}
	}
	if b.bounds != nil && b.stop.Load() == nil {
		passed, ping, in := b.bounds.due(b.up.age())
		if passed != "" || ping {
			in = tick
		}
		if in != 0 && (next == 0 || now+in < next) {
			next = now + in
		}
	}
	if next != 0 {
		b.reactor.wheel.add(b, next)
	}
}

// fire looks which bounds have passed.
func (b *loopBridge) fire() {
	now := b.reactor.now()
	for _, l := range [...]*lane{&b.up, &b.down} {
		if l.due != 0 && now >= l.due && !l.left {
			l.late(now)
		}
	}
	if b.bounds != nil && b.stop.Load() == nil {
		age := b.up.age()
		passed, ping, _ := b.bounds.due(age)
		switch {
		case passed != "":
			b.pass(passed)
		case ping:
			b.bounds.pinging(age, b.down.ping())
		}
	}
	b.rearm = true
	b.settle()
}

// close ends the bridge.
func (b *loopBridge) close() {
	b.closed = true
	r := b.reactor
	r.wheel.remove(b)
	// close(2) ends what is said to a peer that has said all, as shutdown(2) would.
	// Another's last bytes may lie unread, and have close(2) reset the connection.
	if !b.down.eof.Load() {
		b.up.closeHalf()
	}
	if !b.up.eof.Load() {
		b.down.closeHalf()
	}
	b.up.drop()
	b.down.drop()
	closeFDs(b.up.fd, b.down.fd) // which takes them out of the epoll set
	r.loop.reports.add(b.done, b.summary())
	r.leave(b)
}

func closeFDs(fds ...int32) {
	for _, fd := range fds {
		if fd >= 0 {
			syscall.Close(int(fd))
		}
	}
}
