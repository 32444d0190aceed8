package link

import (
	"bytes"
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

// element is an active segment of the table.
type element struct {
	at        uint32
	functions []uint32
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
	elements  []element
	data      [][]byte // segments as they are encoded
}

// magic is what a module of version 1 begins with.
const magic = "\x00asm\x01\x00\x00\x00"

// parse takes a module apart. It keeps parts of the slice.
func parse(module []byte) (*binary, error) {
	if !bytes.HasPrefix(module, []byte(magic)) {
		return nil, malformed("no WebAssembly module")
	}
	b := &binary{}
	r := &reader{b: module, at: len(magic)}
	for r.more() {
		id := r.byte()
		s := &reader{b: r.take(r.u32())}
		if r.err == nil {
			b.section(id, s)
		}
		if r.err == nil && s.err == nil && s.more() && id != sectionCustom && id != sectionGlobal && id != sectionDataCount {
			s.fail(malformed("%d bytes too many", len(s.b)-s.at))
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
			if r.signed(); r.byte() != opEnd {
				r.fail(malformed("a data segment whose place is no constant"))
			}
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
	e := element{at: uint32(r.signed())}
	if r.byte() != opEnd {
		r.fail(malformed("an element segment whose place is no constant"))
	}
	for n := r.u32(); n > 0 && r.err == nil; n-- {
		e.functions = append(e.functions, r.u32())
	}
	b.elements = append(b.elements, e)
}

// typeOf returns the index of a function type, written with a letter a value (valueType).
// It is added if it is not there.
func (b *binary) typeOf(params, results string) uint32 {
	t := []byte{0x60}
	for _, list := range []string{params, results} {
		t = appendU32(t, uint32(len(list)))
		for i := range len(list) {
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

// renumber gives every function the index that moved says; false is that there is
// no such function.
func (b *binary) renumber(moved func(uint32) (uint32, bool)) error {
	for i := range b.functions {
		body, err := renumberBody(b.functions[i].body, moved)
		if err != nil {
			return fmt.Errorf("function %d: %w", i, err)
		}
		b.functions[i].body = body
	}
	move := func(index *uint32) error {
		to, ok := moved(*index)
		if !ok {
			return malformed("there is no function %d", *index)
		}
		*index = to
		return nil
	}
	for _, e := range b.elements {
		for i := range e.functions {
			if err := move(&e.functions[i]); err != nil {
				return err
			}
		}
	}
	for i := range b.exports {
		if b.exports[i].kind == 0 {
			if err := move(&b.exports[i].index); err != nil {
				return err
			}
		}
	}
	return nil
}
