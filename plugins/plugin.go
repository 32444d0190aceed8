package plugins

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"edge/abi"
	"edge/plugins/archive"
)

// Plugin is a named plugin of a registry. It stays the same while its module is
// replaced.
type Plugin struct {
	reg     *Registry
	name    string
	current atomic.Pointer[generation] // nil before the first load and after Close
	canary  atomic.Pointer[canary]     // nil unless a newer version serves a share
	hooks   hooks
	archive *archive.Archive

	// loading lets one load at a time happen, and guards what follows.
	loading sync.Mutex
	spec    Spec
	number  uint64
	refused refused
	seen    sourceState
	held    *Module // what was offered and could not be kept in the archive

	// Registry.mu guards these, and every change of current and canary.
	from     string      // the file
	content  string      // digest of its content when it was read last; empty without a file
	building *generation // on its way through the steps
	previous *generation // warm
	cooling  *time.Timer // ends that
	past     []GenerationStatus
}

// Name returns the plugin's name.
func (p *Plugin) Name() string { return p.name }

// Digest returns the SHA-256 of the module that serves, in hexadecimal, or "".
func (p *Plugin) Digest() string {
	if g := p.current.Load(); g != nil {
		return g.digest
	}
	return ""
}

// Generation returns the number of the version that serves, 0 for none.
func (p *Plugin) Generation() uint64 {
	if g := p.current.Load(); g != nil {
		return g.number
	}
	return 0
}

// Decide runs the plugin on a request and returns its decision. One generation
// serves the whole call. It waits for a free instance and then for the decision
// until the plugin's deadline, or ctx's if that is earlier; ctx bounds Decide,
// not a Stream that it returned.
//
// The plugin may edit req and read its body. When Decide returns, neither is
// touched any more, except through a *abi.Respond with a Stream, until that is
// closed. Decide therefore waits for a read of the body that is under way: a
// body that has SetReadDeadline(time.Time) error is told to end it.
//
// Errors are *abi.Error: PLUGIN_FAILED (the log has the reason),
// PLUGIN_OVERLOADED, TIMEOUT at the deadline, CANCELED when ctx ends first, and
// whatever error the plugin decided to answer with.
//
// The caller's goroutine must not be locked to a thread: it runs the guest itself.
func (p *Plugin) Decide(ctx context.Context, req *abi.Request) (abi.Decision, error) {
	begun := time.Now()
	for {
		g := p.assign()
		if g == nil {
			return nil, abi.Errorf(abi.CodePluginFailed, "plugin %q is not loaded", p.name)
		}
		g.counts.requests.Add(1)
		d, err := g.decide(ctx, begun, req, nil)
		if !errors.Is(err, errGivenUp) {
			return d, err
		}
	}
}

// decide has an instance of the generation decide a request, and gives the
// caller's reference back. The error is errGivenUp if no guest saw the request and
// another generation is to be asked. own, unless nil, is what the request's host calls
// reach in place of the registry's services. The deadline counts from begun.
func (g *generation) decide(ctx context.Context, begun time.Time, req *abi.Request, own *Services) (abi.Decision, error) {
	deadline := begun.Add(g.spec.Deadline)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	var recording Recording
	if g.reg.config.Recorder != nil && own == nil {
		ctx, own, recording = g.record(ctx, req)
	}
	x := newExchange(ctx, g, req, begun, deadline)
	x.own = own
	d, err := x.run(ctx)
	if x.account != nil {
		x.account.conclude(time.Since(begun), d, err)
	}
	if recording != nil && !errors.Is(err, errGivenUp) {
		recording.End(d, err, explanationOf(ctx))
		x.concludeRecording(recording)
	}
	x.recycle()
	return d, err
}

// run has an instance decide the exchange's request and gives the generation's
// reference back.
func (x *exchange) run(ctx context.Context) (abi.Decision, error) {
	for {
		in, err := x.gen.pool.take(ctx, x)
		if err != nil {
			x.gen.release()
			x.leave()
			said := x.gen.unserved(err)
			if x.gen.givenUp.Load() && !errors.Is(err, errOverloaded) && ctx.Err() == nil {
				return nil, errGivenUp // no guest has seen the request
			}
			return nil, said
		}
		x.in = in
		if !x.gen.shape.async {
			return in.serve(ctx, x)
		}
		if x.settled == nil {
			x.settled = make(chan struct{})
		}
		switch taken, err := in.offer(ctx, x); {
		case err != nil:
			if !x.gen.pool.put(in, x) {
				in.release()
			}
			x.gen.release()
			x.leave()
			return nil, x.gen.unserved(err)
		case taken:
			x.watch(x.expire)
			return x.await(ctx)
		}
		// The instance died of another request; this one never reached it.
	}
}

// leave tells a trial that the guest is done with the request.
func (x *exchange) leave() {
	if x.left != nil {
		close(x.left)
	}
}

// assign takes a reference to the generation that the next request is for.
func (p *Plugin) assign() *generation {
	if c := p.canary.Load(); c != nil && c.takes() && c.gen.acquire() {
		return c.gen
	}
	return p.acquire()
}

// acquire takes a reference to the generation that serves.
func (p *Plugin) acquire() *generation {
	for {
		g := p.current.Load()
		if g == nil || g.acquire() {
			return g
		}
	}
}

// expire is called when an asynchronous exchange's deadline passes or its client
// goes away: the guest is told.
func (x *exchange) expire() {
	x.breakStream()
	x.in.send(event{kind: eventCancel, x: x})
}
