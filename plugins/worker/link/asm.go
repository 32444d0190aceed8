package link

const (
	opBlock    = 0x02
	opLoop     = 0x03
	opIf       = 0x04
	opElse     = 0x05
	opEnd      = 0x0b
	opBr       = 0x0c
	opBrIf     = 0x0d
	opReturn   = 0x0f
	opCall     = 0x10
	opI32Const = 0x41
	opI64Const = 0x42
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

func op(bytes ...byte) code            { return bytes }
func i32(v uint32) code                { return appendSigned(code{opI32Const}, int64(int32(v))) }
func i64(v uint64) code                { return appendSigned(code{opI64Const}, int64(v)) }
func get(local uint32) code            { return appendU32(code{0x20}, local) }
func set(local uint32, v ...code) code { return do(do(v...), appendU32(code{0x21}, local)) }
func tee(local uint32, v ...code) code { return do(do(v...), appendU32(code{0x22}, local)) }
func drop(v ...code) code              { return append(do(v...), 0x1a) }
func ret(v ...code) code               { return append(do(v...), opReturn) }

// load and store take an address that is added to the one on the stack.
func load(offset uint32, at code) code   { return appendU32(append(do(at), 0x28, 2), offset) }
func load64(offset uint32, at code) code { return appendU32(append(do(at), 0x29, 3), offset) }
func loadF(offset uint32, at code) code  { return appendU32(append(do(at), 0x2b, 3), offset) }
func store(offset uint32, at, v code) code {
	return appendU32(append(do(at, v), 0x36, 2), offset)
}
func store64(offset uint32, at, v code) code {
	return appendU32(append(do(at, v), 0x37, 3), offset)
}

// when runs then if the condition is not 0, else otherwise.
func when(cond, then, otherwise code) code {
	return do(cond, op(opIf, 0x40), then, op(opElse), otherwise, op(opEnd))
}

// forever repeats its body; br(1) in it leaves, br(0) goes on. A when in between
// counts as one more.
func forever(body ...code) code {
	return do(op(opBlock, 0x40, opLoop, 0x40), do(body...), op(opBr, 0, opEnd, opEnd))
}

func br(label byte) code { return code{opBr, label} }

func eqz(v code) code      { return append(do(v), 0x45) }
func eq(a, b code) code    { return append(do(a, b), 0x46) }
func ltS(a, b code) code   { return append(do(a, b), 0x48) }
func leU(a, b code) code   { return append(do(a, b), 0x4d) }
func or(a, b code) code    { return append(do(a, b), 0x72) }
func wrap(v code) code     { return append(do(v), 0xa7) }
func extendU(v code) code  { return append(do(v), 0xad) }
func high(v code) code     { return append(do(v, i64(32)), 0x88, 0xa7) } // the high half, as an i32
func add64(a, b code) code { return append(do(a, b), 0x7c) }

// body makes a function's body of its locals, which follow the parameters, and code.
func body(locals string, parts ...code) []byte {
	b := appendU32(nil, uint32(len(locals)))
	for i := range locals {
		b = append(b, 1, valueType(locals[i]))
	}
	return append(append(b, do(parts...)...), opEnd)
}

func add(a, b code) code      { return append(do(a, b), 0x6a) }
func load8(at code) code      { return append(do(at), 0x2d, 0, 0) }
func store8(at, v code) code  { return append(do(at, v), 0x3a, 0, 0) }
func store16(at, v code) code { return append(do(at, v), 0x3b, 1, 0) }
