package plugins

import (
	"context"
	"slices"
	"time"

	"edge/abi"
)

// maxHold is how long a request that is held goes on after its decision.
const maxHold = 30 * time.Second

// hold: (req). See SPEC.md, section 5.
func hold(in *instance, a []uint64) uint64 {
	x := in.find(a[0])
	switch {
	case x == nil:
		return answer(abi.Closed)
	case !in.gen.shape.async:
		return x.refuse(abi.CodeUnsupported, "the module does not export edge_complete")
	case x.event != nil:
		return x.refuse(abi.CodeInvalidRequest, "an event is no request: it lasts as long as the calls that it started")
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.hungUp && !x.lingers {
		return answer(abi.Closed)
	}
	x.held = true
	return answer(abi.OK)
}

// letGo: (req).
func letGo(in *instance, a []uint64) uint64 {
	x := in.find(a[0])
	if x == nil {
		return answer(abi.Closed)
	}
	x.mu.Lock()
	held, lingers := x.held, x.lingers
	x.held = false
	x.mu.Unlock()
	if !held {
		return x.refuse(abi.CodeInvalidRequest, "let_go: the request is not held")
	}
	if lingers {
		in.note(x)
	}
	return answer(abi.OK)
}

// linger has an exchange that is held go on after its decision, which Decide gets
// now. False: it ends.
func (in *instance) linger(x *exchange) bool {
	x.mu.Lock()
	goesOn := x.held && (x.lingers || x.outlive())
	x.mu.Unlock()
	if !goesOn {
		return false
	}
	x.noted = false
	in.breakOff(x, x.decided)
	in.gen.tally(x, x.decided, nil)
	in.gen.pool.setAside(in, x)
	x.settle(x.decided)
	return true
}

// outlive has the exchange's work go on for a while, with a copy of the request:
// the request is the server's from now on, and so is its body. False: the work has
// ended. x.mu is held.
func (x *exchange) outlive() bool {
	if x.req == nil || x.workCtx == nil || !x.workCtx.move(time.Now().Add(x.gen.reg.maxHold)) {
		return false
	}
	own := *x.req
	own.Headers, own.Body = slices.Clone(own.Headers), nil
	x.giveUp()
	x.req, x.bodyErr, x.lingers = &own, errOver, true
	return true
}

// endOrHold is hangUp's part within the exchange; it is true if the exchange goes on
// from now on.
func (x *exchange) endOrHold() (goesOn bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.lingers {
		return false
	}
	x.hungUp = true
	if goesOn = x.held && x.outlive(); !goesOn {
		x.letGo()
	}
	return goesOn
}

// displace ends an exchange that goes on after its decision before its time is over:
// too many others do. The guest is told.
func (x *exchange) displace() {
	x.displaced.Store(true)
	x.work().end(context.Canceled)
}

// isLingering tells whether the exchange goes on after its decision.
func (x *exchange) isLingering() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.lingers
}

// conclusion is how the exchange ends: one that was held when its client left may
// have no decision.
func (x *exchange) conclusion() outcome {
	if !x.decided.isSet() {
		return outcome{err: errOver}
	}
	return x.decided
}

// concludeRecording ends a recording or, if the guest still works for the request,
// has finish end it.
func (x *exchange) concludeRecording(r Recording) {
	x.mu.Lock()
	later := x.lingers && !x.retired
	if later {
		x.recording = r
	}
	x.mu.Unlock()
	if !later {
		r.Over()
	}
}
