package meter

import "edge/plugins/wasmbin"

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
	return wasmbin.AppendU32(append(out, wasmbin.OpI32Const, value, wasmbin.OpGlobalSet), m.taintGlobal())
}

// appendShadows appends the entries of the global section.
func (m *rewriter) appendShadows(out []byte) []byte {
	out = append(out, wasmbin.TypeI32, 1, wasmbin.OpI32Const, 0, wasmbin.OpEnd)
	for _, g := range m.mutable {
		out = append(out, g.kind, 1)
		out = append(appendZero(out, g.kind), wasmbin.OpEnd)
	}
	return out
}

// appendZero appends a constant of a type.
func appendZero(out []byte, kind byte) []byte {
	switch kind {
	case wasmbin.TypeI32:
		return append(out, wasmbin.OpI32Const, 0)
	case wasmbin.TypeI64:
		return append(out, wasmbin.OpI64Const, 0)
	case wasmbin.TypeF32:
		return append(append(out, wasmbin.OpF32Const), make([]byte, 4)...)
	case wasmbin.TypeF64:
		return append(append(out, wasmbin.OpF64Const), make([]byte, 8)...)
	case wasmbin.TypeV128:
		return append(append(out, wasmbin.OpVector, wasmbin.VecConst), make([]byte, 16)...)
	}
	return append(out, wasmbin.OpRefNull, kind)
}

// appendSnapshot appends the code of helperSave or helperRestore.
func (m *rewriter) appendSnapshot(out []byte, h helper) []byte {
	for n, g := range m.mutable {
		from, to := g.index, m.shadow(n)
		if h == helperRestore {
			from, to = to, from
		}
		out = wasmbin.AppendU32(append(out, wasmbin.OpGlobalGet), from)
		out = wasmbin.AppendU32(append(out, wasmbin.OpGlobalSet), to)
	}
	if h == helperSave {
		out = m.appendTaint(out, 0)
	} else {
		out = wasmbin.AppendU32(append(out, wasmbin.OpGlobalGet), m.taintGlobal())
	}
	return append(out, wasmbin.OpEnd)
}
