package plugins

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// idleInstance is how long an instance may lie unused before it is closed, unless
// it is the last: a burst does not keep its memory, several MiB each, for ever.
const idleInstance = 30 * time.Second

// errOverloaded is a deadline that passed before a guest got the request.
var errOverloaded = errors.New("every instance was busy until the deadline")

// errStopped is the end of a generation whose calls are not waited for.
var errStopped = errors.New("the plugin was stopped")

// pool hands out one generation's instances: last used first, so that few stay
// warm; at most max of them, with at most room requests in each (1 unless the
// module is asynchronous). Callers for whom there is none wait in line until
// their deadline. An instance is given back with put when a request has ended
// well, and dropped with discard after any error.
type pool struct {
	gen  *generation
	max  int
	room int
	// first receives whether the instance that the load made can serve.
	first chan error

	mu      sync.Mutex
	spare   []*instance // have room; the last one is taken first
	all     map[*instance]struct{}
	growing int // instances that are being made
	parked  int // instances whose guest waits for the host, or computes for long
	line    []*waiter
	timer   *time.Timer // runs while there may be instances to trim
	founded bool        // the first instance has given its word
	closed  bool
	killed  bool
}

// waiter is a caller in line. ready has room for the one grant it gets.
type waiter struct{ ready chan grant }

type grant struct {
	in  *instance
	err error
}

func newPool(g *generation, maxInstances, room int) *pool {
	return &pool{gen: g, max: maxInstances, room: room, first: make(chan error, 1), all: map[*instance]struct{}{}}
}

// take returns an instance with room for one more request, which it now counts
// in. It waits until the deadline (errOverloaded), ctx's end (its error), kill
// (errStopped), or as long as instances fail one after the other (errCrashLoop).
func (p *pool) take(ctx context.Context, deadline time.Time) (*instance, error) {
	p.mu.Lock()
	if p.killed {
		p.mu.Unlock()
		return nil, errStopped
	}
	if in := p.pick(); in != nil {
		p.mu.Unlock()
		return in, nil
	}
	if len(p.all) == 0 && p.gen.crashes.pausing() {
		p.mu.Unlock()
		return nil, errCrashLoop
	}
	w := &waiter{ready: make(chan grant, 1)}
	p.line = append(p.line, w)
	p.grow()
	p.mu.Unlock()

	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	var err error
	select {
	case got := <-w.ready:
		return got.in, got.err
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
		err = errOverloaded
	}
	return p.leave(w, err)
}

// leave takes w out of the line; a grant that came first is taken after all.
func (p *pool) leave(w *waiter, err error) (*instance, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.line, w); i >= 0 {
		p.line = slices.Delete(p.line, i, i+1)
		return nil, err
	}
	got := <-w.ready
	return got.in, got.err
}

// pick returns the spare instance used last, or nil. p.mu is held.
func (p *pool) pick() *instance {
	n := len(p.spare)
	if n == 0 {
		return nil
	}
	in := p.spare[n-1]
	in.load++
	if in.load == p.room {
		p.spare = p.spare[:n-1]
	}
	return in
}

// grow starts as many instances as the line needs and the bounds allow. An
// instance with room for many serves the whole line, so one at a time is made.
// No more are made at a time than can run: to make one is nothing but work, and
// those that shared a slot would all be ready when the last of them is, or all be
// too late. Meanwhile the instances there are serve most of the line, so that a
// burst of short requests does not leave an instance for each of them.
// p.mu is held.
func (p *pool) grow() {
	if p.gen.crashes.pausing() {
		p.sendAway()
		return
	}
	for !p.closed && !p.killed && len(p.all) < p.max && !p.crowded() && p.growing < cap(p.gen.reg.slots) && len(p.line) > p.growing*p.room {
		in := newInstance(p.gen)
		p.all[in] = struct{}{}
		p.growing++
		p.gen.tasks.Add(1)
		go in.run(false)
	}
}

// sendAway answers the line if no instance is there nor will be for a while. p.mu
// is held.
func (p *pool) sendAway() {
	if len(p.all) > 0 {
		return
	}
	for _, w := range p.line {
		w.ready <- grant{err: errCrashLoop}
	}
	p.line = nil
}

// crowded tells whether the instances that could use a slot are more than those:
// one more would wait for its turn with them, and serve nobody sooner. Another is
// made when one of them parks. p.mu is held.
func (p *pool) crowded() bool {
	return p.room == 1 && len(p.all)-p.parked > cap(p.gen.reg.slots)
}

// park notes that an instance makes way for others, until unpark.
func (p *pool) park() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.parked++
	p.grow()
}

func (p *pool) unpark() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.parked--
}

// adopt takes in the instance that the load made and tested.
func (p *pool) adopt(in *instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all[in] = struct{}{}
	p.growing++
}

// grown is an instance's word that it is ready, or why it never will be.
func (p *pool) grown(in *instance, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.growing--
	if !p.founded {
		p.founded = true
		p.first <- err
	}
	if err == nil {
		in.idleSince = time.Now()
		p.spare = append(p.spare, in)
		if p.closed {
			close(in.quit)
		}
		p.serve()
		p.grow()
		return
	}
	p.gen.crashed(in, err)
	delete(p.all, in)
	n := min(p.room, len(p.line))
	for _, w := range p.line[:n] {
		w.ready <- grant{err: err}
	}
	p.line = slices.Delete(p.line, 0, n)
	p.grow()
}

// serve gives spare instances to the line. p.mu is held.
func (p *pool) serve() {
	for len(p.line) > 0 {
		in := p.pick()
		if in == nil {
			return
		}
		p.line[0].ready <- grant{in: in}
		p.line = slices.Delete(p.line, 0, 1)
	}
}

// put gives one request's room back.
func (p *pool) put(in *instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	in.load--
	if in.load == p.room-1 {
		p.spare = append(p.spare, in)
	}
	if in.load == 0 {
		in.idleSince = time.Now()
	}
	p.serve()
	p.watch()
}

// watch has trim look at the instances later, if some may be unused. p.mu is held.
func (p *pool) watch() {
	if p.timer == nil && len(p.spare) > 1 && !p.closed && !p.killed {
		p.timer = time.AfterFunc(idleInstance, p.trim)
	}
}

// trim closes the instances that lay unused for too long. They stand first.
func (p *pool) trim() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = nil
	if p.closed || p.killed {
		return
	}
	n := 0
	for n < len(p.spare)-1 && p.spare[n].load == 0 && time.Since(p.spare[n].idleSince) >= idleInstance {
		delete(p.all, p.spare[n])
		close(p.spare[n].quit)
		n++
	}
	p.spare = slices.Delete(p.spare, 0, n)
	p.watch()
}

// discard drops an instance that must not serve again. Its loop ends itself.
func (p *pool) discard(in *instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, in)
	if i := slices.Index(p.spare, in); i >= 0 {
		p.spare = slices.Delete(p.spare, i, i+1)
	}
	p.grow()
}

// close ends the idle instances; the generation's last call has ended, so that
// those that are not idle are being made or discarded.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
	}
	for _, in := range p.spare {
		close(in.quit)
	}
}

// kill stops every guest, whatever it does, and sends the callers in line away.
func (p *pool) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killed = true
	for in := range p.all {
		in.life.kill()
	}
	for _, w := range p.line {
		w.ready <- grant{err: errStopped}
	}
	p.line = nil
}

// size returns the number of instances, for tests and metrics.
func (p *pool) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.all)
}
