package meter

// global is one of the guest's mutable globals.
type global struct {
	index uint32
	kind  byte
}

// restores tells whether the module gets what brings its globals back.
func (m *rewriter) restores() bool { return m.options.Save != "" }

// taintGlobal is the index of the global that tells whether the guest has done,
// since Save, what Restore cannot undo. It comes after fuel.
func (m *rewriter) taintGlobal() uint32 { return m.globals + 1 }

// shadow is the index of the global that holds the value of the guest's nth mutable
// one.
func (m *rewriter) shadow(n int) uint32 { return m.globals + 2 + uint32(n) }

// appendTaint appends: taint = value.
func (m *rewriter) appendTaint(out []byte, value byte) []byte {
	return appendU32(append(out, opI32Const, value, opGlobalSet), m.taintGlobal())
}

// appendShadows appends the entries of the global section.
func (m *rewriter) appendShadows(out []byte) []byte {
	out = append(out, typeI32, 1, opI32Const, 0, opEnd)
	for _, g := range m.mutable {
		out = append(out, g.kind, 1)
		out = append(appendZero(out, g.kind), opEnd)
	}
	return out
}

// appendZero appends a constant of a type.
func appendZero(out []byte, kind byte) []byte {
	switch kind {
	case typeI32:
		return append(out, opI32Const, 0)
	case typeI64:
		return append(out, opI64Const, 0)
	case typeF32:
		return append(append(out, opF32Const), make([]byte, 4)...)
	case typeF64:
		return append(append(out, opF64Const), make([]byte, 8)...)
	case typeV128:
		return append(append(out, opVector, vecConst), make([]byte, 16)...)
	}
	return append(out, opRefNull, kind)
}

// appendSnapshot appends the code of helperSave or helperRestore.
func (m *rewriter) appendSnapshot(out []byte, h helper) []byte {
	for n, g := range m.mutable {
		from, to := g.index, m.shadow(n)
		if h == helperRestore {
			from, to = to, from
		}
		out = appendU32(append(out, opGlobalGet), from)
		out = appendU32(append(out, opGlobalSet), to)
	}
	if h == helperSave {
		out = m.appendTaint(out, 0)
	} else {
		out = appendU32(append(out, opGlobalGet), m.taintGlobal())
	}
	return append(out, opEnd)
}
