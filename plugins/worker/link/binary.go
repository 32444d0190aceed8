package link

import (
	"errors"
	"fmt"
)

// The sections of a module (WebAssembly 2.0, section 5.5.2).
const (
	sectionCustom    = 0
	sectionType      = 1
	sectionImport    = 2
	sectionFunction  = 3
	sectionTable     = 4
	sectionMemory    = 5
	sectionGlobal    = 6
	sectionExport    = 7
	sectionElement   = 9
	sectionCode      = 10
	sectionData      = 11
	sectionDataCount = 12
)

// errModule is a module that is not what this package can edit.
var errModule = errors.New("not an engine module")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errModule}, args...)...)
}

// function is one of the module's own functions: a type and a body without its size.
type function struct {
	kind uint32
	body []byte
}

type imported struct {
	module, name string
	kind         uint32 // its type: only functions are imported
}

type export struct {
	name  string
	kind  byte
	index uint32
}

// binary is a module taken apart. Sections that are never changed are kept as
// they are.
type binary struct {
	types     [][]byte
	imports   []imported
	functions []function
	table     uint32 // entries of the only table
	pages     uint32 // of the only memory
	globals   []byte
	exports   []export
	elements  [][]uint32 // of each active segment, and where it begins
	offsets   []uint32
	data      [][]byte
}

// parse takes a module apart.
func parse(module []byte) (*binary, error) {
	b := &binary{}
	r := &reader{b: module, at: 8}
	for r.more() {
		id := r.byte()
		s := &reader{b: r.take(r.u32())}
		if r.err == nil {
			b.section(id, s)
		}
		if r.err == nil && s.err != nil {
			r.err = fmt.Errorf("section %d: %w", id, s.err)
		}
		if r.err != nil {
			return nil, r.err
		}
	}
	return b, nil
}

func (b *binary) section(id byte, r *reader) {
	switch id {
	case sectionType:
		for n := r.u32(); n > 0 && r.err == nil; n-- {
			begin := r.at
			r.byte()
			r.take(r.u32())
			r.take(r.u32())
			b.types = append(b.types, r.b[begin:r.at])
		}
	case sectionImport:
		for n := r.u32(); n > 0 && r.err == nil; n-- {
			i := imported{module: r.name(), name: r.name()}
			if r.byte() != 0 {
				r.fail(malformed("import of something else than a function"))
			}
			i.kind = r.u32()
			b.imports = append(b.imports, i)
		}
	case sectionFunction:
		for n := r.u32(); n > 0 && r.err == nil; n-- {
			b.functions = append(b.functions, function{kind: r.u32()})
		}
	case sectionTable:
		if r.u32() != 1 || r.byte() != 0x70 {
			r.fail(malformed("not one table of functions"))
		}
		bounded := r.byte()
		if b.table = r.u32(); bounded != 0 {
			r.fail(malformed("a table with a maximum"))
		}
	case sectionMemory:
		if r.u32() != 1 || r.byte() != 0 {
			r.fail(malformed("not one memory without a maximum"))
		}
		b.pages = r.u32()
	case sectionGlobal:
		b.globals = r.b
	case sectionExport:
		for n := r.u32(); n > 0 && r.err == nil; n-- {
			b.exports = append(b.exports, export{r.name(), r.byte(), r.u32()})
		}
	case sectionElement:
		for n := r.u32(); n > 0 && r.err == nil; n-- {
			b.element(r)
		}
	case sectionCode:
		if n := r.u32(); n != uint32(len(b.functions)) {
			r.fail(malformed("%d bodies", n))
		}
		for i := range b.functions {
			b.functions[i].body = r.take(r.u32())
		}
	case sectionData:
		for n := r.u32(); n > 0 && r.err == nil; n-- {
			begin := r.at
			if r.byte() != 0 || r.byte() != opI32Const {
				r.fail(malformed("a data segment that is not active"))
			}
			r.signed()
			r.byte()
			r.take(r.u32())
			b.data = append(b.data, r.b[begin:r.at])
		}
	case sectionCustom, sectionDataCount:
	default:
		r.fail(malformed("section %d", id))
	}
}

func (b *binary) element(r *reader) {
	if r.u32() != 0 || r.byte() != opI32Const {
		r.fail(malformed("an element segment of another kind"))
	}
	b.offsets = append(b.offsets, uint32(r.signed()))
	r.byte()
	var list []uint32
	for n := r.u32(); n > 0 && r.err == nil; n-- {
		list = append(list, r.u32())
	}
	b.elements = append(b.elements, list)
}

// encode puts the module together. final leaves out what only the build needs.
func (b *binary) encode() []byte {
	out := []byte("\x00asm\x01\x00\x00\x00")
	out = vector(out, sectionType, len(b.types), func(o []byte, i int) []byte { return append(o, b.types[i]...) })
	out = vector(out, sectionImport, len(b.imports), func(o []byte, i int) []byte {
		o = appendName(appendName(o, b.imports[i].module), b.imports[i].name)
		return appendU32(append(o, 0), b.imports[i].kind)
	})
	out = vector(out, sectionFunction, len(b.functions), func(o []byte, i int) []byte { return appendU32(o, b.functions[i].kind) })
	out = vector(out, sectionTable, 1, func(o []byte, _ int) []byte { return appendU32(append(o, 0x70, 0), b.table) })
	out = vector(out, sectionMemory, 1, func(o []byte, _ int) []byte { return appendU32(append(o, 0), b.pages) })
	out = section(out, sectionGlobal, b.globals)
	out = vector(out, sectionExport, len(b.exports), func(o []byte, i int) []byte {
		e := b.exports[i]
		return appendU32(append(appendName(o, e.name), e.kind), e.index)
	})
	out = vector(out, sectionElement, len(b.elements), func(o []byte, i int) []byte {
		o = append(appendSigned(append(o, 0, opI32Const), int64(b.offsets[i])), opEnd)
		o = appendU32(o, uint32(len(b.elements[i])))
		for _, f := range b.elements[i] {
			o = appendU32(o, f)
		}
		return o
	})
	out = vector(out, sectionCode, len(b.functions), func(o []byte, i int) []byte {
		return append(appendU32(o, uint32(len(b.functions[i].body))), b.functions[i].body...)
	})
	return vector(out, sectionData, len(b.data), func(o []byte, i int) []byte { return append(o, b.data[i]...) })
}

// vector appends a section of n entries; of a negative n only the count.
func vector(out []byte, id byte, n int, entry func([]byte, int) []byte) []byte {
	if n < 0 {
		return section(out, id, appendU32(nil, uint32(-n)))
	}
	content := appendU32(nil, uint32(n))
	for i := range n {
		content = entry(content, i)
	}
	return section(out, id, content)
}

func section(out []byte, id byte, content []byte) []byte {
	return append(appendU32(append(out, id), uint32(len(content))), content...)
}

// typeOf returns the index of a function type, written with a letter a value:
// i, I and D for i32, i64 and f64.
func (b *binary) typeOf(params, results string) uint32 {
	t := []byte{0x60}
	for _, list := range []string{params, results} {
		t = appendU32(t, uint32(len(list)))
		for i := range list {
			t = append(t, valueType(list[i]))
		}
	}
	for i := range b.types {
		if string(b.types[i]) == string(t) {
			return uint32(i)
		}
	}
	b.types = append(b.types, t)
	return uint32(len(b.types) - 1)
}

func valueType(letter byte) byte { return map[byte]byte{'i': 0x7f, 'I': 0x7e, 'D': 0x7c}[letter] }

// exported returns the index of an exported function.
func (b *binary) exported(name string) (uint32, error) {
	for _, e := range b.exports {
		if e.name == name && e.kind == 0 {
			return e.index, nil
		}
	}
	return 0, malformed("it does not export %s", name)
}

// renumber gives every function the index that moved says.
func (b *binary) renumber(moved func(uint32) uint32) error {
	for i := range b.functions {
		body, err := renumberBody(b.functions[i].body, moved)
		if err != nil {
			return fmt.Errorf("function %d: %w", i, err)
		}
		b.functions[i].body = body
	}
	for _, list := range b.elements {
		for i := range list {
			list[i] = moved(list[i])
		}
	}
	for i := range b.exports {
		if b.exports[i].kind == 0 {
			b.exports[i].index = moved(b.exports[i].index)
		}
	}
	return nil
}
