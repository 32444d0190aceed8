package plugins

import (
	"context"
	"runtime"
	"time"

	"edge/plugins/meter"
)

const (
	// meterModule is what metered code imports refuel from. No guest can.
	meterModule = "edge.meter"
	// yieldEvery is how long a guest runs before others get its processor, even if
	// none of them is a guest: the bridges are.
	yieldEvery = 100 * time.Microsecond
	// workEvery is how much host functions do for a guest, in bytes of its memory,
	// before its time is looked at again: fuel counts what the guest does itself.
	workEvery = 1 << 20
	// callWork is what a call of one costs, besides the bytes.
	callWork = workEvery / 64
	// slotEvery is how long a guest keeps its slot while others wait for one.
	slotEvery = time.Millisecond
	// longRun is how long a guest computes for one request before others that wait
	// for an instance get one more.
	longRun = 20 * time.Millisecond
)

// meterOptions is how modules are metered.
func meterOptions() meter.Options { return meter.Options{Module: meterModule, Name: "refuel"} }

// refuel is what a guest calls whenever it has used up its fuel: every few
// microseconds while it runs. It traps a guest that is to be stopped.
func refuel(ctx context.Context, stack []uint64) {
	ctx.(*lifeline).in.share(time.Now())
	stack[0] = meter.DefaultQuantum
}

// turn is since when a guest has what it shares with others; zero if it was not
// looked at since it got its slot.
type turn struct{ slot, processor time.Time }

// share traps the guest if its time is over, and lets others have the processor
// and the slot now and then.
func (in *instance) share(now time.Time) {
	if err := in.life.check(now); err != nil {
		panic(err)
	}
	if in.running.IsZero() {
		in.running = now
	}
	switch t := &in.turn; {
	case t.slot.IsZero():
		*t = turn{now, now}
	case now.Sub(t.slot) >= slotEvery && now.Sub(in.running) >= longRun:
		in.park(runtime.Gosched)
	case now.Sub(t.slot) >= slotEvery:
		in.yield(runtime.Gosched)
	case now.Sub(t.processor) >= yieldEvery:
		runtime.Gosched()
		t.processor = time.Now()
	}
}
