package plugins

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// fill writes n bytes of memory from address 0 on, and copyBytes n bytes within it.
func fill(n int32) wasmasm.Code {
	return wasmasm.Do(wasmasm.I32(0), wasmasm.I32(7), wasmasm.I32(n), wasmasm.Code{0xfc, 0x0b, 0x00})
}

func copyBytes(n int32) wasmasm.Code {
	return wasmasm.Do(wasmasm.I32(0), wasmasm.I32(8), wasmasm.I32(n), wasmasm.Code{0xfc, 0x0a, 0x00, 0x00})
}

// tree adds functions that call each other, each the one below it twice: 1<<depth
// calls and not one loop.
func tree(m *wasmasm.Module, depth int) wasmasm.Func {
	f := m.Func("", "", "", "")
	for range depth {
		f = m.Func("", "", "", "", wasmasm.Call(f), wasmasm.Call(f))
	}
	return f
}

// endless are guests that never come to an end by themselves.
func endless() map[string]func(g *asm) wasmasm.Code {
	return map[string]func(g *asm) wasmasm.Code{
		"loop":        func(*asm) wasmasm.Code { return wasmasm.Forever() },
		"call tree":   func(g *asm) wasmasm.Code { return wasmasm.Call(tree(g.Module, 60)) },
		"memory.fill": func(*asm) wasmasm.Code { return wasmasm.Forever(fill(16 << 16)) },
		"memory.copy": func(*asm) wasmasm.Code { return wasmasm.Forever(copyBytes(15 << 16)) },
		"empty fills": func(*asm) wasmasm.Code { return wasmasm.Forever(fill(0)) },
		"vain growth": func(*asm) wasmasm.Code {
			return wasmasm.Forever(wasmasm.I32(1<<20), wasmasm.GrowMemory(), wasmasm.Drop())
		},
		"host calls": func(g *asm) wasmasm.Code { return wasmasm.Forever(g.call("req_get", req(), 1, 0, 0), wasmasm.Drop()) },
		"randomness": func(g *asm) wasmasm.Code {
			return wasmasm.Forever(wasmasm.Call(wasmasm.Func(len(g.fn)), wasmasm.I32(0), wasmasm.I32(15<<16)), wasmasm.Drop())
		},
		"nested blocks": func(*asm) wasmasm.Code { return wasmasm.Forever(wasmasm.Forever(wasmasm.Code{0x0c, 0x01})) },
	}
}

// TestStopped runs guests that never end: each is stopped at its deadline, and the
// next request is served.
func TestStopped(t *testing.T) {
	t.Parallel()
	for name, body := range endless() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newAsm(func(m *wasmasm.Module) { m.Import(wasiModule, "random_get", "ii", "i") })
			code := body(g)
			p := newBench(t, Config{}).load(t, g.module(
				g.call("req_get", req(), 5, 0, 0), wasmasm.Wrap(), // the query's length decides
				wasmasm.If(nil, wasmasm.Do(g.call("respond", req(), 200, "", "fine"), wasmasm.Drop(), wasmasm.I32(0), wasmasm.Return())),
				code, wasmasm.I32(0)))
			end := time.Now().Add(100 * time.Millisecond)
			ctx, cancel := context.WithDeadline(t.Context(), end)
			defer cancel()
			_, err := p.Decide(ctx, newRequest())
			wantCode(t, err, abi.CodeTimeout)
			t.Logf("stopped %v after its deadline", time.Since(end))
			quiet := newRequest()
			quiet.Query = ""
			if got := bodyOf(t, decide(t, p, quiet)); got != "fine" {
				t.Errorf("then got %q", got)
			}
		})
	}
}

// TestStoppedAtStart loads guests that never come out of what an instance runs
// before its first request.
func TestStoppedAtStart(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(m *wasmasm.Module){
		"start: loop":            func(m *wasmasm.Module) { m.Start(m.Func("", "", "", "", wasmasm.Forever())) },
		"start: call tree":       func(m *wasmasm.Module) { m.Start(tree(m, 60)) },
		"_initialize: fills":     func(m *wasmasm.Module) { m.Func("_initialize", "", "", "", wasmasm.Forever(fill(1<<16))) },
		"_initialize: call tree": func(m *wasmasm.Module) { m.Export("_initialize", tree(m, 60)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{})
			b.initDeadline = 100 * time.Millisecond
			_, err := b.Load(t.Context(), Spec{Name: "p", Source: writeModule(t, minimal(change))})
			if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "did not return in time") {
				t.Errorf("got error %v", err)
			}
		})
	}
}

// TestRecursion lets a guest call itself for ever: its stack ends before its time.
func TestRecursion(t *testing.T) {
	t.Parallel()
	g := newAsm()
	self := wasmasm.Func(len(g.fn))
	if f := g.Func("", "", "", "", wasmasm.Call(self)); f != self {
		t.Fatalf("the function has the index %d, not %d", f, self)
	}
	// The stack's end is what is to stop it, however slow the machine is, and no limit.
	p := newBench(t, Config{}).load(t, g.module(wasmasm.Call(self), wasmasm.I32(0)), deadline(time.Hour), func(s *Spec) { s.Compute = time.Hour })
	_, err := p.Decide(t.Context(), newRequest())
	wantCode(t, err, abi.CodePluginFailed)
}

// TestReservedImport refuses a guest that would fill its fuel up itself.
func TestReservedImport(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	module := minimal(func(m *wasmasm.Module) { m.Import(meterModule, "refuel", "i", "i") })
	_, err := b.Load(t.Context(), Spec{Name: "p", Source: writeModule(t, module)})
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "reserved") {
		t.Errorf("got error %v", err)
	}
}

// TestOthersGoOn has guests spin on every slot: requests of another plugin are
// answered meanwhile, and the collector of the edge can run.
func TestOthersGoOn(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	spinning := b.load(t, newAsm().module(wasmasm.Forever(), wasmasm.I32(0)), func(s *Spec) { s.Name = "spinning"; s.Deadline = time.Hour })
	quiet := b.load(t, responding("fine"), func(s *Spec) { s.Name = "quiet" })
	ended := make(chan error, 3)
	for range cap(ended) {
		go func() {
			_, err := spinning.Decide(t.Context(), newRequest())
			ended <- err
		}()
	}
	for b.slots.taken() < b.slots.size { // until they all are taken
		runtime.Gosched()
	}
	var slowest time.Duration
	for range 50 {
		begun := time.Now()
		if got := bodyOf(t, decide(t, quiet, newRequest())); got != "fine" {
			t.Fatalf("got %q", got)
		}
		slowest = max(slowest, time.Since(begun))
	}
	runtime.GC()
	t.Logf("the slowest of 50 requests waited %v for its slot", slowest)
	spinning.current.Load().kill()
	for range cap(ended) {
		wantCode(t, <-ended, abi.CodePluginFailed)
	}
}
