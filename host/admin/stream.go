package admin

import (
	"context"
	"errors"
	"time"

	"edge/abi"
)

// takeStream takes one of the places for streams, or is TOO_MANY_REQUESTS. The
// place is given back with release.
func (x *exchange) takeStream() (release func(), err error) {
	s := x.s
	if s.streams.Add(1) > int64(s.MaxStreams) {
		s.streams.Add(-1)
		e := abi.Errorf(abi.CodeTooManyRequests, "the admin API carries %d streams already", s.MaxStreams)
		e.RetryAfterMs = 1000
		return nil, e
	}
	return func() { s.streams.Add(-1) }, nil
}

// endless is a context for what has no end of its own: besides the request's end
// and deadline, the beginning of Shutdown ends it.
func (x *exchange) endless() (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(x.ctx)
	stop := context.AfterFunc(x.s.calm, func() { cancel(errShutdown) })
	return ctx, func(cause error) { stop(); cancel(cause) }
}

// cutWrites bounds what is being written to a client that does not read, once
// ctx has ended. The caller calls join before the exchange ends.
func (x *exchange) cutWrites(ctx context.Context) (join func()) {
	cut := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = x.control.SetWriteDeadline(time.Now().Add(x.s.pace.close))
		close(cut)
	})
	return func() {
		if !stop() {
			<-cut
			// What is sent after this belongs to the next request.
			_ = x.control.SetWriteDeadline(time.Time{})
		}
	}
}

// receive returns the next message, and calls idle each time that none came for
// the keep-alive interval.
func (x *exchange) receive(ctx context.Context, sock abi.Socket, idle func() error) (byte, []byte, error) {
	for {
		wait, cancel := context.WithTimeout(ctx, x.s.pace.keepAlive)
		opcode, payload, err := sock.Receive(wait)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return opcode, payload, err
		}
		if err := idle(); err != nil {
			return 0, nil, err
		}
	}
}

// streamError is how a stream ended: nil when all went well.
func (x *exchange) streamError(ctx context.Context, err error) *abi.Error {
	if c, ok := errors.AsType[*abi.SocketClosed](err); ok {
		if c.Code == closeNormal {
			return nil
		}
		err = abi.Errorf(abi.CodeSandboxExited, "the stream broke off (%d %.100s)", c.Code, c.Reason).WithStarted(abi.StartedYes)
	}
	if cause := context.Cause(ctx); cause == errShutdown {
		err = shuttingDown().WithStarted(abi.StartedYes)
	}
	return x.border(err)
}

func shuttingDown() *abi.Error {
	e := abi.Errorf(abi.CodeRuntimeUnavailable, "%v", errShutdown)
	e.RetryAfterMs = 1000
	return e
}

// errUnexpected is a message that a stream of its kind does not have. It came
// from inside a sandbox, or through it.
var errUnexpected = errors.New("the sandbox sent a message that does not belong to the stream")
