// Package host is the server: the strict gate in front of fasthttp, routes by
// host and path, previews, and the one place where a plugin's decision is
// carried out. It knows plugins only as a Decider and hands connections to
// package bridge.
//
// The flow of one request, an exchange: the framing check reads along on its
// connection (framing.go); the gate parses the raw head (gate.go) and refuses
// what could be read in two ways; a preview is relayed to its exposure
// (preview.go), /healthz and /readyz are answered (health.go), anything else
// goes to the first route that matches and its chain of plugins (route.go,
// chain.go). The decision is carried out in one type switch (carry.go), after the
// plugin's instance is free again; a plan's steps are taken once for all who wait
// for them (plan.go, planrun.go). What is to be carried to a sandbox is admitted
// first, by what its policy says of the request (admission.go) and by how much is
// carried already (limits.go). The exchange ends exactly once, with one line in the
// access log, when its last byte is on its way (exchange.go).
//
// ops.go and capability.go are what plugins, and whoever else calls an
// operation, reach sandboxes through.
package host

import (
	"context"

	"edge/abi"
)

// Decider says what to do with a request. A plugin of the registry is one.
//
// ctx ends when the client of a request without a body goes away. Decide may read
// req.Body and may edit req; it must not keep req after it
// returned, except that a *abi.Respond with a Stream may go on using it until
// the stream is closed. An error is answered by the host as the error table
// says; its text reaches the client only if it is an *abi.Error.
type Decider interface {
	Decide(ctx context.Context, req *abi.Request) (abi.Decision, error)
}
