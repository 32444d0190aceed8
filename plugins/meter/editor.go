package meter

import "edge/plugins/wasmbin"

// editor copies what its reader reads, with the functions' indices changed.
type editor struct {
	*wasmbin.Reader
	m      *rewriter
	out    []byte
	copied int // up to where what was read is in out
}

func (m *rewriter) editor(r *wasmbin.Reader) *editor {
	return &editor{Reader: r, m: m, copied: r.Offset()}
}

// function reads a function's index.
func (e *editor) function() {
	begin := e.Offset()
	i := e.Index("function", e.m.functions)
	if e.Err() != nil || i < e.m.imports {
		return
	}
	e.out = wasmbin.AppendU32(append(e.out, e.Slice(e.copied, begin)...), e.m.own(i))
	e.copied = e.Offset()
}

// finish returns the copy.
func (e *editor) finish() []byte {
	if e.Err() != nil {
		return nil
	}
	rest := e.Slice(e.copied, e.Offset())
	if e.out == nil {
		return rest
	}
	return append(e.out, rest...)
}

// constant reads a constant expression (WebAssembly 2.0, section 3.3.10).
func (e *editor) constant() {
	for e.Err() == nil {
		switch op := e.Byte(); op {
		case wasmbin.OpEnd:
			return
		case wasmbin.OpI32Const:
			e.S32()
		case wasmbin.OpI64Const:
			e.S64()
		case wasmbin.OpF32Const:
			e.Bytes(4)
		case wasmbin.OpF64Const:
			e.Bytes(8)
		case wasmbin.OpGlobalGet:
			e.Index("global", e.m.globals)
		case wasmbin.OpRefNull:
			e.RefType()
		case wasmbin.OpRefFunc:
			e.function()
		case wasmbin.OpVector:
			if e.Byte() != wasmbin.VecConst {
				e.Fail(ErrUnsupported, "a vector instruction in a constant expression")
			}
			e.Bytes(16)
		default:
			e.Fail(ErrUnsupported, "instruction %#x in a constant expression", op)
		}
	}
}

// element reads an element segment (section 5.5.12): bit 0 of its kind tells one
// that is not active, bit 1 that a table's index or a declaration follows, bit 2
// that there are expressions instead of functions' indices.
func (e *editor) element() {
	kind := e.U32()
	if kind > 7 {
		e.Fail(ErrUnsupported, "element segment of kind %d", kind)
		return
	}
	if kind&1 == 0 {
		if kind&2 != 0 {
			e.U32() // the table
		}
		e.constant()
	}
	expressions := kind&4 != 0
	switch {
	case kind&3 == 0:
	case expressions:
		e.RefType()
	default:
		e.Zero() // functions
	}
	for n := e.U32(); n > 0 && e.Err() == nil; n-- {
		if expressions {
			e.constant()
		} else {
			e.function()
		}
	}
}

// data reads a data segment (section 5.5.14).
func (e *editor) data() {
	switch kind := e.U32(); kind {
	case 0:
		e.constant()
	case 1:
	case 2:
		e.U32() // the memory
		e.constant()
	default:
		e.Fail(ErrUnsupported, "data segment of kind %d", kind)
	}
	e.Bytes(e.U32())
}

// Subsections of the name section that list functions: their names, and the names
// of their locals and labels (section 7.4.1, and the extended name section).
const (
	namesFunctions = 1
	namesLocals    = 2
	namesLabels    = 3
)

// renumberNames returns the name section with the functions' new indices. One
// that cannot be read is left empty: names are for people.
func (m *rewriter) renumberNames(header []byte, r *wasmbin.Reader) []byte {
	out := append([]byte(nil), header...)
	for r.More() {
		id, part := r.Byte(), r.Part(r.U32())
		e := m.editor(&part)
		if id >= namesFunctions && id <= namesLabels {
			e.names(id)
		} else {
			e.Bytes(uint32(len(e.Rest())))
		}
		if e.Done() != nil {
			return header
		}
		out = wasmbin.AppendSection(out, id, e.finish())
	}
	return out
}

// names reads a subsection of names.
func (e *editor) names(id byte) {
	for n := e.U32(); n > 0 && e.Err() == nil; n-- {
		e.function()
		if id == namesFunctions {
			e.Bytes(e.U32())
			continue
		}
		for k := e.U32(); k > 0 && e.Err() == nil; k-- {
			e.U32()
			e.Bytes(e.U32())
		}
	}
}
