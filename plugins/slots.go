package plugins

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// slotSpins is how often a guest that finds no slot free looks again before it
	// waits: most guests need theirs for less than a goroutine's way to sleep.
	slotSpins = 100
	// slotPatience is how long a guest waits before a slot is handed to it. Until
	// then it is woken, and whoever comes by first has the slot: one that is handed
	// over lies idle until its new owner runs.
	slotPatience = time.Millisecond
)

// slots bounds how many guests execute at once, whatever the number of plugins
// and instances, so that the connections the host carries keep a core to
// themselves. A guest that waits in a host call holds no slot.
//
// Plugins have their turns one after the other, each with the guest of its that
// waits longest, so that a plugin with many busy guests leaves others their share. One
// that had no guest waiting is next, before those that want every turn: however
// many plugins compute without an end, it waits for one guest's time and not for
// one of each.
type slots struct {
	size    int
	spins   int
	free    atomic.Int32
	waiting atomic.Int32 // guests that have none and want one

	mu    sync.Mutex
	turns []*slotLine // lines with somebody in them, by round; the first is next
	round uint64      // of the line that had its turn last
}

// slotLine is one generation's guests that wait for a slot. slots.mu guards it.
type slotLine struct {
	waiters []*slotWaiter
	round   uint64 // in which it has its next turn: one in each, and none is saved up
}

// slotWaiter is one of them. It is told once each time it is taken out of its
// line: that the slot is its own (given), or that it may try to get one.
type slotWaiter struct {
	told  chan struct{}
	since time.Time
	given bool
}

func newSlots() *slots {
	n := runtime.GOMAXPROCS(0)
	s := &slots{size: max(1, n-1)}
	if n > 1 {
		s.spins = slotSpins
	}
	s.free.Store(int32(s.size))
	return s
}

// try takes a slot if one is free.
func (s *slots) try() bool {
	for {
		n := s.free.Load()
		if n <= 0 {
			return false
		}
		if s.free.CompareAndSwap(n, n-1) {
			return true
		}
	}
}

// tryHard is try for somebody who would have to wait otherwise.
func (s *slots) tryHard() bool {
	if s.try() {
		return true
	}
	for range s.spins {
		for range 16 {
			if s.free.Load() > 0 {
				break
			}
		}
		if s.try() {
			return true
		}
	}
	return false
}

// take waits for a slot in a line. It is false, without one, if one of the ends
// came first; a nil end never comes.
func (s *slots) take(l *slotLine, end, otherEnd <-chan struct{}) bool {
	if s.tryHard() {
		return true
	}
	w := &slotWaiter{told: make(chan struct{}, 1), since: time.Now()}
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	return s.await(l, w, end, otherEnd)
}

// pass gives the caller's slot to the one whose turn it is, and waits for another.
// It is false, without one, if end came first. If nobody waits the caller keeps
// its slot.
func (s *slots) pass(l *slotLine, end <-chan struct{}) bool {
	s.mu.Lock()
	next := s.pop()
	if next == nil {
		s.mu.Unlock()
		return true
	}
	w := &slotWaiter{told: make(chan struct{}, 1), since: time.Now()}
	s.push(l, w)
	// Before next is told: it may be done with the slot before this goroutine comes
	// to run again, and then has to see that somebody waits.
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	next.given = true
	next.told <- struct{}{}
	s.mu.Unlock()
	if s.told(l, w, end, nil) {
		return w.given || s.await(l, w, end, nil)
	}
	return false
}

// await is the waiting of a waiter that is in no line yet.
func (s *slots) await(l *slotLine, w *slotWaiter, end, otherEnd <-chan struct{}) bool {
	for {
		s.mu.Lock()
		if s.try() {
			s.mu.Unlock()
			return true
		}
		s.push(l, w)
		s.mu.Unlock()
		if !s.told(l, w, end, otherEnd) {
			return false
		}
		if w.given {
			return true
		}
	}
}

// told waits until w is told. It is false if an end came first; w has no slot then
// and is in no line.
func (s *slots) told(l *slotLine, w *slotWaiter, end, otherEnd <-chan struct{}) bool {
	select {
	case <-w.told:
		return true
	case <-end:
	case <-otherEnd:
	}
	s.mu.Lock()
	i := slices.Index(l.waiters, w)
	if i >= 0 {
		l.waiters = slices.Delete(l.waiters, i, i+1)
		if len(l.waiters) == 0 {
			s.turns = slices.DeleteFunc(s.turns, func(other *slotLine) bool { return other == l })
		}
	}
	s.mu.Unlock()
	switch { // what it was told is for somebody else now
	case i >= 0:
	case w.given:
		s.give()
	default:
		s.wake()
	}
	return false
}

// push puts w in its line: to where its time is, as it may have lost the slot that
// it was woken for. s.mu is held.
func (s *slots) push(l *slotLine, w *slotWaiter) {
	if len(l.waiters) == 0 {
		l.round = max(l.round, s.round)
		s.queue(l, func(other *slotLine) bool { return other.round >= l.round })
	}
	i := len(l.waiters)
	for i > 0 && l.waiters[i-1].since.After(w.since) {
		i--
	}
	l.waiters = slices.Insert(l.waiters, i, w)
}

// queue puts l in front of the first line of which before is true. s.mu is held.
func (s *slots) queue(l *slotLine, before func(other *slotLine) bool) {
	i := slices.IndexFunc(s.turns, before)
	if i < 0 {
		i = len(s.turns)
	}
	s.turns = slices.Insert(s.turns, i, l)
}

// pop takes the one out of its line whose turn it is; nil if nobody waits. s.mu is
// held.
func (s *slots) pop() *slotWaiter {
	if len(s.turns) == 0 {
		return nil
	}
	l := s.turns[0]
	w := l.waiters[0]
	l.waiters = slices.Delete(l.waiters, 0, 1)
	s.turns = slices.Delete(s.turns, 0, 1)
	s.round = l.round
	l.round++
	if len(l.waiters) > 0 {
		s.queue(l, func(other *slotLine) bool { return other.round > l.round })
	}
	return w
}

// give returns a slot that take got.
func (s *slots) give() {
	if s.waiting.Load() > 0 && s.handOn() {
		return
	}
	s.free.Add(1)
	if s.waiting.Load() > 0 { // it came before it could see that a slot is free
		s.wake()
	}
}

// handOn gives the slot to the one whose turn it is, if that has waited for long.
func (s *slots) handOn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.turns) == 0 || time.Since(s.turns[0].waiters[0].since) < slotPatience {
		return false
	}
	w := s.pop()
	w.given = true
	w.told <- struct{}{}
	return true
}

// wake has the one whose turn it is try to get a slot, if one is free.
func (s *slots) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free.Load() <= 0 {
		return
	}
	if w := s.pop(); w != nil {
		w.told <- struct{}{}
	}
}

// taken returns the number of slots in use, for tests and metrics.
func (s *slots) taken() int { return s.size - int(s.free.Load()) }
