package sandboxmgr

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"edge/abi"
	"edge/sandboxmgr/initproto"
)

// Sandbox is a handle: a name and the options that count when a call through it
// starts the sandbox. It holds nothing and needs no closing. Its methods may be
// called at the same time; those of the operation table return an *abi.Error
// and nothing else.
type Sandbox struct {
	m   *Manager
	key key
	ref abi.SandboxRef
}

// binding is the handle's, as it is configured.
func (s *Sandbox) binding() Binding { return s.m.config.Bindings[s.key.binding] }

// Run is one generation of a sandbox.
type Run struct {
	Generation int64
	// Started tells that the call waited for a start: its own, or one that was
	// under way.
	Started bool
	// Ready is when the sandbox could be used; of a run that an earlier edge started,
	// when that began. Servers inside may not listen yet then.
	Ready time.Time
	// Ended is closed when the generation has ended, not when the edge lets go
	// of it.
	Ended <-chan struct{}
}

// Ref returns what the handle was made from, the id lower-cased.
func (s *Sandbox) Ref() abi.SandboxRef { return s.ref }

// Running returns the current run, starting the sandbox if it does not run.
// Callers who race share one start, which goes on when one of them goes away.
// Besides *abi.Error it returns ctx's own error.
func (s *Sandbox) Running(ctx context.Context) (Run, error) {
	var run Run
	err := s.withUnit(func(u *unit) error {
		g, started, err := u.running(ctx, &s.ref.SandboxOptions)
		if err == nil {
			run = g.run(started)
		}
		return err
	})
	if err != nil {
		return Run{}, s.orContext(ctx, "start", err)
	}
	return run, nil
}

// Dial connects to a port inside, starting the sandbox if it does not run. The
// connection is the caller's. When nothing listens the error is
// PORT_NOT_LISTENING, whose details hold a diagnosis. Besides *abi.Error it
// returns ctx's own error.
func (s *Sandbox) Dial(ctx context.Context, port int) (net.Conn, Run, error) {
	if err := s.m.checkPort(port); err != nil {
		return nil, Run{}, s.fail("connect", err)
	}
	var (
		conn net.Conn
		run  Run
	)
	err := s.withUnit(func(u *unit) error {
		defer u.hold(holdConnection)()
		g, started, err := u.running(ctx, &s.ref.SandboxOptions)
		if err != nil {
			return err
		}
		run = g.run(started)
		conn, err = g.connect(ctx, port)
		return err
	})
	if err != nil {
		return nil, run, s.orContext(ctx, "connect", err)
	}
	return conn, run, nil
}

// diagnoseTimeout bounds the question what listens instead.
const diagnoseTimeout = time.Second

// connect dials and explains a failure.
func (g *generation) connect(ctx context.Context, port int) (net.Conn, error) {
	conn, err := g.dial(ctx, port)
	switch {
	case err == nil:
		return conn, nil
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil, g.notListening(ctx, port)
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case !g.alive(), errors.Is(err, ErrNoMachine), g.ctx.Err() != nil:
		return nil, g.exitedError("sandbox %s ended while port %d was dialled", g.key, port).WithStarted(abi.StartedNo)
	}
	return nil, fmt.Errorf("dial port %d: %w", port, err)
}

// notListening is PORT_NOT_LISTENING with what listens instead, or how the server
// ended that did. All but the diagnosis is for the sandbox's owner.
func (g *generation) notListening(ctx context.Context, port int) *abi.Error {
	list, err := g.askPorts(ctx, diagnoseTimeout, port)
	if err == nil && list.Ended != nil {
		p := list.Ended.Process
		return abi.Errorf(abi.CodePortNotListening, "the server on port %d of sandbox %s has ended", port, g.key).
			WithDetails(abi.NotReady{
				Diagnosis: abi.DiagnosisEnded, ProcessID: p.ID, ExitCode: p.ExitCode, Signal: p.Signal, OOMKilled: p.OOMKilled, StderrTail: list.Ended.Stderr,
			}).
			WithSuggestion("it was process %q; getLogs has what it printed, and startProcess starts it again", p.ID)
	}
	text, ports := diagnosis(list.Listeners)
	e := abi.Errorf(abi.CodePortNotListening, "nothing listens on port %d of sandbox %s", port, g.key).
		WithDetails(abi.NotReady{Diagnosis: text})
	if len(ports) > 0 {
		return e.WithSuggestion("the sandbox listens on %v; use one of these, or start a server on port %d and wait for it with waitForPort", ports, port)
	}
	return e.WithSuggestion("start a server on port %d and wait for it with waitForPort", port)
}

// diagnoseRefusal asks the init what listens.
func (g *generation) diagnoseRefusal(ctx context.Context) string {
	list, _ := g.askPorts(ctx, diagnoseTimeout, 0) // nothing, if it does not answer
	text, _ := diagnosis(list.Listeners)
	return text
}

// diagnosis says what listens instead.
func diagnosis(ls []initproto.Listener) (text string, ports []int) {
	if ports = listeningPorts(ls); len(ports) == 0 {
		return abi.DiagnosisNotListening, nil
	}
	return fmt.Sprint(abi.DiagnosisListeningOn, ports), ports
}

// Start starts the sandbox, or does nothing if it runs.
func (s *Sandbox) Start(ctx context.Context, _ *abi.Empty) (*abi.SandboxState, error) {
	return s.changeState(ctx, abi.Start.Name(), func(u *unit) error {
		defer u.hold(abi.Start.Name())()
		_, _, err := u.running(ctx, &s.ref.SandboxOptions)
		return err
	})
}

// Stop stops the sandbox and keeps what it wrote as the binding's persist says.
// It works when the init does not answer. What does not run is left as it is.
func (s *Sandbox) Stop(ctx context.Context, req *abi.StopRequest) (*abi.SandboxState, error) {
	return s.changeState(ctx, abi.Stop.Name(), func(u *unit) error {
		if err := checkSignal(req.Signal); err != nil {
			return err
		}
		if err := checkSpan("grace", req.Grace.D(), maxGrace); err != nil {
			return err
		}
		return u.stop(ctx, req)
	})
}

// Destroy removes the sandbox, all it wrote and its exposures. Idempotent.
func (s *Sandbox) Destroy(ctx context.Context, _ *abi.Empty) (*abi.Empty, error) {
	err := s.withUnit(func(u *unit) error { return u.destroy(ctx) })
	if err != nil {
		return nil, s.fail(abi.Destroy.Name(), err)
	}
	return &abi.Empty{}, nil
}

// GetState tells the state and never starts anything. After a restart of the
// edge it waits until it is known whether the sandbox still runs.
func (s *Sandbox) GetState(ctx context.Context, _ *abi.Empty) (*abi.SandboxState, error) {
	var st *abi.SandboxState
	err := s.withUnit(func(u *unit) error {
		if err := u.settled(ctx); err != nil {
			return err
		}
		st = u.snapshot()
		st.Processes = u.countProcesses(ctx)
		return nil
	})
	if err != nil {
		return nil, s.fail(abi.GetState.Name(), err)
	}
	return st, nil
}

// countTimeout bounds what getState waits for an init that is busy.
const countTimeout = time.Second

// countProcesses counts what runs; 0 when the init cannot be asked.
func (u *unit) countProcesses(ctx context.Context) int {
	u.mu.Lock()
	g, frozen := u.current, u.frozen()
	u.mu.Unlock()
	if g == nil || frozen { // one that is frozen would not answer
		return 0
	}
	var list abi.ProcessList
	if err := g.call(ctx, abi.ListProcesses.Name(), countTimeout, &abi.Empty{}, &list); err != nil {
		return 0
	}
	n := 0
	for i := range list.Processes {
		if live(list.Processes[i].Status) {
			n++
		}
	}
	return n
}

func live(st abi.Status) bool { return st == abi.StatusStarting || st == abi.StatusRunning }

// changeState does what changes the state and answers with the new one.
func (s *Sandbox) changeState(ctx context.Context, op string, change func(*unit) error) (*abi.SandboxState, error) {
	var st *abi.SandboxState
	err := s.withUnit(func(u *unit) error {
		if err := change(u); err != nil {
			return err
		}
		st = u.snapshot()
		st.Processes = u.countProcesses(ctx)
		return nil
	})
	if err != nil {
		return nil, s.fail(op, err)
	}
	return st, nil
}

// withUnit calls use with the sandbox's unit.
func (s *Sandbox) withUnit(use func(*unit) error) error {
	u := s.m.acquire(s.key)
	defer s.m.release(u)
	return use(u)
}
