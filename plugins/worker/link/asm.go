package link

import "edge/plugins/wasmbin"

// code is a piece of a function's body.
type code []byte

func do(parts ...code) code {
	var c code
	for _, p := range parts {
		c = append(c, p...)
	}
	return c
}

// op is an instruction without immediates after its operands.
func op(instruction byte, operands ...code) code { return append(do(operands...), instruction) }

// indexed is an instruction with the index of what it is about.
func indexed(instruction byte, index uint32) code { return wasmbin.AppendU32(code{instruction}, index) }

func i32(v uint32) code                { return wasmbin.AppendS32(code{wasmbin.OpI32Const}, int32(v)) }
func i64(v uint64) code                { return wasmbin.AppendS64(code{wasmbin.OpI64Const}, int64(v)) }
func get(local uint32) code            { return indexed(wasmbin.OpLocalGet, local) }
func set(local uint32, v ...code) code { return do(do(v...), indexed(wasmbin.OpLocalSet, local)) }
func tee(local uint32, v ...code) code { return do(do(v...), indexed(wasmbin.OpLocalTee, local)) }
func drop(v ...code) code              { return op(wasmbin.OpDrop, v...) }
func ret(v ...code) code               { return op(wasmbin.OpReturn, v...) }
func zero() code                       { return i32(0) }

// memory is a load or store, whose offset is added to the address.
func memory(instruction, alignment byte, offset uint32, operands ...code) code {
	return wasmbin.AppendU32(append(do(operands...), instruction, alignment), offset)
}

func load(offset uint32, at code) code       { return memory(0x28, 2, offset, at) }
func load64(offset uint32, at code) code     { return memory(0x29, 3, offset, at) }
func load8(offset uint32, at code) code      { return memory(0x2d, 0, offset, at) }
func store(offset uint32, at, v code) code   { return memory(0x36, 2, offset, at, v) }
func store64(offset uint32, at, v code) code { return memory(0x37, 3, offset, at, v) }
func store8(offset uint32, at, v code) code  { return memory(0x3a, 0, offset, at, v) }
func store16(offset uint32, at, v code) code { return memory(0x3b, 1, offset, at, v) }

// copyBytes is memory.copy.
func copyBytes(to, from, n code) code {
	return append(do(to, from, n), wasmbin.OpMisc, wasmbin.MiscMemoryCopy, 0, 0)
}

// fillBytes is memory.fill.
func fillBytes(at, v, n code) code {
	return append(do(at, v, n), wasmbin.OpMisc, wasmbin.MiscMemoryFill, 0)
}

// when runs then if the condition is not 0.
func when(cond code, then ...code) code {
	return append(append(append(do(cond), wasmbin.OpIf, wasmbin.BlockEmpty), do(then...)...), wasmbin.OpEnd)
}

// either runs then if the condition is not 0, else otherwise.
func either(cond, then, otherwise code) code {
	return do(cond, code{wasmbin.OpIf, wasmbin.BlockEmpty}, then, code{wasmbin.OpElse}, otherwise, code{wasmbin.OpEnd})
}

// forever repeats its body; br(1) in it leaves, br(0) goes on. A when or either in
// between counts as one more.
func forever(body ...code) code {
	return do(code{wasmbin.OpBlock, wasmbin.BlockEmpty, wasmbin.OpLoop, wasmbin.BlockEmpty}, do(body...), code{wasmbin.OpBr, 0, wasmbin.OpEnd, wasmbin.OpEnd})
}

func br(label byte) code { return code{wasmbin.OpBr, label} }

func brIf(label byte, cond code) code { return append(do(cond), wasmbin.OpBrIf, label) }

func eqz(v code) code     { return op(0x45, v) }
func eq(a, b code) code   { return op(0x46, a, b) }
func ne(a, b code) code   { return op(0x47, a, b) }
func ltS(a, b code) code  { return op(0x48, a, b) }
func ltU(a, b code) code  { return op(0x49, a, b) }
func gtU(a, b code) code  { return op(0x4b, a, b) }
func leU(a, b code) code  { return op(0x4d, a, b) }
func geU(a, b code) code  { return op(0x4f, a, b) }
func add(a, b code) code  { return op(0x6a, a, b) }
func sub(a, b code) code  { return op(0x6b, a, b) }
func mul(a, b code) code  { return op(0x6c, a, b) }
func divU(a, b code) code { return op(0x6e, a, b) }
func remU(a, b code) code { return op(0x70, a, b) }
func and(a, b code) code  { return op(0x71, a, b) }
func or(a, b code) code   { return op(0x72, a, b) }
func shl(a, b code) code  { return op(0x74, a, b) }
func shrU(a, b code) code { return op(0x76, a, b) }

func wrap(v code) code     { return op(0xa7, v) }                // an i32 of an i64
func extendU(v code) code  { return op(0xad, v) }                // an i64 of an i32
func high(v code) code     { return wrap(op(0x88, v, i64(32))) } // the high half, as an i32
func eqz64(v code) code    { return op(0x50, v) }
func and64(a, b code) code { return op(0x83, a, b) }

// bump adds n to a local.
func bump(local, n uint32) code { return set(local, add(get(local), i32(n))) }

// body makes a function's body of its locals, which follow the parameters, and code.
func body(locals string, parts ...code) []byte {
	b := wasmbin.AppendU32(nil, uint32(len(locals)))
	for i := range len(locals) {
		b = append(b, 1, valueType(locals[i]))
	}
	return append(append(b, do(parts...)...), wasmbin.OpEnd)
}

// valueType is the type of a letter: i, I and D for i32, i64 and f64.
func valueType(letter byte) byte {
	switch letter {
	case 'I':
		return wasmbin.TypeI64
	case 'D':
		return wasmbin.TypeF64
	}
	return wasmbin.TypeI32
}
