package plugins

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"edge/abi"
)

const (
	// maxTrialBody bounds a streamed answer that a trial reads.
	maxTrialBody = 8 << 20
	// maxTrialOutput bounds the lines that a trial keeps of one request.
	maxTrialOutput = 1000
)

// trialTime is what the clock of a trial shows at first.
var trialTime = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// Trial is a generation that serves nobody: a module is tried out in it. It
// decides one request at a time, with services of the request's own, and on a
// clock and with randomness that are the same each time: the clock shows
// 2026-01-01 00:00 UTC, or what At said, when a request begins; it moves by a
// microsecond with each look at it and by what the guest sleeps, which takes no
// time.
type Trial struct {
	reg    *Registry
	gen    *generation
	module []byte
	output *outputLog

	mu     sync.Mutex // one request at a time
	at     time.Time
	closed bool
}

// OpenTrial builds a generation of the module, as a load does: verified, metered,
// compiled, with an instance that ran edge_init and edge_selftest. The
// config's services are those of edge_init; its logs, Recorder and Observe are not
// used. Without Grants no import is refused. The error is ErrRefused if the module
// is to blame.
func OpenTrial(ctx context.Context, config Config, spec Spec, module []byte) (*Trial, error) {
	return tryModule(ctx, config, newPrograms(), spec, module)
}

// tryModule is OpenTrial with code that may be there already.
func tryModule(ctx context.Context, config Config, have *programs, spec Spec, module []byte) (*Trial, error) {
	output := &outputLog{most: maxTrialOutput}
	config.Log, config.GuestLog = slog.New(failures{output}), slog.New(output)
	config.Recorder, config.Observe, config.Replay, config.StateDir = nil, nil, nil, ""
	r, err := NewRegistry(config)
	if err != nil {
		return nil, err
	}
	r.programs, r.stage = have, newStage(trialTime)
	spec = spec.withDefaults()
	spec.MinInstances, spec.MaxInstances, spec.MaxParked = 0, 1, 1
	spec.ungranted = spec.Grants == nil // no configuration says what is granted
	t := &Trial{reg: r, gen: newGeneration(r, spec, 1, Module{Bytes: module}), module: module, output: output, at: trialTime}
	if err := t.gen.build(ctx, module); err != nil {
		t.gen.release()
		t.gen.close()
		return nil, err
	}
	if t.gen.pool.fresh() {
		t.gen.pool.empty()
	}
	return t, nil
}

// empty ends the spare instances, so that the first request has one that was made
// as those of the others are.
func (p *pool) empty() {
	p.mu.Lock()
	spare := p.spare
	p.spare = nil
	for _, in := range spare {
		delete(p.all, in)
	}
	p.mu.Unlock()
	for _, in := range spare {
		in.release()
	}
}

// Again opens another trial of the same module, under another spec.
func (t *Trial) Again(ctx context.Context, spec Spec) (*Trial, error) {
	return tryModule(ctx, t.reg.config, t.reg.programs, spec, t.module)
}

// Digest returns the SHA-256 of the module, in hexadecimal.
func (t *Trial) Digest() string { return t.gen.digest }

// Async tells whether the module holds many requests at once.
func (t *Trial) Async() bool { return t.gen.shape.async }

// At sets the time that the clock shows when the next request begins. If it has
// passed, only an isolation of fresh has the clock go back.
func (t *Trial) At(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at = now
}

// Decide has the module decide a request, as Plugin.Decide does, with services in
// place of the registry's. It returns when the guest is done with the request: a
// streamed answer is read to its end and is the decision's Body, of at most 8 MiB;
// that it was streamed stands in the explanation's verdict.
func (t *Trial) Decide(ctx context.Context, req *abi.Request, services Services) (abi.Decision, abi.Explanation, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var e abi.Explanation
	if t.closed {
		return nil, e, ErrClosed
	}
	t.output.clear()
	t.reg.stage.prepare(t.at, t.gen.pool.fresh())
	g := t.gen
	g.acquire()
	begun := time.Now()
	deadline := begun.Add(g.spec.Deadline)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	x := newExchange(WithExplanation(ctx, &e), g, req, begun, deadline)
	x.own, x.left = &services, make(chan struct{})
	d, err := x.run(ctx)
	x.account.conclude(time.Since(begun), d, err)
	if r, ok := d.(*abi.Respond); ok && r.Stream != nil {
		defer r.Stream.Close() // at the very end: it would end what the guest does behind the stream
		err = collect(r, &e.Verdict)
	}
	<-x.left
	return d, e, err
}

// collect reads a streamed answer into its body. The error is how the stream
// broke off, or that it is too long; the body is then what came before.
func collect(r *abi.Respond, v *abi.Verdict) error {
	stream := r.Stream
	r.Stream = nil
	body, err := io.ReadAll(io.LimitReader(stream, maxTrialBody+1))
	if err == nil && len(body) > maxTrialBody {
		err = abi.Errorf(abi.CodeBodyTooLarge, "the answer is longer than %d bytes", maxTrialBody)
	}
	r.Body = body[:min(len(body), maxTrialBody)]
	*v = abi.VerdictOf(r, nil)
	v.Streamed = true
	if err != nil {
		_ = stream.Close() // the guest shall not wait for a reader
		v.Error = abi.AsError(err)
		return v.Error
	}
	return nil
}

// Memory is how much memory an instance has after its last request, in bytes; 0 if
// there is none.
func (t *Trial) Memory() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return 0
	}
	p := t.gen.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, in := range p.spare {
		return uint64(in.mem.Size())
	}
	return 0
}

// Output is what the guest logged and printed since the last request began, and
// why it failed if it did; at most 1,000 lines.
func (t *Trial) Output() []string { return t.output.text() }

// Close ends the trial. It waits for a Decide that is under way.
func (t *Trial) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	t.closed = true
	t.gen.release()
	t.gen.close()
}
