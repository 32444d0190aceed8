package plugins

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// DefaultEvaluateCompute bounds a run of Evaluate that says nothing else.
const DefaultEvaluateCompute = 10 * time.Second

// ErrEvaluateTime ends a run that computed for longer than it may.
var ErrEvaluateTime = errors.New("it computed for longer than it may")

// EvaluateOptions is how a module that is no plugin yet is run. The zero value works.
type EvaluateOptions struct {
	// CacheDir is the folder with compiled code, as of Config. Empty: none.
	CacheDir string
	// Memory bounds the module's memory, in bytes; 0 is DefaultMemory.
	Memory uint64
	// Compute bounds the run, the time between two calls of the guest included; 0 is
	// DefaultEvaluateCompute.
	Compute time.Duration
	// Log gets what the module says with edge1.log, with the level of log/slog, and what
	// it writes to its output, as level 0. Nil discards it.
	Log func(level int, text string)
}

func (o EvaluateOptions) withDefaults() EvaluateOptions {
	o.Memory = Spec{Memory: o.Memory}.withDefaults().Memory
	if o.Compute <= 0 {
		o.Compute = DefaultEvaluateCompute
	}
	if o.Log == nil {
		o.Log = func(int, string) {}
	}
	return o
}

// Guest is an instance that Evaluate runs. It is its run's alone, one call at a time,
// and of no use afterwards.
type Guest interface {
	// Call calls an exported function and returns its result; without one it is 0.
	// After an error other than that there is no such function the guest is not to be
	// called again.
	Call(name string, args ...uint64) (uint64, error)
	// Read returns a copy of n bytes of memory; it is false if there are not so many.
	Read(at, n uint32) ([]byte, bool)
	// Memory returns all of memory, and is the last that is asked of the guest: memory
	// is the caller's then.
	Memory() []byte
	// Write is false, and writes nothing, if it reached beyond memory.
	Write(at uint32, b []byte) bool
	// Size is memory's, in bytes.
	Size() uint32
	// Grow adds pages of 64 KiB; it is false if memory may not be so large.
	Grow(pages uint32) bool
}

var _ Guest = (*evaluation)(nil)

// Evaluate instantiates a module that is no plugin yet and has run work with it, to
// see for example what its memory is after it was prepared. Nothing of it reaches the
// world, and each run is like the other: the clock stands at 0, randomness is none, and
// what it imports of edge1 answers UNSUPPORTED, but for log, and for budget, which tells
// how much of Compute is left. It is stopped at the end of ctx and of Compute
// (ErrEvaluateTime). The error is run's, or says in one line why the module could not
// be run (ErrRefused). Nothing of the module is started that run does not call.
func Evaluate(ctx context.Context, o EvaluateOptions, module []byte, run func(Guest) error) error {
	e := NewEvaluator(o)
	defer e.Close()
	return e.Run(ctx, module, run)
}

// Evaluator is Evaluate for many runs: it keeps the compiled code of the module that it
// ran last. It is safe for concurrent use. Close ends it.
type Evaluator struct {
	options EvaluateOptions

	mu   sync.RWMutex // runs hold it for reading
	last *evaluable
}

// evaluable is a module ready to be run.
type evaluable struct {
	module  []byte // as Run got it
	program *program
}

// NewEvaluator returns one without compiled code.
func NewEvaluator(o EvaluateOptions) *Evaluator { return &Evaluator{options: o.withDefaults()} }

// Close frees what was kept, when the runs that are under way have ended. The Evaluator
// may be used again.
func (e *Evaluator) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forget()
	return nil
}

// forget frees the compiled code. e.mu is held.
func (e *Evaluator) forget() {
	if e.last != nil {
		e.last.program.close()
		e.last = nil
	}
}

// Run is Evaluate.
func (e *Evaluator) Run(ctx context.Context, module []byte, run func(Guest) error) error {
	return e.RunFor(ctx, e.options.Compute, module, run)
}

// RunFor is Run with a bound of its own in place of Compute.
func (e *Evaluator) RunFor(ctx context.Context, compute time.Duration, module []byte, run func(Guest) error) error {
	code, err := e.hold(ctx, module)
	if err != nil {
		return err
	}
	defer e.mu.RUnlock()
	ev := &evaluation{Context: ctx, options: &e.options, compute: compute, end: time.Now().Add(compute)}
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	mod, err := code.program.runtime.InstantiateModule(ev, code.program.code, config)
	if err != nil {
		return refusal(&guestError{"instantiating it", err})
	}
	defer mod.Close(context.WithoutCancel(ctx)) // it holds memory alone, which the collector frees
	ev.mod, ev.mem = mod, mod.Memory()
	return run(ev)
}

// hold returns the module's code, and holds e.mu for reading unless there is an error.
func (e *Evaluator) hold(ctx context.Context, module []byte) (*evaluable, error) {
	for {
		e.mu.RLock()
		if e.keeps(module) {
			return e.last, nil
		}
		e.mu.RUnlock()
		if err := e.prepare(ctx, module); err != nil {
			return nil, err
		}
	}
}

// keeps tells whether the module's code is what is kept. e.mu is held.
func (e *Evaluator) keeps(module []byte) bool {
	return e.last != nil && bytes.Equal(e.last.module, module)
}

// prepare makes the module's code what is kept, unless another run did so meanwhile.
func (e *Evaluator) prepare(ctx context.Context, module []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.keeps(module) {
		return nil
	}
	e.forget()
	if err := verifyFile(module); err != nil {
		return refusal(err)
	}
	code, err := metered(e.options.CacheDir, sha256.Sum256(module), module, meterOptions())
	if err != nil {
		return refusal(&guestError{"compiling it", err})
	}
	p, err := newProgram(ctx, code, programOptions{cacheDir: e.options.CacheDir, memory: e.options.Memory, stopBy: byFuel})
	if err == nil && p.code.ExportedMemories()["memory"] == nil {
		err = errNoMemory
	}
	if err == nil {
		err = pretend(ctx, p)
	}
	if err != nil {
		p.close()
		return uncompiled(ctx, err)
	}
	e.last = &evaluable{bytes.Clone(module), p}
	return nil
}

// evaluation is one run: the context under which its guest runs, which is how the
// functions that it imports find it.
type evaluation struct {
	context.Context
	options *EvaluateOptions
	compute time.Duration // how long it may take
	end     time.Time     // when that is over
	looked  time.Time     // since when it has the processor
	mod     api.Module
	mem     api.Memory
}

// Value returns nil: wazero's experimental switches stay off.
func (ev *evaluation) Value(any) any { return nil }

func (ev *evaluation) Call(name string, args ...uint64) (uint64, error) {
	f := ev.mod.ExportedFunction(name)
	if f == nil {
		return 0, fmt.Errorf("it exports no function %q", name)
	}
	ev.looked = time.Now()
	results, err := f.Call(ev, args...)
	if err == nil {
		err = ev.check(time.Now())
	}
	if err != nil || len(results) == 0 {
		return 0, err
	}
	return results[0], nil
}

func (ev *evaluation) Read(at, n uint32) ([]byte, bool) {
	b, ok := ev.mem.Read(at, n)
	return bytes.Clone(b), ok
}

func (ev *evaluation) Memory() []byte {
	b, _ := ev.mem.Read(0, ev.mem.Size())
	return b
}

func (ev *evaluation) Write(at uint32, b []byte) bool { return ev.mem.Write(at, b) }
func (ev *evaluation) Size() uint32                   { return ev.mem.Size() }

func (ev *evaluation) Grow(pages uint32) bool {
	_, ok := ev.mem.Grow(pages)
	return ok
}

// check is why the run is to be stopped, or nil.
func (ev *evaluation) check(now time.Time) error {
	if err := context.Cause(ev.Context); err != nil {
		return err
	}
	if !now.Before(ev.end) {
		return fmt.Errorf("%w: %s", ErrEvaluateTime, ev.compute)
	}
	return nil
}
