package sandboxmgr

import (
	"context"

	"edge/abi"
)

// stream has the init begin a stream, starting the sandbox if need be. ctx
// bounds the opening alone; the caller closes the socket.
func (s *Sandbox) stream(ctx context.Context, op string, req any) (abi.Socket, error) {
	var sock abi.Socket
	err := s.use(ctx, func(g *generation) (err error) {
		sock, err = g.open(ctx, op, req)
		return err
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
