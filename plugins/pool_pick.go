package plugins

import "slices"

// pick returns the spare instance used last, or nil; of those with room for many the
// one whose guest does nothing just now, or the one with the fewest requests. A
// generation that was given up has none for anybody: turnAway is on its way. p.mu is
// held.
func (p *pool) pick() *instance {
	n := len(p.spare)
	if n == 0 || p.gen.givenUp.Load() {
		return nil
	}
	if p.room > 1 && n > 1 {
		i := p.lightest()
		in := p.spare[i]
		p.spare = append(slices.Delete(p.spare, i, i+1), in)
	}
	in := p.spare[n-1]
	in.load++
	if in.load >= p.roomIn(in) {
		p.spare, in.full = p.spare[:n-1], true
	}
	return in
}

// lightest returns the index of the spare instance that pick is to return. p.mu is held.
func (p *pool) lightest() int {
	least := len(p.spare) - 1
	for i, in := range slices.Backward(p.spare) {
		if !in.busy.Load() {
			return i
		}
		if in.load < p.spare[least].load {
			least = i
		}
	}
	return least
}

// spread makes another instance if the guests of all that have room are at work, and one
// more could be at work beside them: what an instance with room for many requests has
// to do goes on one after the other. p.mu is held.
func (p *pool) spread() {
	most := min(p.spec.MaxInstances, p.gen.reg.slots.size)
	if len(p.all) < most && p.growing == 0 && !p.barren && !p.closed && !p.killed && !p.gen.crashes.pausing() {
		p.start()
	}
}

// unprovenRoom is the room in an instance of an asynchronous module on probation
// that has not served a request yet: a trap takes all of an instance's requests
// with it. One that asks for its budget ends a request that goes wrong by itself.
const unprovenRoom = 4

// roomIn is how many requests an instance may have. p.mu is held.
func (p *pool) roomIn(in *instance) int {
	if !in.proven && !p.gen.shape.budgets && p.gen.probation.Load() != nil {
		return min(p.room, unprovenRoom)
	}
	return p.room
}
