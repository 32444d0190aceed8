package sandboxmgr

import (
	"context"
	"errors"
	"net"
	"time"

	"edge/abi"
)

// Wake returns the current run for a request that came from outside; upgrade
// tells that it asks for a WebSocket. A sandbox that does not run is started if
// wake says so, and the request is held for as long as wake allows: TIMEOUT after
// that. Otherwise it is SANDBOX_ASLEEP, or SANDBOX_LOST if it ended unasked. All
// who wait share one start, which goes on when they go away.
//
// Until release is called, or the run ends, the request keeps the sandbox awake:
// release is the caller's to call, once or more often, also after an error.
// Besides *abi.Error it returns ctx's own error.
func (s *Sandbox) Wake(ctx context.Context, wake abi.Wake, upgrade bool) (run Run, release func(), err error) {
	release = func() {}
	http, ws, limit, err := wake.Parse()
	if err != nil {
		return Run{}, release, s.fail("wake", err)
	}
	opts, what := &s.ref.SandboxOptions, holdRequest
	wakes := http
	if upgrade {
		wakes, what = ws, holdConnection
	}
	if !wakes {
		opts = nil
	}
	if limit == 0 {
		limit = abi.DefaultHold // for what is under way
	}
	err = s.withUnit(func(u *unit) error {
		if g, let := u.use(opts, what); g != nil {
			run, release = g.run(false), let
			return nil
		}
		defer u.hold(what)()
		g, started, err := u.held(ctx, opts, limit)
		if err != nil {
			return err
		}
		run = g.run(started)
		release = g.hold(what)
		return nil
	})
	if err != nil {
		return Run{}, release, s.orContext(ctx, "wake", err)
	}
	return run, release, nil
}

// held is connectable that takes at most limit, and finds a sandbox asleep that does
// not run and is not to be started.
func (u *unit) held(ctx context.Context, opts *abi.SandboxOptions, limit time.Duration) (*generation, bool, error) {
	bound, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	g, started, err := u.connectable(bound, opts)
	switch {
	case err != nil && ctx.Err() == nil && bound.Err() != nil && errors.Is(err, bound.Err()):
		return nil, false, abi.Errorf(abi.CodeTimeout, "sandbox %s did not start within %s", u.key, limit).
			WithStarted(abi.StartedMaybe).WithSuggestion("try again: it goes on starting")
	case err != nil:
		return nil, false, err
	case g == nil:
		return nil, false, u.orLost(func() error { return errAsleep(u.key) })
	}
	return g, started, nil
}

// asleepRetry is what a client is told to wait: somebody else must wake the
// sandbox meanwhile.
const asleepRetry = 5 * time.Second

func errAsleep(k key) *abi.Error {
	e := abi.Errorf(abi.CodeSandboxAsleep, "sandbox %s does not run, and this request does not wake it", k).
		WithSuggestion("start the sandbox, or change what wakes it")
	e.RetryAfterMs = asleepRetry.Milliseconds()
	return e
}

// orLost is SANDBOX_LOST if the sandbox was lost and not started since, else
// absent.
func (u *unit) orLost(absent func() error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.state != abi.StateLost {
		return absent()
	}
	return errLost(u.key, u.record.Generation, u.record.Exit)
}

func errLost(k key, generation int64, exit *exitState) *abi.Error {
	lost := abi.Lost{Generation: generation}
	if exit != nil {
		code := exit.Code
		lost.ExitCode, lost.OOMKilled = &code, exit.OOMKilled
	}
	return abi.Errorf(abi.CodeSandboxLost, "sandbox %s was %s; what ran in generation %d is gone", k, whyLost(exit), generation).
		WithDetails(lost).WithSuggestion("start it again: what it wrote is kept as the binding's persist says")
}

// carryInside is carry of an operation on something that a start would not bring
// back: a sandbox that does not run is left as it is, and absent is the error.
func carryInside[Resp any](ctx context.Context, s *Sandbox, op string, absent func() error, limit time.Duration, req any) (*Resp, error) {
	resp := new(Resp)
	err := s.useWith(ctx, op, nil, absent, func(g *generation) error { return g.call(ctx, op, limit, req, resp) })
	if err != nil {
		return nil, s.fail(op, err)
	}
	return resp, nil
}

func errNoProcess(id string) func() error {
	return func() error {
		return abi.Errorf(abi.CodeProcessNotFound, "there is no process %q: the sandbox does not run", id).
			WithSuggestion("start it with startProcess")
	}
}

func errNoSession(id string) func() error {
	return func() error {
		return abi.Errorf(abi.CodeSessionNotFound, "there is no session %q: the sandbox does not run", id).
			WithSuggestion("make it with createSession")
	}
}

// DialRun connects to a port of that run and of no other: when it is over the
// error is SANDBOX_EXITED, and nothing is started. Otherwise it is as Dial, except
// that EMFILE and ENFILE stay what they are.
func (s *Sandbox) DialRun(ctx context.Context, generation int64, port int) (net.Conn, error) {
	const op = "connect"
	if err := s.m.checkPort(port); err != nil {
		return nil, s.fail(op, err)
	}
	var conn net.Conn
	err := s.withUnit(func(u *unit) error {
		if conn = u.dialAhead(ctx, generation, port); conn != nil {
			return nil
		}
		g, err := u.same(ctx, generation)
		if err != nil {
			return err
		}
		conn, err = g.connect(ctx, port)
		return err
	})
	if outOfDescriptors(err) {
		return nil, err
	}
	if err != nil {
		return nil, s.orContext(ctx, op, err)
	}
	return conn, nil
}

// same returns the generation of that number, resumed, if it still runs.
func (u *unit) same(ctx context.Context, number int64) (*generation, error) {
	u.mu.Lock()
	g, frozen := u.current, u.frozen()
	u.mu.Unlock()
	if g == nil || g.number != number {
		return nil, errRunOver()
	}
	if !frozen {
		return g, nil
	}
	g, _, err := u.running(ctx, nil)
	if err == nil && (g == nil || g.number != number) {
		err = errRunOver()
	}
	return g, err
}

func errRunOver() *abi.Error {
	return abi.Errorf(abi.CodeSandboxExited, "the sandbox ended, or was started anew, meanwhile").WithStarted(abi.StartedNo)
}
