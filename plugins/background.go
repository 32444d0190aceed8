package plugins

import (
	"context"
	"sync"
	"time"

	"edge/abi"
)

const (
	// maxTimers bounds the timers of request 0 in an instance.
	maxTimers = 10_000
	// timersTold is how long the log waits for the other instances of a version
	// before it is told how many timers were dropped.
	timersTold = 100 * time.Millisecond
)

// newBackground makes the exchange of request 0: what an asynchronous module's instance
// does for no request. It is nil before the first time, and in edge_init. It has no
// deadline; each call and each entry has the plugin's to itself. It ends with the
// instance or, if that is reset, with the request.
func (in *instance) newBackground() *exchange {
	return &exchange{gen: in.gen, in: in, values: context.Background(), isBackground: true, isSettled: true}
}

// caller is find for functions that take request 0, which is nil where there is none.
func (in *instance) caller(handle uint64) *exchange {
	if uint32(handle) != 0 {
		return in.find(handle)
	}
	if in.background == nil && in.gen.shape.async && in.stint.x != nil {
		in.background = in.newBackground()
	}
	return in.background
}

// retain takes what a started call of request 0 holds until release: the
// generation, for a drain waits for it, and the instance, which is not recycled.
// False: the generation has ended.
func (x *exchange) retain() bool {
	if x.isBackground {
		if !x.gen.backgroundEnd(time.Now()).After(time.Now()) || !x.gen.acquire() {
			return false
		}
		x.in.engaged.Add(1)
	}
	return true
}

// release undoes retain.
func (x *exchange) release() {
	if x.isBackground {
		x.in.engaged.Add(-1)
		x.gen.release()
	}
}

// beginBackground has the guest run for a call of request 0 that is done.
func (in *instance) beginBackground(x *exchange, c *call, now time.Time) {
	x.deadline = now.Add(in.gen.spec.Deadline)
	x.own, x.account = c.agent.own(), c.agent.account
	x.fuel, x.compute, x.waited = 0, 0, false
}

// endBackground books what the entry used.
func (in *instance) endBackground(x *exchange) {
	in.gen.counts.fuel.Add(x.fuel)
	x.own, x.account = nil, nil
}

// shed ends what belongs to request 0: the instance ends, or is reset.
func (in *instance) shed() {
	x := in.background
	if x == nil {
		return
	}
	in.dropTimers(x)
	in.background = nil
	x.over = true
	x.retire()
	in.drop(x)
}

// settleBackground drops timers once another version serves and no request of this
// instance is open any more: what they would do is the other version's.
func (in *instance) settleBackground() {
	if x := in.background; x != nil && len(in.open) == 0 && in.gen.superseded() {
		in.dropTimers(x)
	}
}

// dropTimers ends the timers of request 0.
func (in *instance) dropTimers(x *exchange) {
	n := 0
	for handle, c := range x.calls {
		if c.timer != nil {
			in.timers.remove(c.timer)
			delete(x.calls, handle)
			n++
		}
	}
	in.engaged.Add(-int32(n))
	if n > 0 {
		in.gen.succession.drop(in.gen, n)
	}
}

// succession is what a generation knows of its end: since when another serves in
// its place, and what it dropped.
type succession struct {
	mu      sync.Mutex
	since   time.Time // zero: it serves
	dropped int       // timers that the log was not told of
	telling *time.Timer
}

// supersede notes that another generation serves from now on, or with back that this
// one does again.
func (g *generation) supersede(back bool) {
	s := &g.succession
	s.mu.Lock()
	switch {
	case back:
		s.since = time.Time{}
	case s.since.IsZero():
		s.since = time.Now()
	}
	s.mu.Unlock()
	if !back && g.shape.async && g.pool != nil {
		g.pool.poke()
	}
}

// superseded tells whether another generation serves.
func (g *generation) superseded() bool {
	g.succession.mu.Lock()
	defer g.succession.mu.Unlock()
	return !g.succession.since.IsZero()
}

// backgroundEnd is until when a call of request 0 may go on that begins now.
func (g *generation) backgroundEnd(now time.Time) time.Time {
	s := &g.succession
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.since.IsZero() {
		now = s.since
	}
	return now.Add(g.spec.Deadline)
}

// drop has the log told of timers, once for all instances that drop theirs at about
// the same time. The generation joins who tells it.
func (s *succession) drop(g *generation, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropped += n
	if s.telling == nil {
		g.tasks.Add(1)
		s.telling = time.AfterFunc(timersTold, func() { s.tell(g) })
	}
}

// tell is the timer's. The generation's close waits for it.
func (s *succession) tell(g *generation) {
	defer g.tasks.Done()
	s.mu.Lock()
	n := s.dropped
	s.dropped, s.telling = 0, nil
	s.mu.Unlock()
	if !g.outlasts() {
		g.complain("timers were dropped", abi.Errorf(abi.CodeCanceled, "timers of request 0 end with the request, for isolation is %s", g.spec.Isolation).
			WithSuggestion("hold the request that they belong to, or have isolation pooled"))
		return
	}
	g.log().Warn("timers ended with their version of the plugin", "timers", n,
		"suggestion", "what must happen later is safe with the edge: close a port with the ttl of exposePort")
}

// outlasts tells whether instances outlast a request.
func (g *generation) outlasts() bool { return g.spec.Isolation == IsolationPooled }
