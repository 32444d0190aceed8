package sandboxmgr

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
	"time"

	"edge/abi"
)

// Bounds of the steps.
const (
	startTimeout  = 2 * time.Minute // autostart included
	unwindTimeout = 30 * time.Second
	// readyTimeout bounds the time from the machine's start to the hello.
	readyTimeout = 30 * time.Second
)

// protocolLabel is the value of the label edge.protocol: the first version of
// the init's protocol that the machine's init speaks.
const protocolLabel = "1"

// start is the step that starts an absent, stopped or lost sandbox.
func (u *unit) start(parent context.Context, s *step, opts abi.SandboxOptions) error {
	ctx, cancel := context.WithTimeout(parent, startTimeout)
	defer cancel()
	began := time.Now()
	before, revision := u.recorded()
	if err := u.m.health.gate(ctx, u.binding.Runtime); err != nil {
		return u.runtimeError(err)
	}
	shown := before.State
	if revision == 0 {
		shown = abi.StateAbsent
	}
	u.show(abi.StateStarting)
	g, err := u.launch(ctx, opts)
	if err == nil {
		err = u.save(ctx, func(r *record) { r.State = abi.StateRunning })
	}
	if err != nil {
		if g != nil {
			err = errors.Join(err, g.release())
		}
		// A manager that is closed leaves things as they are: what is recorded
		// as starting is taken up by the next one.
		if !errors.Is(context.Cause(parent), errClosed) {
			u.show(shown)
			u.unwind(before, revision == 0)
		}
		u.log.Warn("sandbox did not start", "error", err)
		return err
	}
	s.generation = g
	u.serve(g)
	u.announceStart(g, revision == 0, time.Since(began))
	return nil
}

func (u *unit) announceStart(g *generation, first bool, took time.Duration) {
	if first {
		u.m.emit(u.key, EventCreated, g.number, "")
	}
	u.log.Info("sandbox started", "generation", g.number, "took", took)
	u.m.config.Observe(Event{Kind: EventStarted, Ref: u.key.ref(), Generation: g.number, Duration: took})
}

// launch makes the next generation and waits until it can serve. On an error
// the generation, if there is one, is the caller's to release.
func (u *unit) launch(ctx context.Context, opts abi.SandboxOptions) (*generation, error) {
	if err := u.raise(ctx); err != nil {
		return nil, err
	}
	r, _ := u.recorded()
	g, err := u.openGeneration(&r)
	if err != nil {
		return nil, err
	}
	machine, err := u.binding.Runtime.Start(ctx, u.spec(&r, opts))
	u.m.health.note(u.binding.Runtime, err)
	if err != nil {
		return g, u.runtimeError(err)
	}
	if !u.attach(g, machine) {
		return g, errClosed
	}
	boot, err := u.hello(ctx, g)
	if err != nil {
		return g, err
	}
	if err := u.save(ctx, func(r *record) { r.Boot = boot }); err != nil {
		return g, err
	}
	g.learnDial(ctx)
	return g, u.autostart(ctx, g, nil)
}

// hello waits for the init, within readyTimeout.
func (u *unit) hello(ctx context.Context, g *generation) (boot string, err error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	boot, err = g.ready(ctx)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return "", abi.Errorf(abi.CodeTimeout, "the init of sandbox %s did not say hello within %s", u.key, readyTimeout).
			WithStarted(abi.StartedMaybe)
	}
	return boot, err
}

// raise records the next generation before anything of it exists, so that no
// crash gives its number twice. What a binding without persistence left behind
// goes first.
func (u *unit) raise(ctx context.Context) error {
	r, revision := u.recorded()
	if u.binding.Persist == persistNothing && r.RunDir != "" {
		if err := u.discard(ctx); err != nil {
			return err
		}
	}
	generation := r.Generation
	if revision == 0 {
		highest, _, err := u.m.highest(ctx, u.key)
		if err != nil {
			return err
		}
		generation = highest
	}
	return u.save(ctx, func(r *record) {
		r.State, r.Generation, r.StartedAt = abi.StateStarting, generation+1, time.Now()
		r.Boot, r.Exit = "", nil
		if r.RunDir == "" {
			r.RunDir, r.Token = randomHex(runNameLength), randomHex(tokenLength)
			r.Runtime = u.binding.Runtime.Name()
		}
	})
}

// discard removes the machine with all it wrote, and then its run folder.
func (u *unit) discard(ctx context.Context) error {
	err := u.binding.Runtime.Remove(ctx, u.name)
	u.m.health.note(u.binding.Runtime, err)
	if err != nil {
		return u.runtimeError(err)
	}
	r, _ := u.recorded()
	if r.RunDir == "" {
		return nil
	}
	if err := os.RemoveAll(u.m.config.runDir(r.RunDir)); err != nil {
		u.log.Warn("cannot remove the run folder", "error", err)
	}
	return u.save(ctx, func(r *record) { r.RunDir, r.Token, r.Runtime = "", "", "" })
}

// spec describes the machine. The init's token is the only secret in it.
func (u *unit) spec(r *record, opts abi.SandboxOptions) MachineSpec {
	b := &u.binding
	env := maps.Clone(b.Env)
	if env == nil {
		env = map[string]string{}
	}
	maps.Copy(env, opts.Env)
	env["EDGE_INIT_TOKEN"] = r.Token
	labels := map[string]string{}
	for k, v := range opts.Labels {
		if !strings.HasPrefix(k, labelPrefix) {
			labels[k] = v
		}
	}
	labels[LabelOwner] = u.m.owner
	labels["edge.binding"] = u.key.binding
	labels["edge.id"] = u.key.id
	labels["edge.generation"] = strconv.FormatInt(r.Generation, 10)
	labels["edge.protocol"] = protocolLabel
	return MachineSpec{
		Name: u.name, Labels: labels, Image: b.Image,
		RunDir: u.m.config.runDir(r.RunDir), InitPath: u.m.config.InitPath, InitArgs: u.m.config.InitArgs,
		Env: env, Network: b.Network, MemoryBytes: b.MemoryBytes, CPUs: b.CPUs, PIDs: b.PIDs,
		Tools: b.Tools, OCIRuntime: b.OCIRuntime,
	}
}

// unwind brings things back to what they were before a start that failed. What
// it cannot undo it records, and it is done later.
func (u *unit) unwind(before record, first bool) {
	ctx, cancel := context.WithTimeout(u.m.ctx, unwindTimeout)
	defer cancel()
	r, revision := u.recorded()
	if revision == 0 || r.Generation == before.Generation && !first {
		return // not even recorded
	}
	var err error
	switch {
	case first:
		if err = u.discard(ctx); err == nil {
			err = u.forget(ctx)
		}
		if err != nil { // what is recorded as destroying is only ever completed
			u.mu.Lock()
			u.state, u.pending = abi.StateStopping, true
			u.mu.Unlock()
			err = errors.Join(err, u.save(ctx, func(r *record) { r.State = stateDestroying }))
			u.m.wakeReviver()
		}
	case before.RunDir == "":
		err = u.discard(ctx)
	default:
		err = u.halt(ctx, nil, 0)
	}
	if !first {
		err = errors.Join(err, u.save(ctx, func(r *record) { r.State, r.Exit, r.Boot = before.State, before.Exit, "" }))
	}
	if err != nil {
		u.log.Warn("cannot clean up after a start that failed", "error", err)
	}
}

// serve makes g the generation that runs.
func (u *unit) serve(g *generation) {
	u.touch()
	u.mu.Lock()
	u.current, u.state, u.pending = g, abi.StateRunning, false
	u.mu.Unlock()
	u.m.spawn(func() { u.mind(g) })
	if u.m.config.FollowOutput {
		u.m.spawn(func() { u.follow(g) })
	}
}

// runtimeError turns a runtime's error into one that may cross a border; the
// whole of it goes to the log.
func (u *unit) runtimeError(err error) error {
	var e *abi.Error
	name := u.binding.Runtime.Name()
	switch {
	case errors.As(err, &e):
		return err
	case errors.Is(err, ErrNoImage):
		_, how, _ := strings.Cut(err.Error(), ErrNoImage.Error()+": ") // before it are internal names
		return abi.Errorf(abi.CodeImageNotFound, "the image %q of binding %s is not there", u.binding.Image, u.key.binding).
			WithSuggestion("%s", how)
	case errors.Is(err, ErrRuntimeDown):
		return unavailable("the %s runtime does not answer", name).WithSuggestion("try again later; the edge's log has the reason")
	}
	return fmt.Errorf("%s runtime: %w", name, err)
}
