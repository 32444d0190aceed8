package link

// reader reads the binary format (WebAssembly 2.0, section 5). Its first error stays,
// and nothing more is to be read then.
type reader struct {
	b   []byte
	at  int
	err error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err, r.at = err, len(r.b)
	}
}

func (r *reader) more() bool { return r.at < len(r.b) }

func (r *reader) byte() byte {
	if r.at >= len(r.b) {
		r.fail(malformed("unexpected end"))
		return 0
	}
	r.at++
	return r.b[r.at-1]
}

func (r *reader) take(n uint32) []byte {
	if uint64(n) > uint64(len(r.b)-r.at) {
		r.fail(malformed("unexpected end"))
		return nil
	}
	r.at += int(n)
	return r.b[r.at-int(n) : r.at]
}

func (r *reader) u32() uint32 {
	var v uint32
	for shift := 0; shift < 35; shift += 7 {
		c := r.byte()
		v |= uint32(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	r.fail(malformed("a number that is too long"))
	return 0
}

// signed reads a signed number of at most 64 bits.
func (r *reader) signed() int64 {
	var v int64
	for shift := 0; shift < 70; {
		c := r.byte()
		v |= int64(c&0x7f) << shift
		if shift += 7; c < 0x80 {
			if shift < 64 && c&0x40 != 0 {
				v |= -1 << shift
			}
			return v
		}
	}
	r.fail(malformed("a number that is too long"))
	return 0
}

func (r *reader) name() string { return string(r.take(r.u32())) }

// renumberBody rewrites the functions that a body names, by call and by ref.func.
func renumberBody(body []byte, moved func(uint32) (uint32, bool)) ([]byte, error) {
	r := &reader{b: body}
	for n := r.u32(); n > 0 && r.err == nil; n-- {
		r.u32()
		r.byte()
	}
	out := make([]byte, 0, len(body)+16)
	copied := 0
	for r.more() {
		op := r.byte()
		if op == opCall || op == 0xd2 {
			out = append(out, body[copied:r.at]...)
			to, ok := moved(r.u32())
			if !ok {
				r.fail(malformed("a call of no function"))
			}
			out = appendU32(out, to)
			copied = r.at
			continue
		}
		r.immediates(op)
	}
	if r.err != nil {
		return nil, r.err
	}
	return append(out, body[copied:]...), nil
}

// immediates reads what follows an opcode.
func (r *reader) immediates(op byte) {
	switch {
	case op == opBlock || op == opLoop || op == opIf:
		r.signed()
	case op == 0x0e: // br_table
		for n := uint64(r.u32()) + 1; n > 0 && r.err == nil; n-- {
			r.u32()
		}
	case op == 0x11: // call_indirect
		r.u32()
		r.u32()
	case op == opBr || op == opBrIf, op >= 0x20 && op <= 0x26, op == 0xd0:
		r.u32()
	case op >= 0x28 && op <= 0x3e: // loads and stores
		r.u32()
		r.u32()
	case op == 0x3f || op == 0x40:
		r.byte()
	case op == opI32Const || op == opI64Const:
		r.signed()
	case op == 0x43:
		r.take(4)
	case op == 0x44:
		r.take(8)
	case op <= 0x01, op == opElse, op == opEnd, op == opReturn, op == 0x1a, op == 0x1b, op >= 0x45 && op <= 0xc4, op == 0xd1:
	case op == 0x1c:
		r.take(r.u32())
	case op == opPrefix:
		switch sub := r.u32(); {
		case sub < 8:
		case sub == 10:
			r.take(2)
		case sub == 11, sub == 9:
			r.u32()
		default:
			r.fail(malformed("instruction 0xfc %d", sub))
		}
	default:
		r.fail(malformed("instruction %#x", op))
	}
}
