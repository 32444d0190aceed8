package plugins

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"edge/plugins/archive"
)

const (
	// initDeadline bounds everything an instance runs before its first request.
	initDeadline = 10 * time.Second
	// settle is how long a file must lie unchanged before Watch reads it: compilers
	// write in many pieces, and editors write, rename and remove.
	settle = 50 * time.Millisecond
)

// Config is what a registry works with. The zero value works: plugins then have
// no sandboxes, and what they compile to is not kept.
type Config struct {
	Services
	// CacheDir is the folder with compiled code, made if missing and set to mode
	// 0700, because what lies in it is executed. Empty: none.
	CacheDir string
	// StateDir is the folder that remembers, over restarts, the last modules of each
	// plugin, what became of them and which of them are in quarantine; it is made if
	// missing, with mode 0700. Empty: nothing is remembered.
	StateDir string
	// Replay compares what a new generation decides with Spec.Replay; its error
	// refuses the module. Nil: a plugin with a Spec.Replay cannot be loaded.
	Replay func(ctx context.Context, spec Spec, trial *Trial) error
	// Log gets why plugins fail, and what becomes of them; nil discards it.
	Log *slog.Logger
	// GuestLog gets what plugins log and print; nil is Log.
	GuestLog *slog.Logger
	// Recorder is shown what plugins are asked and what they decide; nil: nothing
	// is recorded, and nothing is spent on it.
	Recorder Recorder
	// Observe is called for each event, by several goroutines at once: one version
	// may drain while another is loaded. It must not block. Nil: nobody looks.
	Observe func(Event)
}

// Registry holds the plugins by name. Close ends it.
type Registry struct {
	config    Config
	log       *slog.Logger
	guestLog  *slog.Logger
	slots     *slots
	exchanges sync.Pool            // of *exchange that nobody else can know any more
	functions map[string]signature // what a module may import
	started   time.Time
	tasks     sync.WaitGroup // drains, and what else outlives a call
	programs  *programs
	mapped    atomic.Int32  // instances whose memory is
	sparable  atomic.Int32  // memories that further generations may keep
	changed   chan struct{} // poked when Watch should look at the sources anew

	stopBy       stopBy        // byFuel, unless a benchmark compares
	copiesMemory bool          // each instance has a copy of its memory, as where none can be mapped: for tests
	tellsAll     bool          // guests' lines keep secrets: a test's guest tells it of them in the log
	initDeadline time.Duration // the constants, for tests to change
	settle       time.Duration
	maxHold      time.Duration
	maxMapped    int32
	stage        *stage // a trial's time and chance; nil: the machine's

	mu       sync.Mutex
	plugins  map[string]*Plugin
	draining map[*generation]struct{}
	closed   bool
}

// NewRegistry returns a registry without plugins. It makes the cache folder.
func NewRegistry(config Config) (*Registry, error) {
	r := &Registry{
		config: config, log: config.Log, guestLog: config.GuestLog, slots: newSlots(), functions: knownFunctions(), started: time.Now(),
		programs: newPrograms(), changed: make(chan struct{}, 1), plugins: map[string]*Plugin{}, draining: map[*generation]struct{}{},
		initDeadline: initDeadline, settle: settle, maxHold: maxHold, maxMapped: maxMapped,
	}
	r.sparable.Store(maxSpares)
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.guestLog == nil {
		r.guestLog = r.log
	}
	if err := privateFolder(config.CacheDir); err != nil {
		return nil, fmt.Errorf("plugin cache: %w", err)
	}
	if err := privateFolder(config.StateDir); err != nil {
		r.config.StateDir = ""
		r.log.Error("plugins will not be remembered over a restart", "err", err)
	}
	return r, nil
}

// privateFolder makes a folder that is its owner's alone; none for "".
func privateFolder(dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.Chmod(dir, 0o700)
}

// Load reads, verifies and starts a plugin. If there is one of that name, the
// new version takes over from it at once and the old one ends with its last
// call. After an error a version that served before serves on; the plugin is
// known all the same, so that Watch takes a mended module. The error is
// ErrRefused if the module is to blame.
func (r *Registry) Load(ctx context.Context, spec Spec) (*Plugin, error) {
	return r.loadSpec(ctx, spec, nil)
}

// LoadBuilt is Load for who has made the module and need not have written spec.Source
// yet: built stands for what is in the file, which is not read. Its signature, if there
// is one, is.
func (r *Registry) LoadBuilt(ctx context.Context, spec Spec, built Module) (*Plugin, error) {
	return r.loadSpec(ctx, spec, &built)
}

// loadSpec is Load, or LoadBuilt.
func (r *Registry) loadSpec(ctx context.Context, spec Spec, built *Module) (*Plugin, error) {
	begun := time.Now()
	p, err := r.register(spec.Name)
	if err != nil {
		return nil, err
	}
	p.loading.Lock()
	defer p.loading.Unlock()
	defer p.archive.Flush()
	p.spec = spec.withDefaults()
	p.spec.Config, p.spec.Secrets = maps.Clone(spec.Config), maps.Clone(spec.Secrets)
	p.refused.stale = true // it may be good now
	select {
	case r.changed <- struct{}{}:
	default:
	}
	if err := p.loadAny(ctx, built, begun); err != nil {
		return nil, fmt.Errorf("plugin %s: %w", spec.Name, err)
	}
	return p, nil
}

// loadAny loads what the plugin is to serve: what an upload or a rollback put in
// front of its source, if the source still has the content that it had then, or
// else what the source has, which built tells unless it is nil. p.loading is held.
func (p *Plugin) loadAny(ctx context.Context, built *Module, begun time.Time) error {
	file, digest, err := p.readSource(built)
	if err != nil {
		return err
	}
	pinned, canary := p.archive.Front(digest)
	if pinned != "" {
		module, err := p.keptModule(pinned)
		if err == nil {
			err = p.load(ctx, module, false, begun)
		}
		if err == nil && canary {
			_ = p.load(ctx, file, false, begun) // as before the restart; load reports it
		}
		if err == nil || p.Digest() != "" || ctx.Err() != nil {
			return err
		}
		p.reg.log.Error("plugin version that served last cannot serve again", "plugin", p.name, "digest", short(pinned), "err", err)
	}
	if p.spec.Source == "" {
		return nil
	}
	return p.load(ctx, file, false, begun)
}

// keptModule returns what an upload or a rollback had serve.
func (p *Plugin) keptModule(digest string) (Module, error) {
	if p.held != nil && p.held.Digest() == digest {
		held := *p.held
		held.Asked = false
		return held, nil
	}
	return p.archived(digest)
}

// archived returns a module of the archive. What is wrong with its files is told as
// with a source's.
func (p *Plugin) archived(digest string) (Module, error) {
	kept, err := p.archive.Module(digest)
	var unfit *archive.UnfitError
	switch {
	case errors.Is(err, archive.ErrSignature):
		return Module{}, &RefusedError{StepSignature, err}
	case errors.As(err, &unfit):
		return Module{}, &RefusedError{StepRead, unfit}
	case err != nil:
		return Module{}, err
	}
	module := Module{Bytes: kept.Bytes, Origin: "kept"}
	if kept.Signature != nil {
		module.Signature, err = ParseSignature(kept.Signature)
	}
	return module, err
}

// readSource reads the plugin's file, or takes built for its content. Without a file
// there is no content. p.loading is held.
func (p *Plugin) readSource(built *Module) (file Module, digest string, err error) {
	p.seen = p.lookAtSource()
	if p.spec.Source != "" {
		if built != nil {
			file = *built
			file.Origin = p.spec.Source
			file.Signature, err = readSignature(p.spec.Source)
		} else {
			file, err = readModule(p.spec.Source)
		}
		if err != nil {
			return file, "", err
		}
		digest = file.Digest()
	}
	p.reg.mu.Lock()
	defer p.reg.mu.Unlock()
	p.from, p.content = p.spec.Source, digest
	return file, digest, nil
}

// register returns the plugin of a name, new if need be.
func (r *Registry) register(name string) (*Plugin, error) {
	if p := r.Plugin(name); p != nil {
		return p, nil
	}
	p := &Plugin{reg: r, name: name, archive: archive.Open(r.config.StateDir, name, r.log)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, ErrClosed
	}
	if other := r.plugins[name]; other != nil {
		return other, nil
	}
	r.plugins[name] = p
	return p, nil
}

// Plugin returns the plugin of a name, or nil.
func (r *Registry) Plugin(name string) *Plugin {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.plugins[name]
}

// all returns the plugins in the order of their names.
func (r *Registry) all() []*Plugin {
	r.mu.Lock()
	defer r.mu.Unlock()
	ps := make([]*Plugin, 0, len(r.plugins))
	for _, name := range slices.Sorted(maps.Keys(r.plugins)) {
		ps = append(ps, r.plugins[name])
	}
	return ps
}

// ReloadAll reads every source again and loads those whose content changed, or
// was refused before. Errors of all plugins are joined; each of them goes on
// with the version it had.
func (r *Registry) ReloadAll(ctx context.Context) error {
	var errs []error
	for _, p := range r.all() {
		if err := p.reload(ctx); err != nil {
			errs = append(errs, fmt.Errorf("plugin %s: %w", p.name, err))
		}
	}
	return errors.Join(errs...)
}

// reload loads the plugin's source if its content is not what serves, nor what an
// upload or a rollback was put in front of.
func (p *Plugin) reload(ctx context.Context) error {
	begun := time.Now()
	p.loading.Lock()
	defer p.loading.Unlock()
	defer p.archive.Flush()
	file, digest, err := p.readSource(nil)
	if err != nil || p.spec.Source == "" || p.isSettled(digest) {
		return err
	}
	return p.load(ctx, file, false, begun)
}

// isSettled tells whether the source's content serves, or is not to serve.
func (p *Plugin) isSettled(digest string) bool {
	if p.serves(digest) {
		return true
	}
	front, _ := p.archive.Front(digest)
	return front != "" && front == p.Digest()
}

// Close takes no more calls, lets the open ones end until ctx does, then stops
// them, and returns when every instance is gone. The error is ctx's if calls
// were stopped.
func (r *Registry) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	for _, p := range r.plugins {
		r.endCanary(p, "the edge ended")
		if g := p.takePrevious(); g != nil {
			r.retire(g, StateDraining)
		}
		if g := p.current.Swap(nil); g != nil {
			r.retire(g, StateDraining)
		}
	}
	r.mu.Unlock()

	done := make(chan struct{})
	go r.join(done)
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	r.mu.Lock()
	for g := range r.draining {
		g.kill()
	}
	r.mu.Unlock()
	<-done
	return fmt.Errorf("plugins stopped in the middle of calls: %w", ctx.Err())
}

// join is Close's goroutine: it waits for the drains.
func (r *Registry) join(done chan<- struct{}) {
	r.tasks.Wait()
	close(done)
}
