package initd

import (
	"errors"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"edge/abi"
)

// ptyPiece is how much of a terminal's output is kept at a time: what the
// kernel hands out at once, and less than a ring's floor.
const ptyPiece = 4 << 10

// terminal is a program on a pseudo-terminal. It outlives the connections that
// hold it, which are one at a time. Three goroutines belong to it until the
// program has ended and all that it printed is kept: pump, typing and watch.
type terminal struct {
	id    string
	named bool // by who opened it, who may come back to it
	pty   *pty
	child *child

	typed   chan typedPiece // to typing
	room    chan struct{}   // has one when the pump may go on
	drained chan struct{}   // closed when the pump has ended
	closed  chan struct{}   // closed when the pty is

	mu     sync.Mutex // guards all below
	out    ring
	viewer *viewer // nil: nobody
	over   bool    // the program has ended and out holds the last of it
}

// typedPiece is input on its way, in a buffer of pumpBuffers.
type typedPiece struct {
	buf *[]byte
	n   int
}

// viewer is a connection that holds a terminal.
type viewer struct {
	first   int64 // offset of the first byte that it is sent ...
	dropped int64 // ... and how many that it asked for are no longer kept before it

	sent  int64         // offset of the next byte for it; guarded by terminal.mu
	more  chan struct{} // has one when there may be something for it
	taken chan struct{} // closed when another has taken the terminal
}

// startTerminal starts cmd on a terminal of its own. Nobody holds it yet; gone
// is called when it has ended, before a viewer can see that.
func (s *supervisor) startTerminal(id string, named bool, cmd *command, cols, rows int, gone func(*terminal)) (*terminal, error) {
	if s.stopping.Load() {
		return nil, abi.Errorf(abi.CodeSandboxExited, "the sandbox is shutting down")
	}
	p, err := openPTY(cols, rows)
	if err != nil {
		return nil, err
	}
	if cmd.user != nil {
		// So that it can open /dev/pts/N as well; what it is given works without.
		_ = p.slave.Chown(int(cmd.user.uid), -1)
	}
	c, err := s.reaper.startOn(cmd, p.slave)
	if err != nil {
		return nil, errors.Join(err, p.slave.Close(), p.master.Close())
	}
	t := &terminal{
		id: id, named: named, pty: p, child: c,
		typed: make(chan typedPiece), room: make(chan struct{}, 1), drained: make(chan struct{}), closed: make(chan struct{}),
		out: ring{budget: s.rings, max: abi.TerminalReplayBytes},
	}
	s.wg.Add(3)
	go t.pump(&s.wg)
	go t.typing(&s.wg)
	go t.watch(&s.wg, gone)
	return t, nil
}

// pump keeps what the program prints until the terminal has nobody any more who
// could print, or the deadline that watch sets has passed.
func (t *terminal) pump(wg *sync.WaitGroup) {
	defer wg.Done()
	defer close(t.drained)
	rc, err := t.pty.master.SyscallConn()
	for err == nil {
		err = readReady(rc, t)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.drain(rc)
	}
}

// drain keeps what is there already, and of a program that goes on printing no
// more than can be replayed.
func (t *terminal) drain(rc syscall.RawConn) {
	buf := make([]byte, ptyPiece)
	for left := abi.TerminalReplayBytes; left > 0; {
		n, err := 0, error(nil)
		failed := rc.Control(func(fd uintptr) { n, err = syscall.Read(int(fd), buf) })
		if failed != nil || n <= 0 && err != syscall.EINTR {
			return
		}
		left -= max(n, 0)
		_, _ = t.Write(buf[:max(n, 0)])
	}
}

// Write keeps what the program printed. It waits while p would take the place
// of bytes that the viewer has not been sent: the program is held back then, as
// by any terminal that does not keep up. Without a viewer it never waits.
func (t *terminal) Write(p []byte) (int, error) {
	for piece := range slices.Chunk(p, ptyPiece) {
		for !t.keep(piece) {
			<-t.room
		}
	}
	return len(p), nil
}

func (t *terminal) keep(p []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	v := t.viewer
	if v != nil && t.out.room(v.sent) < len(p) {
		return false
	}
	_, _ = t.out.Write(p) // never fails
	if v != nil {
		nudge(v.more)
	}
	return true
}

// typing passes input to the program. That waits while the program reads none.
func (t *terminal) typing(wg *sync.WaitGroup) {
	defer wg.Done()
	for {
		select {
		case p := <-t.typed:
			_, _ = t.pty.master.Write((*p.buf)[:p.n]) // fails when the pty is closed
			pumpBuffers.Put(p.buf)
		case <-t.closed:
			return
		}
	}
}

// watch waits for the program's end and for the last of its output.
func (t *terminal) watch(wg *sync.WaitGroup, gone func(*terminal)) {
	defer wg.Done()
	<-t.child.done
	// When nobody else has the terminal the pump now comes to its end; else the
	// deadline ends it.
	t.pty.slave.Close()
	_ = t.pty.master.SetReadDeadline(time.Now().Add(settle)) // cannot fail on an open pollable file
	<-t.drained
	// Whoever is left gets SIGHUP if the foreground's, and errors from then on.
	t.pty.master.Close()
	close(t.closed)
	gone(t)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	if t.viewer == nil {
		t.out.free()
		return
	}
	nudge(t.viewer.more)
}

// attach gives the terminal a viewer, to whom output is sent from offset since
// on, nil being the first byte that is kept.
func (t *terminal) attach(since *int64, takeover bool) (*viewer, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.viewer != nil {
		if !takeover {
			return nil, abi.Errorf(abi.CodeTooManyRequests, "the terminal %.60q is held by another connection", t.id).
				WithSuggestion("use takeover, or another id")
		}
		close(t.viewer.taken)
	}
	v := &viewer{more: make(chan struct{}, 1), taken: make(chan struct{})}
	from, to := t.out.span()
	v.first = from
	if since != nil {
		v.first = min(max(from, *since), to)
		v.dropped = max(0, from-*since)
	}
	v.sent = v.first
	t.viewer = v
	nudge(t.room) // the pump may have waited for the one before
	return v, nil
}

// detach takes the viewer away and tells whether it still held the terminal.
func (t *terminal) detach(v *viewer) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.viewer != v {
		return false
	}
	t.viewer = nil
	if t.over {
		t.out.free()
	}
	nudge(t.room)
	return true
}

// next copies output that the viewer has not been sent to p. over tells that
// none is left and none will come.
func (t *terminal) next(v *viewer, p []byte) (n int, over bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.viewer != v {
		return 0, false // taken
	}
	n = t.out.read(p, v.sent)
	v.sent += int64(n)
	nudge(t.room)
	return n, n == 0 && t.over
}

// signal signals what runs in the terminal's foreground.
func (t *terminal) signal(r *reaper, sig syscall.Signal) {
	group, err := t.pty.foreground()
	if err == nil && group > 1 && syscall.Kill(-group, sig) == nil {
		return
	}
	r.signalGroup(t.child, sig) // false: it has ended
}

// nudge has whoever waits for ch look again.
func nudge(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
