package host

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestCrewEnds has the goroutines of a burst end when they have waited for long enough,
// or a moment later, however late others came.
func TestCrewEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		c := &crew{serve: func(*clientConn) { <-hold }}
		idle := func() int {
			synctest.Wait()
			c.mu.Lock()
			defer c.mu.Unlock()
			return len(c.idle)
		}
		const first, later = 3, 16
		for range first + later {
			if !c.take(nil) {
				t.Fatal("the crew is closed")
			}
		}
		for range first {
			hold <- struct{}{}
		}
		time.Sleep(idleServerFor / 2)
		close(hold)
		if n := idle(); n != first+later {
			t.Errorf("%d are idle, want all %d", n, first+later)
		}
		time.Sleep(idleServerFor / 2) // the first have waited for long enough
		if n := idle(); n != later {
			t.Errorf("%d are idle, want %d", n, later)
		}
		time.Sleep(idleServerFor/2 + dismissEvery)
		if n := idle(); n != 0 {
			t.Errorf("%d are idle still, %s after they began", n, idleServerFor+dismissEvery)
		}
		c.close()
		c.all.Wait() // none was lost
	})
}
