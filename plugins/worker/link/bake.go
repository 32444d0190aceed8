package link

import (
	"bytes"
	wire "encoding/binary"
	"slices"
	"sync"

	"edge/plugins/wasmbin"
)

// wasmPage is the unit of memory (WebAssembly 2.0, section 4.2.8); page is that in
// which Bake compares, no segment goes across its border.
const (
	wasmPage = 64 << 10
	page     = 4 << 10
)

// sectionName is that of the custom section.
const sectionName = "edge1"

// Module is an engine that speaks edge1. It is safe for concurrent use.
type Module struct {
	building []byte
	head     []byte // of baked modules, before their memory
	tail     []byte // between memory and data
	binary   *binary
	indices  map[string]uint32

	mu   sync.Mutex
	base *image // what Continue began with last
}

// image is a memory with the segments of each of its pages, encoded.
type image struct {
	memory   []byte
	segments [][]byte
	counts   []int
}

// newModule encodes what all modules share. Functions are others while they are built.
func newModule(b *binary, index map[string]uint32, building []function) *Module {
	m := &Module{binary: b, indices: index}
	engine := slices.DeleteFunc(slices.Clone(b.exports), func(e export) bool { return e.name != "memory" && e.name != "__stack_pointer" })
	exported := func(exports []export, names []string) []export {
		for _, name := range names {
			exports = append(exports, export{name, 0, index[name]})
		}
		return exports
	}
	b.exports = append(exported(engine, slices.Concat(exportedForEver, exportedOfBuild)), export{"free", 0, index["clean.free"]})
	serving := b.functions
	b.functions = building
	m.building = b.encode()
	b.functions = serving
	b.exports = exported(slices.DeleteFunc(engine, func(e export) bool { return e.name == "__stack_pointer" }), exportedForEver)
	m.head, m.tail = b.head(), b.tail()
	return m
}

// Building is the module with what Start and Continue call. The caller must not change
// it.
func (m *Module) Building() []byte { return m.building }

// Bake makes a plugin that begins with the memory, without what only the build needs.
// about is the content of its custom section "edge1" (SPEC.md, section 1). The same
// memory makes the same bytes. Pages that are those of the memory that Continue began
// with are not encoded again.
func (m *Module) Bake(memory, about []byte) []byte {
	m.mu.Lock()
	base := m.base
	m.mu.Unlock()
	made := encodeImage(memory, base)
	size, count := 0, 0
	for i, s := range made.segments {
		size, count = size+len(s), count+made.counts[i]
	}
	out := make([]byte, 0, len(m.head)+len(m.tail)+size+len(about)+64)
	out = append(out, m.head...)
	out = append(out, m.binary.memory(uint32(len(memory)/wasmPage))...)
	out = append(out, m.tail...)
	number := wasmbin.AppendU32(nil, uint32(count))
	out = wasmbin.AppendU32(append(out, wasmbin.SectionData), uint32(size+len(number)))
	out = append(out, number...)
	for _, s := range made.segments {
		out = append(out, s...)
	}
	return wasmbin.AppendSection(out, wasmbin.SectionCustom, append(wasmbin.AppendName(nil, sectionName), about...))
}

// encodeImage encodes memory, but for the pages that are base's. What is below the
// engine's stack is left out: nobody reads it before it is written.
func encodeImage(memory []byte, base *image) *image {
	pages := len(memory) / page
	made := &image{memory: memory, segments: make([][]byte, pages), counts: make([]int, pages)}
	for i := range pages {
		if at := i * page; at >= names && at < engineStack {
			continue
		}
		content := memory[i*page : (i+1)*page]
		if base != nil && i < len(base.segments) && bytes.Equal(content, base.memory[i*page:(i+1)*page]) {
			made.segments[i], made.counts[i] = base.segments[i], base.counts[i]
			continue
		}
		made.segments[i], made.counts[i] = encodePage(uint32(i*page), content)
	}
	return made
}

// encodePage encodes the runs of a page that are not zero, and says how many there are.
// A gap costs less than a segment if it is short.
func encodePage(at uint32, content []byte) ([]byte, int) {
	const gap = 16
	var out []byte
	count := 0
	for i := 0; i < len(content); {
		if i%8 == 0 && wire.LittleEndian.Uint64(content[i:]) == 0 {
			i += 8
			continue
		}
		if content[i] == 0 {
			i++
			continue
		}
		end := i + 1
		for j := end; j < len(content) && j-end < gap; j++ {
			if content[j] != 0 {
				end = j + 1
			}
		}
		out = append(out, segment(at+uint32(i), content[i:end])...)
		count, i = count+1, end
	}
	return out, count
}
