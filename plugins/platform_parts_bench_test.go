package plugins

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"edge/abi"
	"edge/plugins/meter"
	"edge/plugins/wasmasm"
)

// BenchmarkPlatformMetering compares code with and without a meter: a loop of three
// instructions, SHA-256 of 64 KiB, and the size of modules.
func BenchmarkPlatformMetering(b *testing.B) {
	b.Run("time", func(b *testing.B) {
		loop := wasmasm.New()
		loop.Func("loop", "i", "", "", wasmasm.Code{0x03, 0x40}, // local.get, i32.const, i32.sub: local.tee; br_if
			wasmasm.Get(0), wasmasm.I32(-1), wasmasm.Add(), wasmasm.Code{0x22, 0x00, 0x0d, 0x00, 0x0b})
		work, err := os.ReadFile(compileC(b, "-O2", "testdata/bench/work.c"))
		if err != nil {
			b.Fatal(err)
		}
		for _, what := range []struct {
			name, function string
			module         []byte
			args           []uint64
		}{{"a loop of three instructions", "loop", loop.Encode(), []uint64{100_000}}, {"SHA-256 of 64 KiB", "sha256", work, nil}} {
			metered, err := meter.Rewrite(what.module, meterOptions())
			if err != nil {
				b.Fatal(err)
			}
			with := running(b, "metered", metered, what.function, false, what.args...)
			without := running(b, "plain", what.module, what.function, false, what.args...)
			option := running(b, "option", what.module, what.function, true, what.args...)
			compare(b, with, without, option)
			platformLine(b, "metering, "+what.name, "%s; wazero's option %.3gx", goal(with.over(without), 1.5, "x", false), option.over(without))
		}
	})
	b.Run("size", func(b *testing.B) {
		for _, guest := range platformGuests()[1:] {
			module, err := os.ReadFile(guest.build(b))
			if err != nil {
				b.Fatal(err)
			}
			metered, err := meter.Rewrite(module, meterOptions())
			if err != nil {
				b.Fatal(err)
			}
			grown := 100 * float64(len(metered)-len(module)) / float64(len(module))
			figure := fmt.Sprintf("%.1f %% (no goal below 100 KiB)", grown)
			if len(module) > 100<<10 {
				figure = goal(grown, 5, " %", false)
			}
			platformLine(b, "metering, size in "+guest.name, "%d KiB more by %s", len(module)>>10, figure)
		}
	})
}

// running calls a module's function again and again.
func running(b *testing.B, name string, module []byte, function string, option bool, args ...uint64) *contender {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background()) // one that can end, or the option does nothing
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCloseOnContextDone(option))
	b.Cleanup(func() { cancel(); _ = r.Close(context.Background()) })
	options := meterOptions()
	_, err := r.NewHostModuleBuilder(options.Module).NewFunctionBuilder().WithGoFunction(api.GoFunc(func(_ context.Context, stack []uint64) {
		stack[0] = meter.DefaultQuantum
	}), i32s(1), i32s(1)).Export(options.Name).Instantiate(ctx)
	if err != nil {
		b.Fatal(err)
	}
	m, err := r.Instantiate(ctx, module)
	if err != nil {
		b.Fatal(err)
	}
	f := m.ExportedFunction(function)
	return &contender{name: name, op: func() error {
		_, err := f.Call(ctx, args...)
		return err
	}}
}

// BenchmarkPlatformLoad is how long a module takes from its bytes to serving, when
// what it compiles to lies in the cache.
func BenchmarkPlatformLoad(b *testing.B) {
	goals := map[string]time.Duration{"Go": 150 * time.Millisecond, "AssemblyScript": 5 * time.Millisecond}
	for _, guest := range platformGuests()[1:] {
		b.Run(guest.name, func(b *testing.B) {
			r := newBench(b, Config{CacheDir: b.TempDir()})
			spec := Spec{Name: "p", Source: guest.build(b), KeepWarm: -1, Rollback: Rollback{Failures: -1}}
			var took []float64
			for range platformRounds + 1 {
				began := time.Now()
				if _, err := r.Load(b.Context(), spec); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began).Seconds()*1e3)
			}
			figure := fmt.Sprintf("%.1f ms", medianOf(took[1:]))
			if most := goals[guest.name]; most > 0 {
				figure = goal(medianOf(took[1:]), most.Seconds()*1e3, " ms", false)
			}
			platformLine(b, "load, "+guest.name, "%s from the cache, %.0f ms without", figure, took[0])
		})
	}
}

// BenchmarkPlatformParked is what a request costs whose guest waits in a host call.
func BenchmarkPlatformParked(b *testing.B) {
	const requests = 1000
	var waiting sync.WaitGroup
	release := make(chan struct{})
	operate := func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
		waiting.Done()
		select {
		case <-release:
			return json.RawMessage("{}"), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	g := newAsm()
	module := g.module(g.drop("op", req(), "exec", `{"sandbox":{"binding":"Sandbox","id":"a"},"command":"true"}`, g.buffer(64)),
		g.drop("respond", req(), 200, "", "fine"), wasmasm.I32(0))
	r := newBench(b, Config{Services: Services{Operations: operateFunc(operate)}})
	p := r.load(b, module, func(s *Spec) { s.MaxInstances, s.MaxParked, s.Queue = requests, requests, time.Minute })
	before := residentMemory(b)
	waiting.Add(requests)
	var asking sync.WaitGroup
	for range requests {
		asking.Go(func() {
			if d, err := p.Decide(context.Background(), newRequest()); err != nil {
				b.Error(err)
			} else if _, ok := d.(*abi.Respond); !ok {
				b.Errorf("decision %T", d)
			}
		})
	}
	waiting.Wait()
	each := float64(residentMemory(b)-before) / requests / 1024
	close(release)
	asking.Wait()
	platformLine(b, "a parked request of a small guest", "%s resident", goal(each, 60, " KiB", false))
}

// residentMemory is what the process has pages for, once everything that nobody
// uses was given back.
func residentMemory(b *testing.B) int64 {
	b.Helper()
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skipf("NOT MEASURED: %v", err)
	}
	var all, resident int64
	if _, err := fmt.Sscan(string(text), &all, &resident); err != nil {
		b.Fatal(err)
	}
	return resident * int64(os.Getpagesize())
}
