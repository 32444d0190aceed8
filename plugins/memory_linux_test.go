package plugins

import (
	"fmt"
	"os"
	"strings"
	"syscall"
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

// TestMemoryIsRefused has the kernel refuse mappings: instances get copies, and serve as
// well. It runs beside no other test, because the limit is the process's.
func TestMemoryIsRefused(t *testing.T) {
	b := newBench(t, Config{})
	p := b.load(t, growing(), func(s *Spec) { s.Isolation, s.Memory, s.MaxInstances = IsolationFresh, 1<<32-wasmPage, 1 })
	want := grown(t, p)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_AS, &limit); err != nil {
		t.Fatal(err)
	}
	lower := syscall.Rlimit{Cur: addresses(t) + 1<<30, Max: limit.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_AS, &lower); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_AS, &limit); err != nil {
			t.Error(err)
		}
	}()
	q := b.load(t, growing(), func(s *Spec) { s.Name, s.Isolation, s.Memory = "q", IsolationReset, 1<<32-wasmPage })
	for range 5 { // the first of p may be mapped yet
		for _, asked := range []*Plugin{p, q} {
			if got := grown(t, asked); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		}
	}
	if log := b.book.String(); !strings.Contains(log, "an instance has a copy of the module's memory") {
		t.Errorf("no mapping was refused; the log:\n%s", log)
	}
}

// TestMemoryMappedByFew bounds how many instances have mappings, and counts those that have.
func TestMemoryMappedByFew(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.maxMapped = 2
	for i := range 4 {
		p := b.load(t, growing(), func(s *Spec) { s.Name, s.MaxInstances = fmt.Sprint(i), 1 })
		if is, want := lastSpare(p).mapped != nil, i < 2; is != want {
			t.Errorf("that the memory of instance %d is mapped is %v", i, is)
		}
		grown(t, p)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := b.mapped.Load(); n != 0 {
		t.Errorf("%d instances are counted after the last has ended", n)
	}
}

// TestMemoryKeptByFew bounds how many memories generations keep together. Those of a version
// that ended may be kept by others.
func TestMemoryKeptByFew(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	each := int32(min(b.slots.size+1, maxSpareMemories))
	b.sparable.Store(2*each + each - 1)
	for i := range 4 {
		p := b.load(t, growing(), func(s *Spec) { s.Name, s.Isolation = fmt.Sprint(i), IsolationFresh })
		if n := p.current.Load().contents.spares; i < 2 && n != each || i >= 2 && n != 0 {
			t.Errorf("version %d may keep %d memories", i, n)
		}
		for range 3 {
			grown(t, p)
		}
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := b.sparable.Load(); n != 3*each-1 {
		t.Errorf("%d may be kept after the last version has ended, want %d", n, 3*each-1)
	}
}

// addresses is how many bytes of them the process has.
func addresses(t *testing.T) (bytes uint64) {
	t.Helper()
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(statm), &bytes); err != nil {
		t.Fatal(err)
	}
	return bytes * uint64(os.Getpagesize())
}
