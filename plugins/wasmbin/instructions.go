package wasmbin

// The instructions that somebody here asks for (section 5.4).
const (
	OpUnreachable  = 0x00
	OpNop          = 0x01
	OpBlock        = 0x02
	OpLoop         = 0x03
	OpIf           = 0x04
	OpElse         = 0x05
	OpEnd          = 0x0b
	OpBr           = 0x0c
	OpBrIf         = 0x0d
	OpBrTable      = 0x0e
	OpReturn       = 0x0f
	OpCall         = 0x10
	OpCallIndirect = 0x11
	OpDrop         = 0x1a
	OpSelect       = 0x1b
	OpSelectTyped  = 0x1c
	OpLocalGet     = 0x20
	OpLocalSet     = 0x21
	OpLocalTee     = 0x22
	OpGlobalGet    = 0x23
	OpGlobalSet    = 0x24
	OpTableSet     = 0x26
	OpI32Load      = 0x28
	OpI64Store32   = 0x3e
	OpMemorySize   = 0x3f
	OpMemoryGrow   = 0x40
	OpI32Const     = 0x41
	OpI64Const     = 0x42
	OpF32Const     = 0x43
	OpF64Const     = 0x44
	OpI32Eqz       = 0x45
	OpI32LtS       = 0x48
	OpI32Add       = 0x6a
	OpI32Sub       = 0x6b
	OpI32And       = 0x71
	OpI32Shl       = 0x74
	OpI32ShrU      = 0x76
	OpI64Extend32S = 0xc4
	OpRefNull      = 0xd0
	OpRefIsNull    = 0xd1
	OpRefFunc      = 0xd2
	OpMisc         = 0xfc // saturating conversions, and what works on many bytes or entries
	OpVector       = 0xfd

	BlockEmpty = 0x40 // the type of a block without parameters and results
)

// The instructions behind OpMisc.
const (
	MiscTruncSatLast = 7
	MiscMemoryInit   = 8
	MiscDataDrop     = 9
	MiscMemoryCopy   = 10
	MiscMemoryFill   = 11
	MiscTableInit    = 12
	MiscElemDrop     = 13
	MiscTableCopy    = 14
	MiscTableGrow    = 15
	MiscTableSize    = 16
	MiscTableFill    = 17
)

// The instructions behind OpVector that have immediates.
const (
	vecLoadLast     = 0x0b // from v128.load, 0, to v128.store
	VecConst        = 0x0c
	vecShuffle      = 0x0d
	vecLanes        = 0x15 // extract and replace lanes
	vecLanesLast    = 0x22
	vecLoadLane     = 0x54
	vecStoreLast    = 0x5b
	vecLoadZero     = 0x5c
	vecLoadZeroLast = 0x5d
)

// Immediates reads what follows an instruction's opcode, up to the next instruction.
// It fails for what is none of WebAssembly 2.0. Indices are not compared with what
// there is.
func (r *Reader) Immediates(op byte) {
	switch {
	case op >= OpI32Eqz && op <= OpI64Extend32S: // numeric
	case op >= OpLocalGet && op <= OpTableSet, op == OpBr, op == OpBrIf, op == OpCall, op == OpRefFunc:
		r.U32()
	case op >= OpI32Load && op <= OpI64Store32:
		r.memarg()
	case op == OpI32Const:
		r.S32()
	case op == OpI64Const:
		r.S64()
	case op == OpF32Const:
		r.Bytes(4)
	case op == OpF64Const:
		r.Bytes(8)
	case op == OpMemorySize || op == OpMemoryGrow:
		r.Zero()
	case op <= OpNop, op == OpElse, op == OpEnd, op == OpReturn, op == OpDrop, op == OpSelect, op == OpRefIsNull:
	case op <= OpIf:
		r.BlockType()
	case op == OpBrTable:
		for n := uint64(r.U32()) + 1; n > 0 && r.err == nil; n-- {
			r.U32()
		}
	case op == OpCallIndirect:
		r.U32() // the type
		r.U32() // the table
	case op == OpSelectTyped:
		if r.Byte() != 1 {
			r.Fail(ErrUnsupported, "select of more than one value")
		}
		r.ValueType()
	case op == OpRefNull:
		r.RefType()
	case op == OpMisc:
		r.Misc()
	case op == OpVector:
		r.vector()
	default:
		r.Fail(ErrUnsupported, "instruction %#x", op)
	}
}

// BlockType reads the type of a block (section 5.4.1): the index of a function's type,
// or a negative number if the block has no parameters, and one result at most.
func (r *Reader) BlockType() int64 {
	begin := r.at
	t := r.signed(33)
	if t < 0 && r.err == nil {
		switch c := r.b[begin]; c {
		case BlockEmpty, TypeI32, TypeI64, TypeF32, TypeF64, TypeV128, TypeFuncref, TypeExternref:
		default: // one that nobody knows, or a longer form
			r.Fail(ErrUnsupported, "block type %d", t)
		}
	}
	return t
}

// memarg reads alignment and offset. An alignment beyond 16 bytes is none of
// WebAssembly 2.0, and higher bits mean other things in later versions.
func (r *Reader) memarg() {
	if align := r.U32(); align > 4 {
		r.Fail(ErrUnsupported, "alignment of 2^%d bytes", align)
	}
	r.U32()
}

// Misc reads the rest of an instruction behind OpMisc and returns which it is.
func (r *Reader) Misc() uint32 {
	sub := r.U32()
	switch sub {
	case MiscMemoryInit:
		r.U32()
		r.Zero()
	case MiscMemoryCopy:
		r.Zero()
		r.Zero()
	case MiscMemoryFill:
		r.Zero()
	case MiscTableInit, MiscTableCopy:
		r.U32()
		r.U32()
	case MiscDataDrop, MiscElemDrop, MiscTableGrow, MiscTableSize, MiscTableFill:
		r.U32()
	default:
		if sub > MiscTruncSatLast {
			r.Fail(ErrUnsupported, "instruction 0xfc %#x", sub)
		}
	}
	return sub
}

// vector reads the rest of a SIMD instruction. Those from 0x80 on must have the two
// bytes of their shortest form: wazero looks at the first alone.
func (r *Reader) vector() {
	sub := r.Byte()
	if sub >= 0x80 {
		if r.Byte() != 1 {
			r.Fail(ErrUnsupported, "instruction 0xfd %#x", sub)
		}
	}
	switch {
	case sub <= vecLoadLast, sub == vecLoadZero, sub == vecLoadZeroLast:
		r.memarg()
	case sub == VecConst, sub == vecShuffle:
		r.Bytes(16)
	case sub >= vecLanes && sub <= vecLanesLast:
		r.Byte()
	case sub >= vecLoadLane && sub <= vecStoreLast:
		r.memarg()
		r.Byte()
	case sub > 0x7f && missingVector(sub):
		r.Fail(ErrUnsupported, "instruction 0xfd %#x", sub)
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
