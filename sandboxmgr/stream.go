package sandboxmgr

import (
	"context"
	"sync/atomic"
	"time"

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

// boundedSocket is a stream that the edge ends when its time is over, whatever
// the sandbox does.
type boundedSocket struct {
	abi.Socket
	timer *time.Timer
	late  *abi.Error // how it ends then
	over  atomic.Bool
}

// bounded ends the stream after limit with the error late. Closing it closes
// sock.
func bounded(sock abi.Socket, limit time.Duration, late *abi.Error) *boundedSocket {
	s := &boundedSocket{Socket: sock, late: late}
	s.timer = time.AfterFunc(limit, s.expire)
	return s
}

func (s *boundedSocket) expire() {
	s.over.Store(true)
	_ = s.Socket.Close(closePolicy, "its time is over")
}

// Receive returns the next message.
func (s *boundedSocket) Receive(ctx context.Context) (byte, []byte, error) {
	opcode, payload, err := s.Socket.Receive(ctx)
	return opcode, payload, s.inTime(err)
}

// Send sends a message.
func (s *boundedSocket) Send(ctx context.Context, opcode byte, payload []byte) error {
	return s.inTime(s.Socket.Send(ctx, opcode, payload))
}

func (s *boundedSocket) inTime(err error) error {
	if err != nil && s.over.Load() {
		return s.late
	}
	return err
}

// Close closes the stream.
func (s *boundedSocket) Close(code int, reason string) error {
	s.timer.Stop()
	return s.Socket.Close(code, reason)
}
