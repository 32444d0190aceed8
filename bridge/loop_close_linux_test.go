package bridge

import (
	"runtime"
	"testing"
	"time"
)

// TestLoopCloseIsSeenBeforeItIsHeard closes a bridge whose reactor is kept from
// hearing of it: of what comes from then on nothing is sent on all the same.
func TestLoopCloseIsSeenBeforeItIsHeard(t *testing.T) {
	t.Parallel()
	t.Run("client", func(t *testing.T) { closeUnheard(t, (*rig).fromClient) })
	t.Run("backend", func(t *testing.T) { closeUnheard(t, (*rig).fromBackend) })
}

// closeUnheard does so on a loop of its own, nobody else of which has to wait.
func closeUnheard(t *testing.T, of func(*rig) side) {
	t.Parallel()
	r := engineCase{engine: new(Loop)}.rig(t, Policy{})
	s := of(r)
	s.from.Write(frame(0x81, "before", s.masked))
	s.to.expect(string(frame(0x81, "before", s.masked)))
	b := r.live.(*loopBridge)
	b.reactor.mu.Lock() // nothing can be posted
	closed := make(chan struct{})
	go func() {
		b.Close(1008, "over")
		close(closed)
	}()
	for deadline := time.Now().Add(wait); b.stop.Load() == nil && time.Now().Before(deadline); runtime.Gosched() {
	}
	s.from.Write(frame(0x81, "after", s.masked))
	s.to.expectClose(s.masked, 1008, "over")
	b.reactor.mu.Unlock()
	<-closed
	s.from.expectClose(!s.masked, 1008, "over")
	s.to.Write(frame(0x88, "\x03\xf0", !s.masked))
	s.from.Write(frame(0x88, "\x03\xf0", s.masked))
	if got := r.summary(); got.Close != edgeClosed(1008, "over") || got.Err != nil {
		t.Errorf("summary %+v", got)
	}
}
