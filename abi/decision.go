package abi

import "io"

// The decision numbers, fixed for ABI version 1.
const (
	DecisionRespond = 1
	DecisionConnect = 2
	DecisionProxy   = 3
	DecisionNext    = 4
	DecisionPlan    = 5
)

// Decision is what a plugin says of one request: *Respond, *Connect, *Proxy,
// *Next or *Plan, nothing else. The host carries it out after the plugin's instance is
// free again.
type Decision interface{ decision() int }

// Respond answers the request without a sandbox. Whoever takes the decision
// owns Stream and closes it.
type Respond struct {
	Status  int
	Headers []Header
	Body    []byte
	// Stream is the body in pieces; when set, Body is empty. Reading it to its
	// end, or closing it, is what lets the plugin's instance go.
	Stream io.ReadCloser
}

// Connect splices the client's WebSocket with a port of a sandbox, or with a stream
// of it.
type Connect struct {
	Sandbox SandboxRef
	// Port is 0 if there is a Stream, which the host opens in its place: the
	// client's messages are the stream's.
	Port   int
	Stream *StreamCall
	Policy Policy
	// Wake says whether the request starts a sandbox that does not run.
	Wake Wake
}

// Proxy relays the request to a port of a sandbox, or, with Port 0, to the
// exposure that the request's host or path names.
type Proxy struct {
	Sandbox SandboxRef
	Port    int
	Policy  Policy
	// Wake says whether the request starts a sandbox that does not run; empty
	// is as the exposure says, and without one "hold(30s)".
	Wake Wake
}

// Next leaves the request to the next plugin of the chain.
type Next struct{}

func (*Respond) decision() int { return DecisionRespond }
func (*Connect) decision() int { return DecisionConnect }
func (*Proxy) decision() int   { return DecisionProxy }
func (*Next) decision() int    { return DecisionNext }

// DecisionNumber returns the decision's number in SPEC.md.
func DecisionNumber(d Decision) int { return d.decision() }
