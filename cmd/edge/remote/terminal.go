package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/term"

	"edge/abi"
)

// terminal runs the command on a terminal of its own, shown on this one.
func (v *execCommand) terminal(ctx context.Context, env *Env, s *session, vars map[string]string) error {
	if v.Timeout != 0 {
		return abi.Errorf(abi.CodeInvalidRequest, "exec: --timeout does not go with -t")
	}
	in, isTerminal := terminalOf(env.In)
	if v.Interactive && !isTerminal {
		return abi.Errorf(abi.CodeInvalidRequest, "exec: the standard input is no terminal").WithSuggestion("leave -t out")
	}
	if name := env.Getenv("TERM"); name != "" && vars["TERM"] == "" {
		vars["TERM"] = name
	}
	req := &abi.TerminalRequest{
		ID: v.Terminal, Argv: v.Command, Cwd: v.Workdir, Env: vars, User: v.User, Session: v.Session, Takeover: v.Takeover,
	}
	screen, hasScreen := terminalOf(env.Out)
	if hasScreen {
		req.Cols, req.Rows = windowOf(screen)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stream, err := s.Open(ctx, s.ref, abi.Terminal.Name(), req)
	if err != nil {
		return err
	}
	if v.Interactive {
		restore, err := rawMode(in)
		if err != nil {
			stream.Close()
			return err
		}
		defer restore()
		go typeInto(stream, env.In)
	}
	// In raw mode Ctrl-C is a byte; a signal comes from elsewhere and ends this
	// program in order. Without -i Ctrl-C is the command's.
	end := func() { cancel(ExitCode(exitInterrupted)) }
	forward := func(sig os.Signal) { sendSignal(stream, sig) }
	if v.Interactive {
		forward = func(os.Signal) { end() }
	}
	defer forwardSignals(env, forward, end)()
	if hasScreen {
		defer followWindow(env, screen, stream)()
	}
	defer stream.Close() // first: it ends what waits behind input which nobody reads
	return showTerminal(ctx, env, stream)
}

// terminalOf returns the terminal that a stream is.
func terminalOf(stream any) (*os.File, bool) {
	f, ok := stream.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

// windowOf is a terminal's size, within what an edge takes; 0 is not known.
func windowOf(f *os.File) (cols, rows int) {
	cols, rows, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0, 0
	}
	return min(cols, abi.MaxWindow), min(rows, abi.MaxWindow)
}

// rawMode has the terminal give every key as it is; restore ends that.
func rawMode(f *os.File) (restore func(), err error) {
	before, err := term.MakeRaw(int(f.Fd()))
	if err != nil {
		return nil, fmt.Errorf("put the terminal into raw mode: %w", err)
	}
	return func() { _ = term.Restore(int(f.Fd()), before) }, nil
}

// typeInto sends what is typed. A terminal's end is not the command's, so
// nothing is said at the end. As pourInput it may outlast the stream.
func typeInto(stream *Stream, in io.Reader) {
	buffer := make([]byte, 4096)
	for {
		n, err := in.Read(buffer)
		if n > 0 && stream.Send(abi.OpcodeBinary, buffer[:n]) != nil {
			return
		}
		if err != nil {
			return
		}
	}
}

// followWindow tells the command of each new size of the window, until the
// returned function is called.
func followWindow(env *Env, screen *os.File, stream *Stream) (stop func()) {
	changes, quit, done := make(chan os.Signal, 1), make(chan struct{}), make(chan struct{})
	unnotify := env.Notify(changes, syscall.SIGWINCH)
	go passWindow(changes, quit, done, screen, stream)
	return func() {
		unnotify()
		close(quit)
		<-done
	}
}

func passWindow(changes <-chan os.Signal, quit <-chan struct{}, done chan<- struct{}, screen *os.File, stream *Stream) {
	defer close(done)
	for {
		select {
		case <-changes:
			if cols, rows := windowOf(screen); cols > 0 && rows > 0 {
				_ = stream.SendInput(abi.StreamInput{Type: abi.InputResize, Cols: cols, Rows: rows})
			}
		case <-quit:
			return
		}
	}
}

// showTerminal prints what the terminal prints, until its program has ended.
func showTerminal(ctx context.Context, env *Env, stream *Stream) error {
	for {
		opcode, message, err := stream.Next()
		if err != nil {
			return ended(ctx, err)
		}
		if opcode == abi.OpcodeBinary {
			if _, err := env.Out.Write(message); err != nil {
				return err
			}
			continue
		}
		var e abi.TerminalEvent
		if err := json.Unmarshal(message, &e); err != nil {
			return fmt.Errorf("the edge sent an event that is not understood: %w", err)
		}
		switch e.Type {
		case abi.TerminalExit:
			return exitOf(e.ExitCode)
		case abi.TerminalTaken:
			return errors.New("the terminal was taken over by another connection")
		case abi.TerminalError:
			if e.Error != nil {
				return e.Error
			}
			return errors.New("the terminal failed")
		}
	}
}
