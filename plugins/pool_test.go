package plugins

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// gate is Operations that holds calls until it is opened.
type gate struct {
	entered chan struct{}
	open    chan struct{}
}

func newGate() gate { return gate{make(chan struct{}), make(chan struct{})} }

func (g gate) operate(context.Context, string, []byte) ([]byte, error) {
	g.entered <- struct{}{}
	<-g.open
	return []byte("{}"), nil
}

// parking is a guest that waits in an operation and then leaves the request to
// the next plugin.
func parking() []byte {
	g := newAsm()
	return g.module(g.drop("op", req(), "exec", "{}", 0, 0), g.drop("next", req()), wasmasm.I32(0))
}

// TestPoolIsBounded parks as many guests as there may be instances: they hold no
// slot meanwhile, and the last used instance serves next.
func TestPoolIsBounded(t *testing.T) {
	t.Parallel()
	gate := newGate()
	b := newBench(t, Config{Services: Services{Operations: operateFunc(gate.operate)}})
	p := b.load(t, parking(), func(s *Spec) { s.MaxInstances = 3 })
	pool := p.current.Load().pool
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if _, err := p.Decide(t.Context(), newRequest()); err != nil {
				t.Error(err)
			}
		})
	}
	for range 3 {
		<-gate.entered
	}
	if n := pool.size(); n != 3 {
		t.Errorf("%d instances for 5 callers, want 3", n)
	}
	if n := b.slots.taken(); n != 0 {
		t.Errorf("parked guests hold %d slots", n)
	}
	close(gate.open)
	<-gate.entered
	<-gate.entered
	wg.Wait()

	pool.mu.Lock()
	last := pool.spare[len(pool.spare)-1]
	pool.spare[0].idleSince = time.Now().Add(-2 * idleInstance)
	pool.mu.Unlock()
	wg.Go(func() { <-gate.entered })
	decide(t, p, newRequest())
	wg.Wait()
	for _, in := range pool.idle() {
		in.release()
	}
	pool.mu.Lock()
	defer pool.mu.Unlock()
	if pool.spare[len(pool.spare)-1] != last {
		t.Error("the pool did not take the instance used last")
	}
	if len(pool.all) != 2 {
		t.Errorf("%d instances are left, want 2: one lay idle too long", len(pool.all))
	}
}

// TestSlots takes every slot: a request that cannot execute is overload, and the
// instance that did not get to it is as good as before.
func TestSlots(t *testing.T) {
	t.Parallel()
	still(t, testSlots)
}

func testSlots(t *testing.T) {
	b := newBench(t, Config{})
	p := b.load(t, responding("x"), deadline(100*time.Millisecond))
	for range b.slots.size {
		b.slots.try()
	}
	_, err := p.Decide(t.Context(), newRequest())
	if err == nil {
		t.Fatal("a guest executed without a slot")
	}
	wantCode(t, err, abi.CodePluginOverloaded)
	for range b.slots.size {
		b.slots.give()
	}
	if got := bodyOf(t, decide(t, p, newRequest())); got != "x" {
		t.Errorf("got %q", got)
	}
	if n := p.current.Load().pool.size(); n != 1 {
		t.Errorf("%d instances, want the first one", n)
	}
}

// TestHandlesRunOut replaces an instance that has numbered as much as it can.
func TestHandlesRunOut(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	p := b.load(t, responding("x"))
	pool := p.current.Load().pool
	pool.mu.Lock()
	pool.spare[0].lastHandle = 1<<32 - 2
	pool.mu.Unlock()
	decide(t, p, newRequest()) // the last number
	_, err := p.Decide(t.Context(), newRequest())
	wantCode(t, err, abi.CodePluginFailed)
	decide(t, p, newRequest())
}

// TestBurst takes every slot and lets more callers come than there are instances:
// no more of these are made at a time than can run, because all of them together
// would be late for what one after the other is in time for.
func TestBurst(t *testing.T) {
	t.Parallel()
	const callers = 20
	b := newBench(t, Config{})
	p := b.load(t, responding("x"), instances(callers))
	pool := p.current.Load().pool
	for range b.slots.size {
		b.slots.try()
	}
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			if _, err := p.Decide(t.Context(), newRequest()); err != nil {
				t.Error(err)
			}
		})
	}
	waiting, growing := 0, 0
	for end := time.Now().Add(patience); waiting < callers-1 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		pool.mu.Lock()
		waiting, growing = len(pool.line), pool.growing
		pool.mu.Unlock()
	}
	if waiting != callers-1 || growing != b.slots.size {
		t.Errorf("%d wait and %d instances are made, want %d and %d", waiting, growing, callers-1, b.slots.size)
	}
	for range b.slots.size {
		b.slots.give()
	}
	wg.Wait()
	pool.mu.Lock()
	defer pool.mu.Unlock()
	if len(pool.line) != 0 {
		t.Errorf("%d callers are left in line", len(pool.line))
	}
}

// TestFewServeMany has many callers at once of a guest that waits for nothing: they
// are served by as many instances as can use a slot, and one more.
func TestFewServeMany(t *testing.T) {
	t.Parallel()
	const callers, requests = 32, 20
	b := newBench(t, Config{})
	p := b.load(t, responding("x"), instances(callers))
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range requests {
				if _, err := p.Decide(t.Context(), newRequest()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := p.current.Load().pool.size(); n > b.slots.size+1 {
		t.Errorf("%d instances for %d slots", n, b.slots.size)
	}
}

// TestLongGuestsMakeRoom has more guests compute without an end than there are
// slots: who comes after them gets an instance and is not kept waiting for theirs.
func TestLongGuestsMakeRoom(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	long := b.slots.size + 4
	g := newAsm()
	p := b.load(t, g.module(wasmasm.Forever(), wasmasm.I32(0)), deadline(2*patience), instances(long))
	var wg sync.WaitGroup
	for range long {
		wg.Go(func() { _, _ = p.Decide(t.Context(), newRequest()) }) // it is stopped below
	}
	pool := p.current.Load().pool
	for end := time.Now().Add(patience); pool.size() < long && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	if n := pool.size(); n < long {
		t.Errorf("%d instances for %d guests that compute", n, long)
	}
	p.current.Load().kill()
	wg.Wait()
}

// TestGrowsOn parks every guest: whoever waits gets an instance of its own, also
// when few are made at a time.
func TestGrowsOn(t *testing.T) {
	t.Parallel()
	const callers = 12
	gate := newGate()
	b := newBench(t, Config{Services: Services{Operations: operateFunc(gate.operate)}})
	p := b.load(t, parking(), instances(callers))
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			if _, err := p.Decide(t.Context(), newRequest()); err != nil {
				t.Error(err)
			}
		})
	}
	for i := range callers {
		select {
		case <-gate.entered:
			continue
		case <-time.After(patience):
		}
		t.Errorf("%d callers wait though there may be more instances", callers-i)
		for range callers - i { // which the first then let in
			wg.Go(func() { <-gate.entered })
		}
		break
	}
	close(gate.open)
	wg.Wait()
}

func instances(n int) func(*Spec) { return func(s *Spec) { s.MaxInstances = n } }

// TestGivenUpServesNobody has a version be given up while an instance of it is free: who
// comes before the pool hears of that waits, and is sent to another version.
func TestGivenUpServesNobody(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	p := b.load(t, responding("x"))
	g := p.current.Load()
	g.givenUp.Store(true)
	x := newExchange(t.Context(), g, newRequest(), time.Now(), time.Now().Add(patience))
	ended := make(chan error, 1)
	go func() {
		_, err := g.pool.take(t.Context(), x)
		ended <- err
	}()
	waiting := func() bool {
		g.pool.mu.Lock()
		defer g.pool.mu.Unlock()
		return len(g.pool.line) == 1
	}
	for !waiting() {
		select {
		case err := <-ended:
			t.Fatalf("served, err %v", err)
		default:
			runtime.Gosched()
		}
	}
	g.pool.turnAway()
	if err := <-ended; !errors.Is(err, errGivenUp) {
		t.Errorf("got %v, want errGivenUp", err)
	}
	g.givenUp.Store(false) // it serves: nothing took its place
}
