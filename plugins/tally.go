package plugins

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"edge/abi"
)

// counts is what a generation did, in numbers that only grow.
type counts struct{ requests, failures, timeouts, fuel atomic.Uint64 }

func (c *counts) read() Counters {
	return Counters{Requests: c.requests.Load(), Failures: c.failures.Load(), Timeouts: c.timeouts.Load(), Fuel: c.fuel.Load()}
}

// probation is the time in which a generation's failures give it up.
type probation struct {
	bound  int64
	until  time.Time // zero: until it ends otherwise
	failed atomic.Int64
}

// tally counts what became of an exchange that an instance had. The guest's own
// errors (fail) are no failures, and a deadline that passed while the guest waited
// for the client, or sent it a stream, is not held against the generation: clients
// could otherwise have a good one given up. cause is why the instance ended, if it
// did: the client is not told of it.
func (g *generation) tally(x *exchange, out outcome, cause error) {
	g.counts.fuel.Add(x.fuel - x.booked)
	x.booked = x.fuel
	if x.tallied {
		return
	}
	x.tallied = true
	if out.err == nil || out.err == x.decided.err {
		return
	}
	e, ok := out.err.(*abi.Error)
	if !ok {
		return
	}
	switch e.Code {
	case abi.CodePluginFailed:
		g.counts.failures.Add(1)
	case abi.CodeTimeout:
		g.counts.timeouts.Add(1)
		if x.stream != nil || x.heldUpByClient() {
			return
		}
	default:
		return
	}
	g.falter(reason(e, cause))
}

// reason is why a request failed, in one line, for who runs the edge.
func reason(told *abi.Error, cause error) error {
	if cause == nil || told.Code != abi.CodePluginFailed {
		return told
	}
	return errors.New(firstLine(cause))
}

// mishap counts an instance that ended with no request of its own that could be
// counted: in a call of request 0, or of a request that had its decision.
func (g *generation) mishap(err error) {
	told := g.failure(err)
	if told.Code == abi.CodeTimeout {
		g.counts.timeouts.Add(1)
	} else {
		g.counts.failures.Add(1)
	}
	g.falter(reason(told, err))
}

// heldUpByClient tells whether a read of the body was under way when the exchange
// ended.
func (x *exchange) heldUpByClient() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.cutShort
}

// crashed notes an instance that ended with err. A deadline that a request missed
// may have been missed in the host.
func (g *generation) crashed(in *instance, err error) {
	var unmade *guestError
	waited := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
	if in.served || waited && !errors.As(err, &unmade) {
		return
	}
	if pause := g.crashes.crashed(time.Now()); pause > 0 {
		g.log().Error("plugin's instances fail one after the other: no other is made for a while", "pause", pause, "err", trace(err))
	}
}

// unmade counts a request for which no instance could be made.
func (g *generation) unmade(err error) {
	g.counts.failures.Add(1)
	g.falter(err)
}

// falter holds one failure against the generation: if it is on probation and this
// was one too many, it is given up.
func (g *generation) falter(err error) {
	pr := g.probation.Load()
	if pr == nil || !pr.until.IsZero() && time.Now().After(pr.until) {
		return
	}
	if n := pr.failed.Add(1); n == pr.bound {
		g.reg.giveUp(g, fmt.Errorf("it failed %d times; the last time: %w", n, err))
	}
}
