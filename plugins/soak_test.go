package plugins

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// witnessKey is the key under which a request's context carries its witness.
type witnessKey struct{}

// witness is what the host calls of one request said of who made them.
type witness struct {
	mu    sync.Mutex
	calls []string
}

// signed is a guest that says its number in two host calls and in its answer.
func signed(n int) []byte {
	g := newAsm()
	text := strconv.Itoa(n)
	return g.module(
		g.drop("op", req(), "exec", text, 0, 0),
		g.drop("op", req(), "exec", text, 0, 0),
		g.drop("respond", req(), 200, "", text), wasmasm.I32(0))
}

// size returns a number from the environment, or the usual one: the long form of
// a soak test is asked for.
func size(t *testing.T, name string, usual int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q, which is no number of them", name, text)
	}
	return n
}

// TestReloadSoak spreads reloads over many requests: none fails, none is served by
// two generations, and none by a generation that another had replaced before it
// came. EDGE_RELOAD_REQUESTS and EDGE_RELOAD_ROUNDS make it longer.
func TestReloadSoak(t *testing.T) {
	t.Parallel()
	requests, rounds := size(t, "EDGE_RELOAD_REQUESTS", 20_000), size(t, "EDGE_RELOAD_ROUNDS", 20)
	b := newBench(t, Config{CacheDir: t.TempDir(), StateDir: t.TempDir(), Services: Services{Operations: operateFunc(
		func(ctx context.Context, _ string, body []byte) ([]byte, error) {
			w := ctx.Value(witnessKey{}).(*witness)
			w.mu.Lock()
			defer w.mu.Unlock()
			w.calls = append(w.calls, string(body))
			return []byte("{}"), nil
		})}})
	spec := Spec{Name: "p", Source: writeModule(t, signed(0)), MaxInstances: 3, Secrets: map[string]string{"key": "x"}}
	p, err := b.Load(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	var asked, failed, mixed, late atomic.Int64
	var serving atomic.Int64 // the number that serves at least
	ask := func() {
		least := serving.Load()
		var w witness
		d, err := p.Decide(context.WithValue(t.Context(), witnessKey{}, &w), newRequest())
		if err != nil {
			failed.Add(1)
			t.Errorf("decide: %v", err)
			return
		}
		got := string(d.(*abi.Respond).Body)
		if !slices.Equal(w.calls, []string{got, got}) {
			mixed.Add(1)
		}
		if n, _ := strconv.ParseInt(got, 10, 64); n < least {
			late.Add(1)
		}
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for asked.Add(1) <= int64(requests) && failed.Load() == 0 {
				ask()
			}
		})
	}
	for n := 1; n <= rounds; n++ {
		for asked.Load() < int64(n*requests/(rounds+1)) && failed.Load() == 0 {
			time.Sleep(time.Millisecond)
		}
		rewrite(t, spec.Source, signed(n))
		if err := b.ReloadAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		serving.Store(int64(n))
	}
	wg.Wait()
	if failed.Load() > 0 || mixed.Load() > 0 || late.Load() > 0 {
		t.Errorf("%d requests failed, %d were served by two generations, %d by one that had been replaced", failed.Load(), mixed.Load(), late.Load())
	}
	if p.Generation() != uint64(rounds+1) {
		t.Errorf("generation %d serves after %d reloads", p.Generation(), rounds)
	}
	t.Logf("%d requests over %d reloads", min(asked.Load(), int64(requests)), rounds)
}

// TestReloadsLeakNothing reloads again and again and looks at what the process
// has grown by. Descriptors, goroutines and the heap tell what is left of old
// generations; the resident size, which others in the process move, is printed.
func TestReloadsLeakNothing(t *testing.T) {
	reloads := size(t, "EDGE_LEAK_RELOADS", 60)
	b := newBench(t, Config{CacheDir: t.TempDir(), StateDir: t.TempDir(), Services: Services{Operations: operateFunc(
		func(context.Context, string, []byte) ([]byte, error) { return []byte("{}"), nil })}})
	path := filepath.Join(t.TempDir(), "p.wasm")
	spec := Spec{Name: "p", Source: path, MaxInstances: 3, Secrets: map[string]string{"key": "x"}}
	next := 0
	reload := func(n int) {
		t.Helper()
		for range n {
			rewrite(t, path, responding(strconv.Itoa(next)))
			next++
			p, err := b.Load(t.Context(), spec)
			if err != nil {
				t.Fatal(err)
			}
			for range 5 {
				decide(t, p, newRequest())
			}
		}
		b.waitFor(t, "drains", func() bool { return len(b.Status()[0].Generations) == 2 })
	}
	reload(20) // pools of the runtime and the cache's folder have their size then
	before := footprint(t)
	reload(reloads)
	after := footprint(t)
	more := func() bool {
		return after.heap-before.heap > 5<<20 || after.goroutines > before.goroutines+2 || after.descriptors > before.descriptors
	}
	for end := time.Now().Add(patience); more() && time.Now().Before(end); after = footprint(t) { // what was closed goes in its own time
		time.Sleep(10 * time.Millisecond)
	}
	t.Logf("%d reloads: heap %+d KiB, resident %+d KiB, goroutines %+d, descriptors %+d", reloads,
		(after.heap-before.heap)>>10, (after.resident-before.resident)>>10, after.goroutines-before.goroutines, after.descriptors-before.descriptors)
	if grown := after.heap - before.heap; grown > 5<<20 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
	if after.goroutines > before.goroutines+2 || after.descriptors > before.descriptors {
		t.Errorf("goroutines %d, descriptors %d; before %d and %d", after.goroutines, after.descriptors, before.goroutines, before.descriptors)
	}
}

// traces is what a process has of the system.
type traces struct {
	heap, resident          int64
	goroutines, descriptors int
}

func footprint(t *testing.T) traces {
	t.Helper()
	debug.FreeOSMemory()
	debug.FreeOSMemory() // what had finalizers is free after the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f := traces{heap: int64(m.HeapAlloc), goroutines: runtime.NumGoroutine()}
	if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
		f.descriptors = len(fds)
	}
	status, _ := os.ReadFile("/proc/self/status") // none but on Linux
	for line := range strings.Lines(string(status)) {
		if kib, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			_, _ = fmt.Sscan(kib, &f.resident)
			f.resident <<= 10
		}
	}
	return f
}

// TestCompileOneAtATime has a load wait while another module is compiled, and give
// up when its context ends.
func TestCompileOneAtATime(t *testing.T) {
	t.Parallel()
	b, p := rollout(t, Config{})
	b.programs.compiling <- struct{}{} // another plugin's module
	ctx, cancel := context.WithCancel(t.Context())
	refused := make(chan error, 1)
	go func() { refused <- b.Offer(ctx, "p", Module{Bytes: responding("1")}) }()
	atCompile := func() bool {
		g := b.Status()[0].Generations[0]
		return g.State == StateLoading && g.Step == StepCompile
	}
	b.waitFor(t, "load at its step", atCompile)
	decide(t, p, newRequest()) // goes on meanwhile
	cancel()
	if err := <-refused; !errors.Is(err, context.Canceled) {
		t.Errorf("offer: %v", err)
	}
	taken := make(chan error, 1)
	go func() { taken <- b.Offer(t.Context(), "p", Module{Bytes: responding("1")}) }()
	b.waitFor(t, "load at its step", atCompile)
	<-b.programs.compiling
	if err := <-taken; err != nil {
		t.Errorf("offer: %v", err)
	}
}

// BenchmarkOthersWhileCompiling tells how long another plugin's decisions take while
// a module of the stock Go toolchain is compiled without a cache, beside how long
// they take at other times.
func BenchmarkOthersWhileCompiling(b *testing.B) {
	bench := newBench(b, Config{})
	module, err := os.ReadFile(buildGo(b))
	if err != nil {
		b.Fatal(err)
	}
	p := bench.load(b, responding("x"))
	decisions := func(until <-chan struct{}) (took []time.Duration) {
		for {
			select {
			case <-until:
				slices.Sort(took)
				return took
			default:
			}
			begun := time.Now()
			decide(b, p, newRequest())
			took = append(took, time.Since(begun))
			time.Sleep(200 * time.Microsecond)
		}
	}
	for range b.N {
		compiled := make(chan struct{})
		begun := time.Now()
		go func() {
			defer close(compiled)
			g := newGeneration(bench.Registry, Spec{Name: "q"}.withDefaults(), 1, Module{Bytes: module})
			defer g.close()
			if err := g.compile(b.Context(), module); err != nil {
				b.Error(err)
			}
		}()
		during := decisions(compiled)
		b.ReportMetric(float64(time.Since(begun).Milliseconds()), "ms/compile")
		rest := make(chan struct{})
		time.AfterFunc(time.Since(begun), func() { close(rest) })
		idle := decisions(rest)
		for name, all := range map[string][]time.Duration{"compiling": during, "idle": idle} {
			b.ReportMetric(float64(all[len(all)/2].Microseconds()), name+"-p50-us")
			b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), name+"-p99-us")
		}
	}
}
