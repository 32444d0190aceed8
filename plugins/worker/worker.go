// Package worker makes edge plugins of Workers: TypeScript or JavaScript that is
// bundled (esbuild), evaluated once while it is built, and stored with the JavaScript
// engine as one WebAssembly module, which speaks the edge's ABI as any other does.
//
// A Builder does this for a source file:
//
//	bundle      the source, what it imports, and names of our own (@cloudflare/sandbox)
//	            become one script
//	evaluate    the engine runs it on top of the runtime's memory (shim/), metered and
//	            bounded, and keeps its default export
//	bake        the memory after that becomes the module's data
//
// The module's code is the same for every Worker: only data differs.
package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"
)

// ErrNoEngine is what Build returns without an engine.
var ErrNoEngine = errors.New("this edge was built without the JavaScript engine")

// Config is what New needs. All but Engine may be left out.
type Config struct {
	// Engine is quickjs.wasm of the npm package quickjs-wasi. If it is empty, Build
	// returns ErrNoEngine.
	Engine []byte
	// CacheDir, if set, keeps compiled code and the runtime's memory between
	// processes. It may be deleted at any time.
	CacheDir string
	// Compute bounds how long a Worker's top level computes; 0 is 5 seconds.
	Compute time.Duration
	// Traces has errors of operations tell in the log where the Worker began them, which
	// is for development: each operation costs some ten microseconds more.
	Traces bool
	// Log is told what is worth knowing of builds; nil discards.
	Log *slog.Logger
}

// Built is a plugin and what it was made of.
type Built struct {
	// Module is the plugin.
	Module []byte
	// Inputs are the files that were read, as absolute paths in order: the build's
	// result changes only when one of them does, or when a file appears that an
	// import then finds.
	Inputs []string
	// Empty are those of them with nothing in them, in order, relative to the Worker's
	// folder; known only of a source that the bundler takes. A file that is being written
	// is empty for a moment.
	Empty []string
	// Warnings are of one line each, with file and line, for the author.
	Warnings []string
	// Previews: the Worker uses proxyToSandbox, so it is to be asked of previews.
	Previews bool
	// Said are the lines that the Worker wrote to the console while it was built, the
	// first 256 KiB of them: its top level is run then, and not again.
	Said []string
}

// Builder makes modules of Workers. It keeps what all have in common: the linked
// engine, its compiled code and the runtime's memory. It is safe for concurrent use;
// builds happen one after the other. The owner calls Close.
type Builder struct {
	config Config
	bounds bounds // runtimeCompute and config.Compute, for tests to change

	// mu guards what follows, and has builds wait for each other.
	mu      sync.Mutex
	runtime *runtime
	engine  Engine
	closed  bool
}

// New returns a Builder. Nothing is read or compiled before the first Build.
func New(config Config) *Builder {
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	return &Builder{config: config, bounds: bounds{runtime: runtimeCompute, worker: cmp.Or(config.Compute, buildCompute)}}
}

// Close releases the compiled code. It waits for a build under way.
func (b *Builder) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.runtime != nil {
		b.runtime.forget()
	}
	if b.engine == nil {
		return nil
	}
	err := b.engine.Close()
	b.engine = nil
	return err
}

// Build makes a plugin of a Worker's source file and what it imports. What is wrong
// with the source is one or more joined *SourceError, be it found by the bundler or by
// running the source.
func (b *Builder) Build(ctx context.Context, file string) (Built, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.open(); err != nil {
		return Built{}, err
	}
	path, err := filepath.Abs(file)
	if err == nil {
		path, err = filepath.EvalSymlinks(path) // as the bundler names what it reads
	}
	if err != nil {
		return Built{}, err
	}
	source, err := b.runtime.bundle(path)
	if err != nil {
		return Built{Inputs: source.inputs, Warnings: source.warnings}, err
	}
	made, err := b.engine.Make(ctx, b.runtime.script, source.scripts(), Section{Source: filepath.Base(path), Made: b.engine.Name(), Optional: true, Open: openRequests, PerCore: 1})
	if err != nil {
		err = source.explain(err, b.bounds.worker)
	}
	for _, w := range made.Warnings {
		source.warnings = append(source.warnings, filepath.Base(path)+": "+w)
	}
	return Built{Module: made.Module, Inputs: source.inputs, Empty: source.empty, Warnings: source.warnings, Previews: source.previews, Said: made.Said}, err
}

// open prepares what all builds have in common.
func (b *Builder) open() error {
	if b.closed {
		return errors.New("the builder is closed")
	}
	if len(b.config.Engine) == 0 {
		return ErrNoEngine
	}
	if b.runtime == nil {
		r, err := bundleRuntime(shim)
		if err != nil {
			return fmt.Errorf("the runtime of Workers: %w", err)
		}
		r.traces = b.config.Traces
		b.runtime = r
	}
	if b.engine == nil {
		e, err := newQuickJS(b.config, b.bounds)
		if err != nil {
			return fmt.Errorf("the JavaScript engine: %w", err)
		}
		b.engine = e
	}
	return nil
}
