package sandboxmgr

import (
	"context"
	"errors"
	"time"

	"edge/abi"
	"edge/sandboxmgr/initproto"
)

const (
	// stopSlack is how much longer than its grace a stop may take before the
	// next, harder means is used.
	stopSlack = 2 * time.Second
	// stopTimeout and destroyTimeout bound what the runtime is given besides.
	stopTimeout    = time.Minute
	destroyTimeout = 2 * time.Minute
)

// stop ends a running sandbox and keeps what it wrote. It ends a start that is
// under way, and joins a stop. A removal that was left undone is completed.
func (u *unit) stop(ctx context.Context, req *abi.StopRequest) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		u.mu.Lock()
		s := u.step
		mine := s == nil && (u.current != nil || u.pending)
		doomed := u.record.State == stateDestroying
		switch {
		case mine && doomed:
			s = u.begin(stepSettle, u.settle)
		case mine:
			s = u.begin(stepStop, func(ctx context.Context, _ *step) error {
				return u.stopStep(ctx, req, ended{why: whyStopped, reason: reasonStop})
			})
		}
		u.mu.Unlock()
		switch {
		case s == nil && mine:
			return errShuttingDown()
		case s == nil:
			return nil // nothing runs
		case s.kind == stepStart, s.kind == stepSettle && !doomed:
			s.cancel(errStopped)
		}
		err := s.wait(ctx)
		if s.kind == stepStop && !errors.Is(err, errDestroyed) || s.kind == stepSettle && doomed {
			return u.explainStep(err)
		}
	}
}

// destroy removes the sandbox with all it wrote and its exposures. It ends
// every other step, and joins a destroy.
func (u *unit) destroy(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		u.mu.Lock()
		s := u.step
		mine := s == nil
		if mine {
			s = u.begin(stepDestroy, func(ctx context.Context, _ *step) error { return u.destroyStep(ctx) })
		}
		u.mu.Unlock()
		if s == nil {
			return errShuttingDown()
		}
		if s.kind != stepDestroy && s.kind != stepLose {
			s.cancel(errDestroyed)
		}
		if err := s.wait(ctx); s.kind == stepDestroy {
			return u.explainStep(err)
		}
	}
}

// ended says why a generation ended: in words for the state, and in one word for
// events.
type ended struct{ why, reason string }

// stopStep works without a living init, and without an adopted machine.
func (u *unit) stopStep(parent context.Context, req *abi.StopRequest, end ended) error {
	grace := req.Grace.Or(abi.DefaultGrace)
	ctx, cancel := context.WithTimeout(parent, grace+stopTimeout)
	defer cancel()
	u.show(abi.StateStopping)
	u.mu.Lock()
	g := u.current
	u.mu.Unlock()
	err := u.save(ctx, func(r *record) { r.State = abi.StateStopping })
	if err == nil {
		if g != nil {
			// A server that ends first would leave its clients without a reason.
			u.m.config.Connections.CloseSockets(u.key.binding, u.key.id, g.number, closeRestart, "the sandbox is stopping")
		}
		err = u.halt(ctx, req, grace)
	}
	if err != nil && (g == nil || g.alive()) {
		if g != nil {
			u.show(abi.StateRunning)
			err = errors.Join(err, u.save(ctx, func(r *record) { r.State = abi.StateRunning }))
		}
		return err
	}
	u.bury(g, "the sandbox was stopped")
	ctx, cancel = context.WithTimeout(context.WithoutCancel(parent), unwindTimeout)
	defer cancel()
	u.m.exposures.machineEnded(ctx, u.key) // before the end is on disk, which brings it back here
	if err := u.rest(ctx, abi.StateStopped, g, end.why); err != nil {
		return err
	}
	r, _ := u.recorded()
	u.log.Info("sandbox stopped", "generation", r.Generation, "why", end.why)
	u.m.emit(u.key, EventStopped, r.Generation, end.why)
	u.hook(abi.SandboxEvent{Type: abi.SandboxStopped, Generation: r.Generation, Reason: end.reason, ExitCode: r.exitCode()})
	return nil
}

// halt ends the machine: by its init, which knows what runs and can send any
// signal, then by its runtime. A machine that is not there is halted.
func (u *unit) halt(ctx context.Context, req *abi.StopRequest, grace time.Duration) error {
	u.mu.Lock()
	g, frozen := u.current, u.frozen()
	u.mu.Unlock()
	if g == nil {
		return u.haltUnseen(ctx, grace)
	}
	if frozen && u.thaw(ctx, g) != nil {
		req = nil // nobody in there can be asked
	}
	if req != nil && !g.init.Broken() {
		asked, cancel := context.WithTimeout(ctx, grace+stopSlack)
		err := g.call(asked, initproto.OpShutdown, 0, &abi.StopRequest{Signal: req.Signal, Grace: abi.Duration(grace)}, &abi.Empty{})
		if err == nil || errors.Is(err, abi.CodeSandboxExited.Err()) {
			select {
			case <-g.exited:
			case <-asked.Done():
			}
		}
		cancel()
		grace = 0 // used up
	}
	if !g.alive() {
		return nil
	}
	err := g.machine.Stop(ctx, grace)
	u.m.health.note(u.binding.Runtime, err)
	if err != nil && !errors.Is(err, ErrNoMachine) {
		return u.runtimeError(err)
	}
	// The exit code comes from the watch; a runtime that stays silent does not
	// hold the stop up.
	known, cancel := context.WithTimeout(ctx, stopSlack)
	defer cancel()
	select {
	case <-g.exited:
	case <-known.Done():
	}
	return nil
}

// haltUnseen ends a machine that this edge has not adopted.
func (u *unit) haltUnseen(ctx context.Context, grace time.Duration) error {
	machine, err := u.binding.Runtime.Adopt(ctx, u.machineName())
	u.m.health.note(u.binding.Runtime, err)
	if errors.Is(err, ErrNoMachine) {
		return nil
	}
	if err != nil {
		return u.runtimeError(err)
	}
	err = machine.Stop(ctx, grace)
	if err = errors.Join(err, machine.Close()); err != nil && !errors.Is(err, ErrNoMachine) {
		return u.runtimeError(err)
	}
	return nil
}

// destroyStep removes all there is. The removal is on disk first: from then on
// it is only ever completed.
func (u *unit) destroyStep(parent context.Context) error {
	ctx, cancel := context.WithTimeout(parent, destroyTimeout)
	defer cancel()
	r, revision := u.recorded()
	if revision == 0 {
		return u.m.exposures.removeSandbox(ctx, u.key)
	}
	if err := u.doom(ctx); err != nil {
		return err
	}
	u.mu.Lock()
	g := u.current
	u.state, u.pending = abi.StateStopping, true
	u.mu.Unlock()
	err := u.m.exposures.removeSandbox(ctx, u.key)
	u.bury(g, "the sandbox was destroyed")
	if err == nil {
		err = u.discard(ctx)
	}
	if err == nil {
		err = u.forget(ctx)
	}
	if err != nil {
		u.m.wakeReviver()
		return err
	}
	u.log.Info("sandbox destroyed", "generation", r.Generation)
	u.m.emit(u.key, EventDestroyed, r.Generation, "")
	u.hook(abi.SandboxEvent{Type: abi.SandboxStopped, Generation: r.Generation, Reason: reasonDestroy, ExitCode: r.exitCode()})
	return nil
}

// doom records that the sandbox is being removed. A full disk takes no record,
// and what the sandbox wrote may be what fills it: then that goes first. A crash
// in between leaves a sandbox that was lost.
func (u *unit) doom(ctx context.Context) error {
	mark := func() error { return u.save(ctx, func(r *record) { r.State = stateDestroying }) }
	err := mark()
	if diskFull(err) {
		if err = u.discard(ctx); err == nil {
			err = mark()
		}
	}
	return err
}

// mind waits for the end of a serving generation. An end that a stop or a
// destroy brings about is theirs to record; any other is a loss.
func (u *unit) mind(g *generation) {
	for {
		select {
		case <-g.exited:
		case <-g.ended:
			return
		case <-u.m.ctx.Done():
			return
		}
		u.mu.Lock()
		s := u.step
		if u.current != g {
			u.mu.Unlock()
			return
		}
		if s == nil {
			u.current, u.state, u.paused = nil, abi.StateLost, false
			u.record.Exit, u.record.Why = g.exit, whyLost(g.exit)
			u.m.dismiss(u) // who sees it lost can start another in its place
			u.begin(stepLose, func(ctx context.Context, _ *step) error { return u.lose(ctx, g) })
			u.mu.Unlock()
			return
		}
		u.mu.Unlock()
		select {
		case <-s.done:
		case <-u.m.ctx.Done():
			return
		}
	}
}

// lose records an end that nobody asked for. Those who are connected are told
// before the disk is.
func (u *unit) lose(ctx context.Context, g *generation) error {
	if r, _ := u.recorded(); r.State == abi.StateStarting && r.Was != "" {
		u.bury(g, "the sandbox did not start")
		return u.forgetStart(ctx, r.Was)
	}
	u.bury(g, "the sandbox ended unexpectedly")
	how := "the sandbox ended unexpectedly"
	if g != nil {
		how = g.exitedError("the sandbox ended unexpectedly").Message
	}
	r, _ := u.recorded()
	u.log.Warn("sandbox lost", "generation", r.Generation, "how", how)
	var exit *exitState
	if g != nil && !g.alive() {
		exit = g.exit
	}
	u.m.exposures.machineEnded(ctx, u.key)
	err := u.rest(ctx, abi.StateLost, g, whyLost(exit))
	u.m.emit(u.key, EventLost, r.Generation, how)
	u.hook(abi.SandboxEvent{
		Type: abi.SandboxFailed, Generation: r.Generation, ExitCode: r.exitCode(), Error: errLost(u.key, r.Generation, exit),
	})
	return err
}

// rest records that nothing runs any more, and how it ended; what a binding
// without persistence left behind goes.
func (u *unit) rest(ctx context.Context, st abi.State, g *generation, why string) error {
	if r, _ := u.recorded(); u.binding.Persist == persistNothing && r.RunDir != "" {
		if err := u.discard(ctx); err != nil {
			u.log.Warn("cannot remove what a sandbox without persistence wrote; the next start does", "error", err)
		}
	}
	err := u.save(ctx, func(r *record) {
		r.State, r.Boot, r.Exit, r.Why, r.EndedAt = st, "", nil, why, time.Now()
		if g != nil && !g.alive() {
			r.Exit = g.exit
		}
	})
	u.mu.Lock()
	u.state, u.pending = st, false
	u.mu.Unlock()
	u.m.dismiss(u)
	if err != nil {
		u.log.Error("cannot record the end of a sandbox", "error", err)
	}
	return err
}

// bury ends a generation for everybody: those who wait for its end, those who
// are connected, those whose calls are under way. nil is nothing to do.
func (u *unit) bury(g *generation, reason string) {
	if g == nil {
		return
	}
	u.mu.Lock()
	if u.current == g {
		u.current, u.paused = nil, false
	}
	if u.ahead == g {
		u.ahead = nil
	}
	u.mu.Unlock()
	g.endOnce.Do(func() { close(g.ended) })
	u.m.config.Connections.CloseSandbox(u.key.binding, u.key.id, g.number, closeRestart, reason)
	if err := g.release(); err != nil {
		u.log.Debug("releasing a sandbox that ended", "error", err)
	}
}
