package sandboxmgr

import (
	"context"
	"strings"

	"edge/abi"
)

// Labels of every machine. All of the edge's begin with labelPrefix.
const (
	labelPrefix = "edge."
	// LabelOwner holds the id of the edge that made the machine.
	LabelOwner = "edge.owner"
)

// Lister is a Runtime that can tell which machines there are. It is optional:
// without it, machines that are recorded nowhere are not found.
type Lister interface {
	// Machines returns the names of all machines, running or not, that carry
	// the label with that value.
	Machines(ctx context.Context, label, value string) ([]string, error)
}

// sweepAll removes, in every runtime that can list them, this edge's machines
// that are recorded nowhere: what is left of a removal or of a state file that
// was put back. It returns the runtimes that could not be asked.
func (m *Manager) sweepAll(runtimes []Runtime) (again []Runtime) {
	for _, rt := range runtimes {
		l, ok := rt.(Lister)
		if !ok {
			continue
		}
		if err := m.health.gate(m.ctx, rt); err != nil {
			again = append(again, rt)
			continue
		}
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
	}
	return again
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
	if normal, err := abi.NormalizeID(id); err != nil || normal != id {
		return // no sandbox has that name, so that nobody knows whose it is
	}
	u := m.acquire(key{binding, id})
	defer m.release(u)
	u.mu.Lock()
	if u.revision != 0 || u.step != nil {
		u.mu.Unlock()
		return
	}
	s := u.begin(stepSweep, func(ctx context.Context, _ *step) error { return rt.Remove(ctx, name) })
	u.mu.Unlock()
	if s == nil {
		return
	}
	if err := s.wait(m.ctx); err != nil {
		m.log.Warn("cannot remove a machine that is recorded nowhere", "machine", name, "error", err)
		return
	}
	m.log.Info("removed a machine that was recorded nowhere", "machine", name)
}
