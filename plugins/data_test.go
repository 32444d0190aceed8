package plugins

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/tetratelabs/wazero"

	"edge/plugins/meter"
	"edge/plugins/wasmasm"
	"edge/plugins/wasmbin"
)

const header = wasmbin.Header

// sec is a section.
func sec(id byte, content ...byte) string {
	return string(append([]byte{id, byte(len(content))}, content...))
}

// TestSplit takes the contents of modules out, and leaves those alone of which it would
// change what they do.
func TestSplit(t *testing.T) {
	t.Parallel()
	one := sec(wasmbin.SectionMemory, 1, 0, 2)
	empty := sec(wasmbin.SectionMemory, 1, 0, 0)
	at16 := []byte{1, 0, 0x41, 16, 0x0b, 2, 'a', 'b'}
	tests := []struct {
		name, module string
		code         string // "" if it is left alone
		pages        uint32
		segments     []segment
	}{
		{"data", header + one + sec(wasmbin.SectionData, at16...), header + empty, 2, []segment{{16, []byte("ab")}}},
		{"no data", header + one, header + empty, 2, nil},
		{"bounded", header + sec(wasmbin.SectionMemory, 1, 1, 1, 3), header + sec(wasmbin.SectionMemory, 1, 1, 0, 3), 1, nil},
		{"names", header + "\x00\x05\x04name" + one + "\x00\x05\x04othe", header + "\x00\x05\x04name" + empty, 2, nil},
		{"two", header + one + sec(wasmbin.SectionData, 2, 0, 0x41, 0, 0x0b, 1, 'a', 0, 0x41, 0x80, 1, 0x0b, 1, 'b'), header + empty, 2,
			[]segment{{0, []byte("a")}, {128, []byte("b")}}},
		{"last byte", header + one + sec(wasmbin.SectionData, 1, 0, 0x41, 0xff, 0xff, 7, 0x0b, 1, 'a'), header + empty, 2, []segment{{131071, []byte("a")}}},
		{"empty at the end", header + one + sec(wasmbin.SectionData, 1, 0, 0x41, 0x80, 0x80, 8, 0x0b, 0), header + empty, 2, []segment{{131072, nil}}},

		{name: "no memory", module: header},
		{name: "data without memory", module: header + sec(wasmbin.SectionData, at16...)},
		{name: "two memories", module: header + sec(wasmbin.SectionMemory, 2, 0, 1, 0, 1)},
		{name: "no memories", module: header + sec(wasmbin.SectionMemory, 0)},
		{name: "shared", module: header + sec(wasmbin.SectionMemory, 1, 3, 1, 1)},
		{name: "too large", module: header + sec(wasmbin.SectionMemory, 1, 0, 5)},
		{name: "most below least", module: header + sec(wasmbin.SectionMemory, 1, 1, 2, 1)},
		{name: "most beyond", module: header + sec(wasmbin.SectionMemory, 1, 1, 1, 0x81, 0x80, 4)},
		{name: "more in the memory section", module: header + sec(wasmbin.SectionMemory, 1, 0, 1, 0)},
		{name: "start", module: header + one + sec(wasmbin.SectionStart, 0) + sec(wasmbin.SectionData, at16...)},
		{name: "count", module: header + one + sec(wasmbin.SectionDataCount, 1) + sec(wasmbin.SectionData, at16...)},
		{name: "passive", module: header + one + sec(wasmbin.SectionData, 1, 1, 1, 'a')},
		{name: "memory index", module: header + one + sec(wasmbin.SectionData, 1, 2, 0, 0x41, 0, 0x0b, 1, 'a')},
		{name: "global", module: header + one + sec(wasmbin.SectionData, 1, 0, 0x23, 0, 0x0b, 1, 'a')},
		{name: "expression", module: header + one + sec(wasmbin.SectionData, 1, 0, 0x41, 0, 0x41, 0, 0x6a, 0x0b, 1, 'a')},
		{name: "outside", module: header + one + sec(wasmbin.SectionData, 1, 0, 0x41, 0xff, 0xff, 7, 0x0b, 2, 'a', 'b')},
		{name: "negative", module: header + one + sec(wasmbin.SectionData, 1, 0, 0x41, 0x7f, 0x0b, 1, 'a')},
		{name: "cut short", module: header + one + sec(wasmbin.SectionData, 1, 0, 0x41, 0, 0x0b, 3, 'a')},
		{name: "more segments", module: header + one + sec(wasmbin.SectionData, 2, 0, 0x41, 0, 0x0b, 1, 'a')},
		{name: "fewer segments", module: header + one + sec(wasmbin.SectionData, 0, 0, 0x41, 0, 0x0b, 1, 'a')},
		{name: "long number", module: header + one + sec(wasmbin.SectionData, 1, 0, 0x41, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 0x0b, 0)},
		{name: "wide number", module: header + one + sec(wasmbin.SectionData, 1, 0, 0x41, 0x80, 0x80, 0x80, 0x80, 0x10, 0x0b, 0)},
		{name: "memory twice", module: header + one + one},
		{name: "data first", module: header + sec(wasmbin.SectionData, at16...) + one},
		{name: "unknown", module: header + one + sec(13, 0)},
		{name: "section cut short", module: header + "\x05\x05\x01"},
		{name: "custom cut short", module: header + one + "\x00\x02\x05n"},
		{name: "no name", module: header + one + "\x00\x02\x01\xff"},
		{name: "short", module: header[:6]},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			code, c := split([]byte(tt.module), 4*wasmPage)
			if tt.code == "" {
				if c != nil || string(code) != tt.module {
					t.Fatalf("got %q and %+v, want it to be left alone", code, c)
				}
				return
			}
			if c == nil || string(code) != tt.code || c.pages != tt.pages || fmt.Sprint(c.segments) != fmt.Sprint(tt.segments) {
				t.Errorf("got %q and %+v, want %q with %d pages and %v", code, c, tt.code, tt.pages, tt.segments)
			}
		})
	}
}

// FuzzSplit has what was taken out of a module and put into an instance's memory be what
// the module itself puts there, and has no module be taken apart that is not valid.
func FuzzSplit(f *testing.F) {
	f.Add([]byte(header + sec(wasmbin.SectionMemory, 1, 0, 2) + sec(wasmbin.SectionData, 1, 0, 0x41, 16, 0x0b, 2, 'a', 'b')))
	f.Add([]byte(header + sec(wasmbin.SectionMemory, 1, 1, 1, 3) + sec(wasmbin.SectionData, 2, 0, 0x41, 0, 0x0b, 1, 'a', 0, 0x41, 0, 0x0b, 2, 'b', 'c')))
	f.Add([]byte(header + sec(wasmbin.SectionMemory, 1, 0, 1) + sec(wasmbin.SectionDataCount, 1) + sec(wasmbin.SectionData, 1, 1, 1, 'a')))
	f.Add([]byte(header + "\x00\x05\x04name" + sec(wasmbin.SectionMemory, 1, 0, 1)))
	f.Add(responding("x"))
	f.Add(saying(`{"open": 1}`).async(wasmasm.I32(1), nil, nil))
	ctx := context.Background()
	f.Fuzz(func(t *testing.T, module []byte) {
		const most = 8 * wasmPage
		code, c := split(bytes.Clone(module), most)
		if c == nil {
			if !bytes.Equal(code, module) {
				t.Error("a module was changed without contents")
			}
			return
		}
		r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithMemoryLimitPages(most/wasmPage))
		defer r.Close(ctx)
		config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
		whole, err := r.CompileModule(ctx, module)
		rest, restErr := r.CompileModule(ctx, code)
		if (err == nil) != (restErr == nil) {
			t.Fatalf("the module: %v; what is left of it: %v", err, restErr)
		}
		if err != nil || len(whole.ImportedFunctions()) > 0 {
			return
		}
		a, err := r.InstantiateModule(ctx, whole, config)
		b, restErr := r.InstantiateModule(ctx, rest, config)
		if (err == nil) != (restErr == nil) {
			t.Fatalf("instantiating the module: %v; what is left of it: %v", err, restErr)
		}
		if err != nil || len(whole.ExportedMemories()) == 0 {
			return
		}
		memory := b.ExportedMemory(exportedMemory(whole))
		if !c.fill(memory, false) {
			t.Fatal("the contents do not fit")
		}
		want, _ := a.ExportedMemory(exportedMemory(whole)).Read(0, memory.Size())
		if got, _ := memory.Read(0, memory.Size()); !bytes.Equal(got, want) || a.ExportedMemory(exportedMemory(whole)).Size() != memory.Size() {
			t.Error("memory is not what the module makes it")
		}
	})
}

func exportedMemory(code wazero.CompiledModule) string {
	for name := range code.ExportedMemories() {
		return name
	}
	return ""
}

// TestSplitMetered has a module mean the same whether it is metered whole or in part.
func TestSplitMetered(t *testing.T) {
	t.Parallel()
	module := responding("x")
	code, c := split(module, DefaultMemory)
	if c == nil {
		t.Fatal("it is left alone")
	}
	whole, err := meter.Rewrite(module, meterOptions())
	if err != nil {
		t.Fatal(err)
	}
	part, err := meter.Rewrite(code, meterOptions())
	if err != nil {
		t.Fatal(err)
	}
	if same, _ := split(whole, DefaultMemory); !bytes.Equal(same, part) {
		t.Error("the metered code differs")
	}
}

// TestShared has generations share their code if that is the same, and serve on when
// others with it have gone.
func TestShared(t *testing.T) {
	t.Parallel()
	for _, isolation := range []Isolation{IsolationPooled, IsolationReset, IsolationFresh} {
		t.Run(string(isolation), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{CacheDir: t.TempDir()})
			mode := func(s *Spec) { s.Isolation = isolation }
			var last *program
			for i := range 5 {
				body := fmt.Sprintf("version %d", i)
				p := b.load(t, responding(body), mode)
				now := p.current.Load().program
				if last != nil && now != last {
					t.Fatal("it was compiled anew")
				}
				last = now
				for range 3 {
					if got := bodyOf(t, decide(t, p, newRequest())); got != body {
						t.Fatalf("got %q, want %q", got, body)
					}
				}
			}
			other := b.load(t, responding("another length of text"), mode, func(s *Spec) { s.Name, s.Memory = "q", 8<<20 })
			if other.current.Load().program == last {
				t.Error("programs with other bounds are shared")
			}
			third := b.load(t, responding("third one"), mode, func(s *Spec) { s.Name = "r" })
			if third.current.Load().program != last {
				t.Error("another plugin with the same code does not share it")
			}
		})
	}
}

// TestSharedEnds has code be freed with the last generation that has it.
func TestSharedEnds(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.load(t, responding("a"))
	b.load(t, responding("b"))
	b.load(t, newAsm().module(wasmasm.Unreachable()))
	b.Close(t.Context())
	b.programs.mu.Lock()
	defer b.programs.mu.Unlock()
	if n := len(b.programs.have); n != 0 {
		t.Errorf("%d programs are left", n)
	}
}
