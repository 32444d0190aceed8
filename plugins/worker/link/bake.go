package link

import (
	wire "encoding/binary"
	"slices"
)

const wasmPage = 64 << 10

// Module is an engine that speaks edge1.
type Module struct{ binary *binary }

// Building is the module with what a build calls: build_begin, build_eval, build_keep
// and build_settle.
func (m *Module) Building() []byte { return m.binary.encode() }

// Bake makes memory what the module begins with, and drops what only the build
// needs. It may be called many times.
func (m *Module) Bake(memory []byte) []byte {
	baked := *m.binary
	b := &baked
	b.pages = uint32(len(memory) / wasmPage)
	b.data = segments(memory)
	b.exports = slices.DeleteFunc(slices.Clone(b.exports), func(e export) bool {
		return e.name == "__stack_pointer" || slices.Contains(exportedOfBuild, e.name)
	})
	return b.encode()
}

// segments are the runs of memory that are not zero. A gap costs less than
// a segment if it is short.
func segments(memory []byte) [][]byte {
	const gap = 32
	var out [][]byte
	for i := 0; i < len(memory); {
		if i%8 == 0 && i+8 <= len(memory) && wire.LittleEndian.Uint64(memory[i:]) == 0 {
			i += 8
			continue
		}
		if memory[i] == 0 {
			i++
			continue
		}
		end := i + 1
		for j := end; j < len(memory) && j-end < gap; j++ {
			if memory[j] != 0 {
				end = j + 1
			}
		}
		s := append(appendSigned([]byte{0, opI32Const}, int64(i)), opEnd)
		s = appendU32(s, uint32(end-i))
		out = append(out, append(s, memory[i:end]...))
		i = end
	}
	return out
}
