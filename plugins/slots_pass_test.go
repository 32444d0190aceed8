package plugins

import (
	"testing"
	"time"
)

// TestPassedSlotComesBack passes a slot to a guest that may be done with it before
// who passed it runs again: that one has to be seen to wait by then, or nobody would
// ever wake it.
func TestPassedSlotComesBack(t *testing.T) {
	t.Parallel()
	s := &slots{size: 1}
	var mine, its slotLine
	next := &slotWaiter{told: make(chan struct{}), since: time.Now()} // without room: pass stays where it tells
	s.mu.Lock()
	s.push(&its, next)
	s.mu.Unlock()
	back := make(chan bool, 1)
	go func() { back <- s.pass(&mine, nil) }()
	for end := time.Now().Add(time.Minute); s.waiting.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nobody is seen to wait before the slot is the next one's")
		}
	}
	<-next.told
	if !next.given {
		t.Error("the slot was not given")
	}
	s.give()
	select {
	case ok := <-back:
		if !ok {
			t.Error("no slot came back")
		}
	case <-time.After(time.Minute):
		t.Fatalf("it waits although %d of %d slots are free", s.free.Load(), s.size)
	}
}
