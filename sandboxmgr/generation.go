package sandboxmgr

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"edge/abi"
)

// generation is one run of a sandbox: its machine, its init, and what ends with
// them.
type generation struct {
	unit    *unit
	key     key
	number  int64
	log     *slog.Logger
	machine Machine
	init    Init // nil while it is a unit's generation ahead

	// ctx ends when the machine has, or when the edge lets go of it. Calls,
	// dials and waits end with it.
	ctx    context.Context
	cancel context.CancelFunc
	// exited is closed when the machine has ended; exit is set before, nil when
	// nobody knows how it ended.
	exited   chan struct{}
	exit     *exitState
	exitOnce sync.Once
	// ended is closed once the unit knows, see Run.Ended.
	ended   chan struct{}
	endOnce sync.Once
	// releaseOnce guards released, which is what came of releasing.
	releaseOnce sync.Once
	released    error
	// unmet is set while an adopted machine is paused, so that its init has not
	// said hello. Guarded by unit.mu.
	unmet bool
	holds generationHolds
	// carried is set once the runtime has said that it cannot dial.
	carried atomic.Bool
	boot    string    // the id that the init chose; set by the start
	adopted bool      // an earlier edge started it
	since   time.Time // see Run.Ready; set before anybody is given it
	ports   openPorts
}

// run describes it to one caller.
func (g *generation) run(started bool) Run {
	return Run{Generation: g.number, Started: started, Ready: g.since, Ended: g.ended}
}

// openGeneration puts the edge's end of the init into the run folder, which is
// made if it is missing. Nothing runs in it yet.
func (u *unit) openGeneration(r *record) (*generation, error) {
	init, err := u.m.openInit(r.RunDir, r.Token, u.log)
	if err != nil {
		return nil, err
	}
	return u.newGeneration(r.Generation, init), nil
}

func (u *unit) newGeneration(number int64, init Init) *generation {
	g := &generation{
		unit: u, key: u.key, number: number, log: u.log.With("generation", number),
		init: init, exited: make(chan struct{}), ended: make(chan struct{}),
	}
	g.ctx, g.cancel = context.WithCancel(u.m.ctx)
	context.AfterFunc(g.ctx, g.letAll)
	return g
}

// openInit makes the run folder of that name, and the edge's end of an init in
// it.
func (m *Manager) openInit(name, token string, log *slog.Logger) (Init, error) {
	dir := m.config.runDir(name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("run folder: %w", err)
	}
	// Whatever the umask: processes inside may run as any user.
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, fmt.Errorf("run folder: %w", err)
	}
	init, err := m.config.OpenInit(dir, token, log)
	if err != nil {
		return nil, fmt.Errorf("open init: %w", err)
	}
	return init, nil
}

// attach takes the machine over and watches it. false when the manager is
// closed; the machine is closed then.
func (u *unit) attach(g *generation, machine Machine) bool {
	g.machine = machine
	if g.init != nil {
		g.init.SetPeer(machine.PID())
	}
	return u.m.spawn(g.watch)
}

// The pauses between two tries to learn of a machine's end from a runtime that
// does not answer.
const (
	firstWatchPause = 100 * time.Millisecond
	lastWatchPause  = 5 * time.Second
)

// watch waits for the machine's end. A runtime that does not answer is asked
// again: the sandbox may well run on meanwhile.
func (g *generation) watch() {
	for pause := firstWatchPause; ; pause = min(2*pause, lastWatchPause) {
		exit, err := g.machine.Wait(g.ctx)
		switch {
		case err == nil:
			g.finish(&exitState{Code: exit.Code, OOMKilled: exit.OOMKilled})
			return
		case g.ctx.Err() != nil:
			return
		case errors.Is(err, ErrNoMachine):
			g.finish(nil)
			return
		}
		g.log.Debug("cannot watch the machine; trying again", "error", err)
		if sleep(g.ctx, pause) != nil {
			return
		}
	}
}

// finish says that the machine has ended, and how, if that is known.
func (g *generation) finish(exit *exitState) {
	g.exitOnce.Do(func() {
		g.exit = exit
		close(g.exited)
		g.cancel()
	})
}

// sleep pauses for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// alive tells whether the machine has not ended as far as is known.
func (g *generation) alive() bool {
	select {
	case <-g.exited:
		return false
	default:
		return true
	}
}

// awaitEnd waits until the unit knows of the generation's end.
func (u *unit) awaitEnd(ctx context.Context, g *generation) {
	select {
	case <-g.ended:
	case <-ctx.Done():
	case <-u.m.ctx.Done():
	}
}

// ready waits for the init's hello; it fails at once when the machine ends.
func (g *generation) ready(ctx context.Context) (boot string, err error) {
	ctx, stop := g.bind(ctx)
	defer stop()
	boot, err = g.init.Ready(ctx)
	if err != nil && !g.alive() {
		return "", g.exitedError("sandbox %s ended before it was ready", g.key)
	}
	return boot, err
}

// bind returns a context that ends with ctx and with the generation. The caller
// calls stop.
func (g *generation) bind(ctx context.Context) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(g.ctx, cancel)
	return ctx, func() { unhook(); cancel() }
}

// dial connects to a port by the path that traffic takes. syscall.ECONNREFUSED
// (wrapped) when nothing listens.
func (g *generation) dial(ctx context.Context, port int) (net.Conn, error) {
	if !g.carried.Load() {
		conn, err := g.machine.Dial(ctx, port)
		if !errors.Is(err, ErrNoDial) {
			return conn, err
		}
		g.carried.Store(true)
	}
	return g.init.Tunnel(ctx, port)
}

// dialProbe bounds the try that tells how ports are reached.
const dialProbe = time.Second

// learnDial finds out how ports are reached, so that getState can say it before
// the first connection. Port 1 is below every port that can be served.
func (g *generation) learnDial(ctx context.Context) {
	g.carried.Store(cannotDial(ctx, g.machine))
}

// cannotDial tells whether the runtime cannot dial into the machine.
func cannotDial(ctx context.Context, machine Machine) bool {
	ctx, cancel := context.WithTimeout(ctx, dialProbe)
	defer cancel()
	conn, err := machine.Dial(ctx, 1)
	if err == nil {
		_ = conn.Close()
	}
	return errors.Is(err, ErrNoDial)
}

// dialName is what SandboxState.Dial says.
func (g *generation) dialName() string {
	if g.carried.Load() {
		return "init"
	}
	return "namespace"
}

// release lets go of machine and init without ending them. Idempotent.
func (g *generation) release() error {
	g.releaseOnce.Do(func() {
		g.cancel()
		if g.init != nil {
			g.released = g.init.Close()
		}
		if g.machine != nil {
			g.released = errors.Join(g.released, g.machine.Close())
		}
	})
	return g.released
}

// exitedError is SANDBOX_EXITED with how the machine ended.
func (g *generation) exitedError(format string, args ...any) *abi.Error {
	e := abi.Errorf(abi.CodeSandboxExited, format, args...).WithStarted(abi.StartedMaybe)
	select {
	case <-g.exited:
	default:
		return e
	}
	if g.exit == nil {
		return e
	}
	e.Message += fmt.Sprintf(" (exit code %d)", g.exit.Code)
	if g.exit.OOMKilled {
		e.Message += ": it was out of memory"
		e.WithSuggestion("give the binding more memory, or its programs less to do")
	}
	return e.WithDetails(abi.NotReady{ExitCode: &g.exit.Code, OOMKilled: g.exit.OOMKilled})
}
