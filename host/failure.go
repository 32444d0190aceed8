package host

import (
	"errors"
	"slices"

	"edge/abi"
)

// OnFailure is what becomes of a request when a plugin fails: when it traps, misses
// its deadline or has no room. The zero value is closed: the request is answered
// with the failure. An error that a plugin chose to answer with is no failure.
type OnFailure struct {
	// Open has the next plugin of the chain asked, as if the one that failed had
	// said next and had changed nothing of the request. If nobody answers then, or
	// the plugin has begun to read the request's body, which nobody can give back,
	// the request is answered as if it were closed.
	Open bool
	// Status takes the place of the failure's own HTTP status; 0 keeps that.
	Status int
}

// failureCodes are the errors that are a plugin's failure.
var failureCodes = []abi.Code{abi.CodePluginFailed, abi.CodePluginOverloaded, abi.CodeTimeout}

// failed tells whether what a decider returned is its failure. An error with a
// method Chosen that says so is one that the plugin decided to answer with.
func failed(err error) bool {
	if err == nil {
		return false
	}
	var own interface{ Chosen() bool }
	if errors.As(err, &own) && own.Chosen() {
		return false
	}
	return slices.Contains(failureCodes, abi.AsError(err).Code)
}

// edits is what a plugin may change of a request, as it was before.
type edits struct {
	method, path, query string
	hasQuery            bool
	headers             []abi.Header
}

// beforeEdits remembers the request. Headers are edited where they lie.
func (x *exchange) beforeEdits() edits {
	r := x.req
	return edits{r.Method, r.Path, r.Query, r.HasQuery, slices.Clone(r.Headers)}
}

// undo gives the request back as it was. It is false if that cannot be done, because
// the plugin has begun to read the body: bytes of it may be gone, and a client that
// sends none would decide by its silence that the plugin is passed over.
func (x *exchange) undo(e edits) bool {
	if x.body != nil && !x.body.untouched() {
		return false
	}
	r := x.req
	r.Method, r.Path, r.Query, r.HasQuery, r.Headers = e.method, e.path, e.query, e.hasQuery, e.headers
	return true
}

// refused answers a request that a plugin left without a decision.
func (x *exchange) refused(p *Plugin, err error) {
	if failed(err) && p.OnFailure.Status != 0 {
		x.failWith(p.OnFailure.Status, err)
		return
	}
	x.fail(err)
}
