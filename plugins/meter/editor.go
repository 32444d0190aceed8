package meter

// editor copies what its reader reads, with the functions' indices changed.
type editor struct {
	*reader
	m      *rewriter
	out    []byte
	copied int // how much of the reader's bytes is in out
}

// function reads a function's index.
func (e *editor) function() {
	begin := e.at
	i := e.index("function", e.m.functions)
	if e.err != nil || i < e.m.imports {
		return
	}
	e.out = appendU32(append(e.out, e.b[e.copied:begin]...), e.m.own(i))
	e.copied = e.at
}

// finish returns the copy.
func (e *editor) finish() []byte {
	if e.err != nil {
		return nil
	}
	if e.copied == 0 {
		return e.b
	}
	return append(e.out, e.b[e.copied:]...)
}

// constant reads a constant expression (WebAssembly 2.0, section 3.3.10).
func (e *editor) constant() {
	for e.err == nil {
		switch op := e.byte(); op {
		case opEnd:
			return
		case opI32Const:
			e.signed(32)
		case opI64Const:
			e.signed(64)
		case opF32Const:
			e.skip(4)
		case opF64Const:
			e.skip(8)
		case opGlobalGet:
			e.index("global", e.m.globals)
		case opRefNull:
			e.refType()
		case opRefFunc:
			e.function()
		case opVector:
			if e.byte() != vecConst {
				e.fail(unsupported("a vector instruction in a constant expression"))
			}
			e.skip(16)
		default:
			e.fail(unsupported("instruction %#x in a constant expression", op))
		}
	}
}

// element reads an element segment (section 5.5.12): bit 0 of its kind tells one
// that is not active, bit 1 that a table's index or a declaration follows, bit 2
// that there are expressions instead of functions' indices.
func (e *editor) element() {
	kind := e.u32()
	if kind > 7 {
		e.fail(unsupported("element segment of kind %d", kind))
		return
	}
	if kind&1 == 0 {
		if kind&2 != 0 {
			e.u32() // the table
		}
		e.constant()
	}
	expressions := kind&4 != 0
	switch {
	case kind&3 == 0:
	case expressions:
		e.refType()
	default:
		e.zero() // functions
	}
	for n := e.u32(); n > 0 && e.err == nil; n-- {
		if expressions {
			e.constant()
		} else {
			e.function()
		}
	}
}

// data reads a data segment (section 5.5.14).
func (e *editor) data() {
	switch kind := e.u32(); kind {
	case 0:
		e.constant()
	case 1:
	case 2:
		e.u32() // the memory
		e.constant()
	default:
		e.fail(unsupported("data segment of kind %d", kind))
	}
	e.take(e.u32())
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
func (m *rewriter) renumberNames(header, content []byte) []byte {
	out := append([]byte(nil), header...)
	r := &reader{b: content}
	for r.more() {
		id := r.byte()
		sub := r.take(r.u32())
		if r.err != nil {
			return header
		}
		if id >= namesFunctions && id <= namesLabels {
			e := &editor{reader: &reader{b: sub}, m: m}
			for n := e.u32(); n > 0 && e.err == nil; n-- {
				e.function()
				if id == namesFunctions {
					e.take(e.u32())
					continue
				}
				for k := e.u32(); k > 0 && e.err == nil; k-- {
					e.u32()
					e.take(e.u32())
				}
			}
			if e.more() || e.err != nil {
				return header
			}
			sub = e.finish()
		}
		out = appendU32(append(out, id), uint32(len(sub)))
		out = append(out, sub...)
	}
	return out
}
