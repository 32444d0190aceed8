package plugins

import (
	"context"
	"iter"
	"time"

	"edge/abi"
)

// driven is what an instance of a blocking module has. Its guest runs in a
// coroutine, which Decide enters like a function: most requests are decided without
// that one goroutine waits for another. A guest that has to wait, or that Decide is
// not to wait for any longer, is detached: Decide gets the processor back in the
// middle of the entry, has a goroutine of its own see the guest through (drive),
// and waits for the outcome as far as it wants to.
type driven struct {
	resume   func() (struct{}, bool) // enters the coroutine until the entry's end, or until it is detached
	stop     func()                  // ends the coroutine, which is between two entries
	suspend  func(struct{}) bool     // in the coroutine: goes back to resume's caller
	only     *exchange               // the one open request
	begins   time.Time               // when its entry does
	attached bool                    // Decide waits in resume
	failure  error                   // of the entry that has ended
}

// ready makes the coroutine.
func (in *instance) ready() { in.resume, in.stop = iter.Pull(in.guest) }

// guest is the coroutine: one request after the other.
func (in *instance) guest(suspend func(struct{}) bool) {
	in.suspend = suspend
	for {
		_, in.failure = in.ask(in.only, in.begins)
		if !suspend(struct{}{}) {
			return
		}
	}
}

// detach lets Decide go on without the guest. A host function that may wait calls
// it first.
func (in *instance) detach() {
	if !in.attached {
		return
	}
	in.attached = false
	in.only.settled = make(chan struct{})
	in.suspend(struct{}{})
}

// serve has the guest decide x and gives the instance back. The goroutine must not
// be locked to a thread: coroutines are not.
func (in *instance) serve(ctx context.Context, x *exchange) (abi.Decision, error) {
	now, err := in.admit(ctx, x)
	if err != nil {
		if !x.gen.pool.put(in, x) {
			in.end()
		}
		x.gen.release()
		x.leave()
		return nil, x.gen.unserved(err)
	}
	x.handle, err = in.newHandle()
	in.only = x
	if err != nil {
		in.fail(x, err)
		return x.out.decision, x.out.err
	}
	in.begins, in.attached = now, true
	in.resume()
	if in.attached {
		in.attached = false
		in.done(x)
		return x.out.decision, x.out.err
	}
	in.gen.tasks.Add(1)
	go in.drive(x)
	return x.await(ctx)
}

// admit takes a slot for x's entry, which begins at the time that it returns.
func (in *instance) admit(ctx context.Context, x *exchange) (time.Time, error) {
	if in.gen.reg.slots.tryHard() {
		in.holding = true
		if x.queued == 0 {
			return x.begun, nil
		}
		return x.begun.Add(x.queued), nil
	}
	waiting, cancel := context.WithDeadline(ctx, x.lineEnd())
	defer cancel()
	if !in.hold(waiting.Done()) {
		switch {
		case in.life.Err() != nil:
			return time.Time{}, errStopped
		case ctx.Err() != nil:
			return time.Time{}, ctx.Err()
		}
		return time.Time{}, errOverloaded
	}
	now := time.Now()
	x.queued = now.Sub(x.begun)
	return now, nil
}

// drive is the goroutine that sees a detached guest through to the entry's end. The
// generation joins it.
func (in *instance) drive(x *exchange) {
	defer in.gen.tasks.Done()
	in.resume()
	in.done(x)
}

// done is the end of an entry.
func (in *instance) done(x *exchange) {
	if in.failure != nil {
		in.fail(x, in.failure)
		return
	}
	g := in.gen // the instance may be another request's when finish returns
	if !in.finish(x, x.decided) {
		in.end()
	}
	g.release()
}
