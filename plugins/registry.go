package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	// initDeadline bounds everything an instance runs before its first request.
	initDeadline = 10 * time.Second
	// settle is how long a file must lie unchanged before Watch reads it: compilers
	// write in many pieces, and editors write, rename and remove.
	settle = 50 * time.Millisecond
)

// maxModule bounds the size of a module's file.
const maxModule = 256 << 20

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
	slots     slots
	functions map[string]signature // what a module may import
	started   time.Time
	tasks     sync.WaitGroup // drains
	changed   chan struct{}  // poked when Watch should look at the sources anew

	initDeadline time.Duration // the constants, for tests to change
	settle       time.Duration
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
		changed: make(chan struct{}, 1), plugins: map[string]*Plugin{}, draining: map[*generation]struct{}{},
		initDeadline: initDeadline, settle: settle,
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.guestLog == nil {
		r.guestLog = r.log
	}
	if config.CacheDir != "" {
		if err := os.MkdirAll(config.CacheDir, 0o700); err != nil {
			return nil, fmt.Errorf("plugin cache: %w", err)
		}
		if err := os.Chmod(config.CacheDir, 0o700); err != nil {
			return nil, fmt.Errorf("plugin cache: %w", err)
		}
	}
	return r, nil
}

// Load reads, verifies and starts a plugin. If there is one of that name, the
// new version takes over from it at once and the old one ends with its last
// call. After an error a version that served before serves on; the plugin is
// known all the same, so that Watch takes a mended module. The error is
// ErrRefused if the module is to blame.
func (r *Registry) Load(ctx context.Context, spec Spec) (*Plugin, error) {
	begun := time.Now()
	p, err := r.register(spec.Name)
	if err != nil {
		return nil, err
	}
	p.loading.Lock()
	defer p.loading.Unlock()
	p.spec = spec.withDefaults()
	p.spec.Config = maps.Clone(spec.Config)
	select {
	case r.changed <- struct{}{}:
	default:
	}
	if p.spec.Source == "" {
		return p, nil
	}
	p.seen = stateOf(p.spec.Source)
	module, err := readModule(p.spec.Source)
	if err == nil {
		err = p.load(ctx, module, begun)
	}
	if err != nil {
		return nil, fmt.Errorf("plugin %s: %w", spec.Name, err)
	}
	return p, nil
}

// register returns the plugin of a name, new if need be.
func (r *Registry) register(name string) (*Plugin, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, ErrClosed
	}
	p := r.plugins[name]
	if p == nil {
		p = &Plugin{reg: r, name: name}
		r.plugins[name] = p
	}
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

// reload loads the plugin's source if its content is not what serves.
func (p *Plugin) reload(ctx context.Context) error {
	begun := time.Now()
	p.loading.Lock()
	defer p.loading.Unlock()
	p.seen = stateOf(p.spec.Source)
	module, err := readModule(p.spec.Source)
	if err != nil || digestOf(module) == p.Digest() {
		return err
	}
	return p.load(ctx, module, begun)
}

// install makes g serve, unless the registry was closed meanwhile. p.loading is
// held.
func (r *Registry) install(p *Plugin, g *generation) error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return ErrClosed
	}
	old := p.replace(g)
	if old != nil {
		r.draining[old] = struct{}{}
	}
	r.mu.Unlock()

	kind := EventLoaded
	if old != nil {
		kind = EventReloaded
	}
	took := time.Since(g.loaded)
	g.log().Info("plugin "+string(kind), "source", p.spec.Source, "bytes", g.size, "took", took)
	r.emit(Event{Kind: kind, Plugin: p.name, Digest: g.digest, Generation: g.number, Duration: took})
	return nil
}

// drain is the goroutine that closes an old generation when its last call has
// ended. Close joins it.
func (r *Registry) drain(g *generation) {
	defer r.tasks.Done()
	begun := time.Now()
	<-g.idle
	g.close()
	r.mu.Lock()
	delete(r.draining, g)
	r.mu.Unlock()
	g.log().Debug("plugin drained", "took", time.Since(begun))
	r.emit(Event{Kind: EventDrained, Plugin: g.spec.Name, Digest: g.digest, Generation: g.number, Duration: time.Since(begun)})
}

func (r *Registry) emit(e Event) {
	if r.config.Observe != nil {
		r.config.Observe(e)
	}
}

// Close takes no more calls, lets the open ones end until ctx does, then stops
// them, and returns when every instance is gone. The error is ctx's if calls
// were stopped.
func (r *Registry) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	for _, p := range r.plugins {
		if g := p.current.Swap(nil); g != nil {
			g.release()
			r.draining[g] = struct{}{}
			r.tasks.Add(1)
			go r.drain(g)
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

// readModule reads a module's file. It never waits for one that is no file, such
// as a named pipe: the watch of all plugins would wait with it.
func readModule(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil {
		return nil, err
	} else if !st.Mode().IsRegular() {
		return nil, refusal(fmt.Errorf("%s is not a regular file", path))
	}
	module, err := io.ReadAll(io.LimitReader(f, maxModule+1))
	if err != nil {
		return nil, err
	}
	if len(module) > maxModule {
		return nil, refusal(fmt.Errorf("it is larger than %d bytes", maxModule))
	}
	return module, nil
}
