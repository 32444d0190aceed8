package meter

import (
	"fmt"
	"unicode/utf8"
)

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
}

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrUnsupported}, args...)...)
}

func reserved(module string) error { return fmt.Errorf("%w: %q", ErrReserved, module) }

// inFunction is an error in a function's body.
func inFunction(index uint32, err error) error { return fmt.Errorf("function %d: %w", index, err) }

// reader reads the binary format (WebAssembly 2.0, section 5.2). Its first error
// stays, and whatever is read after that is 0: callers look once per entry or
// instruction.
type reader struct {
	b   []byte
	at  int
	err error
}

// fail keeps the first error and ends the input, so that loops end too.
func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
		r.at = len(r.b)
	}
}

func (r *reader) more() bool { return r.at < len(r.b) }

func (r *reader) byte() byte {
	if r.at >= len(r.b) {
		r.fail(malformed("unexpected end at byte %d", r.at))
		return 0
	}
	c := r.b[r.at]
	r.at++
	return c
}

// zero reads a byte that the format reserves.
func (r *reader) zero() {
	if r.byte() != 0 {
		r.fail(unsupported("a reserved byte is not zero"))
	}
}

func (r *reader) skip(n int) {
	if n < 0 || n > len(r.b)-r.at {
		r.fail(malformed("unexpected end at byte %d", len(r.b)))
		return
	}
	r.at += n
}

// take returns the next n bytes.
func (r *reader) take(n uint32) []byte {
	begin := r.at
	r.skip(int(n))
	return r.b[min(begin, r.at):r.at]
}

// u32 reads an unsigned number of at most 5 bytes.
func (r *reader) u32() uint32 {
	if r.at < len(r.b) && r.b[r.at] < 0x80 {
		r.at++
		return uint32(r.b[r.at-1])
	}
	var v uint32
	for shift := 0; shift < 35; shift += 7 {
		c := r.byte()
		if shift == 28 && c > 0x0f {
			break
		}
		v |= uint32(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	r.fail(malformed("a number does not fit in 32 bits"))
	return 0
}

// signed reads a signed number of so many bits: its unused bits repeat its sign.
func (r *reader) signed(bits int) int64 {
	var v int64
	for shift := 0; shift < bits; shift += 7 {
		c := r.byte()
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
	r.fail(malformed("a number does not fit in %d bits", bits))
	return 0
}

// name reads a string.
func (r *reader) name() string {
	b := r.take(r.u32())
	if !utf8.Valid(b) {
		r.fail(malformed("a name is not UTF-8"))
	}
	return string(b)
}

// index reads a number that must be below n.
func (r *reader) index(what string, n uint32) uint32 {
	i := r.u32()
	if i >= n {
		r.fail(malformed("%s %d does not exist", what, i))
	}
	return i
}

// valueType reads one of WebAssembly 2.0's types.
func (r *reader) valueType() byte {
	c := r.byte()
	switch c {
	case typeI32, typeI64, typeF32, typeF64, typeV128, typeFuncref, typeExternref:
	default:
		r.fail(unsupported("value type %#x", c))
	}
	return c
}

// values reads a list of value types and returns how many there are.
func (r *reader) values() (n uint32) {
	for k := r.u32(); k > 0 && r.err == nil; k-- {
		r.valueType()
		n++
	}
	return n
}

func (r *reader) refType() byte {
	c := r.byte()
	if c != typeFuncref && c != typeExternref {
		r.fail(unsupported("reference type %#x", c))
	}
	return c
}

// limits reads the size of a table or memory, and whether it has a maximum.
func (r *reader) limits() (low, high uint32, bounded bool) {
	switch c := r.byte(); c {
	case 0:
		return r.u32(), 0, false
	case 1:
		return r.u32(), r.u32(), true
	default:
		r.fail(unsupported("limits of kind %#x", c))
	}
	return 0, 0, false
}

// appendU32 appends a number in its shortest form.
func appendU32(b []byte, v uint32) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// appendI32 appends a signed number that is not negative.
func appendI32(b []byte, v uint32) []byte {
	for v >= 0x40 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v)) // bit 6, the sign, is 0
}
