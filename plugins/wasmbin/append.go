package wasmbin

// AppendU32 appends an unsigned number.
func AppendU32(b []byte, v uint32) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// AppendS32 appends a signed number.
func AppendS32(b []byte, v int32) []byte { return AppendS64(b, int64(v)) }

// AppendS64 appends a signed number.
func AppendS64(b []byte, v int64) []byte {
	for v < -0x40 || v >= 0x40 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v)&0x7f)
}

// AppendName appends a string, whose UTF-8 is the caller's to see to.
func AppendName(b []byte, s string) []byte { return append(AppendU32(b, uint32(len(s))), s...) }

// AppendSized appends content behind its size, as bodies of functions are, and bytes of
// data.
func AppendSized(b, content []byte) []byte {
	return append(AppendU32(b, uint32(len(content))), content...)
}

// AppendSection appends a section. That of a custom one begins with its name.
func AppendSection(b []byte, id byte, content []byte) []byte {
	return AppendSized(append(b, id), content)
}

// AppendConstI32 appends "i32.const v end" (see Reader.ConstI32).
func AppendConstI32(b []byte, v int32) []byte {
	return append(AppendS32(append(b, OpI32Const), v), OpEnd)
}
