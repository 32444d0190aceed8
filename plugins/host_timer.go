package plugins

import (
	"time"

	"edge/abi"
)

// timerStart: (req, ms). See SPEC.md, section 7.
func timerStart(in *instance, a []uint64) uint64 {
	x := in.caller(a[0])
	if x == nil {
		return answer(abi.Closed)
	}
	if e := in.roomForTimer(x); e != nil {
		return x.fail(e)
	}
	handle, err := in.newHandle()
	if err != nil {
		panic(err)
	}
	took := time.Duration(uint32(a[1])) * time.Millisecond
	c := &call{x: x, handle: handle, agent: in.agent(x)}
	c.timer = &timer{call: c, due: in.gen.now().Add(took), took: took}
	x.addCall(c)
	in.timers.add(c.timer)
	if x.isBackground {
		in.engaged.Add(1)
	}
	return abi.Result(abi.OK, handle)
}

// roomForTimer refuses one timer more than may be open.
func (in *instance) roomForTimer(x *exchange) *abi.Error {
	switch {
	case !in.gen.shape.async:
		return abi.Errorf(abi.CodeUnsupported, "the module does not export edge_complete")
	case !x.isBackground && len(x.calls) >= maxCalls:
		return abi.Errorf(abi.CodeQuotaExceeded, "%d calls of this request are open already", maxCalls)
	case x.isBackground && len(x.calls)-x.working >= maxTimers:
		return abi.Errorf(abi.CodeQuotaExceeded, "%d timers of the instance are open already", maxTimers)
	}
	return nil
}

// timerStop: (req, call).
func timerStop(in *instance, a []uint64) uint64 {
	x := in.caller(a[0])
	if x == nil {
		return answer(abi.Closed)
	}
	c := x.calls[uint32(a[1])]
	switch {
	case c == nil || c == in.completing:
		return answer(abi.Closed)
	case c.timer == nil:
		return x.refuse(abi.CodeInvalidRequest, "timer_stop: the call is no timer")
	}
	in.timers.remove(c.timer)
	delete(x.calls, c.handle)
	if x.isBackground {
		in.engaged.Add(-1)
	}
	return answer(abi.OK)
}

// now is the time by which timers are set: a trial has one of its own.
func (g *generation) now() time.Time {
	if s := g.reg.stage; s != nil {
		return s.now()
	}
	return time.Now()
}

// ring enters the guest for the timer that is due first, if it is due.
func (in *instance) ring() (*exchange, error) {
	t := in.timers.take(in.gen.now())
	if t == nil {
		return nil, nil
	}
	x := t.call.x
	if x.isBackground {
		in.engaged.Add(-1)
	}
	t.call.agent.called("timer", nil, t.took)
	defer in.letGo()
	if err := in.completed(x, t.call); err != nil {
		return x, err
	}
	in.finishEnded()
	return nil, nil
}

// passTime has the clock of a trial go to when the first timer is due, if the guest
// waits for nothing else: the same each time, however long the host takes. It is
// false if there is nothing to wait for.
func (in *instance) passTime() bool {
	s := in.gen.reg.stage
	if s == nil || len(in.open) == 0 || in.working > 0 || len(in.timers.heap) == 0 {
		return false
	}
	s.passTo(in.timers.heap[0].due)
	return true
}
