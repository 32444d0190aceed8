package remote

import (
	"context"
	"fmt"
	"os"
	"sync"

	"edge/abi"
)

type runCommand struct {
	Connection
	Task
	Detach  bool     `short:"d" help:"Print the process id and leave it alone."`
	Name    string   `placeholder:"PROCESS" help:"The process's id; else a generated one."`
	Rm      bool     `help:"Destroy the sandbox when the process has ended."`
	Timeout Span     `placeholder:"SPAN" help:"Kill the process after that long; default never."`
	Sandbox string   `arg:"" passthrough:"" complete:"sandbox" help:"[BINDING/]ID; it is started if it does not run."`
	Command []string `arg:"" passthrough:"" help:"Command and its arguments."`
}

// Run starts a process, and follows it unless it is to be left alone. It ends as
// exec does.
func (v *runCommand) Run(ctx context.Context, env *Env) error { return asExec(v.run(ctx, env)) }

func (v *runCommand) run(ctx context.Context, env *Env) error {
	v.Command = withoutDashes(v.Command)
	vars, err := pairs(v.Env, env.Getenv)
	switch {
	case err != nil:
		return err
	case v.Detach && v.Rm:
		return abi.Errorf(abi.CodeInvalidRequest, "run: --rm waits for the process, and -d does not")
	case len(v.Command) == 0:
		return abi.Errorf(abi.CodeInvalidRequest, "run: there is no command")
	}
	req := &abi.StartProcessRequest{
		Argv: v.Command, ProcessID: v.Name, Cwd: v.Workdir, Env: vars, User: v.User, Session: v.Session, Timeout: v.Timeout.duration(),
	}
	return v.in(ctx, env, v.Sandbox, func(s *session) error {
		p, err := Call(ctx, s.Client, s.ref, abi.StartProcess, req)
		if err != nil {
			return err
		}
		if v.Detach {
			fmt.Fprintln(env.Out, oneLine(p.ID))
			return nil
		}
		err = s.attach(ctx, env, p.ID)
		if v.Rm {
			if gone := s.destroy(context.WithoutCancel(ctx), s.ref); gone != nil && err == nil {
				return gone
			}
		}
		return err
	})
}

// attach prints a process's output until it has ended. Ctrl-C ends the process;
// when it heeds none, the process is left alone.
func (s *session) attach(ctx context.Context, env *Env, id string) error {
	var passing sync.WaitGroup
	defer passing.Wait()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	forward := func(sig os.Signal) {
		// killProcess waits for the end, which the logs tell as well.
		passing.Go(func() { s.signalProcess(ctx, id, sig) })
	}
	defer forwardSignals(env, forward, func() { cancel(ExitCode(exitInterrupted)) })()
	exit, err := s.follow(ctx, &abi.StreamLogsRequest{ProcessID: id, Follow: true, Encoding: "base64"}, env.Out, env.Err)
	switch {
	case err != nil:
		return ended(ctx, err)
	case exit == nil:
		return fmt.Errorf("the output of %s ended before the process did", oneLine(id))
	}
	return exitOf(exit.ExitCode)
}

// signalProcess passes one signal on. It ends with ctx at the latest.
func (s *session) signalProcess(ctx context.Context, id string, sig os.Signal) {
	_, _ = Call(ctx, s.Client, s.ref, abi.KillProcess, &abi.KillRequest{ProcessID: id, Signal: signalName(sig)})
}
