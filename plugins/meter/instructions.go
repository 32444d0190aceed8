package meter

// The instructions that matter here (WebAssembly 2.0, section 5.4).
const (
	opUnreachable  = 0x00
	opNop          = 0x01
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opEnd          = 0x0b
	opBr           = 0x0c
	opBrIf         = 0x0d
	opBrTable      = 0x0e
	opReturn       = 0x0f
	opCall         = 0x10
	opCallIndirect = 0x11
	opSelectTyped  = 0x1c
	opLocalGet     = 0x20
	opLocalTee     = 0x22
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opTableGet     = 0x25
	opTableSet     = 0x26
	opI32Load      = 0x28
	opI64Store32   = 0x3e
	opMemorySize   = 0x3f
	opMemoryGrow   = 0x40
	opI32Const     = 0x41
	opI64Const     = 0x42
	opF32Const     = 0x43
	opF64Const     = 0x44
	opI32Eqz       = 0x45
	opI32LtS       = 0x48
	opI32Add       = 0x6a
	opI32Sub       = 0x6b
	opI32And       = 0x71
	opI32Shl       = 0x74
	opI32ShrU      = 0x76
	opI64Extend32S = 0xc4
	opRefNull      = 0xd0
	opRefIsNull    = 0xd1
	opRefFunc      = 0xd2
	opMisc         = 0xfc
	opVector       = 0xfd

	blockEmpty = 0x40
)

// The types of values (section 5.3).
const (
	typeI32       = 0x7f
	typeI64       = 0x7e
	typeF32       = 0x7d
	typeF64       = 0x7c
	typeV128      = 0x7b
	typeFuncref   = 0x70
	typeExternref = 0x6f
)

// The instructions behind opMisc.
const (
	miscTruncSatLast = 7
	miscMemoryInit   = 8
	miscDataDrop     = 9
	miscMemoryCopy   = 10
	miscMemoryFill   = 11
	miscTableInit    = 12
	miscElemDrop     = 13
	miscTableCopy    = 14
	miscTableGrow    = 15
	miscTableSize    = 16
	miscTableFill    = 17
)

// The instructions behind opVector that have immediates.
const (
	vecLoadLast     = 0x0b // from v128.load, 0, to v128.store
	vecConst        = 0x0c
	vecShuffle      = 0x0d
	vecLanes        = 0x15 // extract and replace lanes
	vecLanesLast    = 0x22
	vecLoadLane     = 0x54
	vecStoreLast    = 0x5b
	vecLoadZero     = 0x5c
	vecLoadZeroLast = 0x5d
)

// immediates reads what follows the opcode of an instruction that neither
// branches, calls, nor names a function.
func (r *reader) immediates(op byte, m *rewriter) {
	switch {
	case op >= 0x45 && op <= opI64Extend32S: // numeric
	case op == 0x1a || op == 0x1b || op == opRefIsNull: // drop, select
	case op >= opLocalGet && op <= opLocalTee, op == opTableGet, op == opTableSet:
		r.u32()
	case op == opGlobalGet || op == opGlobalSet:
		r.index("global", m.globals)
	case op >= opI32Load && op <= opI64Store32:
		r.memarg()
	case op == opI32Const:
		r.signed(32)
	case op == opI64Const:
		r.signed(64)
	case op == opF32Const:
		r.skip(4)
	case op == opF64Const:
		r.skip(8)
	case op == opMemorySize || op == opMemoryGrow:
		r.zero()
	case op == opSelectTyped:
		if r.byte() != 1 {
			r.fail(unsupported("select of more than one value"))
		}
		r.valueType()
	case op == opRefNull:
		r.refType()
	case op == opVector:
		r.vector()
	default:
		r.fail(unsupported("instruction %#x", op))
	}
}

// memarg reads alignment and offset. An alignment beyond 16 bytes is none of
// WebAssembly 2.0, and higher bits mean other things in later versions.
func (r *reader) memarg() {
	if align := r.u32(); align > 4 {
		r.fail(unsupported("alignment of 2^%d bytes", align))
	}
	r.u32()
}

// isLasting tells whether an instruction behind opMisc changes a table or drops a
// segment.
func isLasting(sub uint32) bool {
	switch sub {
	case miscDataDrop, miscTableInit, miscElemDrop, miscTableCopy, miscTableGrow, miscTableFill:
		return true
	}
	return false
}

// misc reads the rest of an instruction behind opMisc and returns which it is.
func (r *reader) misc() uint32 {
	sub := r.u32()
	switch sub {
	case miscMemoryInit:
		r.u32()
		r.zero()
	case miscMemoryCopy:
		r.zero()
		r.zero()
	case miscMemoryFill:
		r.zero()
	case miscTableInit, miscTableCopy:
		r.u32()
		r.u32()
	case miscDataDrop, miscElemDrop, miscTableGrow, miscTableSize, miscTableFill:
		r.u32()
	default:
		if sub > miscTruncSatLast {
			r.fail(unsupported("instruction 0xfc %#x", sub))
		}
	}
	return sub
}

// vector reads the rest of a SIMD instruction. Those from 0x80 on must have the
// two bytes of their shortest form, because wazero looks at the first alone.
func (r *reader) vector() {
	sub := r.byte()
	if sub >= 0x80 {
		if r.byte() != 1 {
			r.fail(unsupported("instruction 0xfd %#x", sub))
		}
	}
	switch {
	case sub <= vecLoadLast, sub == vecLoadZero, sub == vecLoadZeroLast:
		r.memarg()
	case sub == vecConst, sub == vecShuffle:
		r.skip(16)
	case sub >= vecLanes && sub <= vecLanesLast:
		r.byte()
	case sub >= vecLoadLane && sub <= vecStoreLast:
		r.memarg()
		r.byte()
	case sub > 0x7f && missingVector(sub):
		r.fail(unsupported("instruction 0xfd %#x", sub))
	}
}

// missingVector tells which numbers WebAssembly 2.0 leaves out.
func missingVector(sub byte) bool {
	switch sub {
	case 0x9a, 0xa2, 0xa5, 0xa6, 0xaf, 0xb0, 0xb2, 0xb3, 0xb4, 0xbb,
		0xc2, 0xc5, 0xc6, 0xcf, 0xd0, 0xd2, 0xd3, 0xd4, 0xe2, 0xee:
		return true
	}
	return false
}

// blockType reads the type of a block.
func (r *reader) blockType(m *rewriter) {
	if r.at < len(r.b) {
		switch r.b[r.at] {
		case blockEmpty, 0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f:
			r.at++
			return
		}
	}
	if t := r.signed(33); t < 0 {
		r.fail(unsupported("block type %d", t))
	} else if t >= int64(m.types) {
		r.fail(malformed("type %d does not exist", t))
	}
}
