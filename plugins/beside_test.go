package plugins

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/plugins/wasmasm"
)

// spin has so many requests of a plugin of its own compute without an end: eight of
// them at least, as instances come one after the other. What it returns ends them.
func spin(t testing.TB, b *bench, requests int) (end func()) {
	t.Helper()
	spinning := b.load(t, newAsm().module(wasmasm.Forever(), wasmasm.I32(0)), func(s *Spec) {
		s.Name, s.Deadline, s.Compute, s.Queue, s.MaxInstances = "spinning", time.Hour, time.Hour, time.Hour, requests
	})
	var wg sync.WaitGroup
	for range requests {
		wg.Go(func() { _, _ = spinning.Decide(context.Background(), newRequest()) }) // it is stopped
	}
	pool := spinning.current.Load().pool
	least := min(requests, 8)
	for end := time.Now().Add(ample); pool.size() < least && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if n := pool.size(); n < least {
		t.Errorf("%d of %d requests spin", n, requests)
	}
	return func() {
		spinning.current.Load().kill()
		wg.Wait()
	}
}

// TestManySpin has far more guests of one plugin compute than there are slots: each
// request of another plugin has its slot as soon as its turn comes, which is after
// one of them and not after all.
func TestManySpin(t *testing.T) {
	t.Parallel()
	const spinning = 64
	b := newBench(t, Config{})
	quiet := b.load(t, responding("fine"), func(s *Spec) { s.Name = "quiet" })
	end := spin(t, b, spinning)
	defer end()
	var waits []time.Duration
	for range 100 {
		begun := time.Now()
		if got := bodyOf(t, decide(t, quiet, newRequest())); got != "fine" {
			t.Fatalf("got %q", got)
		}
		waits = append(waits, time.Since(begun))
	}
	slices.Sort(waits)
	t.Logf("beside %d requests that spin: p50 %v, p99 %v", spinning, waits[49], waits[98])
}

// BenchmarkBesideSpinning is a decision with one slot for all guests, and others
// of another plugin that want it without an end.
func BenchmarkBesideSpinning(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	for _, n := range []int{1, 64} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			r := newBench(b, Config{})
			quiet := r.load(b, responding("fine"), func(s *Spec) { s.Name = "quiet" })
			defer spin(b, r, n)()
			var waits []time.Duration
			for b.Loop() {
				begun := time.Now()
				decide(b, quiet, newRequest())
				waits = append(waits, time.Since(begun))
			}
			slices.Sort(waits)
			b.ReportMetric(float64(waits[len(waits)/2])/1e6, "p50-ms")
			b.ReportMetric(float64(waits[len(waits)*99/100])/1e6, "p99-ms")
		})
	}
}

// BenchmarkParked has a thousand requests of a small guest wait in a host call, and
// tells what each of them occupies.
func BenchmarkParked(b *testing.B) {
	const parked = 1000
	g := newAsm()
	g.Memory(1, 0)
	module := g.module(g.drop("op", req(), "exec", "{}", 0, 0), g.drop("next", req()), wasmasm.I32(0))
	for b.Loop() {
		gate := newGate()
		r := newBench(b, Config{Services: Services{Operations: operateFunc(gate.operate)}})
		p := r.load(b, module, instances(parked))
		heap, resident := occupied(b)
		var wg sync.WaitGroup
		for range parked {
			wg.Go(func() {
				if _, err := p.Decide(context.Background(), newRequest()); err != nil {
					b.Error(err)
				}
			})
		}
		for range parked {
			<-gate.entered
		}
		heapNow, residentNow := occupied(b)
		b.ReportMetric(float64(heapNow-heap)/parked/1024, "go-KiB/request")
		b.ReportMetric(float64(residentNow-resident)/parked/1024, "rss-KiB/request")
		close(gate.open)
		wg.Wait()
	}
}

// occupied is what the Go runtime has in use, and what is resident of the process,
// which is known on Linux alone.
func occupied(b *testing.B) (inUse, resident int64) {
	b.Helper()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	inUse = int64(m.HeapInuse + m.StackInuse)
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return inUse, 0
	}
	pages, err := strconv.ParseInt(strings.Fields(string(statm))[1], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return inUse, pages * int64(os.Getpagesize())
}
