package sandboxmgr

import (
	"context"

	"edge/abi"
)

// Touch counts as use of the sandbox. It starts nothing.
func (s *Sandbox) Touch(ctx context.Context, _ *abi.Empty) (*abi.SandboxState, error) {
	return s.changeState(ctx, abi.Touch.Name(), func(u *unit) error {
		if err := u.settled(ctx); err != nil {
			return err
		}
		u.touch()
		return nil
	})
}

// Pause freezes everything that runs in the sandbox.
func (s *Sandbox) Pause(context.Context, *abi.Empty) (*abi.SandboxState, error) {
	return nil, s.fail(abi.Pause.Name(), abi.Errorf(abi.CodeUnsupported, "the %s runtime cannot pause", s.binding.Runtime.Name()))
}

// Resume lets a paused sandbox run on.
func (s *Sandbox) Resume(context.Context, *abi.Empty) (*abi.SandboxState, error) {
	return nil, s.fail(abi.Resume.Name(), abi.Errorf(abi.CodeUnsupported, "the %s runtime cannot pause", s.binding.Runtime.Name()))
}

// SetEnvVars sets variables for every command that is started from now on.
func (s *Sandbox) SetEnvVars(ctx context.Context, req *abi.SetEnvVarsRequest) (*abi.Empty, error) {
	op := abi.SetEnvVars.Name()
	if err := checkEnvVars(req.EnvVars); err != nil {
		return nil, s.fail(op, err)
	}
	return carry[abi.Empty](ctx, s, op, quickTimeout, req)
}

// Inspect tells all that the edge knows of the sandbox.
func (s *Sandbox) Inspect(ctx context.Context, _ *abi.Empty) (*abi.Inspection, error) {
	st, err := s.GetState(ctx, &abi.Empty{})
	if err != nil {
		return nil, s.fail(abi.Inspect.Name(), err)
	}
	return &abi.Inspection{
		Binding: s.key.binding, ID: s.key.id, SandboxState: *st, Image: s.binding.Image,
		Network: s.binding.Network, Persist: s.binding.Persist,
	}, nil
}
