package plugins

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// errOverloaded is the end of the time that a request waits for a guest.
var errOverloaded = errors.New("every instance was busy for too long")

// errStopped is the end of a generation whose calls are not waited for.
var errStopped = errors.New("the plugin was stopped")

// pool hands out one generation's instances: last used first, so that few stay
// warm; at most Spec.MaxInstances of them, with at most room requests in each (1
// unless the module is asynchronous). Callers for whom there is none wait in line.
// An instance is given back with put when a request has ended well, and dropped
// with discard after any error. Spec.MinInstances are made ahead, and again in
// the place of those that went.
type pool struct {
	gen  *generation
	spec *Spec
	room int
	// first receives whether the instance that the load made can serve.
	first chan error

	mu      sync.Mutex
	spare   []*instance // have room; the last one is taken first
	all     map[*instance]struct{}
	growing int // instances that are being made
	parked  int // instances whose guest waits for the host
	long    int // instances whose guest computes for long
	line    []*waiter
	timer   *time.Timer // runs while there may be instances to trim
	founded bool        // the first instance has given its word
	barren  bool        // the instance made last never came to serve: none are made ahead
	closed  bool
	killed  bool
	turned  bool // requests are for another generation
}

// waiter is a caller in line. ready has room for the one grant it gets.
type waiter struct{ ready chan grant }

type grant struct {
	in  *instance
	err error
}

func newPool(g *generation, room int) *pool {
	return &pool{gen: g, spec: &g.spec, room: room, first: make(chan error, 1), all: map[*instance]struct{}{}}
}

// take returns an instance with room for one more request, which it now counts
// in. It waits until the request's turn is over (errOverloaded), ctx's end (its
// error), kill (errStopped), turnAway (errGivenUp), or as long as instances fail
// one after the other (errCrashLoop), and notes how long.
func (p *pool) take(ctx context.Context, x *exchange) (*instance, error) {
	p.mu.Lock()
	switch {
	case p.killed:
		p.mu.Unlock()
		return nil, errStopped
	case p.turned:
		p.mu.Unlock()
		return nil, errGivenUp
	}
	if in := p.pick(); in != nil {
		switch {
		case p.fresh():
			p.grow()
		case in.busy.Load():
			p.spread()
		}
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

	defer func() { x.queued = time.Since(x.begun) }()
	timer := time.NewTimer(time.Until(x.lineEnd()))
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

// fresh tells whether an instance serves one request and no more.
func (p *pool) fresh() bool { return p.spec.Isolation == IsolationFresh }

// grow starts as many instances as are needed and the bounds allow. No more are
// made at a time than can run: to make one is nothing but work, and those that
// shared a slot would all be ready when the last of them is, or all be too late.
// Meanwhile the instances there are serve most of the line, so that a burst of
// short requests does not leave an instance for each of them. p.mu is held.
func (p *pool) grow() {
	if p.gen.crashes.pausing() {
		p.sendAway()
		return
	}
	for !p.closed && !p.killed && len(p.all) < p.spec.MaxInstances && p.growing < p.gen.reg.slots.size && p.wanting() {
		p.start()
	}
}

// start makes one instance. p.mu is held.
func (p *pool) start() {
	in := newInstance(p.gen)
	p.all[in] = struct{}{}
	p.growing++
	p.gen.tasks.Add(1)
	go in.come(false)
}

// sendAway answers the line if no instance is there nor will be for a while. p.mu
// is held.
func (p *pool) sendAway() {
	if len(p.all) == 0 {
		p.dismiss(errCrashLoop)
	}
}

// dismiss answers the whole line. p.mu is held.
func (p *pool) dismiss(err error) {
	for _, w := range p.line {
		w.ready <- grant{err: err}
	}
	p.line = nil
}

// turnAway has the line, and whoever comes yet, look for another generation
// (errGivenUp).
func (p *pool) turnAway() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turned = true
	p.dismiss(errGivenUp)
}

// wanting tells whether one more instance is needed than there are and are being
// made: for the line, all of which an instance with room for many serves, or ahead
// of requests to come. p.mu is held.
func (p *pool) wanting() bool {
	switch {
	case len(p.line) > p.growing*p.room && !p.crowded():
		return true
	case !p.founded || p.barren:
		return false
	case p.fresh() && p.gen.reg.stage != nil:
		return false // made within the request, always alike
	case p.fresh():
		return len(p.spare)+p.growing < max(1, p.spec.MinInstances)
	}
	return len(p.all) < p.spec.MinInstances
}

// crowded tells whether the instances that could use a slot are more than those:
// one more would wait for its turn with them, and serve nobody sooner. Another is
// made when one of them parks. p.mu is held.
func (p *pool) crowded() bool {
	return p.room == 1 && len(p.all)-p.parked-p.long > p.gen.reg.slots.size
}

// park notes that an instance's guest waits for the host, until unpark, and makes
// way for others. A bounded one is refused beyond Spec.MaxParked.
func (p *pool) park(bounded bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if bounded && p.parked >= p.spec.MaxParked {
		return false
	}
	p.parked++
	p.grow()
	return true
}

func (p *pool) unpark() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.parked--
}

// lengthen notes that an instance's guest computes for long, until shorten: others
// get another instance.
func (p *pool) lengthen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.long++
	p.grow()
}

func (p *pool) shorten() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.long--
}

// adopt takes in the instance that the load made and tested.
func (p *pool) adopt(in *instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all[in] = struct{}{}
	p.growing++
}

// grown is an instance's word that it is ready, or why it never will be. It is
// false if the instance is not wanted: whoever made it ends it.
func (p *pool) grown(in *instance, err error) (kept bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.growing--
	first := !p.founded
	if first {
		p.founded = true
		p.first <- err
	}
	p.barren = err != nil
	if err == nil && !p.closed {
		in.idleSince = in.born
		p.spare = append(p.spare, in)
		p.serve()
		p.grow()
		return true
	}
	delete(p.all, in)
	if err != nil {
		p.gen.crashed(in, err)
		n := min(p.room, len(p.line))
		for _, w := range p.line[:n] {
			w.ready <- grant{err: err}
		}
		p.line = slices.Delete(p.line, 0, n)
		if n == 0 && !first && !p.killed {
			p.gen.failed(nil, err)
		}
	}
	p.grow()
	return false
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

// put gives a request's room back. It is false if the instance takes no more
// requests and has none: whoever had it ends it.
func (p *pool) put(in *instance, x *exchange) (kept bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.discount(in, x)
	in.proven = true
	if !in.retired && p.worn(in) {
		in.retired = true
		p.unspare(in)
	}
	if in.retired {
		if in.load+in.apart > 0 {
			return true
		}
		delete(p.all, in)
		p.grow()
		return false
	}
	p.makeSpare(in)
	if in.load+in.apart == 0 {
		in.idleSince = in.now
	}
	if len(p.line) > 0 {
		p.serve()
	}
	p.watch()
	return true
}

// unspare takes an instance out of the spare ones, if it is one. p.mu is held.
func (p *pool) unspare(in *instance) {
	if i := slices.Index(p.spare, in); i >= 0 {
		p.spare = slices.Delete(p.spare, i, i+1)
	}
}

// discard drops an instance that must not serve again. Whoever has it ends it.
func (p *pool) discard(in *instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, in)
	p.unspare(in)
	p.grow()
}

// close ends the idle instances; the generation's last call has ended, so that
// those that are not idle are being made or discarded.
func (p *pool) close() {
	p.mu.Lock()
	spare := p.spare
	p.spare, p.closed = nil, true
	if p.timer != nil && p.timer.Stop() {
		p.gen.tasks.Done()
	}
	p.mu.Unlock()
	for _, in := range spare {
		in.release()
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
	p.dismiss(errStopped)
}

// size returns the number of instances, for tests and metrics.
func (p *pool) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.all)
}
