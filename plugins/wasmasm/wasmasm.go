// Package wasmasm writes small WebAssembly modules by hand, for tests of a host:
// guests that trap, loop, lie about their exports or call every host function,
// in a few bytes and without a compiler. It knows the parts of the binary format
// that such guests need (WebAssembly core specification, section 5) and checks
// nothing, because most of its modules are wrong on purpose. No product code
// imports it.
package wasmasm

import (
	"math"

	"edge/plugins/wasmbin"
)

// Func is a function's index in its module.
type Func uint32

// Global is a global's index in its module.
type Global uint32

// Module collects a module's parts; Encode writes it. Imports come first. The
// zero value is not ready: use New.
type Module struct {
	types    [][]byte
	imports  [][]byte
	funcs    []uint32 // type index of each function of the module itself
	bodies   [][]byte
	globals  [][]byte
	exports  [][]byte
	data     [][]byte
	memory   []byte
	table    []byte
	start    []byte
	custom   []byte
	imported int
	free     uint32
}

// New returns an empty module. Data is laid out from address 16 on, so that 0 is
// never the address of something.
func New() *Module { return &Module{free: 16} }

// Import adds a function import. A type is written with a letter for each value:
// i is an i32, I an i64, D an f64.
func (m *Module) Import(module, name, params, results string) Func {
	if len(m.funcs) > 0 {
		panic("wasmasm: imports come before functions")
	}
	entry := append(names(module, name), 0x00)
	m.imports = append(m.imports, wasmbin.AppendU32(entry, m.typeOf(params, results)))
	m.imported++
	return Func(m.imported - 1)
}

// ImportMemory adds a memory import.
func (m *Module) ImportMemory(module, name string) {
	m.imports = append(m.imports, append(names(module, name), 0x02, 0x00, 0x01))
}

// Memory gives the module a memory of so many pages of 64 KiB and exports it as
// "memory"; most 0 is no bound. Called again, it gives it another size.
func (m *Module) Memory(pages, most uint32) {
	if m.memory == nil {
		m.exports = append(m.exports, append(names("memory"), 0x02, 0x00))
	}
	m.memory = wasmbin.AppendU32([]byte{0x00}, pages)
	if most > 0 {
		m.memory = wasmbin.AppendU32(wasmbin.AppendU32([]byte{0x01}, pages), most)
	}
}

// Table gives the module a table of so many functions, all null.
func (m *Module) Table(entries uint32) {
	m.table = wasmbin.AppendU32([]byte{wasmbin.TypeFuncref, 0x00}, entries)
}

// Bytes puts b into memory when the module starts and returns where.
func (m *Module) Bytes(b []byte) (ptr uint32) {
	ptr = m.Space(uint32(len(b)))
	m.data = append(m.data, wasmbin.AppendSized(wasmbin.AppendConstI32([]byte{0x00}, int32(ptr)), b))
	return ptr
}

// Space sets n bytes of memory aside, aligned to 8, and returns where.
func (m *Module) Space(n uint32) (ptr uint32) {
	ptr = m.free
	m.free = (m.free + n + 7) &^ 7
	return ptr
}

// Global adds a mutable i32 global.
func (m *Module) Global(value int32) Global {
	m.globals = append(m.globals, wasmbin.AppendConstI32([]byte{wasmbin.TypeI32, 0x01}, value))
	return Global(len(m.globals) - 1)
}

// Func adds a function; export is the name to export it under, or empty. Locals
// follow the parameters in Get's count.
func (m *Module) Func(export, params, results, locals string, body ...Code) Func {
	index := uint32(m.imported + len(m.funcs))
	m.funcs = append(m.funcs, m.typeOf(params, results))
	code := wasmbin.AppendU32(nil, uint32(len(locals)))
	for i := range locals {
		code = append(code, 0x01, valueType(locals[i]))
	}
	for _, c := range body {
		code = append(code, c...)
	}
	code = append(code, end...)
	m.bodies = append(m.bodies, wasmbin.AppendSized(nil, code))
	if export != "" {
		m.Export(export, Func(index))
	}
	return Func(index)
}

// Export exports a function under a name.
func (m *Module) Export(name string, f Func) {
	m.exports = append(m.exports, wasmbin.AppendU32(append(names(name), 0x00), uint32(f)))
}

// ExportGlobal exports a global under a name.
func (m *Module) ExportGlobal(name string, g Global) {
	m.exports = append(m.exports, wasmbin.AppendU32(append(names(name), 0x03), uint32(g)))
}

// Start makes f run when the module is instantiated.
func (m *Module) Start(f Func) { m.start = wasmbin.AppendU32(nil, uint32(f)) }

// Custom adds a custom section behind all others.
func (m *Module) Custom(name string, content []byte) {
	m.custom = wasmbin.AppendSection(m.custom, wasmbin.SectionCustom, append(names(name), content...))
}

// Encode returns the module's bytes.
func (m *Module) Encode() []byte {
	b := []byte(wasmbin.Header)
	functions := make([][]byte, len(m.funcs))
	for i, t := range m.funcs {
		functions[i] = wasmbin.AppendU32(nil, t)
	}
	b = section(b, wasmbin.SectionType, m.types)
	b = section(b, wasmbin.SectionImport, m.imports)
	b = section(b, wasmbin.SectionFunction, functions)
	if m.table != nil {
		b = section(b, wasmbin.SectionTable, [][]byte{m.table})
	}
	if m.memory != nil {
		b = section(b, wasmbin.SectionMemory, [][]byte{m.memory})
	}
	b = section(b, wasmbin.SectionGlobal, m.globals)
	b = section(b, wasmbin.SectionExport, m.exports)
	if m.start != nil {
		b = wasmbin.AppendSection(b, wasmbin.SectionStart, m.start)
	}
	b = section(b, wasmbin.SectionCode, m.bodies)
	return append(section(b, wasmbin.SectionData, m.data), m.custom...)
}

// typeOf returns the index of a function type, adding it if need be.
func (m *Module) typeOf(params, results string) uint32 {
	t := []byte{wasmbin.TypeFunction}
	for _, list := range []string{params, results} {
		t = wasmbin.AppendU32(t, uint32(len(list)))
		for i := range list {
			t = append(t, valueType(list[i]))
		}
	}
	for i := range m.types {
		if string(m.types[i]) == string(t) {
			return uint32(i)
		}
	}
	m.types = append(m.types, t)
	return uint32(len(m.types) - 1)
}

func valueType(letter byte) byte {
	switch letter {
	case 'i':
		return wasmbin.TypeI32
	case 'I':
		return wasmbin.TypeI64
	case 'D':
		return wasmbin.TypeF64
	}
	panic("wasmasm: a type's letter is i, I or D")
}

// section appends a section with a vector of entries; an empty one is left out.
func section(b []byte, id byte, entries [][]byte) []byte {
	if len(entries) == 0 {
		return b
	}
	body := wasmbin.AppendU32(nil, uint32(len(entries)))
	for _, e := range entries {
		body = append(body, e...)
	}
	return wasmbin.AppendSection(b, id, body)
}

// names encodes one or more.
func names(texts ...string) []byte {
	var b []byte
	for _, s := range texts {
		b = wasmbin.AppendName(b, s)
	}
	return b
}

// MaxI32 is the largest address and length there is, for pointers outside
// memory.
const MaxI32 = math.MaxInt32
