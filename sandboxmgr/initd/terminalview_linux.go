package initd

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"syscall"

	"edge/abi"
)

// terminal opens a terminal, or comes back to one, for as long as the
// connection holds it. A terminal without a name ends with the connection.
func (s *supervisor) terminal(ctx context.Context, req *abi.TerminalRequest, st *stream) error {
	if err := checkTerminal(req); err != nil {
		return err
	}
	t, v, err := s.openTerminal(req)
	if err != nil {
		return err
	}
	defer s.letGo(ctx, t, v)
	if err := st.Open(); err != nil {
		return err
	}
	ready := abi.TerminalEvent{Type: abi.TerminalReady, ID: t.id, PID: t.child.pid, Offset: v.first, Dropped: v.dropped}
	if err := st.Event(ready); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	st.attend(func() { s.takeInput(ctx, t, v, st, cancel) })
	last, err := t.show(ctx, v, st)
	var refused *abi.Error
	switch {
	case err == nil:
		return st.Event(last)
	case errors.As(err, &refused):
		return errors.Join(err, st.Event(abi.TerminalEvent{Type: abi.TerminalError, Error: refused}))
	}
	return err
}

// letGo ends the viewer's hold, and with it a terminal without a name.
func (s *supervisor) letGo(ctx context.Context, t *terminal, v *viewer) {
	if !t.detach(v) || t.named || isClosed(t.child.done) {
		return
	}
	// ctx ended with the connection; the program has its grace all the same.
	s.reaper.kill(context.WithoutCancel(ctx), []*child{t.child}, syscall.SIGHUP, abi.DefaultGrace)
}

// show sends what the terminal prints until the program has ended, another
// connection took the terminal, or ctx ended. It returns the event to send
// last.
func (t *terminal) show(ctx context.Context, v *viewer, st *stream) (*abi.TerminalEvent, error) {
	for {
		n, over, err := t.send(v, st)
		switch {
		case err != nil:
			return nil, err
		case over:
			code, sig := t.child.exit()
			return &abi.TerminalEvent{Type: abi.TerminalExit, Offset: t.out.written(), ExitCode: &code, Signal: sig}, nil
		case n > 0:
			continue
		}
		select {
		case <-v.more:
		case <-v.taken:
			return &abi.TerminalEvent{Type: abi.TerminalTaken}, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// send sends one piece of output, in a buffer that it holds only meanwhile.
func (t *terminal) send(v *viewer, st *stream) (n int, over bool, err error) {
	buf := pumpBuffers.Get().(*[]byte)
	defer pumpBuffers.Put(buf)
	n, over = t.next(v, *buf)
	if n > 0 {
		_, err = st.Write((*buf)[:n])
	}
	return n, over, err
}

// takeInput takes what the connection types and says until it says no more or
// ctx ends. A message that makes no sense ends the connection's hold.
func (s *supervisor) takeInput(ctx context.Context, t *terminal, v *viewer, st *stream, fail context.CancelCauseFunc) {
	for {
		text, data, err := st.Next()
		switch {
		case errors.Is(err, io.EOF):
			return // what is printed is still looked at
		case err == nil && text != nil:
			err = t.obey(s.reaper, text)
		case err == nil:
			err = t.enter(ctx, v, data)
		}
		if err != nil {
			fail(err)
			return
		}
	}
}

// enter has a copy of data typed in. It waits while what was typed before is
// not taken by the program.
func (t *terminal) enter(ctx context.Context, v *viewer, data []byte) error {
	p := typedPiece{buf: pumpBuffers.Get().(*[]byte)}
	p.n = copy(*p.buf, data) // both are abi.MaxStreamBinary at most
	if !isClosed(v.taken) {
		select {
		case t.typed <- p:
			return nil
		case <-v.taken:
		case <-t.closed:
		case <-ctx.Done():
		}
	}
	pumpBuffers.Put(p.buf) // nobody reads it
	return ctx.Err()
}

// obey does what a text message says.
func (t *terminal) obey(r *reaper, text []byte) error {
	var in abi.StreamInput
	if err := json.Unmarshal(text, &in); err != nil {
		return abi.Errorf(abi.CodeInvalidRequest, "the message is malformed: %v", err)
	}
	switch in.Type {
	case abi.InputEnd:
		return nil
	case abi.InputResize:
		if err := checkWindow(in.Cols, in.Rows); err != nil {
			return err
		}
		_ = t.pty.resize(in.Cols, in.Rows) // fails when the program has ended, which is told
		return nil
	case abi.InputSignal:
		sig, err := parseSignal(in.Signal, 0)
		if err != nil {
			return err
		}
		if sig == 0 {
			return abi.Errorf(abi.CodeInvalidRequest, "the message names no signal")
		}
		t.signal(r, sig)
		return nil
	}
	return abi.Errorf(abi.CodeInvalidRequest, "message of type %.40q: want \"resize\" or \"signal\"", in.Type)
}
