package plugins

import (
	"slices"
	"time"
)

// idleInstance is how long an instance may lie unused before it is closed, unless
// it is one of the last: a burst does not keep its memory, several MiB each, for
// ever.
const idleInstance = 30 * time.Second

// worn tells whether an instance is to be replaced by another. p.mu is held.
func (p *pool) worn(in *instance) bool {
	s := p.spec
	return in.soiled || in.engaged.Load() == 0 &&
		(s.MaxAge > 0 && in.now.Sub(in.born) >= s.MaxAge ||
			s.MaxGrowth > 0 && uint64(in.mem.Size()-in.bornSize) >= s.MaxGrowth)
}

// poke has every instance look at its timers.
func (p *pool) poke() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for in := range p.all {
		select {
		case in.poked <- struct{}{}:
		default:
		}
	}
}

// watch has trim look at the instances later, if some may be unused. p.mu is held.
func (p *pool) watch() {
	if p.timer == nil && len(p.spare) > p.kept() && !p.closed && !p.killed {
		p.gen.tasks.Add(1)
		p.timer = time.AfterFunc(idleInstance, p.trim)
	}
}

// kept is how many spare instances stay, however long they are not used.
func (p *pool) kept() int { return max(1, p.spec.MinInstances) }

// trim closes the instances that lay unused for too long. They stand first.
func (p *pool) trim() {
	defer p.gen.tasks.Done()
	p.mu.Lock()
	p.timer = nil
	p.mu.Unlock()
	for _, in := range p.idle() {
		in.release()
	}
}

// idle takes the instances out of the pool that lay unused for too long.
func (p *pool) idle() []*instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.killed {
		return nil
	}
	var idle []*instance
	most := len(p.spare) - p.kept()
	p.spare = slices.DeleteFunc(p.spare, func(in *instance) bool {
		if len(idle) >= most || in.load+in.apart > 0 || in.engaged.Load() > 0 || time.Since(in.idleSince) < idleInstance {
			return false
		}
		delete(p.all, in)
		idle = append(idle, in)
		return true
	})
	p.watch()
	return idle
}
