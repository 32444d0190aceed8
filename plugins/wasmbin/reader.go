package wasmbin

import (
	"fmt"
	"unicode/utf8"
)

// Reader reads a part of a module. Its first error stays: nothing is left then, and what
// is read means nothing, so that callers look once per entry or instruction. The zero
// value has nothing to read. A copy goes on by itself.
type Reader struct {
	b   []byte // up to where the part ends
	at  int
	err error
}

// NewReader reads b, in which offsets count.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

// Err is the first error: it wraps ErrMalformed, ErrUnsupported or what Fail was
// given, and names the offset up to which was read.
func (r *Reader) Err() error { return r.err }

// Fail ends the input with an error of a kind, unless there is one.
func (r *Reader) Fail(kind error, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w at byte %d: %s", kind, r.at, fmt.Sprintf(format, args...))
		r.at = len(r.b)
	}
}

// More tells whether anything is left.
func (r *Reader) More() bool { return r.at < len(r.b) }

// Done fails if anything is left, and returns Err.
func (r *Reader) Done() error {
	if r.More() {
		r.Fail(ErrMalformed, "%d bytes more than what it holds", len(r.b)-r.at)
	}
	return r.err
}

// Offset is where the reader is: that of a section's reader, or of one of its parts,
// counts from the beginning of the module.
func (r *Reader) Offset() int { return r.at }

// Rest is what is left; it stays.
func (r *Reader) Rest() []byte { return r.b[r.at:] }

// Slice is what is between two offsets; the later one is at most where the part ends.
func (r *Reader) Slice(begin, end int) []byte { return r.b[begin:end:end] }

// Part is a reader of the next n bytes, which this one skips.
func (r *Reader) Part(n uint32) Reader {
	begin := r.at
	if r.Bytes(n); r.err != nil {
		return *r
	}
	return Reader{b: r.b[:r.at], at: begin}
}

// Byte reads one.
func (r *Reader) Byte() byte {
	if r.at >= len(r.b) {
		r.cutShort()
		return 0
	}
	r.at++
	return r.b[r.at-1]
}

func (r *Reader) cutShort() { r.Fail(ErrMalformed, "unexpected end") }

// Bytes reads n of them.
func (r *Reader) Bytes(n uint32) []byte {
	if uint64(n) > uint64(len(r.b)-r.at) {
		r.at = len(r.b)
		r.cutShort()
		return nil
	}
	r.at += int(n)
	return r.Slice(r.at-int(n), r.at)
}

// U32 reads an unsigned number of at most 5 bytes (section 5.2.2).
func (r *Reader) U32() uint32 {
	if r.at < len(r.b) && r.b[r.at] < 0x80 {
		r.at++
		return uint32(r.b[r.at-1])
	}
	var v uint32
	for shift := 0; shift < 35; shift += 7 {
		c := r.Byte()
		if shift == 28 && c > 0x0f {
			break
		}
		v |= uint32(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	r.Fail(ErrMalformed, "a number does not fit in 32 bits")
	return 0
}

// S32 reads a signed number of at most 5 bytes.
func (r *Reader) S32() int32 { return int32(r.signed(32)) }

// S64 reads a signed number of at most 10 bytes.
func (r *Reader) S64() int64 { return r.signed(64) }

// signed reads a signed number of so many bits: its unused bits repeat its sign.
func (r *Reader) signed(bits int) int64 {
	var v int64
	for shift := 0; shift < bits; shift += 7 {
		c := r.Byte()
		v |= int64(c&0x7f) << shift
		if c >= 0x80 {
			continue
		}
		if left := bits - shift; left < 7 {
			if sign := int8(c<<1) >> left; sign != 0 && sign != -1 {
				break
			}
		}
		if shift += 7; shift < 64 {
			v = v << (64 - shift) >> (64 - shift)
		}
		return v
	}
	r.Fail(ErrMalformed, "a number does not fit in %d bits", bits)
	return 0
}

// Name reads a string of UTF-8.
func (r *Reader) Name() string {
	b := r.Bytes(r.U32())
	if !utf8.Valid(b) {
		r.Fail(ErrMalformed, "a name is not UTF-8")
	}
	return string(b)
}

// Index reads a number that must be below n, which is how many there are of what.
func (r *Reader) Index(what string, n uint32) uint32 {
	i := r.U32()
	if i >= n {
		r.Fail(ErrMalformed, "%s %d does not exist", what, i)
	}
	return i
}

// Zero reads a byte that the format reserves.
func (r *Reader) Zero() {
	if r.Byte() != 0 {
		r.Fail(ErrUnsupported, "a reserved byte is not zero")
	}
}

// ValueType reads one of WebAssembly 2.0's types of values.
func (r *Reader) ValueType() byte {
	c := r.Byte()
	switch c {
	case TypeI32, TypeI64, TypeF32, TypeF64, TypeV128, TypeFuncref, TypeExternref:
	default:
		r.Fail(ErrUnsupported, "value type %#x", c)
	}
	return c
}

// RefType reads the type of a reference.
func (r *Reader) RefType() byte {
	c := r.Byte()
	if c != TypeFuncref && c != TypeExternref {
		r.Fail(ErrUnsupported, "reference type %#x", c)
	}
	return c
}

// Limits reads the size of a table, in entries, or of a memory, in pages (section
// 5.3.7), and whether it has a maximum.
func (r *Reader) Limits() (low, high uint32, bounded bool) {
	switch c := r.Byte(); c {
	case 0:
		return r.U32(), 0, false
	case 1:
		return r.U32(), r.U32(), true
	default:
		r.Fail(ErrUnsupported, "limits of kind %#x", c)
	}
	return 0, 0, false
}

// ConstI32 reads the constant expression "i32.const N end" (section 3.3.10), by which
// segments say where they lie. Any other is unsupported.
func (r *Reader) ConstI32() int32 {
	if op := r.Byte(); op != OpI32Const {
		r.Fail(ErrUnsupported, "instruction %#x in place of a constant i32", op)
	}
	v := r.S32()
	if op := r.Byte(); op != OpEnd {
		r.Fail(ErrUnsupported, "instruction %#x behind a constant i32", op)
	}
	return v
}
