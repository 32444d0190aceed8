package plugins

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edge/plugins/wasmasm"
)

// minimal writes a module by hand: every export as given, nil for the right one.
func minimal(change func(m *wasmasm.Module)) []byte {
	m := wasmasm.New()
	m.Memory(1, 0)
	if change != nil {
		change(m)
	}
	m.Func("edge1", "", "", "")
	m.Func("edge_init", "", "i", "", wasmasm.I32(0))
	m.Func("edge_request", "i", "i", "", wasmasm.I32(0))
	return m.Encode()
}

// exporting is a module with just the exports that its list names.
func exporting(build func(m *wasmasm.Module)) []byte {
	m := wasmasm.New()
	m.Memory(1, 0)
	build(m)
	return m.Encode()
}

func refusedModules() map[string]struct {
	module []byte
	why    string
} {
	whole := responding("x")
	return map[string]struct {
		module []byte
		why    string
	}{
		"empty":           {nil, "the file is empty"},
		"text":            {[]byte("hello, this is no module"), "it is not a WebAssembly module"},
		"component":       {[]byte("\x00asm\x0d\x00\x01\x00"), "it is a WebAssembly component; a plugin is a core module"},
		"cut in its head": {[]byte("\x00asm\x01\x00"), "compiling it:"},
		"truncated":       {whole[:len(whole)-7], "the file is cut short"},
		"missing marker":  {exporting(func(m *wasmasm.Module) { m.Func("edge_request", "i", "i", "", wasmasm.I32(0)) }), `not an edge plugin: it does not export "edge1"`},
		"another version": {exporting(func(m *wasmasm.Module) { m.Func("edge2", "", "", "") }), "wants ABI version 2; this edge speaks version 1"},
		"unknown function": {minimal(func(m *wasmasm.Module) { m.Import("edge1", "fly", "i", "I") }),
			"imports what this edge does not have: edge1.fly"},
		"unknown modules": {minimal(func(m *wasmasm.Module) { m.Import("env", "b", "", ""); m.Import("env", "a", "", "") }),
			"imports what this edge does not have: env.a, env.b"},
		"sockets": {minimal(func(m *wasmasm.Module) { m.Import(wasiModule, "sock_accept", "iii", "i") }),
			"does not have: wasi_snapshot_preview1.sock_accept"},
		"imported memory": {func() []byte {
			m := wasmasm.New()
			m.ImportMemory("env", "memory")
			m.Func("edge1", "", "", "")
			return m.Encode()
		}(), "does not have: memory env.memory"},
		"import's signature": {minimal(func(m *wasmasm.Module) { m.Import("edge1", "next", "I", "I") }),
			"import edge1.next has the signature (i64) -> (i64), not (i32) -> (i64)"},
		"export's signature": {exporting(func(m *wasmasm.Module) {
			m.Func("edge1", "", "", "")
			m.Func("edge_init", "", "i", "", wasmasm.I32(0))
			m.Func("edge_request", "ii", "i", "", wasmasm.I32(0))
		}), "export edge_request has the signature (i32, i32) -> (i32), not (i32) -> (i32)"},
		"marker's signature": {exporting(func(m *wasmasm.Module) { m.Func("edge1", "i", "", "") }), "edge1 has the signature"},
		"no edge_init": {exporting(func(m *wasmasm.Module) {
			m.Func("edge1", "", "", "")
			m.Func("edge_request", "i", "i", "", wasmasm.I32(0))
		}), `does not export "edge_init"`},
		"no memory": {func() []byte {
			m := wasmasm.New()
			m.Func("edge1", "", "", "")
			m.Func("edge_init", "", "i", "", wasmasm.I32(0))
			m.Func("edge_request", "i", "i", "", wasmasm.I32(0))
			return m.Encode()
		}(), `exports no memory called "memory"`},
		"too much memory": {func() []byte {
			m := wasmasm.New()
			m.Memory(1<<14, 0)
			return m.Encode()
		}(), "over limit of 1024 pages (64 Mi)"},
		"traps when started": {minimal(func(m *wasmasm.Module) { m.Start(m.Func("", "", "", "", wasmasm.Unreachable())) }),
			"instantiating it:"},
		"traps in _initialize": {minimal(func(m *wasmasm.Module) { m.Func("_initialize", "", "", "", wasmasm.Unreachable()) }),
			"_initialize: wasm error: unreachable"},
		"traps in init":     {withInit(wasmasm.Unreachable()), "edge_init: wasm error: unreachable"},
		"refuses in init":   {withInit(wasmasm.I32(3)), "edge_init: it answered 3 (DENIED)"},
		"loops in init":     {withInit(wasmasm.Do(wasmasm.Forever(), wasmasm.I32(0))), "edge_init did not return in time"},
		"fails its test":    {minimal(func(m *wasmasm.Module) { m.Func("edge_selftest", "", "i", "", wasmasm.I32(12)) }), "edge_selftest: it answered 12 (INTERNAL)"},
		"loops in its test": {minimal(func(m *wasmasm.Module) { m.Func("edge_selftest", "", "i", "", wasmasm.Forever(), wasmasm.I32(0)) }), "edge_selftest did not return in time"},
	}
}

func withInit(body wasmasm.Code) []byte {
	return exporting(func(m *wasmasm.Module) {
		m.Func("edge1", "", "", "")
		m.Func("edge_init", "", "i", "", body)
		m.Func("edge_request", "i", "i", "", wasmasm.I32(0))
	})
}

// TestRefused loads modules that cannot be plugins over one that serves: each is
// refused with one clear line, an event and a log line, and the old one serves
// on.
func TestRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range refusedModules() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{})
			p := b.load(t, responding("old"))
			if strings.HasPrefix(name, "loops") {
				b.initDeadline = 200 * time.Millisecond
			}
			path := writeModule(t, tt.module)
			for range 2 {
				_, err := b.Load(t.Context(), Spec{Name: "p", Source: path})
				if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), tt.why) || strings.Contains(err.Error(), "\n") {
					t.Fatalf("got error %q, want one line with %q", err, tt.why)
				}
			}
			if e := b.event(t, EventRefused); e.Err == nil || e.Plugin != "p" || len(e.Digest) != 64 {
				t.Errorf("event %+v", e)
			}
			if n := strings.Count(b.book.String(), "plugin module refused"); n != 1 {
				t.Errorf("the refusal was logged %d times, want once for its content", n)
			}
			if got := bodyOf(t, decide(t, p, newRequest())); got != "old" {
				t.Errorf("then got %q", got)
			}
		})
	}
}

// TestFirstLoadFails keeps a plugin known whose first module is no good, so that
// a mended one can be loaded.
func TestFirstLoadFails(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	path := writeModule(t, []byte("nothing"))
	if _, err := b.Load(t.Context(), Spec{Name: "p", Source: path}); !errors.Is(err, ErrRefused) {
		t.Fatalf("load: %v", err)
	}
	p := b.Plugin("p")
	if _, err := p.Decide(t.Context(), newRequest()); err == nil {
		t.Error("a plugin without a module decided")
	}
	if err := os.WriteFile(path, responding("mended"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.ReloadAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := bodyOf(t, decide(t, p, newRequest())); got != "mended" {
		t.Errorf("got %q", got)
	}
	if _, err := b.Load(t.Context(), Spec{Name: "q", Source: filepath.Join(t.TempDir(), "none")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("load without a file: %v", err)
	}
}

// TestRefusedAgain puts back a module that was refused, after the good one: it is
// reported again, not taken for old news.
func TestRefusedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	p := b.load(t, responding("good"))
	for range 2 {
		for _, module := range [][]byte{[]byte("bad"), responding("good")} {
			if err := os.WriteFile(p.spec.Source, module, 0o600); err != nil {
				t.Fatal(err)
			}
			p.reloadChanged(t.Context())
		}
	}
	if n := strings.Count(b.book.String(), "plugin module refused"); n != 2 {
		t.Errorf("refused %d times, want 2:\n%s", n, b.book)
	}
	if n := p.Generation(); n != 1 {
		t.Errorf("generation %d serves, want the first", n)
	}
}

// TestLoadCanceled ends a load's context while the module loops in init.
func TestLoadCanceled(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := b.Load(ctx, Spec{Name: "p", Source: writeModule(t, withInit(wasmasm.Do(wasmasm.Forever(), wasmasm.I32(0))))})
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrRefused) {
		t.Errorf("load: %v", err)
	}
}

// TestCompilingCanceled loads with a context that has ended: that is no refusal, whether
// the load has its turn to compile or not. A single worker does not look at the context;
// several, with four processors or more, do.
func TestCompilingCanceled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	if err := uncompiled(ctx, errFault); !errors.Is(err, ErrRefused) || !errors.Is(err, errFault) {
		t.Errorf("compiling fails: %v", err)
	}
	cancel()
	if err := uncompiled(ctx, context.Canceled); !errors.Is(err, context.Canceled) || errors.Is(err, ErrRefused) {
		t.Errorf("compiling is interrupted: %v", err)
	}
	b := newBench(t, Config{})
	for n := range 20 { // the turn, or the end, comes first
		_, err := b.Load(ctx, Spec{Name: "p", Source: writeModule(t, responding(fmt.Sprint(n)))})
		if !errors.Is(err, context.Canceled) || errors.Is(err, ErrRefused) {
			t.Fatalf("load: %v", err)
		}
	}
}

// TestMemoryLimit lets a guest grow its memory up to the limit and no further.
func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	g := newAsm() // 16 pages
	grown := g.buffer(8)
	grow := func(at, pages uint32) wasmasm.Code {
		return wasmasm.Do(wasmasm.I32(int32(at)), wasmasm.I32(int32(pages)), wasmasm.GrowMemory(), wasmasm.Store())
	}
	p := newBench(t, Config{}).load(t, g.script(grow(grown.ptr, 4), grow(grown.ptr+4, 1)), func(s *Spec) { s.Memory = 20 * wasmPage })
	a := scriptAnswer{t, g, []byte(bodyOf(t, decide(t, p, newRequest())))}
	if got := a.bytes(grown, 8); string(got) != "\x10\x00\x00\x00\xff\xff\xff\xff" {
		t.Errorf("growing by 4 and 1 pages answered %x", got)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	good, err := Check(t.Context(), writeModule(t, responding("x")))
	if err != nil || good.Refusal != "" || good.Async || len(good.Digest) != 64 || good.Size == 0 {
		t.Errorf("report %+v, %v", good, err)
	}
	if len(good.Imports) != len(edgeFunctions())-1 || good.Exports[0] != "edge1" || len(good.Exports) != 3 {
		t.Errorf("imports %v, exports %v", good.Imports, good.Exports)
	}
	for name, tt := range refusedModules() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := writeModule(t, tt.module)
			b := newBench(t, Config{})
			if strings.HasPrefix(name, "loops") {
				b.initDeadline = 200 * time.Millisecond
			}
			report, err := b.check(t.Context(), Spec{Name: path, Source: path})
			if err != nil || !strings.Contains(report.Refusal, tt.why) {
				t.Errorf("report %+v, %v", report, err)
			}
		})
	}
	if _, err := Check(t.Context(), filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("check without a file: %v", err)
	}
}

// TestCache loads the same module with a shared folder, also when what lies in
// it is broken.
func TestCache(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "cache")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, Config{CacheDir: dir})
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("the cache folder has mode %v (%v)", st.Mode(), err)
	}
	p := b.load(t, responding("one"))
	b.load(t, responding("one")) // two generations of the same bytes
	b.event(t, EventDrained)     // closing one leaves the other
	if got := bodyOf(t, decide(t, p, newRequest())); got != "one" {
		t.Errorf("got %q", got)
	}
	files, err := filepath.Glob(filepath.Join(dir, compiledName, "*", "*", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("nothing was cached: %v", err)
	}
	for _, f := range files {
		if err := os.WriteFile(f, []byte("WAZEVO"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b.load(t, responding("one"))
	if got := bodyOf(t, decide(t, p, newRequest())); got != "one" {
		t.Errorf("with a broken cache got %q", got)
	}
}
