package meter

import "edge/plugins/wasmbin"

// helper is one of the functions that are added to a module, if it needs them.
type helper int

// helperRefuel asks the host. helperRest charges its operand. The others charge for
// the size of the operand on top of the stack and leave it there, so that they need
// no local at the call. helperSave and helperRestore are the host's to call.
const (
	helperRefuel  = helper(iota)
	helperBytes   // of memory
	helperEntries // of a table
	helperPages   // of memory
	helperRest
	helperSave
	helperRestore
	numHelpers
	noHelper = helper(-1)
)

// bulkHelper is the helper that charges for an instruction behind OpMisc.
func bulkHelper(sub uint32) helper {
	switch sub {
	case wasmbin.MiscMemoryInit, wasmbin.MiscMemoryCopy, wasmbin.MiscMemoryFill:
		return helperBytes
	case wasmbin.MiscTableInit, wasmbin.MiscTableCopy, wasmbin.MiscTableFill, wasmbin.MiscTableGrow:
		return helperEntries
	}
	return noHelper
}

// isLasting tells whether an instruction behind OpMisc changes a table or drops a
// segment.
func isLasting(sub uint32) bool {
	switch sub {
	case wasmbin.MiscDataDrop, wasmbin.MiscTableInit, wasmbin.MiscElemDrop, wasmbin.MiscTableCopy, wasmbin.MiscTableGrow, wasmbin.MiscTableFill:
		return true
	}
	return false
}

// helper returns the index of a helper in the new module.
func (m *rewriter) helper(h helper) uint32 {
	if m.helpers[h] == 0 {
		m.helpers[h] = m.functions + 1 + uint32(len(m.added))
		m.added = append(m.added, h)
	}
	return m.helpers[h]
}

// helperType is the index of a helper's type: neither parameters nor results for
// helperRefuel and helperSave, an i32 and no result for helperRest, an i32 alone for
// helperRestore, i32 to i32 for the others.
func (m *rewriter) helperType(h helper) uint32 {
	switch h {
	case helperRefuel, helperSave:
		return m.types
	case helperRest:
		return m.types + 2
	case helperRestore:
		return m.types + 3
	}
	return m.types + 1
}

// appendHelper appends a helper's body with its size.
func (m *rewriter) appendHelper(out []byte, h helper) []byte {
	body := []byte{0} // no locals
	switch h {
	case helperSave, helperRestore:
		body = m.appendSnapshot(body, h)
		return wasmbin.AppendSized(out, body)
	}
	if h == helperRefuel {
		body = m.appendFuel(body, wasmbin.OpGlobalGet)
		body = wasmbin.AppendU32(append(body, wasmbin.OpCall), m.imports)
		body = m.appendFuel(body, wasmbin.OpGlobalSet)
	} else {
		body = m.appendFuel(body, wasmbin.OpGlobalGet)
		switch h {
		case helperRest:
			body = append(body, wasmbin.OpLocalGet, 0)
		case helperBytes: // n >> 6
			body = append(body, wasmbin.OpLocalGet, 0, wasmbin.OpI32Const, 6, wasmbin.OpI32ShrU)
		case helperEntries: // n >> 3
			body = append(body, wasmbin.OpLocalGet, 0, wasmbin.OpI32Const, 3, wasmbin.OpI32ShrU)
		case helperPages: // (n & 0x1ffff) << 10: beyond 0x10000 it grows by nothing
			body = append(body, wasmbin.OpLocalGet, 0, wasmbin.OpI32Const, 0xff, 0xff, 0x07, wasmbin.OpI32And, wasmbin.OpI32Const, 10, wasmbin.OpI32Shl)
		}
		body = append(body, wasmbin.OpI32Sub)
		body = m.appendFuel(body, wasmbin.OpGlobalSet)
		body = m.appendQuestion(body)
		if h != helperRest {
			body = append(body, wasmbin.OpLocalGet, 0)
		}
	}
	body = append(body, wasmbin.OpEnd)
	return wasmbin.AppendSized(out, body)
}

// appendFuel appends an access to the counter, the first global behind the
// guest's.
func (m *rewriter) appendFuel(out []byte, op byte) []byte {
	return wasmbin.AppendU32(append(out, op), m.globals)
}

// appendCharge appends: fuel -= cost.
func (m *rewriter) appendCharge(out []byte, cost uint32) []byte {
	out = m.appendFuel(out, wasmbin.OpGlobalGet)
	out = append(wasmbin.AppendS32(append(out, wasmbin.OpI32Const), int32(cost)), wasmbin.OpI32Sub)
	return m.appendFuel(out, wasmbin.OpGlobalSet)
}

// appendRest appends: fuel -= cost, and if it is negative, ask the host.
func (m *rewriter) appendRest(out []byte, cost uint32) []byte {
	out = append(wasmbin.AppendS32(append(out, wasmbin.OpI32Const), int32(cost)), wasmbin.OpCall)
	return wasmbin.AppendU32(out, m.helper(helperRest))
}

// appendPoint appends what is done at a point that asks: fuel -= cost, and if it is
// negative, ask the host. A compiler has to hold what is live across that call, and to
// bring the two ways together behind it, which costs more than the question on the way
// that does not ask. So the one that does never comes back where it can begin anew: at a
// function's entry, by calling the function again, and at a loop's header, by a branch
// to it.
func (m *rewriter) appendPoint(out []byte, p *point, own uint32) []byte {
	cost := max(p.cost, 1)
	out = m.appendCharge(out, cost)
	if p.again == here {
		return m.appendQuestion(out)
	}
	out = m.appendFuel(out, wasmbin.OpGlobalGet)
	out = append(out, wasmbin.OpI32Const, 0, wasmbin.OpI32LtS, wasmbin.OpIf, wasmbin.BlockEmpty)
	out = wasmbin.AppendU32(append(out, wasmbin.OpCall), m.helper(helperRefuel))
	out = m.appendFuel(out, wasmbin.OpGlobalGet) // what is charged again
	out = append(wasmbin.AppendS32(append(out, wasmbin.OpI32Const), int32(cost)), wasmbin.OpI32Add)
	out = m.appendFuel(out, wasmbin.OpGlobalSet)
	if p.again == header {
		return append(out, wasmbin.OpBr, 1, wasmbin.OpEnd)
	}
	for i := range m.params[m.kinds[own]] {
		out = wasmbin.AppendU32(append(out, wasmbin.OpLocalGet), i)
	}
	out = wasmbin.AppendU32(append(out, wasmbin.OpCall), m.imports+1+own)
	return append(out, wasmbin.OpReturn, wasmbin.OpEnd)
}

// appendQuestion appends: if fuel < 0, ask the host.
func (m *rewriter) appendQuestion(out []byte) []byte {
	out = m.appendFuel(out, wasmbin.OpGlobalGet)
	out = append(out, wasmbin.OpI32Const, 0, wasmbin.OpI32LtS, wasmbin.OpIf, wasmbin.BlockEmpty)
	out = wasmbin.AppendU32(append(out, wasmbin.OpCall), m.helper(helperRefuel))
	return append(out, wasmbin.OpEnd)
}
