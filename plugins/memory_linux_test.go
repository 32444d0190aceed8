package plugins

import (
	"os"
	"strings"
	"testing"

	"edge/plugins/wasmasm"
)

// TestMemoryIsGivenBack has all mappings be gone that plugins made: of instances that
// were replaced, that failed and that never came to serve, and of images. It runs beside
// no other test, for those map, too.
func TestMemoryIsGivenBack(t *testing.T) {
	mappings := func() int {
		t.Helper()
		maps, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(maps), "memfd:edge-instance")
	}
	before := mappings()
	b := newBench(t, Config{})
	for _, isolation := range []Isolation{IsolationPooled, IsolationReset, IsolationFresh} {
		p := b.load(t, growing(), func(s *Spec) { s.Name, s.Isolation = string(isolation), isolation })
		for range 50 {
			grown(t, p)
		}
	}
	if mappings() == before {
		t.Error("no memory is mapped")
	}
	failing := newAsm()
	failing.Bytes([]byte("x"))
	p := b.load(t, failing.module(wasmasm.Unreachable()))
	for range 20 {
		if _, err := p.Decide(t.Context(), newRequest()); err == nil {
			t.Fatal("a guest that fails decides")
		}
	}
	never := newAsm()
	never.Bytes([]byte("x"))
	never.Func("edge1", "", "", "")
	never.Func("edge_init", "", "i", "", wasmasm.Unreachable())
	never.Func("edge_request", "i", "i", "", wasmasm.I32(0))
	if _, err := b.Load(t.Context(), Spec{Name: "never", Source: writeModule(t, never.Encode())}); err == nil {
		t.Fatal("a module was loaded whose edge_init fails")
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := mappings(); n != before {
		t.Errorf("%d mappings are left", n-before)
	}
}
