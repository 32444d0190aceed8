package plugins

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"edge/abi"
)

// readDeadliner is what a request's body may have besides Read, so that a read
// that waits for the client can be ended.
type readDeadliner interface{ SetReadDeadline(time.Time) error }

// outcome is what Decide returns: a decision or an error.
type outcome struct {
	decision abi.Decision
	err      error
}

// isSet tells whether it is one already.
func (o outcome) isSet() bool { return o.decision != nil || o.err != nil }

// exchange is one open request in an instance: what a request handle stands for.
// It begins in Decide and ends in instance.finish.
type exchange struct {
	gen          *generation
	in           *instance
	id           string // the request's id, for the log
	isBackground bool   // it is of request 0
	begun        time.Time
	deadline     time.Time       // of request 0, for the entry alone
	values       context.Context // Decide's, for its values; host calls do not end with it
	own          *Services       // in place of the registry's, if not nil
	event        []byte          // JSON of what happened, if it is an event and no request
	account      *account        // nil: nobody asked
	// settled is closed when the outcome is there, unless abandon came first. It is
	// nil as long as Decide's own goroutine runs the guest.
	settled chan struct{}
	left    chan struct{} // closed when the guest is done; nil outside of trials

	// The instance's loop alone uses these.
	handle   uint32
	decided  outcome       // the guest's decision; an error is the one of fail
	stream   *streamWriter // set by respond_begin
	kept     []byte        // result that did not fit, for result_read
	lastErr  *abi.Error
	sockets  map[uint32]*socket
	fetches  map[uint32]*fetched
	calls    map[uint32]*call
	working  int  // calls that a goroutine carries out
	unsent   int  // bytes of started writes and sends that are not out yet
	bodyLane lane // reads of the body follow each other
	bodyErr  error
	over     bool // finish ran
	noted    bool // on the instance's list of exchanges that are to be finished
	tallied  bool // what became of it is counted
	waited   bool // in a host call
	fuel     uint64
	booked   uint64 // of the fuel, in the generation's counter
	queued   time.Duration
	compute  time.Duration

	standing              // in the pool
	displaced atomic.Bool // it went on after its decision, and was ended for others

	mu        sync.Mutex
	req       *abi.Request // nil once the exchange must not touch it any more
	isSettled bool
	out       outcome
	hungUp    bool      // the client or the caller went away
	held      bool      // the guest wants it to outlive its decision
	lingers   bool      // and it does: Decide has returned
	recording Recording // of one that lingers
	workCtx   *work
	stopKill  func() bool
	retired   bool
	pipe      *io.PipeWriter // the stream's, for the watch
	reading   int            // reads of the body under way
	cutBody   readDeadliner
	cutShort  bool // a read was under way when the exchange ended
	reads     sync.WaitGroup
}

// newExchange makes the exchange of a request whose Decide began at begun.
func newExchange(ctx context.Context, g *generation, req *abi.Request, begun, deadline time.Time) *exchange {
	x, ok := g.reg.exchanges.Get().(*exchange)
	if !ok {
		x = new(exchange)
	}
	x.gen, x.id, x.begun, x.deadline, x.values, x.req = g, req.ID, begun, deadline, ctx, req
	x.explain(ctx)
	return x
}

// recycle gives the exchange to a later request, if nobody but Decide and the
// guest, which are done with it, ever had it.
func (x *exchange) recycle() {
	if x.settled != nil || x.workCtx != nil || !x.over {
		return
	}
	exchanges := &x.gen.reg.exchanges
	*x = exchange{}
	exchanges.Put(x)
}

// lineEnd is until when the request waits for its turn.
func (x *exchange) lineEnd() time.Time {
	if end := x.begun.Add(x.gen.spec.Queue); end.Before(x.deadline) {
		return end
	}
	return x.deadline
}

// work returns the context of the exchange's host calls: Decide's values, the
// request's deadline, and an end when the client goes away or the exchange is
// over.
func (x *exchange) work() *work {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.workCtx == nil {
		x.workCtx = newWork(x.values, x.deadline)
		if x.req == nil && !x.isBackground {
			x.workCtx.end(context.Canceled)
			return x.workCtx
		}
		if !x.gen.shape.async {
			x.stopKill = context.AfterFunc(x.gen.killed, x.kill)
		}
	}
	return x.workCtx
}

// beKilled has the generation's kill end a host call that holds the instance up. Other
// work of an asynchronous module is ended by its loop.
func (x *exchange) beKilled() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.stopKill == nil && !x.retired {
		x.stopKill = context.AfterFunc(x.gen.killed, x.kill)
	}
}

// end is until when the guest may be entered for the exchange.
func (x *exchange) end() time.Time {
	if x.isBackground || !x.gen.shape.async {
		return x.deadline
	}
	deadline, _ := x.work().Deadline()
	return deadline
}

// watch has f called, in a goroutine of its own, when the exchange's work ends
// before the exchange does.
func (x *exchange) watch(f func()) {
	work := x.work()
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.retired {
		work.watch(f)
	}
}

// await returns the outcome, or ctx's end or the deadline if that comes first.
// The request is the caller's alone when it returns, unless the decision is a
// stream.
func (x *exchange) await(ctx context.Context) (abi.Decision, error) {
	expired := x.in.life.Done()
	if x.gen.shape.async {
		expired = x.work().Done() // the lifeline is that of many requests
	}
	var out outcome
	select {
	case <-x.settled:
		out = x.out
	case <-ctx.Done():
		out = x.abandon(abi.AsError(ctx.Err()))
	case <-expired:
		if x.gen.shape.async && !errors.Is(x.work().Err(), context.DeadlineExceeded) {
			<-x.settled // the loop ended the work and is about to say how
			out = x.out
			break
		}
		err := x.gen.missed()
		if !x.gen.shape.async {
			err = x.gen.failure(x.in.life.Err())
		}
		out = x.abandon(err)
	}
	if r, ok := out.decision.(*abi.Respond); !ok || r.Stream == nil {
		x.joinReads()
	}
	return out.decision, out.err
}

// settle gives Decide its outcome; it is false if Decide has returned.
func (x *exchange) settle(out outcome) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.isSettled {
		return false
	}
	x.isSettled, x.out = true, out
	if x.settled != nil {
		close(x.settled)
	}
	return true
}

// abandon ends the exchange for a caller that waits no longer: host calls end,
// the request is let go. An outcome that came first is returned instead of err.
func (x *exchange) abandon(err *abi.Error) outcome {
	x.mu.Lock()
	if x.isSettled {
		defer x.mu.Unlock()
		return x.out
	}
	x.isSettled = true
	x.mu.Unlock()
	x.hangUp()
	return outcome{err: err}
}

// hangUp tells the exchange that nobody waits for it: its host calls end and
// answer CLOSED from now on. One that the guest holds goes on, as after a decision.
func (x *exchange) hangUp() {
	if x.endOrHold() {
		x.gen.pool.setAside(x.in, x)
	}
}

// kill ends the exchange's work in any case: the generation is stopped.
func (x *exchange) kill() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.hungUp = true
	x.letGo()
}

// letGo ends what uses the request, without waiting for a read that is under
// way: joinReads does. x.mu is held.
func (x *exchange) letGo() {
	if x.workCtx != nil {
		x.workCtx.end(context.Canceled)
	}
	x.giveUp()
}

// giveUp lets go of the request. x.mu is held.
func (x *exchange) giveUp() {
	if x.req == nil {
		return
	}
	if x.reading > 0 {
		x.cutShort = true
		if d, ok := x.req.Body.(readDeadliner); ok && d.SetReadDeadline(time.Unix(1, 0)) == nil {
			x.cutBody = d
		}
	}
	x.req = nil
}

// joinReads waits for the read of the body that may still be under way; one
// whose body has no SetReadDeadline ends when the client sends something.
func (x *exchange) joinReads() {
	x.reads.Wait()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.cutBody != nil {
		_ = x.cutBody.SetReadDeadline(time.Time{})
		x.cutBody = nil
	}
}

// retire is the end of the exchange on the instance's side.
func (x *exchange) retire() {
	x.mu.Lock()
	recording := x.recording
	x.recording = nil
	defer func() {
		x.mu.Unlock()
		if recording != nil {
			recording.Over()
		}
	}()
	x.retired = true
	if x.stopKill != nil {
		x.stopKill()
	}
	if x.workCtx != nil {
		x.workCtx.watch(nil)
	}
	x.letGo()
}

// isAbandoned tells whether nobody waits for the exchange any more.
func (x *exchange) isAbandoned() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.hungUp
}

// request runs f on the request. It is false, and f did not run, if the request
// is no longer the exchange's. f must not block.
func (x *exchange) request(f func(*abi.Request)) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.req == nil {
		return false
	}
	f(x.req)
	return true
}

// reply is the result of a host call: written where the guest wants it, or kept
// for result_read if it does not fit. One that is larger than any may be is
// refused, and nothing is kept.
func (x *exchange) reply(out, data []byte) uint64 {
	if e := x.gen.tooLarge(data); e != nil {
		x.kept = nil
		return x.fail(e)
	}
	return reply(&x.kept, out, data)
}

// readBody reads the next piece of the body; it blocks until there is one. The
// body's end is 0 without an error. Reads follow each other: the caller holds
// the body's lane.
func (x *exchange) readBody(p []byte) (int, error) {
	x.mu.Lock()
	if x.req == nil {
		x.mu.Unlock()
		return 0, errOver
	}
	body, err := x.req.Body, x.bodyErr
	if body == nil || err != nil {
		x.mu.Unlock()
		return 0, bodyEnd(err)
	}
	x.reads.Add(1)
	x.reading++
	x.mu.Unlock()

	n := 0
	for tries := 0; n == 0 && err == nil && tries < 100; tries++ {
		n, err = body.Read(p)
	}

	x.mu.Lock()
	x.reading--
	if err == nil && n == 0 {
		err = io.ErrNoProgress
	}
	x.bodyErr = err
	over := x.req == nil
	x.mu.Unlock()
	x.reads.Done()
	switch {
	case over:
		return 0, errOver
	case n > 0:
		return n, nil // the error is the next read's
	}
	return 0, bodyEnd(err)
}

// bodyEnd is what a read that brought nothing says.
func bodyEnd(err error) error {
	var e *abi.Error
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return nil
	case errors.As(err, &e):
		return e
	}
	return abi.Errorf(abi.CodeCanceled, "the client's body broke off")
}

// errOver is a host call for an exchange that nobody waits for.
var errOver = abi.Errorf(abi.CodeCanceled, "the request is over")
