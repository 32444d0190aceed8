package plugins

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// TestRecycling replaces instances by age and by growth.
func TestRecycling(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*Spec)
		want   []uint32
	}{
		"never":     {func(*Spec) {}, []uint32{1, 2, 3, 4, 5}},
		"by age":    {func(s *Spec) { s.MaxAge = 1 }, []uint32{1, 1, 1, 1, 1}},
		"by growth": {func(s *Spec) { s.MaxGrowth = 2 * wasmPage }, []uint32{1, 2, 1, 2, 1}},
		"fresh":     {func(s *Spec) { s.Isolation = IsolationFresh }, []uint32{1, 1, 1, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newBench(t, Config{}).load(t, counting(true), tt.change)
			if got := counted(t, p, 5); !slices.Equal(got, tt.want) {
				t.Errorf("the instances had served %v, want %v", got, tt.want)
			}
		})
	}
}

// TestMinInstances makes instances before there are requests for them, and again
// for those that fail.
func TestMinInstances(t *testing.T) {
	t.Parallel()
	const least = 3
	p := newBench(t, Config{}).load(t, newAsm().module(wasmasm.Unreachable()), func(s *Spec) { s.MinInstances = least })
	pool := p.current.Load().pool
	ready := func() (n int) {
		pool.mu.Lock()
		defer pool.mu.Unlock()
		return len(pool.spare)
	}
	for range 2 {
		for end := time.Now().Add(patience); ready() < least && time.Now().Before(end); time.Sleep(time.Millisecond) {
		}
		if n := ready(); n != least {
			t.Fatalf("%d instances are ready, want %d", n, least)
		}
		for range 2 {
			_, err := p.Decide(t.Context(), newRequest())
			wantCode(t, err, abi.CodePluginFailed)
		}
	}
	pool.mu.Lock()
	for _, in := range pool.spare {
		in.idleSince = time.Now().Add(-2 * idleInstance)
	}
	pool.mu.Unlock()
	if idle := pool.idle(); len(idle) > 0 {
		t.Errorf("%d of the instances that are kept were closed", len(idle))
	}
}

// TestQueue bounds the wait for an instance, whatever the deadline.
func TestQueue(t *testing.T) {
	t.Parallel()
	still(t, testQueue)
}

func testQueue(t *testing.T) {
	gate := newGate()
	b := newBench(t, Config{Services: Services{Operations: operateFunc(gate.operate)}})
	p := b.load(t, parking(), deadline(time.Hour), instances(1), func(s *Spec) { s.Queue = 20 * time.Millisecond })
	var wg sync.WaitGroup
	wg.Go(func() { decide(t, p, newRequest()) })
	<-gate.entered
	_, err := p.Decide(t.Context(), newRequest())
	wantCode(t, err, abi.CodePluginOverloaded)
	var e *abi.Error
	if asError(err, &e); e.RetryAfterMs <= 0 || !e.Retryable {
		t.Errorf("the client is not told when to come again: %+v", e)
	}
	close(gate.open)
	wg.Wait()
}

// TestMaxParked refuses the host calls of a request that would wait while as many
// wait as may; one that waited before may wait again.
func TestMaxParked(t *testing.T) {
	t.Parallel()
	gate := newGate()
	b := newBench(t, Config{Services: Services{Operations: operateFunc(gate.operate)}})
	g := newAsm()
	out := g.buffer(64)
	p := b.load(t, g.script(
		g.record("op", req(), "exec", "{}", out), g.record("op", req(), "exec", "{}", out), g.record("last_error", req(), out)),
		func(s *Spec) { s.MaxParked = 1 })
	first := make(chan abi.Decision, 1)
	go func() {
		d, _ := p.Decide(t.Context(), newRequest())
		first <- d
	}()
	<-gate.entered
	a := scriptAnswer{t, g, []byte(bodyOf(t, decide(t, p, newRequest())))}
	if e, _ := a.result(0); e != abi.CodePluginOverloaded.Errno() {
		t.Errorf("one that waits too many got %s", e)
	}
	close(gate.open)
	<-gate.entered // the first request's second call
	a = scriptAnswer{t, g, []byte(bodyOf(t, <-first))}
	a.want(0, "the first wait", abi.OK, 2)
	a.want(1, "the second wait", abi.OK, 2)
	a.want(2, "no error", abi.NotFound, 0)
}

// TestSlotsGoRound has three guests of one plugin and then one of another wait for
// the only slot: they get it one plugin after the other.
func TestSlotsGoRound(t *testing.T) {
	t.Parallel()
	s := newSlots()
	s.size = 1
	s.free.Store(1)
	s.try()
	var lines [2]slotLine
	var wg sync.WaitGroup
	got := make(chan string, 4)
	for i, name := range []string{"a1", "a2", "a3", "b1"} {
		wg.Go(func() {
			if !s.take(&lines[i/3], nil, nil) {
				t.Error("no slot")
			}
			got <- name
			<-time.After(2 * slotPatience) // the others have waited for long
			s.give()
		})
		for int(s.waiting.Load()) <= i || lineUp(s, &lines[i/3]) == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	<-time.After(2 * slotPatience)
	s.give()
	wg.Wait()
	close(got)
	order := ""
	for name := range got {
		order += name + " "
	}
	if order != "b1 a1 a2 a3 " { // b waits for the first time
		t.Errorf("the slot went to %s", order)
	}
	if s.taken() != 0 || s.waiting.Load() != 0 {
		t.Errorf("%d taken, %d waiting", s.taken(), s.waiting.Load())
	}
}

func lineUp(s *slots, l *slotLine) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(l.waiters)
}

// TestSlotsHammer has many take, pass and leave: no slot is lost, and no more than
// there are are out.
func TestSlotsHammer(t *testing.T) {
	t.Parallel()
	s := newSlots()
	s.size = 2
	s.free.Store(2)
	var lines [3]slotLine
	var wg sync.WaitGroup
	out := make(chan struct{}, s.size)
	for i := range 12 {
		wg.Go(func() {
			for n := range 300 {
				ctx, cancel := context.WithCancel(context.Background())
				if (n+i)%5 == 0 {
					cancel()
				}
				if s.take(&lines[i%3], ctx.Done(), nil) {
					select {
					case out <- struct{}{}:
					default:
						t.Error("more slots than there are")
					}
					<-out
					if n%7 != 0 || s.pass(&lines[i%3], ctx.Done()) {
						s.give()
					}
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if s.taken() != 0 || s.waiting.Load() != 0 || len(s.turns) != 0 {
		t.Errorf("%d taken, %d waiting, %d turns", s.taken(), s.waiting.Load(), len(s.turns))
	}
}
