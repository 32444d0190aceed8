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
func (u *unit) start(parent context.Context, s *step, opts *abi.SandboxOptions) error {
	before, revision := u.recorded()
	began := time.Now()
	if err := u.m.admit(u); err != nil {
		return err
	}
	shown := before.State
	if revision == 0 {
		shown = abi.StateAbsent
	}
	u.show(abi.StateStarting)
	g, err := u.attempt(parent, opts)
	if err != nil {
		if g != nil {
			err = errors.Join(err, g.release())
		}
		// A manager that is closed leaves things as they are: what is recorded
		// as starting is taken up by the next one.
		if cause := context.Cause(parent); !errors.Is(cause, errClosed) {
			tried, _ := u.recorded()
			u.show(shown)
			if u.unwind(before, revision == 0) {
				u.m.dismiss(u)
			}
			if cause == nil {
				u.hookError(tried.Generation, err)
			}
		}
		u.log.Warn("sandbox did not start", "error", err)
		return err
	}
	s.generation = g
	u.serve(g, false)
	u.touch()
	u.announceStart(g, revision == 0, time.Since(began))
	return nil
}

// attempt is the start itself. On an error the generation, if there is one, is
// the caller's to release.
func (u *unit) attempt(parent context.Context, opts *abi.SandboxOptions) (*generation, error) {
	if err := u.m.health.gate(parent, u.binding.Runtime); err != nil {
		return nil, u.runtimeError(err)
	}
	image, err := u.m.image(parent, u.key.binding)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(parent, startTimeout)
	defer cancel()
	g, err := u.launch(ctx, image, opts)
	if err == nil {
		err = u.save(ctx, func(r *record) { r.State, r.Boot = abi.StateRunning, g.boot })
	}
	return g, err
}

func (u *unit) announceStart(g *generation, first bool, took time.Duration) {
	if first {
		u.m.emit(u.key, EventCreated, g.number, "")
	}
	u.log.Info("sandbox started", "generation", g.number, "took", took)
	u.m.config.Observe(Event{Kind: EventStarted, Ref: u.key.ref(), Generation: g.number, Duration: took})
	u.hook(abi.SandboxEvent{Type: abi.SandboxStarted, Generation: g.number})
}

// launch makes the next generation and waits until it can serve. On an error
// the generation, if there is one, is the caller's to release.
func (u *unit) launch(ctx context.Context, image string, opts *abi.SandboxOptions) (*generation, error) {
	r, _ := u.recorded()
	if u.binding.Persist == persistNothing && r.RunDir != "" { // left behind
		if err := u.discard(ctx); err != nil {
			return nil, err
		}
		r.RunDir = ""
	}
	var w *warmMachine
	if r.RunDir == "" {
		w = u.m.warm[u.key.binding].take()
	}
	err := u.raise(ctx, opts, w)
	if w != nil {
		defer u.m.warm[u.key.binding].handedOver(w, err)
	}
	if err != nil {
		return nil, err
	}
	g, err := u.bringUp(ctx, image, w)
	if w != nil && g != nil && ctx.Err() == nil && (err != nil && !g.alive() || errors.Is(err, abi.CodeSandboxExited.Err())) {
		u.log.Warn("a sandbox that was started ahead ended when it was taken over; starting another", "error", err)
		if err := errors.Join(g.release(), u.replace(ctx)); err != nil {
			return nil, err
		}
		g, err = u.bringUp(ctx, image, nil)
	}
	if err != nil {
		return g, err
	}
	return g, u.autostart(ctx, g, nil)
}

// replace removes the machine that was taken over, and records that another one
// is to be made.
func (u *unit) replace(ctx context.Context) error {
	if err := u.discard(ctx); err != nil {
		return err
	}
	return u.save(ctx, func(r *record) {
		r.Runtime, r.RunDir, r.Token = u.binding.Runtime.Name(), randomHex(runNameLength), randomHex(tokenLength)
	})
}

// bringUp takes over or starts the machine, and waits until its init takes calls.
func (u *unit) bringUp(ctx context.Context, image string, w *warmMachine) (*generation, error) {
	g, err := u.machine(ctx, image, w)
	if err != nil {
		return g, err
	}
	if g.boot, err = u.hello(ctx, g); err != nil {
		return g, err
	}
	if w == nil {
		g.learnDial(ctx)
	}
	r, _ := u.recorded()
	return g, g.setEnv(ctx, r.environ())
}

// machine takes over the machine that was started ahead, or starts one.
func (u *unit) machine(ctx context.Context, image string, w *warmMachine) (*generation, error) {
	r, _ := u.recorded()
	if w != nil {
		g := u.newGeneration(r.Generation, w.init)
		g.carried.Store(w.carried)
		if !u.attach(g, w.machine) {
			return g, errClosed
		}
		return g, nil
	}
	g, err := u.openGeneration(&r)
	if err != nil {
		return nil, err
	}
	machine, err := u.binding.Runtime.Start(ctx, u.spec(&r, image))
	u.m.health.note(u.binding.Runtime, err)
	if err != nil {
		return g, u.runtimeError(err)
	}
	if !u.attach(g, machine) {
		return g, errClosed
	}
	return g, nil
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
// crash gives its number twice, and whose the machine w is, if there is one.
func (u *unit) raise(ctx context.Context, opts *abi.SandboxOptions, w *warmMachine) error {
	r, revision := u.recorded()
	next := r.settings
	next.adopt(opts)
	if err := next.checkEnvSize(); err != nil {
		return err
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
		r.Was = r.State
		if revision == 0 {
			r.Was = abi.StateAbsent
		}
		r.State, r.Generation, r.StartedAt = abi.StateStarting, generation+1, time.Now()
		r.Boot, r.Exit, r.Why, r.EndedAt = "", nil, "", time.Time{}
		r.settings = next
		if r.RunDir != "" {
			return
		}
		r.Runtime = u.binding.Runtime.Name()
		r.RunDir, r.Token, r.Machine = randomHex(runNameLength), randomHex(tokenLength), ""
		if w != nil {
			r.RunDir, r.Token, r.Machine = w.runDir, w.token, w.name
		}
	})
}

// discard removes the machine with all it wrote, and then its run folder.
func (u *unit) discard(ctx context.Context) error {
	err := u.binding.Runtime.Remove(ctx, u.machineName())
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
	return u.save(ctx, func(r *record) { r.RunDir, r.Token, r.Runtime, r.Machine = "", "", "", "" })
}

// spec describes the machine. The init's token is the only secret in it.
func (u *unit) spec(r *record, image string) MachineSpec {
	labels := map[string]string{}
	for k, v := range r.Labels {
		if !strings.HasPrefix(k, labelPrefix) {
			labels[k] = v
		}
	}
	labels["edge.id"] = u.key.id
	labels[labelGeneration] = strconv.FormatInt(r.Generation, 10)
	spec := u.m.machineSpec(u.key.binding, image, r.RunDir, r.Token, labels)
	spec.Name = u.machineName()
	for k, v := range r.environ() {
		if v != nil {
			spec.Env[k] = *v
		} else {
			delete(spec.Env, k)
		}
	}
	return spec
}

// machineSpec describes a machine of a binding. The labels become its own.
func (m *Manager) machineSpec(binding, image, runDir, token string, labels map[string]string) MachineSpec {
	b := m.config.Bindings[binding]
	env := maps.Clone(b.Env)
	if env == nil {
		env = map[string]string{}
	}
	env["EDGE_INIT_TOKEN"] = token
	labels[LabelOwner] = m.owner
	labels["edge.binding"] = binding
	labels["edge.protocol"] = protocolLabel
	volume := b.Persist == persistWorkspace
	return MachineSpec{
		Labels: labels, Image: image, RunDir: m.config.runDir(runDir), InitPath: m.config.InitPath, InitArgs: m.config.InitArgs,
		Env: env, Network: b.Network, Preset: b.Preset, Workspace: volume, Fresh: volume, Rootfs: b.Rootfs,
		MemoryBytes: b.MemoryBytes, CPUs: b.CPUs, PIDs: b.PIDs, Tools: b.Tools, OCIRuntime: b.OCIRuntime,
	}
}

// unwind brings things back to what they were before a start that failed. What
// it cannot undo it records, and it is done later. It tells whether nothing runs
// any more: a machine that could not be ended keeps its place among maxSandboxes.
func (u *unit) unwind(before record, first bool) (ended bool) {
	ctx, cancel := context.WithTimeout(u.m.ctx, unwindTimeout)
	defer cancel()
	r, revision := u.recorded()
	if revision == 0 || r.Generation == before.Generation && !first {
		return true // not even recorded
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
	ended = err == nil
	if !first {
		err = errors.Join(err, u.save(ctx, func(r *record) {
			r.State, r.Exit, r.Boot, r.Why, r.EndedAt = before.State, before.Exit, "", before.Why, before.EndedAt
		}))
	}
	if err != nil {
		u.log.Warn("cannot clean up after a start that failed", "error", err)
	}
	return ended
}

// serve makes g the generation that runs.
func (u *unit) serve(g *generation, paused bool) {
	u.mu.Lock()
	if !g.adopted {
		g.since = time.Now()
	}
	u.current, u.ahead, u.state, u.pending, u.paused = g, nil, abi.StateRunning, false, paused
	u.mu.Unlock()
	u.m.spawn(func() { u.mind(g) })
	u.m.spawn(func() { u.watchPorts(g) })
	if u.m.config.FollowOutput {
		u.m.spawn(func() { u.follow(g) })
	}
}

// runtimeError turns a runtime's error into one that may cross a border; the
// whole of it goes to the log.
func (u *unit) runtimeError(err error) error {
	var e *abi.Error
	switch {
	case errors.As(err, &e):
		return err
	case errors.Is(err, ErrNoImage):
		_, how, _ := strings.Cut(err.Error(), ErrNoImage.Error()+": ") // before it are internal names
		return abi.Errorf(abi.CodeImageNotFound, "the image %q of binding %s is not there", u.binding.Image, u.key.binding).
			WithSuggestion("%s", how)
	case errors.Is(err, ErrRuntimeDown):
		return runtimeDown(u.binding.Runtime)
	}
	return fmt.Errorf("%s runtime: %w", u.binding.Runtime.Name(), err)
}

func runtimeDown(rt Runtime) error {
	if a, ok := rt.(absentRuntime); ok {
		return unavailable("%s", a.why()).WithSuggestion("%s", a.suggestion())
	}
	return unavailable("the %s runtime does not answer", rt.Name()).WithSuggestion("try again later; the edge's log has the reason")
}
