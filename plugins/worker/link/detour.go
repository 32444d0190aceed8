package link

import (
	"bytes"

	"edge/plugins/wasmbin"
)

// detours are functions that the engine calls in place of its own, in the order in which
// detour defines them.
var detours = []struct{ of, by string }{
	{"JS_ThrowOutOfMemory", "starve"},
	{"JS_FreeValue", "release"},
	{"JS_FreeValueRT", "releaseRT"},
}

// leastCounted is the first value, as an unsigned number, that is a pointer with a count
// of its references in the 4 bytes before it (JS_VALUE_HAS_REF_COUNT of quickjs.h).
const leastCounted = uint64(0xfffffff7_00000000)

// freeing is how JS_FreeValueRT must begin, as the detour relies on it: a frame on the
// stack, no more for a value without a count, one reference less, and no more if some are
// left.
func freeing() []byte {
	return append([]byte{2, 4, 0x7f, 1, 0x7e}, do( // locals: four i32, one i64
		code{0x23, 0}, i32(16), code{0x6b, 0x22, 4, 0x24, 0}, // global.get, i32.sub, local.tee, global.set
		code{wasmbin.OpBlock, wasmbin.BlockEmpty},
		brIf(0, op(0x54, get(1), i64(leastCounted))), // i64.lt_u
		tee(3, sub(tee(2, wrap(get(1))), i32(4))), sub(tee(3, load(0, get(3))), i32(1)), memory(0x36, 2, 0),
		brIf(0, op(0x4a, get(3), i32(1))), // i32.gt_s
	)...)
}

// detoured returns the indices of the functions that have a detour, which are as it takes
// them to be.
func (b *binary) detoured() ([]uint32, error) {
	var found []uint32
	for _, d := range detours {
		i, err := b.exported(d.of)
		if err != nil {
			return nil, err
		}
		found = append(found, i)
	}
	own := func(i int) []byte { return b.functions[found[i]-uint32(len(b.imports))].body }
	// JS_FreeValue(ctx, v) is JS_FreeValueRT(ctx->rt, v).
	if !bytes.HasPrefix(own(2), freeing()) || !bytes.Equal(own(1), body("", load(8, get(0)), get(1), indexed(wasmbin.OpCall, found[2]))) {
		return nil, malformed("its values are freed otherwise")
	}
	return found, nil
}

// detour defines the detours, the first of which has the index given.
func (g *glue) detour(first uint32) error {
	g.function("starve", "i", "I", "", store(cellStarved, zero(), i32(1)), g.call("JS_ThrowOutOfMemory", get(0)))
	g.function("release", "iI", "", "ii", g.releasing("JS_FreeValue"))
	g.function("releaseRT", "iI", "", "ii", g.releasing("JS_FreeValueRT"))
	g.index["JS_FreeValue"] = g.index["release"]
	for i, d := range detours {
		if g.index[d.by] != first+uint32(i) {
			return malformed("it has other functions")
		}
	}
	return nil
}

// releasing lets go of a value. A request does that hundreds of times, and most have no
// count or other references: the engine's function, which makes itself a frame on the
// stack first, is left the others.
func (g *glue) releasing(of string) code {
	const v, at, count = 1, 2, 3
	return do(
		when(op(0x54, get(v), i64(leastCounted)), ret()),
		when(op(0x4a, tee(count, load(0, tee(at, sub(wrap(get(v)), i32(4))))), i32(1)),
			store(0, get(at), sub(get(count), i32(1))), ret()),
		g.call(of, get(0), get(v)))
}
