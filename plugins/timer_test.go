package plugins

import (
	"slices"
	"testing"
	"time"
)

// FuzzTimers compares the timers of an instance with a list that is sorted anew: each
// byte starts one, stops one, or lets time pass.
func FuzzTimers(f *testing.F) {
	f.Add([]byte{3, 1, 2, 0x80, 0xc1, 1, 0x81, 0xff})
	f.Add([]byte{5, 5, 5, 0xc5})
	f.Fuzz(func(t *testing.T, steps []byte) {
		var ts timers
		defer ts.stop()
		var open []*timer
		start := time.Now()
		now, handle := start, uint32(0)
		for _, b := range steps {
			switch n := int(b & 0x3f); {
			case b < 0x80:
				handle++
				e := &timer{call: &call{handle: handle}, due: now.Add(time.Duration(b) * time.Second)}
				ts.add(e)
				open = append(open, e)
			case b < 0xc0 && len(open) > 0:
				e := open[n%len(open)]
				ts.remove(e)
				ts.remove(e) // of one that is gone
				open = slices.DeleteFunc(open, func(o *timer) bool { return o == e })
			default:
				now = now.Add(time.Duration(n) * time.Second)
			}
			slices.SortStableFunc(open, func(a, b *timer) int { return a.due.Compare(b.due) })
			if rings := ts.ringing() != nil; rings != (len(open) > 0) {
				t.Fatalf("it rings: %v, with %d open", rings, len(open))
			}
			for e := ts.take(now); e != nil; e = ts.take(now) {
				if len(open) == 0 || open[0] != e {
					t.Fatalf("took the timer %d", e.call.handle)
				}
				open = open[1:]
			}
			if len(open) > 0 && !open[0].due.After(now) || len(open) != len(ts.heap) {
				t.Fatalf("%d are left, want %d", len(ts.heap), len(open))
			}
		}
	})
}
