package link

// Instructions (WebAssembly 2.0, section 5.4) that the appended functions are made of.
const (
	opUnreachable = 0x00
	opBlock       = 0x02
	opLoop        = 0x03
	opIf          = 0x04
	opElse        = 0x05
	opEnd         = 0x0b
	opBr          = 0x0c
	opBrIf        = 0x0d
	opReturn      = 0x0f
	opCall        = 0x10
	opI32Const    = 0x41
	opI64Const    = 0x42
	opPrefix      = 0xfc // of the saturating conversions and of bulk memory
)

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

func i32(v uint32) code                { return appendSigned(code{opI32Const}, int64(int32(v))) }
func i64(v uint64) code                { return appendSigned(code{opI64Const}, int64(v)) }
func get(local uint32) code            { return appendU32(code{0x20}, local) }
func set(local uint32, v ...code) code { return do(do(v...), appendU32(code{0x21}, local)) }
func tee(local uint32, v ...code) code { return do(do(v...), appendU32(code{0x22}, local)) }
func drop(v ...code) code              { return op(0x1a, v...) }
func ret(v ...code) code               { return op(opReturn, v...) }
func zero() code                       { return i32(0) }

// memory is a load or store, whose offset is added to the address.
func memory(instruction, alignment byte, offset uint32, operands ...code) code {
	return appendU32(append(do(operands...), instruction, alignment), offset)
}

func load(offset uint32, at code) code       { return memory(0x28, 2, offset, at) }
func load64(offset uint32, at code) code     { return memory(0x29, 3, offset, at) }
func load8(offset uint32, at code) code      { return memory(0x2d, 0, offset, at) }
func store(offset uint32, at, v code) code   { return memory(0x36, 2, offset, at, v) }
func store64(offset uint32, at, v code) code { return memory(0x37, 3, offset, at, v) }
func store8(offset uint32, at, v code) code  { return memory(0x3a, 0, offset, at, v) }
func store16(offset uint32, at, v code) code { return memory(0x3b, 1, offset, at, v) }

// copyBytes is memory.copy.
func copyBytes(to, from, n code) code { return append(do(to, from, n), opPrefix, 10, 0, 0) }

// fillBytes is memory.fill.
func fillBytes(at, v, n code) code { return append(do(at, v, n), opPrefix, 11, 0) }

// when runs then if the condition is not 0.
func when(cond code, then ...code) code {
	return append(append(append(do(cond), opIf, 0x40), do(then...)...), opEnd)
}

// either runs then if the condition is not 0, else otherwise.
func either(cond, then, otherwise code) code {
	return do(cond, code{opIf, 0x40}, then, code{opElse}, otherwise, code{opEnd})
}

// forever repeats its body; br(1) in it leaves, br(0) goes on. A when or either in
// between counts as one more.
func forever(body ...code) code {
	return do(code{opBlock, 0x40, opLoop, 0x40}, do(body...), code{opBr, 0, opEnd, opEnd})
}

func br(label byte) code { return code{opBr, label} }

func brIf(label byte, cond code) code { return append(do(cond), opBrIf, label) }

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
	b := appendU32(nil, uint32(len(locals)))
	for i := range len(locals) {
		b = append(b, 1, valueType(locals[i]))
	}
	return append(append(b, do(parts...)...), opEnd)
}

// valueType is the type of a letter: i, I and D for i32, i64 and f64.
func valueType(letter byte) byte {
	switch letter {
	case 'I':
		return 0x7e
	case 'D':
		return 0x7c
	}
	return 0x7f
}
