package sandboxmgr

import (
	"context"
	"fmt"
)

// absentRuntime stands for the runtime that made a sandbox when its binding has
// another one now. The sandbox is neither lost nor made again elsewhere: it is
// out of reach, like one whose engine is down, until its runtime is back.
type absentRuntime struct{ name, now string }

var _ Runtime = absentRuntime{}

func (a absentRuntime) down() error {
	return fmt.Errorf("%w: the sandbox was made by the %s runtime, and its binding uses %s now: with \"runtime: %[2]s\" in the configuration go back to it, or run edge clean and begin anew",
		ErrRuntimeDown, a.name, a.now)
}

func (a absentRuntime) Name() string { return a.name }

func (a absentRuntime) Check(context.Context) error { return a.down() }

func (a absentRuntime) Start(context.Context, MachineSpec) (Machine, error) { return nil, a.down() }

func (a absentRuntime) Adopt(context.Context, string) (Machine, error) { return nil, a.down() }

func (a absentRuntime) Remove(context.Context, string) error { return a.down() }
