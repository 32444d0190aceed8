package wasmasm

import (
	"encoding/hex"
	"testing"
)

// TestEncode compares a module with the bytes that the specification asks for.
func TestEncode(t *testing.T) {
	t.Parallel()
	m := New()
	f := m.Import("m", "f", "iI", "i")
	m.Memory(1, 2)
	at := m.Bytes([]byte("hi"))
	g := m.Global(-1)
	m.Func("run", "i", "i", "I", Call(f, Get(0), I64(128)), SetGlobal(g), I32(int32(at)))
	want := "0061736d01000000" + // magic, version 1
		"010c02" + "60027f7e017f" + "60017f017f" + // types: (i32, i64) -> i32; i32 -> i32
		"0207010" + "16d" + "0166" + "0000" + // import m.f, a function of type 0
		"03020101" + // one function, of type 1
		"050401010102" + // memory of 1 to 2 pages
		"0606017f01417f0b" + // a mutable i32 of -1
		"071002" + "066d656d6f7279" + "0200" + "0372756e" + "0001" + // exports memory and run
		"0a1101" + "0f" + "01017e" + "2000428001" + "1000" + "2400" + "4110" + "0b" + // run's body
		"0b0801004110" + "0b02" + "6869" // "hi" at 16
	if got := hex.EncodeToString(m.Encode()); got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
}
