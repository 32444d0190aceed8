package host

import (
	"slices"
	"time"

	"edge/abi"
)

// plan carries a Plan out. All that ask for the same steps in the same sandbox at
// the same time share one run of them (planrun.go) and wait for it here, each for as
// long as its own plan says and its client is there.
func (x *exchange) plan(d *abi.Plan) {
	if d.Then == abi.PlanConnect && !x.head.upgrade {
		x.fail(abi.Errorf(abi.CodeUpgradeRequired, "this address speaks WebSocket only").
			WithSuggestion("connect with a WebSocket client"))
		return
	}
	limit := d.Timeout.Or(abi.DefaultPlanTimeout)
	box, err := x.admitTo(target{ref: d.Sandbox, port: d.Port, policy: d.Policy, wake: holdFor(limit)})
	if err != nil {
		x.fail(err)
		return
	}
	x.fallback = d.Fallback
	rising, err := x.awaitSteps(box, d, limit)
	if err != nil {
		x.failPlan(err)
		return
	}
	x.carryTo(box, rising)
}

// holdFor is the wake of a plan: the sandbox is started and awaited.
func holdFor(limit time.Duration) abi.Wake { return abi.Wake("hold(" + limit.String() + ")") }

// awaitSteps waits until the plan's steps are done, or for limit. rising tells that
// they started the process.
func (x *exchange) awaitSteps(box sandbox, d *abi.Plan, limit time.Duration) (rising bool, err error) {
	b, ok := box.(builder)
	if !ok {
		return false, abi.Errorf(abi.CodeUnsupported, "this edge carries out no plans")
	}
	x.watchClient()
	defer x.unwatchClient()
	end := time.Now().Add(limit)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	key := planKeyOf(x.target.ref, d)
	for {
		r := x.s.startSteps(key, box, b, d, time.Until(end))
		d = r.plan // the same, and one for all: ten thousand wait at times
		select {
		case <-r.done:
		case <-timer.C:
			err = abi.Errorf(abi.CodeTimeout, "the plan was not done within %s: %s", limit, r.doing()).WithStarted(abi.StartedMaybe)
		case <-x.ctx.Done():
			err = x.ctx.Err()
		}
		x.s.plans.leave(r)
		if err != nil {
			return false, err
		}
		// A run that others began ends with their patience, not with this one's.
		if r.err != nil && r.outOfTime() && end.Sub(r.end) > lateBy(limit) {
			continue
		}
		return r.started, r.err
	}
}

// lateBy is how much later than a run's end somebody's patience has to end for
// another run to be worth it.
func lateBy(limit time.Duration) time.Duration { return limit / 4 }

// planCodes are the errors of a plan's steps that tell a visitor something. All
// others are about what the plugin asked for: its failure.
var planCodes = []abi.Code{
	abi.CodeTimeout, abi.CodeCanceled, abi.CodeProcessReadyTimeout, abi.CodeProcessExitedBeforeReady, abi.CodePortNotListening,
	abi.CodeSandboxStarting, abi.CodeSandboxAsleep, abi.CodeSandboxLost, abi.CodeSandboxExited, abi.CodeRuntimeUnavailable, abi.CodeImageNotFound,
	abi.CodeQuotaExceeded, abi.CodeTooManyRequests, abi.CodeUnknownBinding, abi.CodeInvalidSandboxID, abi.CodeInvalidPort, abi.CodeInternal,
	abi.CodeUnsupported,
}

// failPlan answers that a step failed; the log was told why, by the run.
func (x *exchange) failPlan(err error) {
	if x.fallBack() {
		return
	}
	e := abi.AsError(err)
	if !slices.Contains(planCodes, e.Code) {
		x.fail(abi.Errorf(abi.CodePluginFailed, "what plugin %q planned could not be carried out", x.plugin).WithStarted(abi.StartedMaybe))
		return
	}
	outside := *e
	outside.Details, outside.Suggestion, outside.Operation = nil, "", ""
	x.fail(&outside)
}

// fallBack gives the plan's own answer, if it has one, to a request that reached
// nobody. It is false if the error is to be answered.
func (x *exchange) fallBack() bool {
	f := x.fallback
	if f == nil || x.ctx.Err() != nil {
		return false
	}
	x.fallback = nil // once
	answer := &abi.Respond{Status: f.Status, Body: []byte(f.Body)}
	for _, h := range f.Headers {
		answer.Headers = append(answer.Headers, abi.Header{Name: h[0], Value: h[1]})
	}
	x.respond(answer)
	return true
}
