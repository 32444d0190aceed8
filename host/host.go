// Package host is the server: the strict gate in front of fasthttp, routes by
// host and path, previews, and the one place where a plugin's decision is
// carried out. It knows plugins only as a Decider and hands connections to
// package bridge.
package host

import (
	"context"

	"edge/abi"
)

// Decider says what to do with a request. A plugin of the registry is one.
//
// Decide may read req.Body and may edit req; it must not keep req after it
// returned, except that a *abi.Respond with a Stream may go on using it until
// the stream is closed. An error is answered by the host as the error table
// says; its text reaches the client only if it is an *abi.Error.
type Decider interface {
	Decide(ctx context.Context, req *abi.Request) (abi.Decision, error)
}
