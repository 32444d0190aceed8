package plugins

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"edge/abi"
)

// cancelGrace bounds edge_cancel: the request's own deadline may have passed.
const cancelGrace = 2 * time.Second

// instance is one instantiated module. All that enters the guest runs in its
// loop (run), one thing at a time; the rest of the edge sends it events.
type instance struct {
	gen    *generation
	life   *lifeline
	events chan event
	quit   chan struct{} // closed by the pool to end an instance without requests
	dead   chan struct{} // closed when the loop takes no more events

	// The pool's lock guards these.
	load      int
	idleSince time.Time

	// The loop alone uses these, and host functions, which run in it.
	mod        api.Module
	mem        api.Memory
	request    api.Function
	complete   api.Function
	cancel     api.Function
	hook       api.Function
	stack      [4]uint64
	lastHandle uint32
	open       map[uint32]*exchange
	ended      []*exchange // a decision was made or a stream ended in this entry
	kept       []byte      // result of a call without a request, for result_read
	completing *call       // the call that edge_complete is told of
	holding    bool        // a slot
	turn       turn
	running    time.Time // since when the guest runs, as far as it was looked at
	worked     uint64    // bytes that host functions looked at since the guest's time was
	dying      bool
	served     bool // a request, and did not fail
	scratch    []byte
	output     [2]lineBuffer
}

// event is one reason to enter the guest.
type event struct {
	kind eventKind
	x    *exchange
	call *call
}

type eventKind int

const (
	eventRequest eventKind = iota
	eventComplete
	eventCancel
)

func newInstance(g *generation) *instance {
	in := &instance{
		gen: g, events: make(chan event), quit: make(chan struct{}), dead: make(chan struct{}),
		open: map[uint32]*exchange{},
	}
	in.life = newLifeline(in)
	return in
}

// send hands the loop an event; it is false if the instance takes none any more.
func (in *instance) send(ev event) bool {
	select {
	case in.events <- ev:
		return true
	case <-in.dead:
		return false
	}
}

// run is the instance's goroutine: it makes the instance, tells the pool, and
// then enters the guest for each event until the pool ends it or an error makes
// it unusable. The generation joins it.
func (in *instance) run(selftest bool) {
	defer in.gen.tasks.Done()
	defer close(in.dead)
	err := in.boot(selftest)
	in.gen.pool.grown(in, err)
	if err != nil {
		in.close()
		return
	}
	for {
		select {
		case ev := <-in.events:
			if x, err := in.handle(ev); err != nil {
				in.fail(x, err)
				return
			}
		case <-in.quit:
			in.close()
			return
		case <-in.life.Done(): // the generation is killed
			in.fail(nil, in.life.Err())
			return
		}
	}
}

// boot instantiates the module and runs _initialize, edge_init and, for the
// first of a generation, edge_selftest.
func (in *instance) boot(selftest bool) error {
	if !in.hold(nil) {
		return in.life.Err()
	}
	defer in.letGo()
	in.life.arm(time.Now().Add(in.gen.reg.initDeadline))
	err := in.start(selftest)
	if late := in.life.disarm(); late != nil && err == nil {
		return &guestError{"edge_init", late}
	}
	return err
}

func (in *instance) start(selftest bool) error {
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	mod, err := in.gen.runtime.InstantiateModule(in.life, in.gen.code, config)
	if err != nil {
		return &guestError{"instantiating it", err}
	}
	in.mod, in.mem = mod, mod.Memory()
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
	return nil
}

// hold takes a slot; it is false if the instance was killed or end came first.
func (in *instance) hold(end <-chan struct{}) bool {
	in.holding = in.gen.reg.slots.take(in.life.Done(), end)
	return in.holding
}

// letGo gives the slot back if the instance holds one.
func (in *instance) letGo() {
	if in.holding {
		in.holding, in.turn = false, turn{}
		in.gen.reg.slots.give()
	}
}

// park runs f, which may block, without a slot, and lets another instance be made
// meanwhile if callers wait. After a missed deadline it traps instead of returning
// to the guest.
func (in *instance) park(f func()) {
	in.gen.pool.park()
	defer in.gen.pool.unpark()
	in.yield(f)
}

// yield runs f without a slot, like park.
func (in *instance) yield(f func()) {
	in.life.watch()
	defer in.life.unwatch()
	in.letGo()
	f()
	if !in.hold(nil) {
		panic(in.life.Err())
	}
}

// wait is park for a piece of an exchange's work that follows others in a lane. It
// traps if the work took until the deadline, which may be noticed here first.
func (in *instance) wait(x *exchange, l *lane, f func(ctx context.Context) error) error {
	ctx, place := x.work(), l.join()
	var err error
	in.park(func() {
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

// enter runs one of the guest's functions until the deadline. The slot is held.
func (in *instance) enter(deadline time.Time, f api.Function, args ...uint64) (int32, error) {
	in.life.arm(deadline)
	in.running = time.Time{}
	copy(in.stack[:], args)
	err := f.CallWithStack(in.life, in.stack[:])
	if late := in.life.disarm(); late != nil {
		return 0, late
	}
	return int32(uint32(in.stack[0])), err
}

// handle carries one event out. An error is the instance's end; the exchange
// returned with it is the one that was being worked on.
func (in *instance) handle(ev event) (*exchange, error) {
	x := ev.x
	if x.over || (ev.kind == eventComplete && x.calls[ev.call.handle] == nil) {
		ev.call.drop(in.gen)
		return nil, nil
	}
	defer in.letGo()
	var err error
	switch ev.kind {
	case eventRequest:
		err = in.begin(x)
	case eventComplete:
		err = in.completed(x, ev.call)
	case eventCancel:
		err = in.canceled(x)
	}
	if err != nil {
		return x, err
	}
	in.finishEnded()
	return nil, nil
}

// begin enters edge_request for a request that was just taken in.
func (in *instance) begin(x *exchange) error {
	handle, err := in.newHandle()
	if err != nil {
		in.open[0] = x // fail ends it
		return err
	}
	x.handle = handle
	in.open[handle] = x
	if x.isAbandoned() {
		in.finish(x, outcome{err: errOver})
		return nil
	}
	if !in.holdUntil(x.deadline) {
		in.finish(x, outcome{err: in.gen.overloaded()})
		return nil
	}
	if x.event != nil {
		return in.tell(x)
	}
	answer, err := in.enter(x.deadline, in.request, uint64(x.handle))
	switch {
	case err != nil:
		return err
	case answer == -int32(abi.Closed) && x.isAbandoned(): // it passes on what it was told when the client left
		in.finish(x, outcome{err: errOver})
		return nil
	case answer < 0:
		return fmt.Errorf("edge_request answered %d (%s)", answer, abi.Errno(-int64(answer)))
	case answer > 1 || answer == 1 && !in.gen.shape.async:
		return fmt.Errorf("edge_request answered %d, which means nothing here", answer)
	case answer == 1:
		return nil // decided later, or already
	case !x.decided.isSet() && !x.isAbandoned(): // it was told CLOSED if the client left
		return errors.New("edge_request answered 0 without a decision")
	}
	if !in.gen.shape.async {
		in.ended = append(in.ended[:0], x)
	}
	return nil
}

// completed enters edge_complete for a call that is done.
func (in *instance) completed(x *exchange, c *call) error {
	if x.work().Err() != nil || !in.holdUntil(x.deadline) {
		c.drop(in.gen)
		delete(x.calls, c.handle)
		return nil // edge_cancel is on its way
	}
	if err := in.collect(x, c); err != nil {
		return err
	}
	in.completing = c
	_, err := in.enter(x.deadline, in.complete, uint64(x.handle), uint64(c.handle), uint64(c.errno))
	in.completing = nil
	delete(x.calls, c.handle)
	if err == nil && x.event != nil && len(x.calls) == 0 && !x.over {
		in.finish(x, outcome{})
	}
	return err
}

// canceled enters edge_cancel and ends the exchange.
func (in *instance) canceled(x *exchange) error {
	if in.cancel != nil {
		if !in.hold(nil) {
			return in.life.Err()
		}
		if _, err := in.enter(time.Now().Add(cancelGrace), in.cancel, uint64(x.handle)); err != nil {
			return err
		}
	}
	if errors.Is(x.work().Err(), context.DeadlineExceeded) {
		in.gen.log().Warn("plugin missed a request's deadline", "request", x.id, "deadline", in.gen.spec.Deadline)
	}
	in.finish(x, outcome{err: in.gen.missed()})
	return nil
}

// holdUntil is hold with a deadline.
func (in *instance) holdUntil(deadline time.Time) bool {
	select {
	case in.gen.reg.slots <- struct{}{}:
		in.holding = true
		return true
	default:
	}
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	return in.hold(ctx.Done())
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

// note puts x on the list of exchanges that end when this entry does.
func (in *instance) note(x *exchange) {
	if in.gen.shape.async && !x.noted {
		x.noted = true
		in.ended = append(in.ended, x)
	}
}

// finishEnded ends the exchanges that the entry decided.
func (in *instance) finishEnded() {
	for _, x := range in.ended {
		if !x.over {
			in.finish(x, x.decided)
		}
	}
	clear(in.ended)
	in.ended = in.ended[:0]
}

// finish ends x: its handle, sockets and open calls are over and the instance
// has room again before Decide learns of the decision.
func (in *instance) finish(x *exchange, out outcome) {
	x.over = true
	delete(in.open, x.handle)
	in.gen.tally(x, out)
	if s := x.stream; s != nil && !s.ended {
		in.gen.log().Warn("plugin broke its answer off before respond_end", "request", x.id)
		why := out.err
		if why == nil {
			why = in.gen.failure(nil)
		}
		_ = s.pipe.CloseWithError(why)
	}
	x.retire()
	for _, s := range x.sockets {
		s.abandon(in.gen)
	}
	for _, f := range x.fetches {
		f.abandon(in.gen)
	}
	clear(x.calls)
	if !in.dying {
		in.served = true
		in.gen.crashes.served()
		in.gen.pool.put(in)
	}
	in.gen.release()
	x.settle(out)
	x.leave()
}

// fail is the end of an instance after an error in x's entry: it is never used
// again, and neither x nor the other requests it held get a decision.
func (in *instance) fail(x *exchange, err error) {
	in.dying = true
	in.gen.crashed(in, err)
	in.gen.pool.discard(in)
	in.gen.failed(x, err)
	for _, open := range in.open {
		in.finish(open, outcome{err: in.gen.failure(err)})
	}
	in.close()
}

// close frees the module.
func (in *instance) close() {
	in.life.disarm()
	for i := range in.output {
		in.output[i].flush(in, i+1)
	}
	if in.mod != nil {
		_ = in.mod.Close(context.Background()) // it holds memory alone, which the collector frees
	}
}
