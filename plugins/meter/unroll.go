package meter

import (
	"bytes"

	"edge/plugins/wasmbin"
)

// tight is the most instructions of a loop that is unrolled, so that it asks once in
// unrolled rounds: in a short loop the question costs as much as the work.
const (
	tight    = 12
	unrolled = 4
)

// unroll has a loop that was read to its end asked in every few rounds only, if it
// is short and nothing but plain instructions that end in a branch back:
//
//	loop CODE br_if 0 end
//
// becomes, as often as unrolled says,
//
//	block loop CODE eqz br_if 1 CODE ... br_if 0 end end
//
// Without parameters and results the stack is empty at both branches.
func (w *walker) unroll(f *frame) {
	switch {
	case w.again < 0 || w.turns != f.turns+1 || w.count-f.count > tight:
		return
	case !bytes.Equal(w.Slice(f.at, f.code), []byte{wasmbin.OpLoop, wasmbin.BlockEmpty}):
		return
	}
	var rounds []byte
	body := w.Slice(f.code, w.again)
	for range unrolled - 1 {
		rounds = append(rounds, wasmbin.OpI32Eqz, wasmbin.OpBrIf, 1)
		rounds = append(rounds, body...)
	}
	w.points[f.header].cost += uint32((unrolled - 1) * (w.count - f.count))
	w.edits = append(w.edits,
		edit{at: f.at, insert: []byte{wasmbin.OpBlock, wasmbin.BlockEmpty}},
		edit{at: w.again, insert: rounds},
		edit{at: w.Offset(), insert: []byte{wasmbin.OpEnd}})
}
