package plugins

import (
	"context"

	"edge/abi"
)

// Recorder is shown what plugins are asked, what they asked of the host
// meanwhile, and what they decided. Its methods are called on the path of
// requests, by many goroutines at once: they must not block.
type Recorder interface {
	// Begin is told of a request before the plugin sees it. The request is the
	// Recorder's until Begin returns; it may put another Body in place, which is
	// read as the plugin reads it. services is what the plugin's host calls reach,
	// and the Recorder returns what they shall reach instead. A nil Recording is a
	// request that is not recorded.
	Begin(s Settings, req *abi.Request, services Services) (Services, Recording)
}

// Recording is one request that is being recorded.
type Recording interface {
	// End is told what Decide is about to return. The Recording may keep it, other
	// than a Stream, and changes nothing of it. The request is still as the plugin
	// left it and may be looked at, unless d has a Stream. It is not called for a
	// request that the plugin's version never saw, and for which another is begun.
	End(d abi.Decision, err error, e *abi.Explanation)
	// Over is told after End that the plugin makes no more calls for the request,
	// which is at once unless it holds the request. It comes from any goroutine.
	Over()
}

// Settings is what decisions of a generation depend on besides the request.
type Settings struct {
	Plugin string
	Digest string // SHA-256 of the module, hexadecimal
	Async  bool   // it holds many requests at once
	// Spec is the plugin's, with its secrets. It is shared: nobody changes it.
	Spec *Spec
}

// record begins the recording of a request. The context it returns carries an
// Explanation, and the services are nil if the request is not recorded.
func (g *generation) record(ctx context.Context, req *abi.Request) (context.Context, *Services, Recording) {
	settings := Settings{Plugin: g.spec.Name, Digest: g.digest, Async: g.shape.async, Spec: &g.spec}
	services, recording := g.reg.config.Recorder.Begin(settings, req, *g.services())
	if recording == nil {
		return ctx, nil, nil
	}
	if explanationOf(ctx) == nil {
		ctx = WithExplanation(ctx, new(abi.Explanation))
	}
	return ctx, &services, recording
}
