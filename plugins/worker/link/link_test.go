package link

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"

	"edge/plugins/wasmbin"
)

// engine is what make fetched.
var engine = sync.OnceValues(func() ([]byte, error) { return os.ReadFile("../../../cmd/edge/assets/quickjs.wasm") })

// linked is that, linked.
func linked(t testing.TB) *Module {
	t.Helper()
	e, err := engine()
	if err != nil {
		t.Fatalf("%v: make fetches it", err)
	}
	m, err := Link(e)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// memoryOf makes a memory of pages with something in it that depends on seed.
func memoryOf(pages int, seed uint32) []byte {
	memory := make([]byte, pages*wasmPage)
	for i := range 5000 {
		seed = seed*1664525 + 1013904223
		at := engineStack + int(seed>>8)%(len(memory)-engineStack)
		for j := range min(1+i%40, len(memory)-at) {
			memory[at+j] = byte(seed >> (j % 24))
		}
	}
	copy(memory[constants:], "kept")
	copy(memory[dead:], "not kept")
	copy(memory[engineStack-16:], "not kept")
	return memory
}

// sections takes a module apart by the numbers of its sections.
func sections(t *testing.T, module []byte) map[byte][]byte {
	t.Helper()
	out := map[byte][]byte{}
	for s, err := range wasmbin.Sections(module) {
		if out[s.ID] = s.Content; err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestBake has modules differ in their data, memory and custom section alone, and the
// data be the memory.
func TestBake(t *testing.T) {
	t.Parallel()
	m := linked(t)
	one, two := memoryOf(20, 1), memoryOf(22, 2)
	a, b := m.Bake(one, []byte(`{"open":1}`)), m.Bake(two, []byte(`{"open":2}`))
	if !bytes.Equal(a, m.Bake(slices.Clone(one), []byte(`{"open":1}`))) || !bytes.Equal(a, linked(t).Bake(one, []byte(`{"open":1}`))) {
		t.Error("the same memory makes other bytes")
	}
	of, and := sections(t, a), sections(t, b)
	for id := range of {
		same := bytes.Equal(of[id], and[id])
		if want := id != wasmbin.SectionMemory && id != wasmbin.SectionData && id != wasmbin.SectionCustom; same != want {
			t.Errorf("section %d: the same is %t, want %t", id, same, want)
		}
	}
	if got := string(and[wasmbin.SectionCustom]); got != "\x05edge1"+`{"open":2}` {
		t.Errorf("custom section %q", got)
	}
	for _, module := range [][]byte{a, b} {
		checkData(t, module)
	}
	again, err := parse(b)
	if err != nil {
		t.Fatal(err)
	}
	clear(two[names:engineStack])
	if got := filled(t, again); !bytes.Equal(got, two) {
		t.Error("the module's data is not the memory")
	}
	names := slices.Collect(func(yield func(string) bool) {
		for _, e := range again.exports {
			if !yield(e.name) {
				return
			}
		}
	})
	if want := []string{"memory", "edge1", "edge_init", "edge_request", "edge_complete", "edge_cancel", "edge_event"}; !slices.Equal(names, want) {
		t.Errorf("exports %q, want %q", names, want)
	}
}

// checkData looks whether segments are in order, within the memory and nowhere else.
func checkData(t *testing.T, module []byte) {
	t.Helper()
	b, err := parse(module)
	if err != nil {
		t.Fatal(err)
	}
	end := uint64(0)
	for _, d := range b.data {
		r := wasmbin.NewReader(d)
		at, n := uint64(active(r)), uint64(r.U32())
		if at < end || n == 0 || at/page != (at+n-1)/page || at+n > uint64(b.pages)*wasmPage {
			t.Fatalf("a segment of %d bytes at %d, after one that ends at %d", n, at, end)
		}
		end = at + n
	}
}

// filled is the memory that a module begins with.
func filled(t *testing.T, b *binary) []byte {
	t.Helper()
	memory := make([]byte, b.pages*wasmPage)
	for _, d := range b.data {
		r := wasmbin.NewReader(d)
		copy(memory[active(r):], r.Bytes(r.U32()))
	}
	return memory
}

// still is a guest that runs nothing: its memory stays what was written to it.
type still struct{ memory []byte }

func (s *still) Call(string, ...uint64) (uint64, error) { return 0, nil }
func (s *still) Read(at, n uint32) ([]byte, bool) {
	return slices.Clone(s.memory[at : at+n]), true
}
func (s *still) Memory() []byte { return s.memory }
func (s *still) Write(at uint32, b []byte) bool {
	return copy(s.memory[min(int(at), len(s.memory)):], b) == len(b)
}
func (s *still) Size() uint32 { return uint32(len(s.memory)) }
func (s *still) Grow(pages uint32) bool {
	s.memory = append(s.memory, make([]byte, int(pages)*wasmPage)...)
	return true
}

var _ Guest = (*still)(nil)

// TestBakeOnBase makes the same of a memory whether or not some of it was encoded
// before.
func TestBakeOnBase(t *testing.T) {
	t.Parallel()
	m, base := linked(t), memoryOf(20, 1)
	memory, err := m.Continue(&still{make([]byte, 17*wasmPage)}, base, nil)
	if err != nil {
		t.Fatal(err)
	}
	memory = append(memory, make([]byte, wasmPage)...)
	for _, at := range []int{engineStack, engineStack + 5*page + 7, 20*wasmPage - 1, 21*wasmPage - 1} {
		memory[at] ^= 0xff
	}
	if got, want := m.Bake(memory, nil), linked(t).Bake(memory, nil); !bytes.Equal(got, want) {
		t.Error("a module differs by what was encoded before")
	}
}

// failing is a guest that has no memory to give, or none to write to.
type failing struct {
	still
	pointer uint64
	failed  error
}

func (f *failing) Call(name string, _ ...uint64) (uint64, error) {
	if name == "malloc" {
		return f.pointer, nil
	}
	return 0, f.failed
}
func (f *failing) Grow(uint32) bool { return false }

func TestGuestFails(t *testing.T) {
	t.Parallel()
	m, broken := linked(t), errors.New("broken")
	memory := func() still { return still{make([]byte, 20*wasmPage)} }
	for name, c := range map[string]struct {
		guest Guest
		want  error
	}{
		"no memory":        {&failing{still: memory()}, errMemory},
		"a wild pointer":   {&failing{still: memory(), pointer: 1 << 31}, errMemory},
		"a call that ends": {&failing{still: memory(), pointer: 64, failed: broken}, broken},
	} {
		if _, err := m.Compile(c.guest, Script{"a.js", "1"}); !errors.Is(err, c.want) {
			t.Errorf("%s: Compile: %v", name, err)
		}
		if _, err := m.Start(c.guest, []byte("1")); !errors.Is(err, c.want) {
			t.Errorf("%s: Start: %v", name, err)
		}
		if _, err := m.Continue(c.guest, memoryOf(20, 1), []Script{{"a.js", "1"}}); !errors.Is(err, c.want) {
			t.Errorf("%s: Continue: %v", name, err)
		}
	}
	if _, err := m.Continue(&failing{still: memory()}, memoryOf(21, 1), nil); !errors.Is(err, errMemory) {
		t.Errorf("a memory that does not grow: %v", err)
	}
}

// TestRefused has engines refused that are others than the glue was written for.
func TestRefused(t *testing.T) {
	t.Parallel()
	e, err := engine()
	if err != nil {
		t.Fatalf("%v: make fetches it", err)
	}
	change := func(f func(b *binary)) []byte {
		b, err := parse(e)
		if err != nil {
			t.Fatal(err)
		}
		f(b)
		return b.encode()
	}
	for name, module := range map[string][]byte{
		"nothing":         nil,
		"no module":       []byte("function fetch() {}"),
		"an empty module": []byte(wasmbin.Header),
		"half of it":      e[:len(e)/2],
		"another stack":   change(func(b *binary) { b.globals = []byte{1, 0x7f, 1, wasmbin.OpI32Const, 0, wasmbin.OpEnd} }),
		"data in the way": change(func(b *binary) { b.data = append(b.data, segment(names, []byte("data"))) }),
		"another import":  change(func(b *binary) { b.imports[0].name = "host_other" }),
		"another type":    change(func(b *binary) { b.imports[0].kind = b.imports[2].kind }),
		"no JS_Call": change(func(b *binary) {
			b.exports = slices.DeleteFunc(b.exports, func(e export) bool { return e.name == "JS_Call" })
		}),
		"another JS_Call": change(func(b *binary) { b.functions[index(b, "JS_Call")].kind = 0 }),
		"no JS_FreeValueRT": change(func(b *binary) {
			b.exports = slices.DeleteFunc(b.exports, func(e export) bool { return e.name == "JS_FreeValueRT" })
		}),
		"another JS_FreeValue":   change(func(b *binary) { other(b, "JS_FreeValue", 4) }),
		"another JS_FreeValueRT": change(func(b *binary) { other(b, "JS_FreeValueRT", 7) }),
		"a call of nobody":       change(func(b *binary) { b.functions[0].body = []byte{0, wasmbin.OpCall, 0xff, 0xff, 3, wasmbin.OpEnd} }),
	} {
		if _, err := Link(module); !errors.Is(err, errModule) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// other changes a byte of a function's body.
func other(b *binary, name string, at int) {
	f := &b.functions[index(b, name)]
	f.body = slices.Clone(f.body)
	f.body[at]++
}

func index(b *binary, name string) uint32 {
	i, _ := b.exported(name)
	return i - uint32(len(b.imports))
}

// TestTable has rows that the stubs can be made of: known letters, no name twice, at
// most one packed argument.
func TestTable(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, f := range functions() {
		if seen[f.name] {
			t.Errorf("%s is there twice", f.name)
		}
		seen[f.name] = true
		packed := 0
		for _, letter := range f.args {
			if !bytes.ContainsRune([]byte("idbwahl"), letter) {
				t.Errorf("%s takes %q", f.name, letter)
			}
			if bytes.ContainsRune([]byte("ahl"), letter) {
				packed++
			}
		}
		if packed > 1 || len(f.args) > 8 {
			t.Errorf("%s takes %q", f.name, f.args)
		}
	}
}

// FuzzParse takes foreign modules apart, and puts together what can be: that can be
// taken apart again, and is the same then.
func FuzzParse(f *testing.F) {
	b := &binary{globals: []byte{0}}
	kind := b.typeOf("iID", "I")
	b.imports = []imported{{"env", "f", kind}}
	b.functions = []function{{kind, body("iI", get(0), set(0), drop(i64(5)), code{wasmbin.OpCall, 0}, i64(1))}}
	b.table, b.pages = 4, 1
	b.elements = []element{{1, []uint32{0, 1}}}
	b.exports = []export{{"f", 0, 1}}
	b.data = [][]byte{segment(8, []byte("data"))}
	f.Add(b.encode())
	f.Add([]byte(wasmbin.Header))
	f.Add(append([]byte(wasmbin.Header), wasmbin.SectionElement, 5, 0xff, 0xff, 0xff, 0xff, 0x0f))
	f.Fuzz(func(t *testing.T, module []byte) {
		b, err := parse(module)
		if err != nil {
			if !errors.Is(err, errModule) {
				t.Errorf("another error: %v", err)
			}
			return
		}
		functions := uint32(len(b.imports) + len(b.functions))
		err = b.renumber(func(f uint32) (uint32, bool) { return f, f < functions })
		if err != nil {
			if !errors.Is(err, errModule) {
				t.Errorf("another error: %v", err)
			}
			return
		}
		once := b.encode()
		again, err := parse(once)
		if err != nil {
			t.Fatalf("what was encoded is not read: %v", err)
		}
		if !bytes.Equal(again.encode(), once) {
			t.Error("what was encoded is encoded otherwise")
		}
		if _, err := Link(module); err == nil {
			t.Error("it is taken for the engine")
		}
	})
}

// BenchmarkBake is what Bake takes of a save: nearly all pages are the base's.
func BenchmarkBake(b *testing.B) {
	for _, changed := range []int{0, 40} {
		b.Run(fmt.Sprint(changed, " pages"), func(b *testing.B) {
			m, base := linked(b), memoryOf(24, 1)
			memory, err := m.Continue(&still{make([]byte, 24*wasmPage)}, base, nil)
			if err != nil {
				b.Fatal(err)
			}
			for i := range changed {
				memory[engineStack+i*page] ^= 0xff
			}
			for b.Loop() {
				m.Bake(memory, nil)
			}
		})
	}
}

func BenchmarkLink(b *testing.B) {
	e, err := engine()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Link(e); err != nil {
			b.Fatal(err)
		}
	}
}
