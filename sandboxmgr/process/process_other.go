//go:build !linux

package process

import (
	"context"
	"errors"
	"fmt"

	"edge/sandboxmgr"
)

var errUnsupported = fmt.Errorf("%w: %w", sandboxmgr.ErrRuntimeDown, errors.New("the process runtime needs Linux; use runtime: docker"))

// Runtime does not work on this system: all its methods say so.
type Runtime struct{}

var (
	_ sandboxmgr.Runtime  = (*Runtime)(nil)
	_ sandboxmgr.Lister   = (*Runtime)(nil)
	_ sandboxmgr.Examiner = (*Runtime)(nil)
)

// New returns a Runtime whose Check says that it needs Linux.
func New(Config) (*Runtime, error) { return &Runtime{}, nil }

// Name is "process".
func (*Runtime) Name() string { return runtimeName }

// Check says that the runtime needs Linux.
func (*Runtime) Check(context.Context) error { return errUnsupported }

// Start says that the runtime needs Linux.
func (*Runtime) Start(context.Context, sandboxmgr.MachineSpec) (sandboxmgr.Machine, error) {
	return nil, errUnsupported
}

// Adopt finds no machine.
func (*Runtime) Adopt(context.Context, string) (sandboxmgr.Machine, error) {
	return nil, sandboxmgr.ErrNoMachine
}

// Machines finds none.
func (*Runtime) Machines(context.Context, string, string) ([]string, error) { return nil, nil }

// Remove has nothing to remove.
func (*Runtime) Remove(context.Context, string) error { return nil }

// Examine finds that the runtime needs Linux.
func (*Runtime) Examine(context.Context, sandboxmgr.MachineSpec) []sandboxmgr.Finding {
	return []sandboxmgr.Finding{{Name: "process runtime", Level: "bad", Text: errUnsupported.Error(), Mend: "use runtime: docker"}}
}
