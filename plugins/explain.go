package plugins

import (
	"context"
	"sync"
	"time"

	"edge/abi"
)

// maxExplained bounds the calls that an Explanation names.
const maxExplained = 64

// explanationKey is the key under which a context carries an Explanation.
type explanationKey struct{}

// WithExplanation returns a context under which Decide fills in how the request
// was decided. e is the caller's again when Decide has returned, and what a
// stream does after that is not in it. A context for several plugins, one after
// the other, would have the last one overwrite the others: each gets its own.
func WithExplanation(ctx context.Context, e *abi.Explanation) context.Context {
	return context.WithValue(ctx, explanationKey{}, e)
}

// explanationOf returns what ctx carries, or nil: nobody asked.
func explanationOf(ctx context.Context) *abi.Explanation {
	e, _ := ctx.Value(explanationKey{}).(*abi.Explanation)
	return e
}

// account is where an exchange notes how it went, if somebody asked. The work
// of an asynchronous module may end after the decision: it is noted no more.
type account struct {
	mu   sync.Mutex
	text *abi.Explanation // nil once Decide has returned
}

func (a *account) called(name string, err error, took time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.text == nil:
	case len(a.text.Calls) >= maxExplained:
		a.text.More++
	default:
		call := abi.ExplainedCall{Name: name, Took: abi.Duration(took)}
		if err != nil {
			call.Code = abi.AsError(err).Code
		}
		a.text.Calls = append(a.text.Calls, call)
	}
}

// note books what the guest used so far.
func (a *account) note(fuel uint64, compute, queued time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.text != nil {
		a.text.Fuel, a.text.Compute, a.text.Queued = fuel, abi.Duration(compute), abi.Duration(queued)
	}
}

// explain opens the exchange's account if ctx asks for one.
func (x *exchange) explain(ctx context.Context) {
	if e := explanationOf(ctx); e != nil {
		*e = abi.Explanation{Plugin: x.gen.spec.Name, Digest: x.gen.digest, Generation: x.gen.number, Canary: x.gen.canary.Load()}
		x.account = &account{text: e}
	}
}

// conclude closes the account with what Decide returns.
func (a *account) conclude(took time.Duration, d abi.Decision, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.text.Took = abi.Duration(took)
	a.text.Verdict = abi.VerdictOf(d, err)
	a.text = nil
}
