package plugins

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"edge/abi"
)

const wasmPage = 64 << 10

// generation is one loaded version of a plugin: its compiled code, which it may share
// with others, what is in its memory at first, and a pool of instances. It is referred
// to once for being the plugin's current version, and once by every open request and
// call of request 0; when the last reference is gone it can be closed.
type generation struct {
	reg    *Registry
	spec   Spec
	number uint64
	digest string
	size   int
	logger *slog.Logger
	// guestLog gets what the guest itself says.
	guestLog *slog.Logger
	redact   *redactor // for what the guest says; nil without secrets
	loaded   time.Time
	origin   string
	counts   counts
	crashes  crashLoop
	// probation is nil once failures do not give the generation up.
	probation atomic.Pointer[probation]
	givenUp   atomic.Bool
	canary    atomic.Bool // it serves a share of the requests, on trial

	// Registry.mu guards these.
	state State
	step  Step
	why   string

	program  *program // nil until it is compiled
	contents *contents
	manifest manifest
	denied   map[string]*abi.Error // calls of functions that want a grant, by name
	shape    shape
	deaf     atomic.Bool // the module said that it wants no events
	pool     *pool
	slotLine slotLine
	kept     keptPages      // for snapshots
	tasks    sync.WaitGroup // goroutines of instances and of calls
	flood    flood
	// complaints are the plugin's mistakes that the log was told of.
	complaints complaints
	succession succession

	// killed ends when every guest is to be stopped.
	killed  context.Context
	killAll context.CancelFunc

	refs atomic.Int64
	idle chan struct{} // closed when refs is 0
}

func digestOf(module []byte) string {
	sum := sha256.Sum256(module)
	return hex.EncodeToString(sum[:])
}

// short is a digest as logs and people call it.
func short(digest string) string { return digest[:min(12, len(digest))] }

// newGeneration prepares a version; nothing of it is compiled or runs yet.
func newGeneration(r *Registry, spec Spec, number uint64, module Module) *generation {
	g := &generation{reg: r, spec: spec, number: number, digest: module.Digest(), size: len(module.Bytes), idle: make(chan struct{})}
	name := []any{"plugin", spec.Name, "generation", number, "digest", g.digest[:12]}
	g.logger, g.guestLog = r.log.With(name...), r.guestLog.With(name...)
	if !r.tellsAll {
		g.redact = newRedactor(spec.Secrets)
	}
	g.killed, g.killAll = context.WithCancel(context.Background())
	g.refs.Store(1)
	return g
}

// build compiles and verifies the module and makes the first instance, which
// runs edge_init and edge_selftest. After an error only discard is left.
func (g *generation) build(ctx context.Context, module []byte) error {
	if err := g.compile(ctx, module); err != nil {
		return err
	}
	g.reach(StepImports)
	if err := g.verify(); err != nil {
		return err
	}
	if err := g.buildHost(ctx); err != nil {
		return err
	}
	room := 1
	if g.shape.async && g.spec.Isolation == IsolationPooled {
		room = g.spec.MaxOpen
	}
	g.imageContents()
	g.pool = newPool(g, room)
	g.reach(StepStart)
	return g.tryOut(ctx)
}

// reach notes how far the generation has come.
func (g *generation) reach(step Step) {
	g.reg.mu.Lock()
	defer g.reg.mu.Unlock()
	g.step = step
}

// compile reads the module and gets its code: that of another generation, or new.
func (g *generation) compile(ctx context.Context, module []byte) error {
	if err := verifyFile(module); err != nil {
		return refusal(err)
	}
	var err error
	if g.manifest, err = readManifest(module); err != nil {
		return refusal(err)
	}
	g.spec.suit(g.manifest)
	code, contents := split(module, g.spec.Memory)
	g.contents = contents
	g.program, err = g.reg.programs.get(ctx, g, code)
	return err
}

// tryOut makes the first instance and waits for its word. An end of ctx stops
// it.
func (g *generation) tryOut(ctx context.Context) error {
	in := newInstance(g)
	g.pool.adopt(in)
	g.tasks.Add(1)
	go in.come(true)
	select {
	case err := <-g.pool.first:
		if err == nil {
			return ctx.Err() // which may have ended before: an instance is made fast
		}
		return refusal(err)
	case <-ctx.Done():
		in.life.kill()
		<-g.pool.first
		return ctx.Err()
	}
}

// acquire takes a reference; it is false once the generation has none left.
func (g *generation) acquire() bool {
	for {
		n := g.refs.Load()
		if n == 0 {
			return false
		}
		if g.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// release gives a reference back.
func (g *generation) release() {
	if g.refs.Add(-1) == 0 {
		close(g.idle)
	}
}

// close frees everything; no reference is left, or kill was called.
func (g *generation) close() {
	if g.pool != nil {
		g.pool.close()
	}
	g.tasks.Wait()
	g.flood.settle(g.tellDropped)
	g.killAll()
	g.reg.programs.release(g.program)
	g.freeImage()
}

// kill stops every guest of the generation, so that its references go.
func (g *generation) kill() {
	g.killAll()
	if g.pool != nil {
		g.pool.kill()
	}
}
