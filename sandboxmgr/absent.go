package sandboxmgr

import (
	"context"
	"fmt"
)

// absentRuntime stands for the runtime that made a sandbox when its binding has
// another one now. The sandbox is neither lost nor made again elsewhere: it is
// out of reach, like one whose engine is down, until its runtime is back. It can be
// destroyed, if made, the runtime itself, is not nil.
type absentRuntime struct {
	name, now string
	made      Runtime
}

var _ Runtime = absentRuntime{}

// absent stands for the runtime with that name, for a binding that has now.
func (m *Manager) absent(name, now string) absentRuntime {
	a := absentRuntime{name: name, now: now}
	if m.config.Earlier == nil {
		return a
	}
	made, err := m.config.Earlier(m.ctx, name)
	if err != nil {
		m.log.Warn("what an earlier runtime made cannot be destroyed", "runtime", name, "error", err)
		return a
	}
	a.made = made
	return a
}

func (a absentRuntime) down() error {
	return fmt.Errorf("%w: %s: %s", ErrRuntimeDown, a.why(), a.suggestion())
}

func (a absentRuntime) why() string {
	return fmt.Sprintf("the sandbox was made by the %s runtime, and its binding uses %s now", a.name, a.now)
}

func (a absentRuntime) suggestion() string {
	return fmt.Sprintf("go back to it with \"runtime: %s\" in the configuration, or destroy the sandbox and begin anew (edge rm; edge clean destroys all)", a.name)
}

func (a absentRuntime) Name() string { return a.name }

func (a absentRuntime) Check(context.Context) error { return a.down() }

func (a absentRuntime) Start(context.Context, MachineSpec) (Machine, error) { return nil, a.down() }

func (a absentRuntime) Adopt(context.Context, string) (Machine, error) { return nil, a.down() }

func (a absentRuntime) Remove(ctx context.Context, name string) error {
	if a.made == nil {
		return a.down()
	}
	return a.made.Remove(ctx, name)
}
