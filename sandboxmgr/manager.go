package sandboxmgr

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"edge/abi"
)

// errClosed is the cause of everything that ends with Manager.Close.
var errClosed = errors.New("sandbox manager is closed")

// Manager keeps every sandbox of one edge. Its methods may be called at the
// same time.
type Manager struct {
	config    Config
	store     Store
	log       *slog.Logger
	owner     string
	exposures *exposures
	signKey   []byte // signs preview links
	health    *health

	// ctx ends with Close; wg counts the goroutines, which life guards against
	// starting after Close.
	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup
	life   sync.Mutex
	closed bool

	// mu guards units, and refs and kept of each. It may be taken while a
	// unit's lock is held, never the other way round.
	mu    sync.Mutex
	units map[key]*unit

	// wake tells the reviver that something is pending.
	wake chan struct{}
	// sleeper is what puts unused sandboxes to sleep; hooks tells what happened.
	sleeper *sleeper
	hooks   *hooks
	// savedActivity is what is recorded of when sandboxes were used. The reviver
	// alone uses it, and Close after that.
	savedActivity map[string]time.Time
	builds        builds
	meetings      chan struct{}        // has one for each init that is met without haste
	warm          map[string]*warmPool // by binding, of those that have one
	// strangeDirs are the run folders of sandboxes whose binding is not
	// configured. They are left alone.
	strangeDirs map[string]bool
}

// New reads what is recorded and adopts what runs, in the background: it does
// not wait for a runtime, and operations on a sandbox wait for its adoption.
// ctx bounds the reading alone. The caller calls Close.
func New(ctx context.Context, config Config) (*Manager, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	// Only the edge looks into the run folders from the host's side: the
	// sockets in them are open to every user.
	if err := os.MkdirAll(filepath.Dir(config.runDir("x")), 0o700); err != nil {
		return nil, fmt.Errorf("run folder: %w", err)
	}
	m := &Manager{config: config, store: config.Store, log: config.Log, units: map[key]*unit{}, wake: make(chan struct{}, 1), sleeper: newSleeper(), hooks: newHooks(&config), meetings: make(chan struct{}, meetings)}
	m.ctx, m.cancel = context.WithCancelCause(context.Background())
	m.health = newHealth(config.Log, m.wakeReviver)
	m.builds.under = map[string]*build{}
	m.warm = m.newWarmPools()
	m.strangeDirs = map[string]bool{}
	if m.owner, err = loadOwner(ctx, m.store); err != nil {
		return nil, err
	}
	if m.signKey, err = loadSignKey(ctx, m.store); err != nil {
		return nil, err
	}
	records, err := loadRecords(ctx, m.store)
	if err != nil {
		return nil, err
	}
	if m.exposures, err = loadExposures(ctx, m); err != nil {
		return nil, err
	}
	m.exposures.silent = m.silent
	if m.savedActivity, err = recallActivity(ctx, m.store); err != nil {
		return nil, err
	}
	m.recall(records)
	m.sweepRunFolders()
	m.spawn(m.exposures.expire)
	m.spawn(m.revive)
	m.spawn(m.drowse)
	m.spawn(m.deliver)
	for _, p := range m.warm {
		m.spawn(p.keepFull)
	}
	return m, nil
}

// recall makes a unit for each record.
func (m *Manager) recall(records []savedRecord) {
	for _, r := range records {
		if _, ok := m.config.Bindings[r.binding]; !ok {
			m.log.Warn("a recorded sandbox is of a binding that is not configured; it is left alone", "sandbox", r.key)
			m.strangeDirs[r.RunDir] = true
			continue
		}
		u := m.newUnit(r.key)
		u.kept = true
		u.recall(&r)
		m.units[r.key] = u
	}
}

// Sandbox returns a handle at once and starts nothing. UNKNOWN_BINDING,
// INVALID_SANDBOX_ID, or INVALID_REQUEST for options that cannot be meant.
func (m *Manager) Sandbox(ref abi.SandboxRef) (*Sandbox, error) {
	if _, ok := m.config.Bindings[ref.Binding]; !ok {
		return nil, abi.Errorf(abi.CodeUnknownBinding, "there is no binding %.40q", ref.Binding).
			WithSuggestion("name one under \"sandboxes:\" in the configuration")
	}
	id, err := abi.NormalizeID(ref.ID)
	if err != nil {
		return nil, err
	}
	if err := checkEnv(ref.Env); err != nil {
		return nil, err
	}
	if err := firstError(checkLabels(ref.Labels), checkSpan("sleepAfter", ref.SleepAfter.D(), maxSleepAfter)); err != nil {
		return nil, err
	}
	ref.ID = id
	return &Sandbox{m: m, key: key{ref.Binding, id}, ref: ref}, nil
}

// Ready returns nil when every binding's runtime can start sandboxes, else why
// not. Runtimes that several bindings share are asked once.
func (m *Manager) Ready(ctx context.Context) error {
	var errs []error
	for _, rt := range m.runtimes() {
		err := rt.Check(ctx)
		m.health.note(rt, err)
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// runtimes returns each runtime once.
func (m *Manager) runtimes() []Runtime {
	var rts []Runtime
	for _, b := range m.config.Bindings {
		if !slices.Contains(rts, b.Runtime) {
			rts = append(rts, b.Runtime)
		}
	}
	return rts
}

// Bindings returns the configured bindings by name, with defaults filled in.
func (m *Manager) Bindings() map[string]Binding { return maps.Clone(m.config.Bindings) }

// Close lets go of every sandbox, which run on, and waits until nothing of the
// manager runs any more. What was under way is finished by the next New.
func (m *Manager) Close() error {
	m.life.Lock()
	m.closed = true
	m.life.Unlock()
	m.cancel(errClosed)
	m.wg.Wait()
	m.hooks.drain()
	m.keepActivity()
	var errs []error
	for _, u := range m.all() {
		errs = append(errs, u.letGo())
	}
	return errors.Join(errs...)
}

// keepActivity records when sandboxes were used, at the end. Whatever comes of
// it, nothing is lost but that.
func (m *Manager) keepActivity() {
	ctx, cancel := context.WithTimeout(context.Background(), unwindTimeout)
	defer cancel()
	if err := m.saveActivity(ctx, activityFine); err != nil {
		m.log.Warn("cannot record when sandboxes were used", "error", err)
	}
}

// spawn runs f in a goroutine that Close waits for; false after Close.
func (m *Manager) spawn(f func()) bool {
	m.life.Lock()
	defer m.life.Unlock()
	if m.closed {
		return false
	}
	m.wg.Go(f)
	return true
}

// all returns the units there are.
func (m *Manager) all() []*unit {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.units))
}

// acquire returns the unit of k, which stays the only one of its name until it
// is released as often.
func (m *Manager) acquire(k key) *unit {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, ok := m.units[k]
	if !ok {
		u = m.newUnit(k)
		m.units[k] = u
	}
	u.refs++
	return u
}

func (m *Manager) release(u *unit) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u.refs--; u.refs == 0 && !u.kept {
		delete(m.units, u.key)
	}
}

// keep says whether the unit is recorded, and so stays when nobody uses it.
func (m *Manager) keep(u *unit, recorded bool) {
	m.mu.Lock()
	u.kept = recorded
	m.mu.Unlock()
}

// emit reports an event. No lock is held.
func (m *Manager) emit(k key, kind EventKind, generation int64, text string) {
	m.config.Observe(Event{Kind: kind, Ref: k.ref(), Generation: generation, Text: text})
}

// machinePrefix begins the names of a binding's machines.
func machinePrefix(owner, binding string) string { return "edge." + owner + "." + binding + "." }
