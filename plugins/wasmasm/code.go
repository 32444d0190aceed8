package wasmasm

import (
	"encoding/binary"
	"math"

	"edge/plugins/wasmbin"
)

// Code is a piece of a function's body: instructions, one after the other.
type Code []byte

var end = Code{0x0b}

// Do joins pieces of code.
func Do(parts ...Code) Code {
	var c Code
	for _, p := range parts {
		c = append(c, p...)
	}
	return c
}

// I32 pushes a constant.
func I32(v int32) Code { return wasmbin.AppendS32(Code{0x41}, v) }

// I64 pushes a constant.
func I64(v int64) Code { return wasmbin.AppendS64(Code{0x42}, v) }

// F64 pushes a constant.
func F64(v float64) Code { return binary.LittleEndian.AppendUint64(Code{0x44}, math.Float64bits(v)) }

// Get pushes a parameter or local.
func Get(local uint32) Code { return wasmbin.AppendU32(Code{0x20}, local) }

// Set pops into a parameter or local.
func Set(local uint32) Code { return wasmbin.AppendU32(Code{0x21}, local) }

// GetGlobal pushes a global.
func GetGlobal(g Global) Code { return wasmbin.AppendU32(Code{0x23}, uint32(g)) }

// SetGlobal pops into a global.
func SetGlobal(g Global) Code { return wasmbin.AppendU32(Code{0x24}, uint32(g)) }

// Call calls a function with what args push.
func Call(f Func, args ...Code) Code {
	return wasmbin.AppendU32(append(Do(args...), 0x10), uint32(f))
}

// Drop pops a value.
func Drop() Code { return Code{0x1a} }

// Unreachable traps.
func Unreachable() Code { return Code{0x00} }

// Return returns what is on the stack.
func Return() Code { return Code{0x0f} }

// Forever runs its body again and again.
func Forever(body ...Code) Code {
	return Do(Code{0x03, 0x40}, Do(body...), Code{0x0c, 0x00}, end)
}

// If runs then if the condition on the stack is not 0, else otherwise.
func If(then, otherwise Code) Code {
	return Do(Code{0x04, 0x40}, then, Code{0x05}, otherwise, end)
}

// Equal compares two i32 for equality.
func Equal() Code { return Code{0x46} }

// Add adds two i32.
func Add() Code { return Code{0x6a} }

// Shr64 shifts an i64 right by another, without its sign.
func Shr64() Code { return Code{0x88} }

// Wrap makes an i32 of an i64's low half.
func Wrap() Code { return Code{0xa7} }

// Load pushes the i32 at the address on the stack.
func Load() Code { return Code{0x28, 0x02, 0x00} }

// Store writes an i32 to the address below it on the stack.
func Store() Code { return Code{0x36, 0x02, 0x00} }

// Store64 writes an i64 to the address below it on the stack.
func Store64() Code { return Code{0x37, 0x03, 0x00} }

// GrowMemory grows memory by the pages on the stack and pushes the old size, or
// -1.
func GrowMemory() Code { return Code{0x40, 0x00} }
