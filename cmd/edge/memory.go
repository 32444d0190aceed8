package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// What a burst of requests leaves behind stays with the process until the next
// burst: the collector runs when as much has been allocated again as lives, which
// in a quiet server takes minutes, and only then are pages given back. Idle
// connections are to cost what they hold and not what making them took.
//
// A server that is never quiet does it now and then too, when far more is to be
// gained than lives: what comes to it is much less than what came before then.
const (
	tidyEvery = 3 * time.Second
	busyEvery = 30 * time.Second
	// tidyAbove is how much must be gained for it.
	tidyAbove = 8 << 20
	// quietBelow is what a server that has nothing much to do allocates in
	// tidyEvery: then nobody waits for the collector.
	quietBelow = 2 << 20
	// busyGain is how many times what lives must be gained in a server that is not
	// quiet: its collector lets as much garbage come together as lives anyway.
	busyGain = 2
)

// runTidy gives memory back to the system when the server is quiet, and now and
// then when it is not, until ctx ends.
func runTidy(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for h := (heap{tidied: time.Now()}); ; {
		select {
		case <-tick.C:
			if h.worthwhile(time.Now()) {
				runtime.GC() // pools keep what they hold for one more
				debug.FreeOSMemory()
			}
		case <-ctx.Done():
			return
		}
	}
}

// heap is what was known of the heap at the last look.
type heap struct {
	allocated uint64
	tidied    time.Time
}

// worthwhile looks whether much can be given back, what is dead already or free
// and not yet the system's, and whether little was allocated since the last look
// or it is very much and the last time is long ago.
func (h *heap) worthwhile(now time.Time) bool {
	samples := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(samples)
	allocated, live, objects, free := samples[0].Value.Uint64(), samples[1].Value.Uint64(), samples[2].Value.Uint64(), samples[3].Value.Uint64()
	recent := allocated - h.allocated
	h.allocated = allocated
	gain := max(objects, live) - live + free
	if gain <= tidyAbove {
		return false
	}
	if recent >= quietBelow && (now.Sub(h.tidied) < busyEvery || gain <= busyGain*live) {
		return false
	}
	h.tidied = now
	return true
}
