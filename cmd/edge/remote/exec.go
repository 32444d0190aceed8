package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"syscall"

	"edge/abi"
)

// Task are the flags that say how a command is run.
type Task struct {
	Env     []string `short:"e" sep:"none" placeholder:"NAME=VALUE" help:"Variable for the command; NAME alone takes this environment's value."`
	Workdir string   `short:"w" placeholder:"DIR" help:"Folder inside the sandbox; default /workspace."`
	User    string   `short:"u" placeholder:"USER" help:"User inside the sandbox: a name or number, with :GROUP or without."`
	Session string   `placeholder:"SESSION" help:"Session whose folder and variables it shares."`
}

type execCommand struct {
	Connection
	Task
	Interactive bool     `short:"i" help:"Send this standard input to the command."`
	TTY         bool     `short:"t" name:"tty" help:"Give the command a terminal."`
	Timeout     Span     `placeholder:"SPAN" help:"Kill the command after that long; default is the binding's execTimeout. Not with -t."`
	Terminal    string   `placeholder:"NAME" help:"With -t: name of the terminal. It lives on when this program goes away, as by closing the window, and the same name comes back to it."`
	Takeover    bool     `help:"With --terminal: take it from where it is open now."`
	Sandbox     string   `arg:"" passthrough:"" complete:"sandbox" help:"[BINDING/]ID; it is made or started if it does not run."`
	Command     []string `arg:"" optional:"" passthrough:"" help:"Command and its arguments; with -t by default a shell."`
}

// Run runs a command in a sandbox. It ends with the command's exit code, or with
// one of ExitFailed, ExitNotExecutable and ExitNotFound.
func (v *execCommand) Run(ctx context.Context, env *Env) error {
	return asExec(v.run(ctx, env))
}

func (v *execCommand) run(ctx context.Context, env *Env) error {
	v.Command = withoutDashes(v.Command)
	vars, err := pairs(v.Env, env.Getenv)
	if err != nil {
		return err
	}
	switch {
	case v.TTY:
		return v.in(ctx, env, v.Sandbox, func(s *session) error { return v.terminal(ctx, env, s, vars) })
	case len(v.Command) == 0:
		return abi.Errorf(abi.CodeInvalidRequest, "exec: there is no command").WithSuggestion("edge exec -it %s opens a shell", v.Sandbox)
	case v.Terminal != "" || v.Takeover:
		return abi.Errorf(abi.CodeInvalidRequest, "exec: --terminal and --takeover need -t")
	}
	req := &abi.ExecStreamRequest{
		Argv: v.Command, Cwd: v.Workdir, Env: vars, User: v.User, Session: v.Session, Timeout: v.Timeout.duration(), Input: v.Interactive, Encoding: "base64",
	}
	return v.in(ctx, env, v.Sandbox, func(s *session) error { return v.stream(ctx, env, s, req) })
}

// withoutDashes drops the "--" that may stand before a command.
func withoutDashes(words []string) []string {
	if len(words) > 0 && words[0] == "--" {
		return words[1:]
	}
	return words
}

// stream runs the command on this process's standard streams.
func (v *execCommand) stream(ctx context.Context, env *Env, s *session, req *abi.ExecStreamRequest) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stream, err := s.Open(ctx, s.ref, abi.ExecStream.Name(), req)
	if err != nil {
		return err
	}
	defer forwardSignals(env, func(sig os.Signal) { sendSignal(stream, sig) }, func() { cancel(ExitCode(exitInterrupted)) })()
	defer stream.Close() // first: it ends a signal that waits behind input which nobody reads
	if v.Interactive {
		go pourInput(stream, env.In)
	}
	for {
		var e abi.ExecEvent
		if err := stream.Event(&e); err != nil {
			return ended(ctx, err)
		}
		switch e.Type {
		case abi.ExecExit:
			return exitOf(e.ExitCode)
		case abi.ExecStdout, abi.ExecStderr:
			if err := writeData(e.Type == abi.ExecStderr, e.Data, env.Out, env.Err); err != nil {
				return err
			}
		}
	}
}

// pourInput sends the standard input. It ends with it, or with its first piece
// after the stream has ended: a read of standard input cannot be called off, so
// at the end of the program it may still wait in one.
func pourInput(stream *Stream, in io.Reader) { _ = stream.pour(in) }

// ended is why a stream ended before its last event.
func ended(ctx context.Context, err error) error {
	var code ExitCode
	switch {
	case errors.As(context.Cause(ctx), &code):
		return code
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, io.EOF):
		return errors.New("the edge ended the stream before the command's end")
	}
	return err
}

// exitOf is the result of a command that ended.
func exitOf(code *int) error {
	switch {
	case code == nil:
		return errors.New("the edge did not tell the command's exit code")
	case *code == 0:
		return nil
	}
	return ExitCode(*code & 0xff)
}

// asExec gives errors the exit codes that docker has for them.
func asExec(err error) error {
	var code ExitCode
	if err == nil || errors.As(err, &code) {
		return err
	}
	f := &Failure{ExitFailed, err}
	var e *abi.Error
	if errors.As(err, &e) {
		switch e.Code {
		case abi.CodeCommandNotFound:
			f.Code = ExitNotFound
			var details abi.CommandNotFoundDetails
			if json.Unmarshal(e.Details, &details) == nil && details.Exists {
				f.Code = ExitNotExecutable
			}
		case abi.CodePermissionDenied:
			f.Code = ExitNotExecutable
		}
	}
	return f
}

// patience is how many interrupts a command may leave unheeded: the one after
// ends this program.
const patience = 3

// forwardSignals has the signals that a person or a supervisor sends given to
// the command, in order; forward may block. giveUp is called when the command
// heeds none of them. The returned function ends all that, and waits for a
// forward under way: whatever that needs to end has been closed by then.
func forwardSignals(env *Env, forward func(os.Signal), giveUp func()) (stop func()) {
	signals, pending, quit := make(chan os.Signal, 8), make(chan os.Signal, patience), make(chan struct{})
	unnotify := env.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP)
	var passing sync.WaitGroup
	passing.Go(func() { countSignals(signals, quit, pending, giveUp) })
	passing.Go(func() { passSignals(pending, forward) })
	return func() {
		unnotify()
		close(quit)
		passing.Wait()
	}
}

// countSignals hands the first signals on, and takes each further one for
// giving up. It never waits for the command.
func countSignals(signals <-chan os.Signal, quit <-chan struct{}, pending chan<- os.Signal, giveUp func()) {
	defer close(pending)
	for count := 0; ; {
		select {
		case sig := <-signals:
			if count++; count > patience {
				giveUp()
				continue
			}
			pending <- sig // which has room for patience
		case <-quit:
			return
		}
	}
}

func passSignals(pending <-chan os.Signal, forward func(os.Signal)) {
	for sig := range pending {
		forward(sig)
	}
}

// sendSignal sends a signal to the stream's command.
func sendSignal(stream *Stream, sig os.Signal) {
	// A stream that has ended is told by its reader.
	_ = stream.SendInput(abi.StreamInput{Type: abi.InputSignal, Signal: signalName(sig)})
}

func signalName(sig os.Signal) abi.Signal {
	switch sig {
	case os.Interrupt:
		return "INT"
	case syscall.SIGTERM:
		return "TERM"
	case syscall.SIGQUIT:
		return "QUIT"
	case syscall.SIGHUP:
		return "HUP"
	}
	if n, ok := sig.(syscall.Signal); ok {
		return abi.Signal(strconv.Itoa(int(n)))
	}
	return abi.Signal(fmt.Sprint(sig))
}
