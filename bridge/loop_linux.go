package bridge

import (
	"net"
	"runtime"
	"sync"
)

// Loop is the Engine of plain sockets: a few goroutines, one for each
// GOMAXPROCS, carry all bridges over epoll sets of their own. A bridge has no
// goroutine, no lock and, while nothing waits in it, no buffer and no timer: a few
// hundred bytes and two descriptors. What is no plain TCP or Unix socket, and what
// there are no descriptors for, goes to a Pair.
//
// The goroutines start with the first bridges and end a moment after the last. The
// zero value is ready; it must not be copied.
type Loop struct {
	pair    Pair
	buffers bufferPool
	reports reporter

	mu       sync.Mutex // guards what follows
	reactors []*reactor // nil where none runs
}

var _ Engine = (*Loop)(nil)

// ownEngine is what a Relay without an Engine uses.
type ownEngine = Loop

// Bridge takes the descriptors of both connections over and returns.
func (e *Loop) Bridge(client, backend net.Conn, early []byte, pol Policy, done func(Summary)) Live {
	conn, answer := unwrapEarly(backend)
	if !plain(client) || !plain(conn) {
		return e.pair.Bridge(client, backend, early, pol, done)
	}
	if pol.DeadPeer > 0 {
		findDead(client, pol.DeadPeer)
		findDead(conn, pol.DeadPeer)
	}
	r := e.assign()
	if r == nil {
		return e.pair.Bridge(client, backend, early, pol, done)
	}
	fds, err := detach(client, conn)
	if err != nil {
		e.release(r)
		return e.pair.Bridge(client, backend, early, pol, done)
	}
	b := &loopBridge{splice: newSplice(pol, done), reactor: r, stall: max(pol.DeadPeer, 0)}
	b.splice.up, b.splice.down = &b.up.flow, &b.down.flow
	b.up.connect(b, fds[0], fds[1], pol.scanner(true))
	b.down.connect(b, fds[1], fds[0], pol.scanner(false))
	b.bounds = newBounds(pol)
	r.post(command{bridge: b, kind: commandStart, early: early, answer: answer})
	return b
}

// assign chooses the reactor with the fewest bridges, starting those that do not
// run yet first, and counts one more for it. It is nil when there are no
// descriptors for one.
func (e *Loop) assign() *reactor {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.reactors == nil {
		e.reactors = make([]*reactor, runtime.GOMAXPROCS(0))
	}
	var best *reactor
	for i, r := range e.reactors {
		if r == nil {
			if started, err := newReactor(e); err == nil {
				e.reactors[i], best = started, started
				go started.run()
				break
			}
			continue
		}
		if best == nil || r.live < best.live {
			best = r
		}
	}
	if best != nil {
		best.live++
	}
	return best
}

// release uncounts a bridge.
func (e *Loop) release(r *reactor) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r.live--
}

// retire takes a reactor out that has no bridges, and says whether it could.
func (e *Loop) retire(r *reactor) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r.live > 0 {
		return false
	}
	for i := range e.reactors {
		if e.reactors[i] == r {
			e.reactors[i] = nil
		}
	}
	return true
}

// Close cuts the bridges that are left and returns when all goroutines have ended
// and every done has returned. It is for the owner, at its end; a Bridge that
// comes later starts anew.
func (e *Loop) Close() {
	e.mu.Lock()
	var running []*reactor
	for _, r := range e.reactors {
		if r != nil {
			running = append(running, r)
		}
	}
	e.mu.Unlock()
	for _, r := range running {
		r.post(command{kind: commandEnd})
		<-r.done
	}
	e.reports.wait()
}

// reporter tells how bridges ended, on a goroutine of its own that runs while
// there is something to tell: whoever is told may take his time, and writes a log.
type reporter struct {
	mu      sync.Mutex // guards what follows
	ended   []report
	running bool
	joined  sync.WaitGroup
}

type report struct {
	done    func(Summary)
	summary Summary
}

// add has done told s soon.
func (r *reporter) add(done func(Summary), s Summary) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = append(r.ended, report{done, s})
	if !r.running {
		r.running = true
		r.joined.Go(r.run)
	}
}

func (r *reporter) run() {
	for {
		r.mu.Lock()
		ended := r.ended
		r.ended = nil
		r.running = len(ended) > 0
		r.mu.Unlock()
		if len(ended) == 0 {
			return
		}
		for _, e := range ended {
			e.done(e.summary)
		}
	}
}

func (r *reporter) wait() { r.joined.Wait() }
