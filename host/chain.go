package host

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"edge/abi"
)

// ask asks the plugins of a route in turn, until one decides something else than
// next. If none does, the answer is the failure of the last one that was passed
// over, else NOT_FOUND.
func (x *exchange) ask(chain []Plugin) {
	switch decided, passedOver := x.askEach(chain); {
	case decided:
	case passedOver != nil:
		x.fail(passedOver)
	case x.returnStray():
	default:
		x.fail(abi.Errorf(abi.CodeNotFound, "no plugin of this route answers the request"))
	}
}

// askEach asks until one decides, or fails for good, and tells whether one did; if
// not, passedOver is the failure of the last one that was passed over.
func (x *exchange) askEach(chain []Plugin) (decided bool, passedOver error) {
	for i := range chain {
		p := &chain[i]
		x.plugin, x.decider = p.Name, p.Decider
		var before edits
		if p.OnFailure.Open {
			before = x.beforeEdits()
		}
		asked := time.Now()
		d, err := x.decide(p)
		x.observeDecision(p.Name, d, err, asked)
		switch {
		case err == nil:
			if x.carryOut(d) {
				return true, nil
			}
		case p.OnFailure.Open && failed(err) && x.undo(before):
			x.s.Log.Warn("plugin failed; the next one is asked", "plugin", p.Name, "request", x.id, "error", err)
			passedOver = err
		default:
			x.refused(p, err)
			return true, nil
		}
	}
	return false, passedOver
}

// decide asks one plugin, for as long as the client is there to be answered. A
// decider that panics has failed, and no more.
func (x *exchange) decide(p *Plugin) (d abi.Decision, err error) {
	defer func() {
		if r := recover(); r != nil {
			x.s.Log.Error("decider panicked", "plugin", p.Name, "request", x.id, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = abi.Errorf(abi.CodePluginFailed, "plugin %q failed", p.Name)
		}
	}()
	x.watchClient()
	defer x.unwatchClient()
	if x.told == nil {
		return p.Decider.Decide(&x.ctx, x.req)
	}
	return x.decideTold(p)
}

// decideTold is decide of a request whose client is told how it was decided.
func (x *exchange) decideTold(p *Plugin) (d abi.Decision, err error) {
	e := new(abi.Explanation)
	ctx := context.Context(&x.ctx)
	if x.s.Explain != nil {
		ctx = x.s.Explain(ctx, e)
	}
	asked := time.Now()
	d, err = p.Decider.Decide(ctx, x.req)
	if e.Verdict.Decision == "" { // a decider that explains nothing
		e.Plugin, e.Took, e.Verdict = p.Name, abi.Duration(time.Since(asked)), abi.VerdictOf(d, err)
	}
	x.told.add(*e)
	return d, err
}

// granter is a Decider that was not granted every port of every sandbox. Where it
// names a sandbox it is checked by whoever runs it; where an exposure's address leads
// is known here alone.
type granter interface {
	// MayReach returns nil or DENIED.
	MayReach(ref abi.SandboxRef, port int) error
}

// mayReach asks the plugin that decided. What its grants say, and who could change
// them, is not the client's business.
func (x *exchange) mayReach(ref abi.SandboxRef, port int) error {
	g, ok := x.decider.(granter)
	if !ok {
		return nil
	}
	err := g.MayReach(ref, port)
	if err == nil {
		return nil
	}
	x.s.Log.Warn("plugin may not relay to this exposure", "plugin", x.plugin, "request", x.id, "error", err)
	return abi.Errorf(abi.CodeDenied, "this preview is not served at this address")
}
