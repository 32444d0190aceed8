package sandboxmgr

import (
	"context"
	"errors"
	"time"

	"edge/abi"
)

// pauseTimeout bounds what a runtime is given to freeze a machine, or to let it
// run on.
const pauseTimeout = 30 * time.Second

// Pause freezes everything that runs in the sandbox, until something uses it or
// Resume is called. What does not run is left as it is. UNSUPPORTED where the
// runtime cannot.
func (s *Sandbox) Pause(ctx context.Context, _ *abi.Empty) (*abi.SandboxState, error) {
	return s.changeState(ctx, abi.Pause.Name(), func(u *unit) error { return u.pause(ctx) })
}

// Resume lets a paused sandbox run on.
func (s *Sandbox) Resume(ctx context.Context, _ *abi.Empty) (*abi.SandboxState, error) {
	return s.changeState(ctx, abi.Resume.Name(), func(u *unit) error {
		if err := u.settled(ctx); err != nil {
			return err
		}
		u.mu.Lock()
		frozen := u.current != nil && u.frozen()
		u.mu.Unlock()
		if !frozen {
			return nil
		}
		_, _, err := u.running(ctx, nil)
		return err
	})
}

// frozen tells whether the generation must be resumed before it is used; u.mu is
// held.
func (u *unit) frozen() bool { return u.paused || u.current != nil && u.current.unmet }

func (u *unit) pause(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		u.mu.Lock()
		s, g := u.step, u.current
		mine := false
		switch {
		case s != nil:
		case u.pending:
			s = u.begin(stepSettle, u.settle)
		case g == nil || u.paused:
			u.mu.Unlock()
			return nil
		default:
			mine = true
			s = u.begin(stepPause, func(ctx context.Context, _ *step) error { return u.pauseStep(ctx, g) })
		}
		u.mu.Unlock()
		if s == nil {
			return errShuttingDown()
		}
		if err := s.wait(ctx); mine || err != nil && s.kind == stepSettle {
			return u.explainStep(err)
		}
	}
}

func (u *unit) pauseStep(ctx context.Context, g *generation) error {
	p, ok := g.machine.(Pauser)
	if !ok {
		return abi.Errorf(abi.CodeUnsupported, "the %s runtime cannot pause", u.binding.Runtime.Name())
	}
	ctx, cancel := context.WithTimeout(ctx, pauseTimeout)
	defer cancel()
	g.init.SetPaused(true) // before: from the first moment on nobody answers
	if err := p.Pause(ctx); err != nil {
		g.init.SetPaused(false)
		return u.runtimeError(err)
	}
	u.mu.Lock()
	u.paused = true
	u.mu.Unlock()
	u.log.Info("sandbox paused", "generation", g.number)
	return nil
}

// resumeStep lets the machine run on, and meets the init of one that was paused
// when it was adopted.
func (u *unit) resumeStep(ctx context.Context, _ *step) error {
	u.mu.Lock()
	g, paused := u.current, u.paused
	u.mu.Unlock()
	if paused {
		if err := u.thaw(ctx, g); err != nil {
			return err
		}
		u.log.Info("sandbox resumed", "generation", g.number)
	}
	u.touch()
	if !g.unmet {
		return nil
	}
	r, _ := u.recorded()
	gone, err := u.meet(ctx, g, &r)
	if err != nil || gone {
		return err
	}
	g.learnDial(ctx)
	u.mu.Lock()
	g.unmet = false
	u.mu.Unlock()
	return nil
}

// thaw has the runtime resume the machine.
func (u *unit) thaw(ctx context.Context, g *generation) error {
	p, ok := g.machine.(Pauser)
	if !ok {
		return errors.New("a paused machine whose runtime cannot pause")
	}
	ctx, cancel := context.WithTimeout(ctx, pauseTimeout)
	defer cancel()
	if err := p.Resume(ctx); err != nil {
		return u.runtimeError(err)
	}
	g.init.SetPaused(false)
	u.mu.Lock()
	u.paused = false
	u.mu.Unlock()
	return nil
}
