package plugins

import (
	"container/list"
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// cancelGrace bounds edge_cancel: the request's own deadline may have passed.
const cancelGrace = 2 * time.Second

// looped is what an instance of an asynchronous module has: a loop that enters the
// guest for one thing at a time, as the rest of the edge sends it events.
type looped struct {
	events chan event
	quit   chan struct{} // closed by the pool to end an instance without requests
	dead   chan struct{} // closed when the loop takes no more events
	poked  chan struct{} // has room for one: another version serves
	// uncollected is the bytes of results that wait for the loop.
	uncollected atomic.Int64
	// engaged counts the open calls and timers of request 0: with some the instance is
	// not recycled.
	engaged atomic.Int32
	// busy is true while the guest is at work.
	busy atomic.Bool

	// The pool's lock guards these: the requests that go on after their decision, which
	// load leaves out, and of them those that were not ended, the oldest first.
	apart int
	aside list.List

	// The loop alone uses these, and host functions, which run in it.
	open       map[uint32]*exchange
	ended      []*exchange // a decision was made or a stream ended in this entry
	completing *call       // the call that edge_complete is told of
	held       int         // bytes that started calls hold, of requests that are over too
	spent      bool        // the pool does not want the instance any more
	working    int         // calls that a goroutine carries out
	timers     timers
	background *exchange // of request 0; nil as long as there was no call of it
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

func newLooped() looped {
	return looped{events: make(chan event), quit: make(chan struct{}), dead: make(chan struct{}), poked: make(chan struct{}, 1), open: map[uint32]*exchange{}}
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

// offer hands the loop a request; taken is false if the instance takes none any
// more. The guest may be busy with another request for long: the error is then the
// end of the wait, errOverloaded or ctx's.
func (in *instance) offer(ctx context.Context, x *exchange) (taken bool, err error) {
	ev := event{kind: eventRequest, x: x}
	select {
	case in.events <- ev:
		return true, nil
	default:
	}
	timer := time.NewTimer(time.Until(x.lineEnd()))
	defer timer.Stop()
	select {
	case in.events <- ev:
		return true, nil
	case <-in.dead:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	case <-timer.C:
		return false, errOverloaded
	}
}

// loop enters the guest for each event until the pool ends the instance or an error
// makes it unusable.
func (in *instance) loop() {
	for !in.spent {
		if x, err := in.turn(); err != nil {
			in.fail(x, err)
			return
		}
	}
	in.end()
}

// turn waits for one thing and does it. An error is the instance's end, as handle's.
func (in *instance) turn() (*exchange, error) {
	var alarm <-chan time.Time
	if in.gen.reg.stage == nil {
		alarm = in.timers.ringing()
	} else if in.passTime() {
		select {
		case ev := <-in.events:
			return in.handle(ev)
		default:
			return in.ring()
		}
	}
	select {
	case ev := <-in.events:
		return in.handle(ev)
	case <-alarm:
		return in.ring()
	case <-in.poked:
		in.settleBackground()
	case <-in.quit:
		in.spent = true
	case <-in.life.Done(): // the generation is killed
		return nil, in.life.Err()
	}
	return nil, nil
}

// handle carries one event out. An error is the instance's end; the exchange
// returned with it is the one that was being worked on.
func (in *instance) handle(ev event) (*exchange, error) {
	in.busy.Store(true)
	defer in.busy.Store(false)
	x := ev.x
	if ev.kind == eventComplete {
		in.held -= ev.call.held
		in.working--
		x.working--
		defer x.release()
	}
	if x.over || (ev.kind == eventComplete && x.calls[ev.call.handle] != ev.call) {
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

// begin enters the guest for a request that was just taken in.
func (in *instance) begin(x *exchange) error {
	handle, err := in.newHandle()
	if err != nil {
		in.open[0] = x // fail ends it
		return err
	}
	x.handle = handle
	in.open[handle] = x
	if x.isAbandoned() {
		in.finishLast(x, outcome{err: errOver})
		return nil
	}
	if !in.holdUntil(x.lineEnd()) {
		in.finishLast(x, outcome{err: in.gen.overloaded()})
		return nil
	}
	now := time.Now()
	x.queued = now.Sub(x.begun)
	pending, err := in.ask(x, now)
	if err == nil && !pending {
		in.finishLast(x, x.decided)
	}
	return err
}

// completed enters edge_complete for a call that is done.
func (in *instance) completed(x *exchange, c *call) error {
	if x.work().Err() != nil || !in.holdFor(x) {
		c.drop(in.gen)
		delete(x.calls, c.handle)
		return nil // edge_cancel is on its way
	}
	if err := in.collect(x, c); err != nil {
		return err
	}
	now := time.Now()
	if x.isBackground {
		in.beginBackground(x, c, now)
	}
	in.completing = c
	in.stack = [4]uint64{uint64(x.handle), uint64(c.handle), uint64(c.errno)}
	_, err := in.enter(x, in.complete, now, x.end())
	in.completing = nil
	delete(x.calls, c.handle)
	if x.isBackground {
		in.endBackground(x)
	}
	if err == nil && x.event != nil && len(x.calls) == 0 && !x.over {
		in.finishLast(x, outcome{})
	}
	return err
}

// canceled enters edge_cancel and ends the exchange.
func (in *instance) canceled(x *exchange) error {
	if in.cancel != nil {
		if !in.hold(nil) {
			return in.life.Err()
		}
		now := time.Now()
		in.stack[0] = uint64(x.handle)
		if _, err := in.enter(x, in.cancel, now, now.Add(cancelGrace)); err != nil {
			return err
		}
	}
	out := x.conclusion()
	switch late := errors.Is(x.work().Err(), context.DeadlineExceeded); {
	case late && x.isLingering():
		in.gen.log().Warn("what a request held took too long and was ended", "request", x.id, "allowed", in.gen.reg.maxHold)
	case late:
		in.gen.log().Warn("plugin missed a request's deadline", "request", x.id, "deadline", in.gen.spec.Deadline)
		out.err = in.gen.missed()
	case x.displaced.Load():
		in.gen.log().Warn("what a request held was ended: an instance holds too many", "request", x.id, "allowed", heldPerOpen*in.gen.pool.room)
	}
	in.finishLast(x, out)
	return nil
}

// holdFor takes a slot for an entry of x, which may have a deadline.
func (in *instance) holdFor(x *exchange) bool {
	if x.isBackground {
		return in.hold(nil)
	}
	return in.holdUntil(x.end())
}

// holdUntil is hold with a deadline.
func (in *instance) holdUntil(deadline time.Time) bool {
	if in.gen.reg.slots.tryHard() {
		in.holding = true
		return true
	}
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	return in.hold(ctx.Done())
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
		if !x.over && !in.linger(x) {
			in.finishLast(x, x.conclusion())
		}
	}
	clear(in.ended)
	in.ended = in.ended[:0]
}

// finishLast is finish, and notes that it was the instance's last request.
func (in *instance) finishLast(x *exchange, out outcome) {
	if !in.finish(x, out) {
		in.spent = true
	}
	in.settleBackground()
	in.gen.release() // who closes the generation waits for the loop
}
