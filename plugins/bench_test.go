package plugins

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"testing"

	"edge/plugins/wasmasm"
)

// deciding3 is the guest of the benchmarks: two host calls and a decision.
func deciding3() []byte { return small(16) }

// small is that guest with a memory of so many pages.
func small(pages uint32) []byte {
	g := newAsm()
	g.Memory(pages, 0)
	out := g.buffer(256)
	return g.module(
		g.drop("req_get", req(), 4, out), g.drop("req_header", req(), "Accept", out),
		g.drop("respond", req(), 200, "", "fine"), wasmasm.I32(0))
}

// BenchmarkDecide is one pooled decision of a tiny guest: two host calls and a
// respond.
func BenchmarkDecide(b *testing.B) {
	p := newBench(b, Config{}).load(b, deciding3())
	r := newRequest()
	b.ReportAllocs()
	defer reportCPU(b)()
	for b.Loop() {
		if _, err := p.Decide(context.Background(), r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecideParallel is BenchmarkDecide from every processor.
func BenchmarkDecideParallel(b *testing.B) {
	p := newBench(b, Config{}).load(b, deciding3())
	b.ReportAllocs()
	defer reportCPU(b)()
	b.RunParallel(func(pb *testing.PB) {
		r := newRequest()
		for pb.Next() {
			if _, err := p.Decide(context.Background(), r); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkDecideGo is one decision of a stock Go guest, which starts a goroutine
// and sleeps 2 ms.
func BenchmarkDecideGo(b *testing.B) {
	r := newBench(b, Config{})
	p, err := r.Load(b.Context(), Spec{Name: "go", Source: buildGo(b)})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := p.Decide(context.Background(), newRequest()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecideFlat is BenchmarkDecide with a guest that the stock Go toolchain
// made, without the SDK.
func BenchmarkDecideFlat(b *testing.B) {
	r := newBench(b, Config{})
	p, err := r.Load(b.Context(), Spec{Name: "flat", Source: buildGuest(b, "./testdata/flat")})
	if err != nil {
		b.Fatal(err)
	}
	req := newRequest()
	b.ReportAllocs()
	defer reportCPU(b)()
	for b.Loop() {
		if _, err := p.Decide(context.Background(), req); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecideConnect is one decision of a Go guest made with the SDK that says
// connect and no more: what a WebSocket costs before the edge dials.
func BenchmarkDecideConnect(b *testing.B) {
	r := newBench(b, Config{})
	p, err := r.Load(b.Context(), Spec{Name: "connect", Source: buildGuest(b, "./testdata/connect")})
	if err != nil {
		b.Fatal(err)
	}
	req := upgradeRequest()
	b.ReportAllocs()
	defer reportCPU(b)()
	for b.Loop() {
		if _, err := p.Decide(context.Background(), req); err != nil {
			b.Fatal(err)
		}
	}
}

// reportCPU has a benchmark tell what processor time an operation took in the whole
// process; what it returns is called at the end.
func reportCPU(b *testing.B) func() {
	used := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	before := used()
	return func() { b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op") }
}

// BenchmarkLoad loads and swaps a module: a tiny one and a stock Go one, compiled
// anew and from the cache.
func BenchmarkLoad(b *testing.B) {
	for name, source := range map[string]func() string{
		"tiny": func() string { return writeModule(b, deciding3()) },
		"go":   func() string { return buildGo(b) },
	} {
		for _, cached := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/cached=%v", name, cached), func(b *testing.B) {
				config := Config{}
				if cached {
					config.CacheDir = b.TempDir()
				}
				r := newBench(b, config)
				spec := Spec{Name: "p", Source: source()}
				if _, err := r.Load(b.Context(), spec); err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					if _, err := r.Load(b.Context(), spec); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// operating is the guest of the benchmarks of asynchronous modules: it starts an
// operation and responds when that is complete.
func operating() []byte {
	g := newAsm()
	return g.async(
		pending(g.drop("op_start", req(), "exec", `{"sandbox":{"binding":"S","id":"a"},"command":"x"}`)),
		g.drop("respond", req(), 200, "", "fine"), nil)
}

// instantly answers an operation.
func instantly(context.Context, string, []byte) ([]byte, error) {
	return []byte(`{}`), nil
}

// BenchmarkDecideAsync is one decision of a tiny asynchronous guest: one that answers
// at once, and one that awaits an operation, which is done at once. Several at a time
// go on in one instance.
func BenchmarkDecideAsync(b *testing.B) {
	once := newAsm()
	for _, bb := range []struct {
		name   string
		module []byte
		many   int
	}{
		{"respond", once.async(wasmasm.Do(once.drop("respond", req(), 200, "", "fine"), wasmasm.I32(0)), nil, nil), 1},
		{"operation", operating(), 1},
		{"operation/many", operating(), 16},
	} {
		b.Run(bb.name, func(b *testing.B) {
			p := newBench(b, Config{Services: Services{Operations: operateFunc(instantly)}}).load(b, bb.module, func(s *Spec) { s.MaxInstances = 1 })
			b.ReportAllocs()
			b.SetParallelism(bb.many)
			defer reportCPU(b)()
			if bb.many == 1 {
				for b.Loop() {
					if _, err := p.Decide(context.Background(), newRequest()); err != nil {
						b.Fatal(err)
					}
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := p.Decide(context.Background(), newRequest()); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkReload loads a stock Go module whose code is that of the one which serves.
func BenchmarkReload(b *testing.B) {
	module, err := os.ReadFile(buildGo(b))
	if err != nil {
		b.Fatal(err)
	}
	if _, c := split(module, DefaultMemory); c == nil {
		b.Fatal("the module is not taken apart")
	}
	r := newBench(b, Config{CacheDir: b.TempDir()})
	if _, err := r.Load(b.Context(), Spec{Name: "p", Source: writeModule(b, module)}); err != nil {
		b.Fatal(err)
	}
	defer reportCPU(b)()
	for b.Loop() {
		module = append(module[:len(module):len(module)], 0, 4, 1, 'n', 'o', byte(b.N)) // a custom section more
		if err := r.Offer(b.Context(), "p", Module{Bytes: module, Asked: true}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkInstantiate makes an instance, and has it serve one request.
func BenchmarkInstantiate(b *testing.B) {
	for name, module := range map[string][]byte{"tiny": deciding3(), "go": nil} {
		b.Run(name, func(b *testing.B) {
			if module == nil {
				var err error
				if module, err = os.ReadFile(buildGo(b)); err != nil {
					b.Fatal(err)
				}
			}
			p := newBench(b, Config{}).load(b, module, func(s *Spec) { s.Isolation = IsolationFresh })
			defer reportCPU(b)()
			for b.Loop() {
				if _, err := p.Decide(context.Background(), newRequest()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
