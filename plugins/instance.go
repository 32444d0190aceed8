package plugins

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/tetratelabs/wazero/api"

	"edge/abi"
	"edge/plugins/linear"
	"edge/plugins/meter"
)

// instance is one instantiated module. One goroutine at a time enters the guest:
// that of the request which has a blocking module's instance (drive.go), or an
// asynchronous module's loop (loop.go).
type instance struct {
	gen  *generation
	life *lifeline

	// The pool's lock guards these.
	load      int
	idleSince time.Time
	retired   bool // it takes no more requests
	full      bool // it has no room for another request now
	proven    bool // it served a request

	// Whoever enters the guest uses these, and host functions, which run within.
	mod        api.Module
	mem        api.Memory
	mapped     *linear.Memory    // what mem is a view of; nil if it is Go's
	fuel       api.MutableGlobal // the meter's counter
	request    api.Function
	complete   api.Function
	cancel     api.Function
	hook       api.Function
	stack      [4]uint64
	lastHandle uint32
	kept       []byte // result of a call without a request, for result_read
	holding    bool   // a slot
	stint      stint
	quantum    int32         // fuel that the guest gets at a time
	asked      time.Time     // since when it runs with that, what it waited left out
	ran        time.Duration // with that, until it began to wait
	worked     uint64        // bytes that host functions looked at since the guest's time was
	born       time.Time     // when it was made
	bornSize   uint32        // of its memory, in bytes
	bornFuel   uint64        // that it took to make it
	now        time.Time     // when the guest returned last
	dying      bool
	snapshot   *snapshot // of one that is reset
	soiled     bool      // it holds what a request left and no other may find
	served     bool      // a request, and did not fail
	scratch    []byte
	output     [2]lineBuffer

	driven // a blocking module's
	looped // an asynchronous module's
}

func newInstance(g *generation) *instance {
	in := &instance{gen: g}
	in.life = newLifeline(in)
	if g.shape.async {
		in.looped = newLooped()
	}
	return in
}

// come is the goroutine that makes an instance and tells the pool; an asynchronous
// module's loop goes on in it. The generation joins it.
func (in *instance) come(selftest bool) {
	defer in.gen.tasks.Done()
	async := in.gen.shape.async
	if async {
		defer close(in.dead)
	}
	err := in.boot(selftest)
	if err == nil && !async {
		in.ready()
	}
	switch kept := in.gen.pool.grown(in, err); {
	case !kept:
		in.end()
	case async:
		in.loop()
	}
}

// boot instantiates the module and runs _initialize, edge_init and, for the
// first of a generation, edge_selftest.
func (in *instance) boot(selftest bool) error {
	if !in.hold(nil) {
		return in.life.Err()
	}
	defer in.letGo()
	now := time.Now()
	in.beginStint(nil, now, now.Add(in.gen.reg.initDeadline))
	in.stint.tank = meter.DefaultQuantum // as a module begins
	err := in.start(selftest)
	now = time.Now()
	if late := in.endStint(now); late != nil && err == nil {
		return &guestError{"edge_init", late}
	}
	in.born = now
	if err == nil {
		in.bornSize = in.mem.Size()
		if in.fuel != nil {
			in.burn(in.fuelLeft())
		}
	}
	return err
}

func (in *instance) start(selftest bool) error {
	mod, err := in.instantiate()
	in.mod = mod
	if err != nil {
		return &guestError{"instantiating it", err}
	}
	in.mem, in.fuel = mod.Memory(), counter(mod)
	for _, step := range []struct {
		name   string
		wanted bool
		errno  bool
	}{
		{"_initialize", true, false},
		{"edge_init", true, true},
		{"edge_selftest", selftest, true},
	} {
		f := mod.ExportedFunction(step.name)
		if f == nil || !step.wanted {
			continue
		}
		if err := f.CallWithStack(in.life, in.stack[:]); err != nil {
			return &guestError{step.name, err}
		}
		if n := abi.Errno(uint32(in.stack[0])); step.errno && n != abi.OK {
			return &guestError{step.name, fmt.Errorf("it answered %d (%s)", uint32(n), n)}
		}
	}
	in.request = mod.ExportedFunction("edge_request")
	in.complete = mod.ExportedFunction("edge_complete")
	in.cancel = mod.ExportedFunction("edge_cancel")
	in.hook = mod.ExportedFunction("edge_event")
	return in.save()
}

// hold takes a slot; it is false if the instance was killed or end came first.
func (in *instance) hold(end <-chan struct{}) bool {
	in.holding = in.gen.reg.slots.take(&in.gen.slotLine, in.life.Done(), end)
	return in.holding
}

// letGo gives the slot back if the instance holds one.
func (in *instance) letGo() {
	if in.holding {
		in.holding = false
		in.gen.reg.slots.give()
	}
}

// park runs f, which may block, without a slot, and lets another instance be made
// meanwhile if callers wait. After a missed deadline it traps instead of returning
// to the guest.
func (in *instance) park(f func()) {
	in.gen.pool.park(false)
	defer in.gen.pool.unpark()
	in.yield(f)
}

// yield runs f without a slot, like park. Whoever asked for the request's decision
// does not wait for f.
func (in *instance) yield(f func()) {
	in.detach()
	in.book(time.Now())
	in.life.watch(in.stint.deadline)
	defer in.life.unwatch()
	in.letGo()
	f()
	if !in.hold(nil) {
		panic(in.life.Err())
	}
	in.resumeStint(time.Now())
}

// wait is park for a piece of an exchange's work that follows others in a lane. It
// traps if the work took until the deadline, which may be noticed here first. A
// request that would wait for the first time while too many others do is refused.
func (in *instance) wait(x *exchange, l *lane, f func(ctx context.Context) error) error {
	if !in.gen.pool.park(!x.waited) {
		return in.gen.tooManyWait()
	}
	defer in.gen.pool.unpark()
	x.waited = true
	ctx, place := context.Context(x.work()), l.join()
	x.beKilled()
	if x.isBackground { // its work goes on after the entry
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, in.stint.deadline)
		defer cancel()
	}
	var err error
	in.yield(func() {
		defer place.done()
		if err = place.await(ctx); err == nil {
			err = f(ctx)
		}
	})
	if late := ctx.Err(); errors.Is(late, context.DeadlineExceeded) {
		panic(late)
	}
	return err
}

// enter runs one of the guest's functions for x from now on, until the deadline.
// The slot is held and the arguments are in in.stack.
func (in *instance) enter(x *exchange, f api.Function, now, deadline time.Time) (int32, error) {
	in.beginStint(x, now, deadline)
	err := f.CallWithStack(in.life, in.stack[:])
	if late := in.endStint(time.Now()); late != nil {
		return 0, late
	}
	return int32(uint32(in.stack[0])), err
}

// ask enters edge_request, or edge_event for an event. It is true if the exchange
// goes on after that; else x.decided is its end. An error is the instance's end.
func (in *instance) ask(x *exchange, now time.Time) (pending bool, err error) {
	in.stack[0] = uint64(x.handle)
	if x.event != nil {
		return in.tell(x, now)
	}
	if s := in.gen.reg.stage; s != nil {
		s.enter()
	}
	answer, err := in.enter(x, in.request, now, x.end())
	switch {
	case err != nil:
		return false, err
	case answer == -int32(abi.Closed) && x.isAbandoned(): // it passes on what it was told when the client left
		x.decided = outcome{err: errOver}
		return false, nil
	case answer < 0:
		return false, fmt.Errorf("edge_request answered %d (%s)", answer, abi.Errno(-int64(answer)))
	case answer > 1 || answer == 1 && !in.gen.shape.async:
		return false, fmt.Errorf("edge_request answered %d, which means nothing here", answer)
	case answer == 1:
		return true, nil // decided later, or already
	case x.decided.isSet():
		return in.gen.shape.async, nil // whose exchanges end where the entry does, or a stream
	case x.isAbandoned(): // it was told CLOSED, for the client left
		x.decided = outcome{err: errOver}
		return in.gen.shape.async, nil // edge_cancel is on its way
	}
	return false, errors.New("edge_request answered 0 without a decision")
}

// newHandle numbers requests, sockets and calls. An instance that has used up
// its numbers is replaced rather than to use one twice.
func (in *instance) newHandle() (uint32, error) {
	if in.lastHandle == math.MaxUint32 {
		return 0, errors.New("the instance has used up its handles")
	}
	in.lastHandle++
	return in.lastHandle, nil
}

// find returns the open request of a handle, or nil: the call is then CLOSED.
func (in *instance) find(handle uint64) *exchange {
	if x := in.only; x != nil {
		if x.handle == uint32(handle) {
			return x
		}
		return nil
	}
	return in.open[uint32(handle)]
}

// finish ends x: its handle, sockets and open calls are over and the instance
// has room again before Decide learns of the decision. It is false if the instance
// takes no more requests, and has none: whoever runs it ends it. The generation's
// reference is given back after that.
func (in *instance) finish(x *exchange, out outcome) (kept bool) {
	x.over = true
	in.forget(x)
	if !in.dying {
		in.gen.tally(x, out, nil)
	}
	in.breakOff(x, out)
	x.retire()
	if len(x.sockets)+len(x.fetches)+len(x.calls) > 0 {
		in.drop(x)
	}
	if !in.dying {
		in.served = true
		in.gen.crashes.served()
		if !in.gen.outlasts() {
			in.shed()
		}
		in.soiled = !in.renew()
		in.letGo()
		kept = in.gen.pool.put(in, x)
	}
	x.settle(out)
	x.leave()
	return kept
}

// drop ends what x began in the host.
func (in *instance) drop(x *exchange) {
	for _, c := range x.calls {
		if c.timer != nil {
			in.timers.remove(c.timer)
		}
	}
	for _, s := range x.sockets {
		s.abandon(in.gen)
	}
	for _, f := range x.fetches {
		f.abandon(in.gen)
	}
	clear(x.calls)
}

// forget closes x's handle.
func (in *instance) forget(x *exchange) {
	if in.only == x {
		in.only = nil
	}
	delete(in.open, x.handle)
}

// fail is the end of an instance after an error in x's entry: it is never used
// again, and neither x nor the other requests it held get a decision.
func (in *instance) fail(x *exchange, err error) {
	in.dying = true
	in.letGo()
	if x != nil && (x.isBackground || x.tallied) {
		in.gen.mishap(err)
	}
	in.blame(err)
	in.gen.crashed(in, err)
	in.gen.pool.discard(in)
	in.gen.failed(x, err)
	n := len(in.open)
	for _, open := range in.open {
		in.finish(open, outcome{err: in.gen.failure(err)})
	}
	in.shed()
	if only := in.only; only != nil {
		n++
		in.finish(only, outcome{err: in.gen.failure(err)})
	}
	in.end()
	for range n {
		in.gen.release()
	}
}

// blame counts the end of every request that the instance had, before anybody is
// told of it: the next requests shall find the generation given up, if it is to be.
func (in *instance) blame(err error) {
	out := outcome{err: in.gen.failure(err)}
	for _, open := range in.open {
		in.gen.tally(open, out, err)
	}
	if in.only != nil {
		in.gen.tally(in.only, out, err)
	}
}

// release ends an instance that has no requests and that the pool has let go.
func (in *instance) release() {
	if in.gen.shape.async {
		close(in.quit) // the loop ends it
		return
	}
	in.end()
}

// end frees the module. Nobody has the instance any more.
func (in *instance) end() {
	if in.stop != nil {
		in.stop()
	}
	in.shed()
	in.timers.stop()
	for i := range in.output {
		in.output[i].flush(in, i+1)
	}
	if in.mod != nil {
		_ = in.mod.Close(context.Background()) // it holds memory alone
	}
	in.unmap()
}
