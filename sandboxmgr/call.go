package sandboxmgr

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"time"

	"edge/abi"
	"edge/sandboxmgr/initlink"
)

// Bounds of calls to an init, where the operation's own request has none.
const (
	quickTimeout = 30 * time.Second
	fileTimeout  = 2 * time.Minute
	// slack is what an operation with a limit of its own gets on top: the init
	// answers first, and its answer says more than the host's.
	slack = 500 * time.Millisecond
	// exitWait is how long a call that lost its init waits to learn how the
	// machine ended.
	exitWait = 500 * time.Millisecond
)

// carry has the init carry out a row of the table, starting the sandbox if need
// be. limit bounds the call alone, not the start; 0 leaves it to ctx.
func carry[Resp any](ctx context.Context, s *Sandbox, op string, limit time.Duration, req any) (*Resp, error) {
	resp := new(Resp)
	err := s.use(ctx, op, func(g *generation) error { return g.call(ctx, op, limit, req, resp) })
	if err != nil {
		return nil, s.fail(op, err)
	}
	return resp, nil
}

// use calls do with the running generation, starting the sandbox if need be. what
// is what keeps the sandbox awake meanwhile.
func (s *Sandbox) use(ctx context.Context, what string, do func(*generation) error) error {
	return s.useWith(ctx, what, &s.ref.SandboxOptions, nil, do)
}

// useWith is use of a sandbox that, with nil options, is not started: absent is
// the error when it does not run then, or the sandbox's loss.
//
// An engine takes a moment to tell that a machine ended, and a call that is made
// in that moment finds no init. It is made again on the next generation, once,
// because nobody has seen anything of it.
func (s *Sandbox) useWith(ctx context.Context, what string, opts *abi.SandboxOptions, absent func() error, do func(*generation) error) error {
	return s.withUnit(func(u *unit) error {
		defer u.hold(what)()
		for again := true; ; again = false {
			g, _, err := u.running(ctx, opts)
			if err != nil {
				return err
			}
			if g == nil {
				return u.orLost(absent)
			}
			err = do(g)
			if !again || !errors.Is(err, errUnseen) || g.alive() {
				return err
			}
			u.awaitEnd(ctx, g)
		}
	})
}

// errUnseen beside an error says that no init has seen anything of the call.
var errUnseen = errors.New("no init has seen the call")

// call carries out one operation. It is never tried again: what was sent may
// have been done. limit 0 leaves the deadline to ctx.
func (g *generation) call(ctx context.Context, op string, limit time.Duration, req, resp any) error {
	if g.init.Broken() {
		return errBroken(g.key)
	}
	bound, stop := g.bind(ctx)
	defer stop()
	if limit > 0 {
		var cancel context.CancelFunc
		bound, cancel = context.WithTimeout(bound, limit)
		defer cancel()
	}
	if err := g.init.Call(bound, op, req, resp); err != nil {
		return g.explain(ctx, bound, op, limit, err)
	}
	return nil
}

// explain tells why a call failed: what the init said, or what became of it. ctx
// is the caller's, bound what the init was given.
func (g *generation) explain(ctx, bound context.Context, op string, limit time.Duration, err error) error {
	var e *abi.Error
	switch {
	case errors.As(err, &e):
		return g.distrust(op, e)
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(bound.Err(), context.DeadlineExceeded):
		return abi.Errorf(abi.CodeTimeout, "sandbox %s did not answer %s within %s", g.key, op, limit).WithStarted(abi.StartedMaybe)
	case g.init.Broken():
		return errBroken(g.key).WithStarted(abi.StartedMaybe)
	}
	if errors.Is(context.Cause(g.ctx), errClosed) {
		return errShuttingDown().WithStarted(abi.StartedMaybe)
	}
	g.log.Debug("a call lost its init", "operation", op, "error", err)
	g.awaitExit(ctx)
	if errors.Is(err, initlink.ErrUnsent) {
		return errors.Join(g.exitedError("sandbox %s ended before it was asked for %s", g.key, op).WithStarted(abi.StartedNo), errUnseen)
	}
	return g.exitedError("sandbox %s ended while it carried out %s", g.key, op)
}

// awaitExit waits a moment for the machine's end to be known, so that the error
// can tell how it ended and the caller's next call starts a new generation.
func (g *generation) awaitExit(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, exitWait)
	defer cancel()
	select {
	case <-g.exited:
	case <-g.ended:
	case <-ctx.Done():
	}
}

func errBroken(k key) *abi.Error {
	e := abi.Errorf(abi.CodeSandboxExited, "the init of sandbox %s broke the protocol and is not used any more", k).
		WithSuggestion("stop or destroy the sandbox; the next use starts it anew")
	e.Retryable = false
	return e
}

// insideCodes are those an init may answer: what can go wrong inside. The
// others speak of the edge and its callers, and are the host's alone to say.
var insideCodes = []abi.Code{
	abi.CodeInvalidRequest, abi.CodeTimeout, abi.CodeCanceled, abi.CodeInternal, abi.CodeUnsupported,
	abi.CodeBodyTooLarge, abi.CodeQuotaExceeded, abi.CodeTooManyRequests, abi.CodeSandboxExited,
	abi.CodeCommandNotFound, abi.CodeProcessNotFound, abi.CodeProcessAlreadyExists,
	abi.CodeProcessReadyTimeout, abi.CodeProcessExitedBeforeReady,
	abi.CodeSessionNotFound, abi.CodeSessionAlreadyExists, abi.CodeGitNotAvailable, abi.CodeGitFailed,
	abi.CodeFileNotFound, abi.CodeFileExists, abi.CodeFileTooLarge, abi.CodeIsDirectory, abi.CodeNotDirectory, abi.CodePermissionDenied,
}

// distrust passes an init's error on if it is an init's to give.
func (g *generation) distrust(op string, e *abi.Error) error {
	if e.Code == abi.CodeUnknownOperation { // the edge knows it, so the init is older
		return abi.Errorf(abi.CodeUnsupported, "%s: the sandbox was started by an earlier edge, whose init cannot do that", op).
			WithSuggestion("stop the sandbox and start it again; what it wrote stays as its persist says")
	}
	if slices.Contains(insideCodes, e.Code) {
		return e
	}
	g.log.Warn("an init answered with an error that is not an init's", "operation", op, "code", e.Code)
	return abi.Errorf(abi.CodeInternal, "sandbox %s answered %s with an error that it cannot have", g.key, op).
		WithStarted(abi.StartedMaybe)
}

// fail makes err one that may cross a border: an *abi.Error of its own, with
// the operation's name. What is internal stays in the log.
func (s *Sandbox) fail(op string, err error) error {
	var e *abi.Error
	if !errors.As(err, &e) {
		e = abi.AsError(err)
		if e.Code == abi.CodeInternal {
			s.m.log.Error("operation failed", "sandbox", s.key.String(), "operation", op, "error", err)
		}
		if diskFull(err) {
			e = unavailable("the disk of the edge's state folder is full").
				WithSuggestion("destroy sandboxes that are not needed, or make room on the edge's computer; its log has the details")
		}
		if outOfDescriptors(err) {
			e = unavailable("the edge has no file descriptor left").
				WithSuggestion("try again in a moment; the edge's log has the details")
			e.RetryAfterMs = 1000
		}
	}
	own := *e // several callers may share one start's error
	own.Operation = op
	return &own
}

// diskFull tells whether there was no space, or no more for this user, on a disk
// that the edge writes to.
func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// outOfDescriptors tells whether this process, or this machine, can open no
// further file for now.
func outOfDescriptors(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// orContext is fail, except that ctx's own error stays as it is.
func (s *Sandbox) orContext(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return err
	}
	return s.fail(op, err)
}
