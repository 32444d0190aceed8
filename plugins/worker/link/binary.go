package link

import (
	"errors"
	"fmt"

	"edge/plugins/wasmbin"
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

// parse takes a module apart. It keeps parts of the slice.
func parse(module []byte) (*binary, error) {
	b := &binary{}
	for s, err := range wasmbin.Sections(module) {
		if err == nil {
			err = b.section(s.ID, s.Reader())
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errModule, err)
		}
	}
	return b, nil
}

// section reads one, whose error wraps those of wasmbin.
func (b *binary) section(id byte, r *wasmbin.Reader) error {
	switch id {
	case wasmbin.SectionCustom, wasmbin.SectionDataCount:
		return nil
	case wasmbin.SectionType:
		for n := r.U32(); n > 0 && r.Err() == nil; n-- {
			begin := r.Offset()
			r.Byte()
			r.Bytes(r.U32())
			r.Bytes(r.U32())
			b.types = append(b.types, r.Slice(begin, r.Offset()))
		}
	case wasmbin.SectionImport:
		for n := r.U32(); n > 0 && r.Err() == nil; n-- {
			i := imported{module: r.Name(), name: r.Name()}
			if r.Byte() != 0 {
				r.Fail(wasmbin.ErrUnsupported, "import of something else than a function")
			}
			i.kind = r.U32()
			b.imports = append(b.imports, i)
		}
	case wasmbin.SectionFunction:
		for n := r.U32(); n > 0 && r.Err() == nil; n-- {
			b.functions = append(b.functions, function{kind: r.U32()})
		}
	case wasmbin.SectionTable:
		if r.U32() != 1 || r.RefType() != wasmbin.TypeFuncref {
			r.Fail(wasmbin.ErrUnsupported, "not one table of functions")
		}
		var bounded bool
		if b.table, _, bounded = r.Limits(); bounded {
			r.Fail(wasmbin.ErrUnsupported, "a table with a maximum")
		}
	case wasmbin.SectionMemory:
		var bounded bool
		if r.U32() != 1 {
			r.Fail(wasmbin.ErrUnsupported, "not one memory")
		}
		if b.pages, _, bounded = r.Limits(); bounded {
			r.Fail(wasmbin.ErrUnsupported, "a memory with a maximum")
		}
	case wasmbin.SectionGlobal:
		b.globals = r.Rest()
		return nil
	case wasmbin.SectionExport:
		for n := r.U32(); n > 0 && r.Err() == nil; n-- {
			b.exports = append(b.exports, export{r.Name(), r.Byte(), r.U32()})
		}
	case wasmbin.SectionElement:
		for n := r.U32(); n > 0 && r.Err() == nil; n-- {
			b.element(r)
		}
	case wasmbin.SectionCode:
		if n := r.U32(); n != uint32(len(b.functions)) {
			r.Fail(wasmbin.ErrMalformed, "%d functions have %d bodies", len(b.functions), n)
		}
		for i := range b.functions {
			b.functions[i].body = r.Bytes(r.U32())
		}
	case wasmbin.SectionData:
		for n := r.U32(); n > 0 && r.Err() == nil; n-- {
			begin := r.Offset()
			active(r)
			r.Bytes(r.U32())
			b.data = append(b.data, r.Slice(begin, r.Offset()))
		}
	default:
		r.Fail(wasmbin.ErrUnsupported, "section %d", id)
	}
	return r.Done()
}

// active reads the beginning of a segment of data, or of the table's elements, and
// returns where that lies.
func active(r *wasmbin.Reader) uint32 {
	if r.U32() != 0 {
		r.Fail(wasmbin.ErrUnsupported, "a segment that is not active")
	}
	return uint32(r.ConstI32())
}

func (b *binary) element(r *wasmbin.Reader) {
	e := element{at: active(r)}
	for n := r.U32(); n > 0 && r.Err() == nil; n-- {
		e.functions = append(e.functions, r.U32())
	}
	b.elements = append(b.elements, e)
}

// typeOf returns the index of a function type, written with a letter a value (valueType).
// It is added if it is not there.
func (b *binary) typeOf(params, results string) uint32 {
	t := []byte{wasmbin.TypeFunction}
	for _, list := range []string{params, results} {
		t = wasmbin.AppendU32(t, uint32(len(list)))
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
			return fmt.Errorf("%w: function %d: %w", errModule, i, err)
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

// renumberBody rewrites the functions that a body names, by call and by ref.func.
func renumberBody(body []byte, moved func(uint32) (uint32, bool)) ([]byte, error) {
	r := wasmbin.NewReader(body)
	for n := r.U32(); n > 0 && r.Err() == nil; n-- { // locals
		r.U32()
		r.ValueType()
	}
	out := make([]byte, 0, len(body)+16)
	copied := 0
	for r.More() {
		op, begin := r.Byte(), r.Offset()
		if op != wasmbin.OpCall && op != wasmbin.OpRefFunc {
			r.Immediates(op)
			continue
		}
		f := r.U32()
		to, ok := moved(f)
		if !ok {
			r.Fail(wasmbin.ErrMalformed, "function %d does not exist", f)
		}
		out = wasmbin.AppendU32(append(out, body[copied:begin]...), to)
		copied = r.Offset()
	}
	if r.Err() != nil {
		return nil, r.Err()
	}
	return append(out, body[copied:]...), nil
}
