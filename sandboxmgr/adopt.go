package sandboxmgr

import (
	"context"
	"errors"
	"sync"
	"time"

	"edge/abi"
)

const (
	adoptTimeout = time.Minute
	// adopters is how many sandboxes are taken up at the same time. Most of the
	// time each waits for its init's next try to reach an edge.
	adopters = 32
)

// settle finishes what is recorded as under way by an edge that ended: it
// adopts what runs, and ends what was to end.
func (u *unit) settle(ctx context.Context, s *step) error {
	switch r, _ := u.recorded(); r.State {
	case stateDestroying:
		return u.destroyStep(ctx)
	case abi.StateStopping:
		return u.stopStep(ctx, &abi.StopRequest{}, ended{why: whyStopped, reason: reasonStop})
	default:
		return u.adopt(ctx, s, &r)
	}
}

// adopt takes up the generation that an earlier edge started: the same number,
// the same run folder and token, processes and logs intact. One that is gone is
// lost. One that is paused stays so, and its init is met when it is resumed.
func (u *unit) adopt(ctx context.Context, s *step, r *record) error {
	began := time.Now()
	g, err := u.rejoin(ctx, r)
	switch {
	case errors.Is(err, ErrNoMachine):
		return u.lose(ctx, nil)
	case err != nil:
		return err
	}
	paused := u.isPaused(ctx, g)
	if !paused && g.goesOn(r) {
		u.goAhead(s, g)
		defer u.takeTime(ctx, s, g)()
	}
	gone, err := u.takeUp(ctx, g, r, paused)
	if err != nil {
		err = errors.Join(err, g.release())
		u.bury(g, "the sandbox could not be taken up")
		return err
	}
	if gone {
		return nil
	}
	u.mu.Lock()
	u.awakeUntil = time.Now().Add(comeback)
	u.mu.Unlock()
	u.serve(g, paused)
	took := time.Since(began)
	u.log.Info("sandbox adopted", "generation", g.number, "took", took)
	u.m.config.Observe(Event{Kind: EventAdopted, Ref: u.key.ref(), Generation: g.number, Duration: took})
	return nil
}

// rejoin takes hold of the machine that runs, and watches it. The generation has no
// init yet.
func (u *unit) rejoin(parent context.Context, r *record) (*generation, error) {
	ctx, cancel := context.WithTimeout(parent, adoptTimeout)
	defer cancel()
	machine, err := u.binding.Runtime.Adopt(ctx, u.machineName())
	u.m.health.note(u.binding.Runtime, err)
	switch {
	case errors.Is(err, ErrNoMachine):
		return nil, err
	case err != nil:
		return nil, u.runtimeError(err)
	}
	g := u.newGeneration(r.Generation, nil)
	g.adopted, g.since = true, r.StartedAt
	if !u.attach(g, machine) {
		return nil, errors.Join(errClosed, g.release())
	}
	return g, nil
}

// takeUp opens the init's socket again and meets the init, unless it is paused. gone
// tells that the generation has ended, as recorded. On an error the generation is the
// caller's to release.
func (u *unit) takeUp(parent context.Context, g *generation, r *record, paused bool) (gone bool, err error) {
	ctx, cancel := context.WithTimeout(parent, adoptTimeout)
	defer cancel()
	if g.init, err = u.m.openInit(r.RunDir, r.Token, u.log); err != nil {
		return false, err
	}
	g.init.SetPeer(g.machine.PID())
	if paused {
		g.init.SetPaused(true)
		g.unmet = true
		return false, nil
	}
	gone, err = u.meet(ctx, g, r)
	if err == nil && !gone {
		g.learnDial(ctx)
	}
	return gone, err
}

// comeback is how long an adopted sandbox is kept awake for those whose
// connections ended with the earlier edge.
const comeback = time.Minute

// isPaused tells whether an adopted machine is frozen. A runtime that cannot say
// it has none that are.
func (u *unit) isPaused(ctx context.Context, g *generation) bool {
	p, ok := g.machine.(Pauser)
	if !ok {
		return false
	}
	paused, err := p.Paused(ctx)
	if err != nil {
		u.log.Warn("cannot tell whether the sandbox is paused", "error", err)
	}
	return paused
}

// meet waits for the hello of an adopted generation's init and completes what its
// start had left to do. gone tells that the generation has ended, as recorded. On
// an error the generation is the caller's to release or to keep.
func (u *unit) meet(ctx context.Context, g *generation, r *record) (gone bool, err error) {
	boot, err := u.hello(ctx, g)
	switch {
	case err != nil && !g.alive():
		return true, u.lose(ctx, g)
	case err != nil:
		if context.Cause(u.m.ctx) == nil {
			u.log.Warn("the init of a running sandbox does not answer; stop or destroy it", "error", err)
		}
		return false, err
	case r.Boot != "" && boot != r.Boot:
		// Somebody started the machine again: what ran in this generation is
		// gone, and what runs now was started by nobody.
		return true, u.giveUp(ctx, g, "the machine was started anew by somebody else")
	}
	if err := u.completeStart(ctx, g, r, boot); err != nil {
		if ctx.Err() != nil {
			return false, err
		}
		return true, u.giveUp(ctx, g, "its start could not be completed: "+err.Error())
	}
	return false, nil
}

// completeStart does what the start of an edge that crashed had left to do. The init of
// what ran already is told the variables once more: they are recorded before it is told,
// and the edge may have ended in between.
func (u *unit) completeStart(ctx context.Context, g *generation, r *record, boot string) error {
	if r.State != abi.StateStarting {
		return g.setEnv(ctx, r.Vars)
	}
	var known abi.ProcessList
	if err := g.call(ctx, abi.ListProcesses.Name(), quickTimeout, &abi.Empty{}, &known); err != nil {
		return err
	}
	if err := g.setEnv(ctx, r.environ()); err != nil {
		return err
	}
	if err := u.autostart(ctx, g, known.Processes); err != nil {
		return err
	}
	return u.save(ctx, func(r *record) { r.State, r.Boot = abi.StateRunning, boot })
}

// forgetStart leaves things as they were before a start of which nothing came:
// the edge that began it ended, and nobody was told that it runs.
func (u *unit) forgetStart(ctx context.Context, was abi.State) error {
	u.log.Info("a start was cut short by the end of the edge", "was", was)
	if was != abi.StateAbsent {
		return u.rest(ctx, was, nil, "its start was cut short by the end of the edge")
	}
	if err := u.discard(ctx); err != nil {
		return err
	}
	return u.forget(ctx)
}

// giveUp ends a machine that cannot be taken up; the sandbox is lost.
func (u *unit) giveUp(ctx context.Context, g *generation, why string) error {
	u.log.Warn("a running sandbox cannot be adopted", "why", why)
	err := g.machine.Stop(ctx, 0)
	u.m.health.note(u.binding.Runtime, err)
	if err != nil && !errors.Is(err, ErrNoMachine) {
		return errors.Join(u.runtimeError(err), g.release())
	}
	return u.lose(ctx, g)
}

// settleAll settles the units, a few at a time, and waits for them. Those of a
// runtime that is down are left for the next time.
func (m *Manager) settleAll(ks []key) {
	queue := make(chan key)
	var wg sync.WaitGroup
	for range min(adopters, len(ks)) {
		wg.Go(func() { m.settleQueue(queue) })
	}
	for _, k := range ks {
		queue <- k
	}
	close(queue)
	wg.Wait()
}

func (m *Manager) settleQueue(queue <-chan key) {
	for k := range queue {
		u := m.acquire(k)
		if err := m.health.gate(m.ctx, u.binding.Runtime); err == nil {
			if s, _ := u.settling(); s != nil {
				<-s.done // and whoever wants something of it has it hurry
				if s.err != nil {
					u.log.Debug("not settled yet", "error", s.err)
				}
			}
		}
		m.release(u)
	}
}
