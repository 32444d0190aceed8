package sandboxmgr

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"edge/abi"
)

// Why a step was cut short.
var (
	errStopped   = errors.New("stopped while it was under way")
	errDestroyed = errors.New("destroyed while it was under way")
)

// stepKind is what a step does.
type stepKind int

const (
	stepStart   stepKind = iota + 1
	stepSettle           // finishes what an earlier edge left: adopts, or ends
	stepStop             //
	stepDestroy          //
	stepLose             // records an end that nobody asked for
	stepSweep            // removes a machine that is recorded nowhere
	stepNote             // records something of a sandbox that goes on as it is
	stepPause            //
	stepResume           //
)

// step is one change of a unit on its way. It runs in a goroutine of the
// manager, whoever waits for it.
type step struct {
	kind   stepKind
	cancel context.CancelCauseFunc
	done   chan struct{}
	// err and generation are set before done is closed.
	err        error
	generation *generation // of a start
	// found is closed when a settling has made its generation the one ahead.
	found chan struct{}
	// hurried is closed once somebody waits for the step.
	hurried chan struct{}
	hurry   sync.Once
}

// wait returns the step's error, or ctx's if that ends first. The step does not
// take its time from then on.
func (s *step) wait(ctx context.Context) error {
	s.hurry.Do(func() { close(s.hurried) })
	select {
	case <-s.done:
		return s.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unit is the one thing behind all handles of a sandbox: what state it is in,
// what is recorded of it, and the step under way.
type unit struct {
	m       *Manager
	key     key
	binding Binding
	log     *slog.Logger
	// activity has locks of its own.
	activity activity

	// Guarded by Manager.mu.
	refs int  // operations and steps that use it
	kept bool // it is recorded
	slot bool // it counts among those that run

	// mu guards the rest. record and revision are changed by the step under
	// way alone; revision 0 means that nothing is recorded.
	mu       sync.Mutex
	state    abi.State
	record   record
	revision int64
	pending  bool        // recorded as busy, and not settled yet
	paused   bool        // everything in it is frozen
	current  *generation // nil unless it runs
	// ahead is the generation that a settling has found running, and whose init
	// it has yet to meet: connections may be made to it, and nothing else.
	ahead *generation
	step  *step // nil when at rest
	// awakeUntil is the earliest time at which it may be put to sleep, whatever
	// else says so; connected tells that somebody else's connections kept it
	// awake when that was looked at last.
	awakeUntil time.Time
	connected  bool
}

func (m *Manager) newUnit(k key) *unit {
	return &unit{
		m: m, key: k, binding: m.config.Bindings[k.binding],
		log: m.log.With("sandbox", k.String()), state: abi.StateAbsent,
	}
}

// machineName is unique over all edges on one engine, and another one for each
// sandbox.
func (u *unit) machineName() string {
	if r, _ := u.recorded(); r.Machine != "" {
		return r.Machine
	}
	return machinePrefix(u.m.owner, u.key.binding) + u.key.id
}

// recall takes over what an earlier edge recorded.
func (u *unit) recall(r *savedRecord) {
	u.record, u.revision, u.state = r.record, r.revision, r.State
	if now := u.binding.Runtime.Name(); r.Runtime != "" && r.Runtime != now {
		u.binding.Runtime = u.m.absent(r.Runtime, now)
	}
	last := r.LastActivityAt
	if at := u.m.savedActivity[u.key.String()]; at.After(last) {
		last = at
	}
	if !last.IsZero() {
		u.activity.last.Store(last.UnixNano())
	}
	u.activity.after.Store(int64(r.sleepsAfter(&u.binding)))
	switch r.State {
	case abi.StateStarting, abi.StateRunning, abi.StateStopping:
		u.pending, u.slot = true, true
	case stateDestroying:
		u.pending, u.state = true, abi.StateStopping
	}
}

// begin starts a step; u.mu is held and no step is under way. nil when the
// manager is closed.
func (u *unit) begin(kind stepKind, work func(context.Context, *step) error) *step {
	ctx, cancel := context.WithCancelCause(u.m.ctx)
	s := &step{kind: kind, cancel: cancel, done: make(chan struct{}), found: make(chan struct{}), hurried: make(chan struct{})}
	u.m.mu.Lock()
	u.refs++
	u.m.mu.Unlock()
	if !u.m.spawn(func() { u.perform(ctx, s, work) }) {
		cancel(nil)
		u.m.release(u)
		return nil
	}
	u.step = s
	return s
}

// perform carries a step out. The cause of a cancelled step is its error, so
// that those who wait learn why.
func (u *unit) perform(ctx context.Context, s *step, work func(context.Context, *step) error) {
	s.err = work(ctx, s)
	if cause := context.Cause(ctx); s.err != nil && cause != nil {
		s.err = cause
	}
	s.cancel(nil)
	u.mu.Lock()
	u.step = nil
	due, _, ok := u.due()
	u.mu.Unlock()
	if ok {
		u.m.sleeper.nudge(due)
	}
	close(s.done)
	u.m.release(u)
}

// show changes the state that is shown.
func (u *unit) show(st abi.State) {
	u.mu.Lock()
	u.state = st
	u.mu.Unlock()
}

// recorded returns what is recorded, and the revision.
func (u *unit) recorded() (record, int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.record, u.revision
}

// save changes the record on disk and then in memory. Only the step under way
// calls it.
func (u *unit) save(ctx context.Context, change func(*record)) error {
	r, revision := u.recorded()
	change(&r)
	r.LastActivityAt = u.lastActivity()
	revision, err := u.m.saveRecord(ctx, u.key, &r, revision)
	if err != nil {
		return err
	}
	u.mu.Lock()
	u.record, u.revision = r, revision
	u.mu.Unlock()
	u.activity.after.Store(int64(r.sleepsAfter(&u.binding)))
	u.m.keep(u, true)
	return nil
}

// forget removes the record: the sandbox is absent.
func (u *unit) forget(ctx context.Context) error {
	r, revision := u.recorded()
	if revision != 0 {
		if err := u.m.dropRecord(ctx, u.key, r.Generation, revision); err != nil {
			return err
		}
	}
	u.mu.Lock()
	u.record, u.revision, u.state, u.pending = record{}, 0, abi.StateAbsent, false
	u.mu.Unlock()
	u.activity.last.Store(0)
	u.m.dismiss(u)
	u.m.keep(u, false)
	return nil
}

// running returns the generation that runs, and joins what is under way. A
// sandbox that is paused is resumed. One that does not run is started with opts,
// or, when opts is nil, left as it is: g is nil then. started tells that the
// caller waited for a start, its own or one under way.
func (u *unit) running(ctx context.Context, opts *abi.SandboxOptions) (g *generation, started bool, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		if u.m.ctx.Err() != nil {
			return nil, false, errShuttingDown()
		}
		u.mu.Lock()
		g, s := u.current, u.step
		mine := false
		switch {
		case u.runs(opts):
			u.mu.Unlock()
			u.touch()
			return g, started, nil
		case s != nil:
		case g != nil && !g.alive(): // its machine ended this moment
			u.mu.Unlock()
			u.awaitEnd(ctx, g)
			continue
		case g == nil && !u.pending && opts == nil:
			u.mu.Unlock()
			return nil, false, nil
		default:
			s, mine = u.beginUse(opts), true
		}
		u.mu.Unlock()
		if s == nil {
			return nil, false, errShuttingDown()
		}
		err := s.wait(ctx)
		switch {
		case ctx.Err() != nil:
			return nil, false, ctx.Err()
		case s.kind == stepStart && err == nil:
			started = true
			if r, _ := u.recorded(); !r.learns(opts) {
				return s.generation, true, nil
			}
		case err != nil && (mine || s.kind == stepStart || s.kind == stepSettle || s.kind == stepResume):
			return nil, false, u.explainStep(err)
		}
	}
}

// runs tells whether there is nothing to be done before the sandbox can be used
// with opts; u.mu is held.
func (u *unit) runs(opts *abi.SandboxOptions) bool {
	g, s := u.current, u.step
	return g != nil && g.alive() && !u.frozen() && !u.record.learns(opts) && (s == nil || s.kind == stepNote) && u.m.ctx.Err() == nil
}

// use is running with a hold on what runs, for when that is all there is to it:
// nothing is waited for. g is nil if it is not. The hold is there before the
// sandbox is looked at, so that it was not put to sleep in between.
func (u *unit) use(opts *abi.SandboxOptions, what string) (g *generation, release func()) {
	u.mu.Lock()
	g = u.current
	u.mu.Unlock()
	if g == nil {
		return nil, nil
	}
	release = g.hold(what)
	u.mu.Lock()
	ok := g == u.current && u.runs(opts)
	u.mu.Unlock()
	if !ok {
		release()
		return nil, nil
	}
	return g, release
}

// beginUse starts the step that has the sandbox run, as a use with opts wants
// it; u.mu is held and no step is under way. nil when the manager is closed.
func (u *unit) beginUse(opts *abi.SandboxOptions) *step {
	switch {
	case u.current != nil && u.frozen():
		return u.begin(stepResume, u.resumeStep)
	case u.current != nil:
		return u.begin(stepNote, func(ctx context.Context, _ *step) error {
			return u.noteStep(ctx, learning(opts), nil)
		})
	case u.pending:
		return u.begin(stepSettle, u.settle)
	}
	return u.begin(stepStart, func(ctx context.Context, s *step) error { return u.start(ctx, s, opts) })
}

// settled waits until what an earlier edge left is settled; it starts nothing.
func (u *unit) settled(ctx context.Context) error {
	s, err := u.settling()
	if s == nil {
		return err
	}
	return u.explainStep(s.wait(ctx))
}

// settling returns the settling that is under way, or begins it if there is
// something to settle; nil if there is not. It waits for nothing.
func (u *unit) settling() (*step, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := u.step
	if s == nil && u.pending {
		if s = u.begin(stepSettle, u.settle); s == nil {
			return nil, errShuttingDown()
		}
	}
	if s == nil || s.kind != stepSettle {
		return nil, nil
	}
	return s, nil
}

// explainStep turns why a step was cut short into an error for its waiters.
func (u *unit) explainStep(err error) error {
	switch {
	case errors.Is(err, errStopped), errors.Is(err, errDestroyed):
		how := "stopped"
		if errors.Is(err, errDestroyed) {
			how = "destroyed"
		}
		return abi.Errorf(abi.CodeSandboxExited, "sandbox %s was %s meanwhile", u.key, how).WithStarted(abi.StartedNo)
	case errors.Is(err, errClosed):
		return errShuttingDown()
	}
	return err
}

// letGo releases what the edge holds of a running sandbox, which runs on.
func (u *unit) letGo() error {
	u.mu.Lock()
	g := u.current
	u.current = nil
	u.mu.Unlock()
	if g == nil {
		return nil
	}
	return g.release()
}

func errShuttingDown() *abi.Error { return unavailable("the edge is shutting down") }

// unavailable is RUNTIME_UNAVAILABLE.
func unavailable(format string, args ...any) *abi.Error {
	return abi.Errorf(abi.CodeRuntimeUnavailable, format, args...)
}
