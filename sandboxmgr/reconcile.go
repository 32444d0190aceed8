package sandboxmgr

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"edge/abi"
)

// Labels of every machine. All of the edge's begin with labelPrefix.
const (
	labelPrefix = "edge."
	// LabelOwner holds the id of the edge that made the machine.
	LabelOwner = "edge.owner"
	// labelGeneration holds the number of the generation that was started.
	labelGeneration = "edge.generation"
)

// Lister is a Runtime that can tell which machines there are. It is optional:
// without it, machines that are recorded nowhere are not found.
type Lister interface {
	// Machines returns the names of all machines, running or not, that carry
	// the label with that value, or with any when it is empty.
	Machines(ctx context.Context, label, value string) ([]string, error)
}

// The pauses between two tries while a runtime is down.
const (
	firstRevivePause = 250 * time.Millisecond
	lastRevivePause  = 5 * time.Second
)

// revive keeps what is recorded and what there is the same, until the manager is
// closed: at once, whenever a runtime comes back, and every ReconcileEvery. What
// cannot be settled while a runtime is down is tried again and again.
func (m *Manager) revive() {
	tick := time.NewTicker(m.config.ReconcileEvery)
	defer tick.Stop()
	again := time.NewTimer(farAway)
	defer again.Stop()
	unequal := m.runtimes() // that are not known to agree with the records
	for pause := firstRevivePause; ; {
		m.settleAll(m.pending())
		unequal = m.reconcile(unequal)
		news := m.wake
		if len(m.pending()) > 0 || len(unequal) > 0 {
			news = nil // they would come of trying
			again.Reset(pause)
			pause = min(2*pause, lastRevivePause)
		} else {
			again.Reset(farAway)
			pause = firstRevivePause
		}
		select {
		case <-news:
		case <-again.C:
		case <-tick.C:
			unequal = m.runtimes()
			m.tidy()
		case <-m.ctx.Done():
			return
		}
		for _, rt := range m.health.returned() {
			if !slices.Contains(unequal, rt) {
				unequal = append(unequal, rt)
			}
		}
	}
}

// tidy does what is to be done now and then.
func (m *Manager) tidy() {
	if err := m.saveActivity(m.ctx, activityCoarse); err != nil && m.ctx.Err() == nil {
		m.log.Warn("cannot record when sandboxes were used", "error", err)
	}
	m.sweepRunFolders()
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

// reconcile compares the machines of each runtime that can list them with what
// is recorded. It removes this edge's machines that are recorded nowhere: what is
// left of a crash, of a removal, or of a state file that was put back. A sandbox
// whose machine is gone is lost. Machines of other owners are never touched. It
// returns the runtimes that could not be asked.
func (m *Manager) reconcile(runtimes []Runtime) (again []Runtime) {
	for _, rt := range runtimes {
		l, ok := rt.(Lister)
		if !ok {
			continue
		}
		if err := m.health.gate(m.ctx, rt); err != nil {
			again = append(again, rt)
			continue
		}
		serving := m.serving(rt) // before the list: what is started later is not missed in it
		names, err := l.Machines(m.ctx, LabelOwner, m.owner)
		m.health.note(rt, err)
		if err != nil {
			m.log.Debug("cannot list machines", "runtime", rt.Name(), "error", err)
			again = append(again, rt)
			continue
		}
		for _, name := range names {
			m.sweep(rt, name)
		}
		for _, g := range serving {
			if !slices.Contains(names, g.unit.machineName()) {
				g.checkGone(m.ctx)
			}
		}
	}
	return again
}

// serving returns the generations that run in rt.
func (m *Manager) serving(rt Runtime) []*generation {
	var gs []*generation
	for _, u := range m.all() {
		u.mu.Lock()
		if u.current != nil && u.binding.Runtime == rt {
			gs = append(gs, u.current)
		}
		u.mu.Unlock()
	}
	return gs
}

// checkGone ends a generation whose machine was removed behind the edge's back,
// if its watch has not noticed.
func (g *generation) checkGone(ctx context.Context) {
	machine, err := g.unit.binding.Runtime.Adopt(ctx, g.unit.machineName())
	if err == nil {
		_ = machine.Close()
		return
	}
	if !errors.Is(err, ErrNoMachine) || !g.alive() {
		return
	}
	g.log.Warn("the machine of a running sandbox is gone")
	g.finish(nil)
}

// sweep removes one machine unless it is recorded. A start that is under way
// was recorded before its machine was made, and the removal is a step, so the
// two cannot meet.
func (m *Manager) sweep(rt Runtime, name string) {
	rest, ok := strings.CutPrefix(name, "edge."+m.owner+".")
	binding, id, ok2 := strings.Cut(rest, ".")
	b, configured := m.config.Bindings[binding]
	if !ok || !ok2 || !configured || b.Runtime != rt {
		return
	}
	if random, ok := strings.CutPrefix(id, warmName); ok {
		m.sweepWarm(rt, binding, name, random)
		return
	}
	if normal, err := abi.NormalizeID(id); err != nil || normal != id {
		return // no sandbox has that name, so that nobody knows whose it is
	}
	u := m.acquire(key{binding, id})
	defer m.release(u)
	u.mu.Lock()
	// A sandbox that took over a machine has none of its own name.
	if u.revision != 0 && u.record.RunDir != "" && u.record.Machine == "" || u.step != nil {
		u.mu.Unlock()
		return
	}
	s := u.begin(stepSweep, func(ctx context.Context, _ *step) error { return rt.Remove(ctx, name) })
	u.mu.Unlock()
	if s == nil {
		return
	}
	m.swept(name, s.wait(m.ctx))
}

// sweepWarm removes a machine that was started ahead, unless the pool or a
// sandbox has it. The pool lets go of one only once it is recorded.
func (m *Manager) sweepWarm(rt Runtime, binding, name, random string) {
	if len(random) != warmNameLength || m.warm[binding].owns(name) {
		return
	}
	for _, u := range m.all() {
		if r, _ := u.recorded(); r.Machine == name {
			return
		}
	}
	m.swept(name, rt.Remove(m.ctx, name))
}

func (m *Manager) swept(name string, err error) {
	if err != nil {
		m.log.Warn("cannot remove a machine that is recorded nowhere", "machine", name, "error", err)
		return
	}
	m.log.Info("removed a machine that was recorded nowhere", "machine", name)
}

// sweepRunFolders removes run folders of nobody. One is made after it was
// recorded, and so everything that is in the list was known to somebody unless
// nobody knows it after the listing.
func (m *Manager) sweepRunFolders() {
	folder := filepath.Dir(m.config.runDir("x"))
	entries, err := os.ReadDir(folder)
	if err != nil {
		m.log.Warn("cannot list run folders", "error", err)
		return
	}
	known := map[string]bool{}
	for _, p := range m.warm { // first: what a pool lets go of is recorded by then
		p.folders(known)
	}
	for _, u := range m.all() {
		r, _ := u.recorded()
		known[r.RunDir] = true
	}
	for _, e := range entries {
		name := e.Name()
		if !e.IsDir() || len(name) != runNameLength || known[name] || m.strangeDirs[name] {
			continue
		}
		if err := os.RemoveAll(filepath.Join(folder, name)); err != nil {
			m.log.Warn("cannot remove a run folder of nobody", "folder", name, "error", err)
			continue
		}
		m.log.Info("removed a run folder of nobody", "folder", name)
	}
}

// Foreign returns the names of machines that other edges made, in every runtime
// that can list them, in order: nothing touches them. What a runtime that does
// not answer has is left out, and its error is returned beside the rest.
func (m *Manager) Foreign(ctx context.Context) ([]string, error) {
	var (
		foreign []string
		errs    []error
	)
	for _, rt := range m.runtimes() {
		l, ok := rt.(Lister)
		if !ok {
			continue
		}
		names, err := l.Machines(ctx, LabelOwner, "")
		m.health.note(rt, err)
		if err != nil {
			errs = append(errs, err)
		}
		for _, name := range names {
			if !strings.HasPrefix(name, "edge."+m.owner+".") {
				foreign = append(foreign, name)
			}
		}
	}
	slices.Sort(foreign)
	return slices.Compact(foreign), errors.Join(errs...)
}
