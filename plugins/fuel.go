package plugins

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/tetratelabs/wazero/api"

	"edge/plugins/meter"
)

const (
	// meterModule is what metered code imports refuel from. No guest can. What the
	// meter exports for the host has names that begin with it.
	meterModule = "edge.meter"
	fuelExport  = meterModule + ".fuel"
	// yieldEvery is how long a guest runs before others get its processor, even if
	// none of them is a guest: the bridges are.
	yieldEvery = 100 * time.Microsecond
	// askEvery is how often a guest is to ask for fuel, roughly: it costs a fifth of a
	// microsecond. How much fuel that is depends on the code: the meter charges an
	// interpreter for far more than it runs. What is given at a time is between
	// meter.DefaultQuantum and mostFuel, so that a guest that goes over to slow code
	// asks in time, too.
	askEvery = 20 * time.Microsecond
	mostFuel = 8 * meter.DefaultQuantum
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

// errFuel and errCompute end a guest that did more for one request than its
// plugin's limits allow.
var (
	errFuel    = errors.New("the fuel for one request is used up")
	errCompute = errors.New("the computing time for one request is used up")
)

// stopBy is what stops a guest at its deadline.
type stopBy int

const (
	byFuel   stopBy = iota
	byOption        // wazero's WithCloseOnContextDone
	byNobody
)

// meterOptions is how modules are metered.
func meterOptions() meter.Options {
	return meter.Options{Module: meterModule, Name: "refuel", Fuel: fuelExport}
}

// meterOptions is how the generation's module is.
func (g *generation) meterOptions() meter.Options {
	o := meterOptions()
	if g.resets() {
		o.Save, o.Restore = saveExport, restoreExport
	}
	return o
}

// stint is one entry into the guest, from when it begins to run until it returns:
// what it may use and has used. The instance's goroutine alone uses it.
type stint struct {
	x        *exchange // nil while the instance is made
	deadline time.Time // for all of it, waiting included
	since    time.Time // the guest runs; zero while it waits
	end      time.Time // of the request's computing time, if it runs on; zero is none
	tank     int32     // fuel when the counter was looked at last
	looked   time.Time // since when it has the processor, as far as that was looked at
	slot     time.Time // since when it has its slot, likewise
	long     bool      // it computes for long
}

// beginStint has the guest run for x from now on.
func (in *instance) beginStint(x *exchange, now, deadline time.Time) {
	in.stint = stint{x: x, deadline: deadline}
	in.resumeStint(now)
	if in.fuel != nil {
		in.stint.tank = in.fuelLeft()
		if limit := in.gen.spec.Fuel; limit > 0 && x != nil {
			in.stint.tank = min(in.stint.tank, portion(limit, x.fuel, mostFuel))
			in.fuel.Set(uint64(uint32(in.stint.tank)))
		}
	}
}

// resumeStint has the guest run again after it waited.
func (in *instance) resumeStint(now time.Time) {
	in.stint.since = now
	in.asked = now.Add(-in.ran)
	in.stint.looked, in.stint.slot = time.Time{}, time.Time{}
	if x := in.stint.x; x != nil {
		in.stint.end = now.Add(in.gen.allowance() - x.compute)
	}
}

// allowance is how long a guest runs for a request before it is stopped. One that asks
// for its budget ends the request itself when Compute is over, and gets time to free
// what the request had.
func (g *generation) allowance() time.Duration {
	if g.shape.budgets {
		return g.spec.Compute + max(time.Second, g.spec.Compute/2)
	}
	return g.spec.Compute
}

// book adds what the guest used since it was booked last to its request's account,
// and has it wait from now on.
func (in *instance) book(now time.Time) {
	s := &in.stint
	in.ran = now.Sub(in.asked)
	x := s.x
	if x == nil || s.since.IsZero() {
		return
	}
	x.compute += now.Sub(s.since)
	s.since = time.Time{}
	if in.fuel != nil {
		left := in.fuelLeft()
		in.burn(left)
		s.tank = left
	}
	if x.account != nil {
		x.account.note(x.fuel, x.compute, x.queued)
	}
}

// burn adds what the guest used down to what is left in the tank. What it used
// while the instance was made is the instance's.
func (in *instance) burn(left int32) {
	used := uint64(int64(in.stint.tank) - int64(left))
	if x := in.stint.x; x != nil {
		x.fuel += used
	} else {
		in.bornFuel += used
	}
}

// fuelLeft reads the guest's counter.
func (in *instance) fuelLeft() int32 { return int32(uint32(in.fuel.Get())) }

// portion is how much of a limit a guest gets at a time, which is at most most; 0 if
// nothing is left.
func portion(limit, used uint64, most int32) int32 {
	if used >= limit {
		return 0
	}
	return int32(min(limit-used, uint64(most)))
}

// pace is how much fuel the guest gets at a time, which it has used up now.
func (in *instance) pace(now time.Time) int32 {
	switch ran := now.Sub(in.asked); {
	case ran < askEvery/2:
		in.quantum = min(2*in.quantum, mostFuel)
	case ran > 4*askEvery:
		in.quantum = 0
	case ran > 2*askEvery:
		in.quantum /= 2
	}
	in.quantum = max(in.quantum, meter.DefaultQuantum)
	in.asked = now
	return in.quantum
}

// refuel is what a guest calls whenever it has used up its fuel: about every askEvery
// while it runs. It traps a guest that is to be stopped.
func refuel(ctx context.Context, stack []uint64) {
	in := ctx.(*lifeline).in
	in.burn(int32(uint32(stack[0])))
	now := time.Now()
	given := in.pace(now)
	if limit, x := in.gen.spec.Fuel, in.stint.x; limit > 0 && x != nil {
		if given = portion(limit, x.fuel, given); given == 0 {
			in.stint.tank = int32(uint32(stack[0])) // which is booked already
			panic(errFuel)
		}
	}
	in.stint.tank = given
	if in.fuel != nil { // else a start function runs: the instance is not known yet
		in.fuel.Set(uint64(uint32(given))) // where book looks
	}
	in.share(now)
	stack[0] = uint64(uint32(in.stint.tank))
}

// share traps the guest if its time is over, and lets others have the processor
// and the slot now and then.
func (in *instance) share(now time.Time) {
	s := &in.stint
	if err := in.life.check(now, s.deadline); err != nil {
		panic(err)
	}
	if x := s.x; x != nil {
		if !now.Before(s.end) {
			panic(errCompute)
		}
		if in.attached && x.values.Err() != nil {
			in.detach() // Decide returns, and the guest learns of it at its next host call
		}
		if !s.long && now.Sub(s.since)+x.compute >= longRun {
			s.long = true
			in.gen.pool.lengthen()
		}
	}
	switch {
	case s.slot.IsZero():
		s.slot, s.looked = now, now
	case now.Sub(s.slot) >= slotEvery:
		in.handOver(now)
	case now.Sub(s.looked) >= yieldEvery:
		s.looked = in.standAside(now)
	}
}

// standAside lets other goroutines have the processor, and returns when the guest has
// it back. What they did meanwhile is not the guest's computing.
func (in *instance) standAside(now time.Time) time.Time {
	runtime.Gosched()
	resumed := time.Now()
	away := resumed.Sub(now)
	in.stint.since = in.stint.since.Add(away)
	in.stint.end = in.stint.end.Add(away)
	in.asked = in.asked.Add(away)
	return resumed
}

// handOver lets another guest have the slot, if one waits for it.
func (in *instance) handOver(now time.Time) {
	slots := in.gen.reg.slots
	if slots.waiting.Load() == 0 {
		now = in.standAside(now)
		in.stint.slot, in.stint.looked = now, now
		return
	}
	in.detach()
	in.book(now)
	in.life.watch(in.stint.deadline)
	in.holding = slots.pass(&in.gen.slotLine, in.life.Done())
	in.life.unwatch()
	in.resumeStint(time.Now())
	if !in.holding {
		panic(in.life.Err())
	}
}

// endStint is the end of the entry. The error is why it came too late.
func (in *instance) endStint(now time.Time) error {
	in.book(now)
	if in.stint.long {
		in.gen.pool.shorten()
	}
	in.now = now
	in.stint.x = nil // an idle instance keeps no request
	return in.life.check(now, in.stint.deadline)
}

// counter finds the fuel's counter, which the meter exports for the host.
func counter(mod api.Module) api.MutableGlobal {
	fuel, _ := mod.ExportedGlobal(fuelExport).(api.MutableGlobal)
	return fuel
}
