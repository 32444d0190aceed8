package bridge

import (
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	eventsATurn = 128
	// linger is how long a reactor without bridges stays, so that connections that
	// come now and then do not each make a new one.
	linger = 100 * time.Millisecond
	// turnTime is how long a reactor that always has something to do goes on
	// before the rest of the program is let in.
	turnTime = 250 * time.Microsecond
	// bigBuffer is what a descriptor is read with that filled bufferSize twice.
	bigBuffer = 256 << 10
	// fullReads is that twice.
	fullReads = 2
)

// reactor is one goroutine with an epoll set. Its epoll descriptor waits in Go's
// poller, which can tell when it is readable: a thread in epoll_wait of its own
// would hold one of Go's processors. All but mu's fields belong to the goroutine.
type reactor struct {
	loop   *Loop
	file   *os.File // the epoll descriptor
	raw    syscall.RawConn
	ep     int
	wakeUp int // an eventfd
	done   chan struct{}

	events [eventsATurn]syscall.EpollEvent
	turns  func(uintptr) bool // turn, made once
	again  bool               // something may be left of what epoll told of
	over   bool

	slots   []slot
	free    []uint32
	bridges int
	wheel   wheel

	base     time.Time
	clock    time.Duration // since base; 0 is to be read again
	deadline time.Duration // of file, 0: none
	empty    time.Duration // when the last bridge ended
	ending   bool

	buf     *buffer // what is read into, nil after it was given to a backlog
	big     []byte
	reading *buffer // buf while what it holds is carried

	live int // bridges, those in the queue too; guarded by Loop.mu

	mu    sync.Mutex // guards what follows
	queue []command
	woken bool
	gone  bool
}

// slot is where an event finds its bridge. The generation tells an event of the
// slot's last bridge from one of this.
type slot struct {
	bridge     *loopBridge
	generation uint32
}

// command is something that another goroutine asks of a reactor.
type command struct {
	bridge        *loopBridge
	kind          commandKind
	early, answer []byte
}

type commandKind uint8

const (
	commandStart commandKind = iota
	commandStop
	commandAbort
	commandEnd // of all bridges and the reactor
)

// wakeSlot stands in events of the eventfd.
const wakeSlot = -1

func newReactor(e *Loop) (*reactor, error) {
	ep, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	wakeUp, err := newEventFD()
	if err != nil {
		syscall.Close(ep)
		return nil, err
	}
	syscall.SetNonblock(ep, true) // has NewFile give it to the poller
	r := &reactor{loop: e, file: os.NewFile(uintptr(ep), "epoll"), ep: ep, wakeUp: wakeUp, done: make(chan struct{}), base: time.Now()}
	r.turns = r.turn
	r.raw, err = r.file.SyscallConn()
	if err == nil { // NewFile does not tell when the poller has no room: every wait would end at once
		err = r.file.SetReadDeadline(time.Time{})
	}
	if err == nil {
		// Each signal is an edge, so that nobody has to read the descriptor.
		errno := control(ep, syscall.EPOLL_CTL_ADD, int32(wakeUp), &syscall.EpollEvent{Events: syscall.EPOLLIN | epollEdge, Fd: wakeSlot})
		if errno != 0 {
			err = os.NewSyscallError("epoll_ctl", errno)
		}
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *reactor) close() {
	r.file.Close()
	syscall.Close(r.wakeUp)
}

// post asks something of the reactor. What comes after its end is for a bridge
// that is over too.
func (r *reactor) post(c command) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone {
		return
	}
	r.queue = append(r.queue, c)
	if !r.woken {
		r.woken = true
		signal(r.wakeUp)
	}
}

// run serves until there is nothing more to serve.
func (r *reactor) run() {
	defer close(r.done)
	defer r.close()
	r.empty = r.now()
	for !r.over {
		if r.raw.Read(r.turns) != nil { // the deadline has passed, and stands until it is set anew
			r.deadline = 0
			r.file.SetReadDeadline(time.Time{})
		}
	}
}

// turn handles what there is and returns false to wait for more, which Go's poller
// does then; true ends the reactor. While it is called again no edge of the
// descriptor is lost, and so what has been emptied needs no second look before
// the wait: a read that came back short, and nobody else with something to say,
// is the common case.
func (r *reactor) turn(uintptr) bool {
	r.clock = 0
	for begun := r.now(); ; r.clock = 0 {
		r.again = false
		n := poll(r.ep, r.events[:])
		for i := range n {
			r.dispatch(&r.events[i])
		}
		r.wheel.advance(r.now(), (*loopBridge).fire)
		switch {
		case r.idle():
			return true
		case n < 2 && !r.again:
			r.setDeadline()
			return false
		case r.now()-begun > turnTime:
			// Others run, and the network is looked at for them, while this goroutine
			// waits; the signal sees to it that the wait is short.
			signal(r.wakeUp)
			r.setDeadline()
			return false
		}
	}
}

// idle says that the reactor has no bridges any more and may go.
func (r *reactor) idle() bool {
	if r.bridges > 0 || !r.ending && r.now()-r.empty < linger {
		return false
	}
	if !r.loop.retire(r) {
		r.empty = r.now() // a bridge is on its way
		return false
	}
	r.mu.Lock()
	r.gone = true
	r.mu.Unlock()
	r.over = true
	return true
}

// setDeadline ends the wait when the next bound may have passed.
func (r *reactor) setDeadline() {
	at := r.wheel.soonest()
	if r.bridges == 0 && (at == 0 || at > r.empty+linger) {
		at = r.empty + linger
	}
	if at == r.deadline && (at == 0 || at > r.now()) {
		return
	}
	r.deadline = at
	if at == 0 {
		r.file.SetReadDeadline(time.Time{})
		return
	}
	r.file.SetReadDeadline(r.base.Add(at))
}

// now is the reactor's clock, read once for each look at epoll.
func (r *reactor) now() time.Duration {
	if r.clock == 0 {
		r.clock = time.Since(r.base)
	}
	return r.clock
}

func (r *reactor) dispatch(ev *syscall.EpollEvent) {
	if ev.Fd == wakeSlot {
		r.obey()
		return
	}
	s := &r.slots[ev.Fd>>1]
	if s.generation == uint32(ev.Pad) && s.bridge != nil {
		s.bridge.event(ev.Fd&1 == 0, ev.Events)
	}
}

// obey carries out what was asked.
func (r *reactor) obey() {
	r.mu.Lock()
	queue := r.queue
	r.queue, r.woken = nil, false
	r.mu.Unlock()
	for _, c := range queue {
		b := c.bridge
		switch {
		case c.kind == commandEnd:
			r.end()
		case b.closed:
		case c.kind == commandStart:
			b.begin(c.early, c.answer)
			if r.ending {
				b.sever()
				b.settle()
			}
		case c.kind == commandStop:
			b.settle()
		case c.kind == commandAbort:
			b.sever()
			b.settle()
		}
	}
}

// end cuts all bridges.
func (r *reactor) end() {
	r.ending = true
	for i := range r.slots {
		if b := r.slots[i].bridge; b != nil {
			b.sever()
			b.settle()
		}
	}
}

// enter gives b a slot.
func (r *reactor) enter(b *loopBridge) {
	if n := len(r.free); n > 0 {
		b.slot, r.free = r.free[n-1], r.free[:n-1]
	} else {
		b.slot = uint32(len(r.slots))
		r.slots = append(r.slots, slot{})
	}
	s := &r.slots[b.slot]
	s.bridge = b
	s.generation++
	r.bridges++
}

// leave takes b's slot back.
func (r *reactor) leave(b *loopBridge) {
	r.slots[b.slot].bridge = nil
	r.free = append(r.free, b.slot)
	if r.bridges--; r.bridges == 0 {
		r.empty = r.now()
	}
	r.loop.release(r)
}

// buffer is what l is read with: a big one while its reads fill the other and
// its sink takes what that brings.
func (r *reactor) buffer(l *lane) []byte {
	if l.full >= fullReads && sendRoom(l.sink) >= bigBuffer {
		if r.big == nil {
			r.big = make([]byte, headroom+bigBuffer)
		}
		r.reading = nil
		return r.big
	}
	if r.buf == nil {
		r.buf = r.loop.buffers.get()
	}
	r.reading = r.buf
	return r.buf[:]
}

// surrender gives the buffer away that is being read, if it is the small one.
func (r *reactor) surrender() *buffer {
	b := r.reading
	if b != nil {
		r.buf, r.reading = nil, nil
	}
	return b
}
