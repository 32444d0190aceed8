package sandboxmgr

import (
	"context"
	"time"

	"edge/abi"
)

// describeTimeout bounds what inspect waits for the runtime.
const describeTimeout = 2 * time.Second

// Inspect tells all that the edge knows of the sandbox. It starts nothing and
// holds no secret but the URLs of exposures, which are the caller's own.
func (s *Sandbox) Inspect(ctx context.Context, _ *abi.Empty) (*abi.Inspection, error) {
	op := abi.Inspect.Name()
	st, err := s.GetState(ctx, &abi.Empty{})
	if err != nil {
		return nil, s.fail(op, err)
	}
	ports, err := s.GetExposedPorts(ctx, &abi.Empty{})
	if err != nil {
		return nil, s.fail(op, err)
	}
	b := s.binding()
	in := &abi.Inspection{
		Binding: s.key.binding, ID: s.key.id, SandboxState: *st, Image: s.m.knownImage(s.key.binding),
		Preset: b.Preset, Network: b.Network, Persist: b.Persist, Ports: ports.Ports,
	}
	_ = s.withUnit(func(u *unit) error {
		u.describe(ctx, in)
		return nil
	})
	return in, nil
}

// describe adds what is recorded of the sandbox and what its runtime says of the
// machine.
func (u *unit) describe(ctx context.Context, in *abi.Inspection) {
	r, _ := u.recorded()
	in.SleepAfter = abi.Duration(r.SleepAfter.Or(u.binding.SleepAfter))
	in.KeepAlive, in.Labels = r.KeepAlive, r.Labels
	if r.RunDir != "" {
		in.Machine = u.machineName()
	}
	u.mu.Lock()
	g := u.current
	u.mu.Unlock()
	if g == nil {
		return
	}
	d, ok := g.machine.(Describer)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	limits, facts, err := d.Describe(ctx)
	if err != nil {
		u.log.Warn("cannot tell how the sandbox is bounded", "error", err)
		return
	}
	in.Limits, in.Facts = limits, facts
}
