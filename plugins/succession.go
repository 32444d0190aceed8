package plugins

import (
	"errors"
	"time"

	"edge/plugins/archive"
)

// install has g serve or, if it is to be tried first and is not calm, serve a share
// of the requests, unless the registry was closed meanwhile.
func (r *Registry) install(p *Plugin, g *generation, calm bool) error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return ErrClosed
	}
	p.building = nil
	r.endCanary(p, "a newer version came before its time was over")
	old, kind := p.current.Load(), EventLoaded
	if percent := g.spec.Canary.Percent; old != nil && percent > 0 && percent < 100 && !calm {
		kind = EventCanary
		r.startCanary(p, g)
		p.archive.SetPin(archive.Pin{Digest: old.digest, Over: p.content, Canary: g.digest == p.content})
	} else {
		if old != nil {
			kind = EventReloaded
		}
		r.swap(p, g, !calm)
		p.archive.SetPin(archive.Pin{Digest: g.digest, Over: p.content})
	}
	r.mu.Unlock()
	r.tell(g.event(kind, time.Since(g.loaded), nil))
	return nil
}

// swap makes g what serves; what served before stays warm for a while. With
// watched, failures of g bring it back. r.mu is held.
func (r *Registry) swap(p *Plugin, g *generation, watched bool) {
	old, older := p.current.Load(), p.takePrevious()
	g.state, g.step = StateServing, ""
	g.canary.Store(false)
	g.probation.Store(nil)
	if back := g.spec.Rollback; watched && old != nil && back.Failures > 0 {
		g.probation.Store(&probation{bound: int64(back.Failures), until: time.Now().Add(back.Within)})
	}
	p.current.Store(g)
	if older != nil {
		r.retire(older, StateDraining)
	}
	if old != nil {
		r.keepWarm(p, old, g.spec.warmth())
	}
}

// keepWarm has a generation that served stay ready. r.mu is held.
func (r *Registry) keepWarm(p *Plugin, old *generation, warmth time.Duration) {
	if warmth <= 0 {
		r.retire(old, StateDraining)
		return
	}
	old.state = StateWarm
	old.supersede(false)
	old.probation.Store(nil)
	p.previous = old
	p.cooling = time.AfterFunc(warmth, func() { r.cool(p, old) })
}

// takePrevious takes what was warm out of its place; nil if nothing was. Registry.mu
// is held.
func (p *Plugin) takePrevious() *generation {
	old := p.previous
	if old != nil {
		p.cooling.Stop()
		p.previous, p.cooling = nil, nil
	}
	return old
}

// cool is the timer's: the time of the previous version is over.
func (r *Registry) cool(p *Plugin, old *generation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.previous == old && !r.closed {
		r.retire(p.takePrevious(), StateDraining)
	}
}

// startCanary has g serve a share of the requests. r.mu is held.
func (r *Registry) startCanary(p *Plugin, g *generation) {
	g.state, g.step = StateCanary, StepCanary
	g.canary.Store(true)
	g.probation.Store(&probation{bound: g.spec.Rollback.canaryBound()})
	c := &canary{gen: g, percent: uint64(g.spec.Canary.Percent)}
	c.promotion = time.AfterFunc(g.spec.Canary.For, func() { r.promote(p, c) })
	p.canary.Store(c)
}

// endCanary has a canary, if there is one, serve no longer. r.mu is held.
func (r *Registry) endCanary(p *Plugin, why string) *generation {
	c := p.canary.Swap(nil)
	if c == nil {
		return nil
	}
	c.promotion.Stop()
	c.gen.why = why
	r.retire(c.gen, StateDraining)
	return c.gen
}

// promote is the timer's: a canary that has stood its time serves everything. Close
// waits for it.
func (r *Registry) promote(p *Plugin, c *canary) {
	r.mu.Lock()
	if r.closed || p.canary.Load() != c {
		r.mu.Unlock()
		return
	}
	r.tasks.Add(1)
	defer r.tasks.Done()
	p.canary.Store(nil)
	r.swap(p, c.gen, true)
	p.archive.SetPin(archive.Pin{Digest: c.gen.digest, Over: p.content})
	r.mu.Unlock()
	r.tell(c.gen.event(EventPromoted, c.gen.spec.Canary.For, nil))
	p.archive.Flush()
}

// errGivenUp is a request that a generation never got to, because it was given up:
// another one is asked.
var errGivenUp = errors.New("the version was given up")

// giveUp ends a generation that failed too often, if there is one to serve in its
// place: that serves from now on, and the digest of the other goes into
// quarantine. The caller is the loop of an instance, which waits for nothing here.
func (r *Registry) giveUp(g *generation, cause error) {
	r.mu.Lock()
	p := r.plugins[g.spec.Name]
	if p == nil || r.closed {
		r.mu.Unlock()
		return
	}
	var back *generation
	switch c := p.canary.Load(); {
	case c != nil && c.gen == g:
		back = p.current.Load()
		c.promotion.Stop()
		p.canary.Store(nil)
	case p.current.Load() == g && p.previous != nil:
		back = p.takePrevious()
		back.state, back.why = StateServing, ""
		back.supersede(true)
		p.current.Store(back)
	default:
		r.mu.Unlock()
		return
	}
	g.why, g.step = cause.Error(), stepIn(g.state)
	events := []Event{g.event(EventRolledBack, time.Since(g.loaded), cause)}
	if g.digest != back.digest {
		p.archive.Isolate(g.digest, g.why)
		events = append(events, g.event(EventQuarantined, 0, cause))
	}
	p.archive.SetPin(archive.Pin{Digest: back.digest, Over: p.content})
	g.givenUp.Store(true)
	r.retire(g, StateRolledBack)
	r.tasks.Add(1) // now: after Close has begun there are no further ones
	r.mu.Unlock()
	g.pool.turnAway()
	for _, e := range events {
		r.tell(e)
	}
	go r.flush(p)
}

// flush is giveUp's goroutine, because a disk may be slow. Close joins it.
func (r *Registry) flush(p *Plugin) {
	defer r.tasks.Done()
	p.archive.Flush()
}

// stepIn is where a generation of a state is on its way.
func stepIn(s State) Step {
	if s == StateCanary {
		return StepCanary
	}
	return StepService
}

// bringBack has the version that served before serve again, if it is still warm
// and match wants it; the one that served is warm then. It returns what serves.
func (r *Registry) bringBack(p *Plugin, match func(*generation) bool) *generation {
	r.mu.Lock()
	if p.previous == nil || r.closed || !match(p.previous) {
		r.mu.Unlock()
		return nil
	}
	r.endCanary(p, errAsked.Error())
	back, old := p.takePrevious(), p.current.Load()
	back.state, back.why = StateServing, ""
	back.supersede(true)
	p.current.Store(back)
	old.why = errAsked.Error()
	r.keepWarm(p, old, old.spec.warmth())
	p.archive.SetPin(archive.Pin{Digest: back.digest, Over: p.content})
	e := old.event(EventRolledBack, time.Since(old.loaded), errAsked)
	r.mu.Unlock()
	r.tell(e)
	return back
}

// dropCanary ends a canary because somebody asked for that; it is false if there
// is none.
func (r *Registry) dropCanary(p *Plugin) bool {
	r.mu.Lock()
	g := r.endCanary(p, errAsked.Error())
	if g == nil {
		r.mu.Unlock()
		return false
	}
	g.state = StateRolledBack
	p.archive.SetPin(archive.Pin{Digest: p.current.Load().digest, Over: p.content})
	e := g.event(EventRolledBack, time.Since(g.loaded), errAsked)
	r.mu.Unlock()
	r.tell(e)
	return true
}

// retire lets a generation end with its last call. r.mu is held.
func (r *Registry) retire(g *generation, s State) {
	g.state = s
	g.probation.Store(nil)
	r.draining[g] = struct{}{}
	g.supersede(false)
	g.release()
	r.tasks.Add(1)
	go r.drain(g)
}

// drain is the goroutine that closes an old generation when its last call has
// ended. Close joins it.
func (r *Registry) drain(g *generation) {
	defer r.tasks.Done()
	begun := time.Now()
	<-g.idle
	g.close()
	r.mu.Lock()
	delete(r.draining, g)
	if p := r.plugins[g.spec.Name]; p != nil && g.state == StateRolledBack {
		p.remember(g.status())
	}
	r.mu.Unlock()
	r.tell(g.event(EventDrained, time.Since(begun), nil))
}
