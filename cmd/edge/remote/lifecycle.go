package remote

import (
	"context"
	"fmt"

	"edge/abi"
)

// sandboxes are the arguments of verbs that work on several.
type sandboxes struct {
	Connection
	Sandboxes []string `arg:"" name:"sandbox" complete:"sandbox" help:"[BINDING/]ID."`
}

// change carries an operation out in each sandbox, and prints the name of each
// in which it worked, which is one that there is then and that fits.
func change[Req any](ctx context.Context, env *Env, s *sandboxes, op *abi.Operation[Req, abi.SandboxState], req *Req, fits func(*abi.SandboxState) bool) error {
	return s.inEach(ctx, env, s.Sandboxes, func(s *session) error {
		st, err := Call(ctx, s.Client, s.ref, op, req)
		switch {
		case err != nil:
			return err
		case st.State == abi.StateAbsent:
			return absent(s.ref)
		case !fits(st):
			return abi.Errorf(abi.CodeInvalidRequest, "%s is %s: there is nothing to %s", s.ref, stateText(*st), op.Name())
		}
		fmt.Fprintln(env.Out, s.ref)
		return nil
	})
}

// absent is the error of a verb for sandboxes that there are.
func absent(ref Ref) error {
	return abi.Errorf(abi.CodeNotFound, "there is no sandbox %s", ref).WithSuggestion("edge ps -a lists those that there are")
}

func anyState(*abi.SandboxState) bool { return true }

type startCommand struct{ sandboxes }

// Run starts sandboxes.
func (v *startCommand) Run(ctx context.Context, env *Env) error {
	return change(ctx, env, &v.sandboxes, abi.Start, &abi.Empty{}, anyState)
}

type pauseCommand struct{ sandboxes }

// Run freezes sandboxes.
func (v *pauseCommand) Run(ctx context.Context, env *Env) error {
	return change(ctx, env, &v.sandboxes, abi.Pause, &abi.Empty{}, func(st *abi.SandboxState) bool { return st.Paused })
}

type resumeCommand struct{ sandboxes }

// Run lets sandboxes run on.
func (v *resumeCommand) Run(ctx context.Context, env *Env) error {
	return change(ctx, env, &v.sandboxes, abi.Resume, &abi.Empty{}, func(st *abi.SandboxState) bool { return alive(st.State) })
}

type stopCommand struct {
	sandboxes
	Signal string `short:"s" placeholder:"SIGNAL" complete:"signal" help:"What every process gets first; default TERM."`
	Time   Span   `short:"t" placeholder:"SPAN" help:"How long they have before KILL, like 30s; default 5s."`
}

// Run stops sandboxes.
func (v *stopCommand) Run(ctx context.Context, env *Env) error {
	return change(ctx, env, &v.sandboxes, abi.Stop, &abi.StopRequest{Signal: abi.Signal(v.Signal), Grace: v.Time.duration()}, anyState)
}

type rmCommand struct {
	sandboxes
	Force bool `short:"f" help:"Also those that run, and without a word about those that there are not."`
}

// Run destroys sandboxes.
func (v *rmCommand) Run(ctx context.Context, env *Env) error {
	return v.inEach(ctx, env, v.Sandboxes, func(s *session) error { return v.remove(ctx, env, s) })
}

func (v *rmCommand) remove(ctx context.Context, env *Env, s *session) error {
	if !v.Force {
		st, err := Call(ctx, s.Client, s.ref, abi.GetState, &abi.Empty{})
		switch {
		case err != nil:
			return err
		case st.State == abi.StateAbsent:
			return absent(s.ref)
		case alive(st.State):
			return abi.Errorf(abi.CodeInvalidRequest, "%s is %s", s.ref, stateText(*st)).WithSuggestion("stop it first, or destroy it as it is with edge rm -f")
		}
	}
	if err := s.destroy(ctx, s.ref); err != nil {
		return err
	}
	fmt.Fprintln(env.Out, s.ref)
	return nil
}

// destroy removes a sandbox with all it wrote.
func (c *Client) destroy(ctx context.Context, ref Ref) error {
	_, err := Call(ctx, c, ref, abi.Destroy, &abi.Empty{})
	return err
}
