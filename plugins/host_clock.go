package plugins

import (
	"encoding/binary"

	"edge/abi"
)

// maxRandom bounds the randomness of one call, in bytes, as WASI's hosts do.
const maxRandom = 64 << 10

// clockRead: (id, ptr). The ids are WASI's. See SPEC.md, section 3.
func clockRead(in *instance, a []uint64) uint64 {
	out := in.bytes(a[1], 8)
	now, ok := in.clock(uint32(a[0]))
	if !ok {
		return answer(abi.Invalid)
	}
	binary.LittleEndian.PutUint64(out, uint64(now))
	return answer(abi.OK)
}

// randomFill: (ptr, len).
func randomFill(in *instance, a []uint64) uint64 {
	if uint32(a[1]) > maxRandom {
		return answer(abi.Invalid)
	}
	in.randomize(in.bytes(a[0], a[1]))
	return answer(abi.OK)
}
