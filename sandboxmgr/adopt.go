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
	// adopters is how many sandboxes are taken up at the same time.
	adopters = 8
	// The pauses between two tries while a runtime is down.
	firstRevivePause = 250 * time.Millisecond
	lastRevivePause  = 5 * time.Second
)

// settle finishes what is recorded as under way by an edge that ended: it
// adopts what runs, and ends what was to end.
func (u *unit) settle(ctx context.Context, _ *step) error {
	switch r, _ := u.recorded(); r.State {
	case stateDestroying:
		return u.destroyStep(ctx)
	case abi.StateStopping:
		return u.stopStep(ctx, &abi.StopRequest{})
	default:
		return u.adopt(ctx, &r)
	}
}

// adopt takes up the generation that an earlier edge started: the same number,
// the same run folder and token, processes and logs intact. One that is gone is
// lost.
func (u *unit) adopt(parent context.Context, r *record) error {
	ctx, cancel := context.WithTimeout(parent, adoptTimeout)
	defer cancel()
	began := time.Now()
	machine, err := u.binding.Runtime.Adopt(ctx, u.name)
	u.m.health.note(u.binding.Runtime, err)
	switch {
	case errors.Is(err, ErrNoMachine):
		return u.lose(ctx, nil)
	case err != nil:
		return u.runtimeError(err)
	}
	g, err := u.openGeneration(r)
	if err != nil {
		return errors.Join(err, machine.Close())
	}
	if !u.attach(g, machine) {
		return errors.Join(errClosed, g.release())
	}
	boot, err := u.hello(ctx, g)
	switch {
	case err != nil && !g.alive():
		return u.lose(ctx, g)
	case err != nil:
		if parent.Err() == nil {
			u.log.Warn("the init of a running sandbox does not answer; stop or destroy it", "error", err)
		}
		return errors.Join(err, g.release())
	case r.Boot != "" && boot != r.Boot:
		// Somebody started the machine again: what ran in this generation is
		// gone, and what runs now was started by nobody.
		return u.giveUp(ctx, g, "the machine was started anew by somebody else")
	}
	if err := u.completeStart(ctx, g, r, boot); err != nil {
		if ctx.Err() != nil {
			return errors.Join(err, g.release())
		}
		return u.giveUp(ctx, g, "its start could not be completed: "+err.Error())
	}
	g.learnDial(ctx)
	u.serve(g)
	took := time.Since(began)
	u.log.Info("sandbox adopted", "generation", g.number, "took", took)
	u.m.config.Observe(Event{Kind: EventAdopted, Ref: u.key.ref(), Generation: g.number, Duration: took})
	return nil
}

// completeStart does what the start of an edge that crashed had left to do.
func (u *unit) completeStart(ctx context.Context, g *generation, r *record, boot string) error {
	if r.State != abi.StateStarting {
		return nil
	}
	var known abi.ProcessList
	if err := g.call(ctx, abi.ListProcesses.Name(), quickTimeout, &abi.Empty{}, &known); err != nil {
		return err
	}
	if err := u.autostart(ctx, g, known.Processes); err != nil {
		return err
	}
	return u.save(ctx, func(r *record) { r.State, r.Boot = abi.StateRunning, boot })
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

// revive settles what is pending, at once and then again and again while a
// runtime is down, until the manager is closed.
func (m *Manager) revive() {
	unswept := m.runtimes() // whose stray machines were not looked for yet
	pause := firstRevivePause
	for m.ctx.Err() == nil {
		m.settleAll(m.pending())
		unswept = m.sweepAll(unswept)
		if len(m.pending()) == 0 && len(unswept) == 0 {
			pause = firstRevivePause
			select {
			case <-m.wake:
			case <-m.ctx.Done():
				return
			}
		}
		if sleep(m.ctx, pause) != nil {
			return
		}
		pause = min(2*pause, lastRevivePause)
	}
}

// wakeReviver tells the reviver that something is pending.
func (m *Manager) wakeReviver() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// pending returns the units that are not settled.
func (m *Manager) pending() []key {
	var ks []key
	for _, u := range m.all() {
		u.mu.Lock()
		if u.pending {
			ks = append(ks, u.key)
		}
		u.mu.Unlock()
	}
	return ks
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
			if err := u.settled(m.ctx); err != nil {
				u.log.Debug("not settled yet", "error", err)
			}
		}
		m.release(u)
	}
}
