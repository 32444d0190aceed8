package sandboxmgr

import (
	"context"

	"edge/abi"
)

// stream has the init begin a stream, starting the sandbox if need be. ctx
// bounds the opening alone; the caller closes the socket, which keeps the
// sandbox awake until then.
func (s *Sandbox) stream(ctx context.Context, op string, req any) (abi.Socket, error) {
	return s.streamWith(ctx, op, &s.ref.SandboxOptions, nil, req)
}

// streamWith is stream, and useWith of what is inside.
func (s *Sandbox) streamWith(ctx context.Context, op string, opts *abi.SandboxOptions, absent func() error, req any) (abi.Socket, error) {
	var sock abi.Socket
	what := op
	if op == abi.Terminal.Name() {
		what = holdTerminal
	}
	err := s.useWith(ctx, what, opts, absent, func(g *generation) error {
		opened, err := g.open(ctx, op, req)
		if err != nil {
			return err
		}
		sock = &heldSocket{opened, g.hold(what)}
		return nil
	})
	if err != nil {
		return nil, s.fail(op, err)
	}
	return sock, nil
}

// open begins a stream with this generation's init.
func (g *generation) open(ctx context.Context, op string, req any) (abi.Socket, error) {
	if g.init.Broken() {
		return nil, errBroken(g.key)
	}
	bound, stop := g.bind(ctx)
	defer stop()
	sock, err := g.init.Open(bound, op, req)
	if err != nil {
		return nil, g.explain(ctx, bound, op, 0, err)
	}
	return sock, nil
}
