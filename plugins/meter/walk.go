package meter

import (
	"math"

	"edge/plugins/wasmbin"
)

// edit is a change of the code: at an offset, n bytes make room for a call of a
// helper, or for a new index. One behind a call is made only if what is left of
// the function then is long.
type edit struct {
	at, n  int
	index  uint32
	isCall bool
	goesOn bool   // behind a call
	open   []due  // the points to which code behind the call may belong
	passed uint32 // in their place, if they are too many to look at: what the function cost up to there
	insert []byte // made as it is, before a point at the same place
}

// frame is a block, loop, if or the function itself that is open.
type frame struct {
	op         byte
	targeted   bool    // a branch goes to its end, or an if has no else
	dispatched bool    // a br_table goes to its end
	entered    account // when it began
	outer      int32   // the next frame outwards that was entered at another point, or -1
	reach      int32   // the outermost frame that branches in it go to
	// Of a loop: where its opcode and its code are, and what there was before it.
	at, code, count, turns int
	header                 int32 // the point that is charged in each round
}

// walker reads functions' bodies and says where they are to be changed.
type walker struct {
	wasmbin.Reader
	m       *rewriter
	from    int // where the body begins
	frames  []frame
	points  []point
	edits   []edit
	due     []due // of the edits
	current account
	dead    bool   // what is read next is not reached from what was read before
	bare    bool   // nothing but plain instructions and blocks so far
	busy    bool   // it loops, calls, or works on many bytes at once
	count   int    // instructions
	total   uint32 // what they cost, however they are charged
	turns   int    // instructions that are not plain, blocks among them
	again   int    // where the last instruction is, if that is br_if 0
}

// body reads one function's instructions, from begin to the end of the body.
func (w *walker) body(m *rewriter, body wasmbin.Reader) error {
	w.Reader, w.m, w.from = body, m, body.Offset()
	w.frames, w.points, w.edits, w.due = w.frames[:0], w.points[:0], w.edits[:0], w.due[:0]
	w.locals()
	w.bare, w.dead, w.busy, w.count, w.total, w.turns, w.again = true, false, false, 0, 0, 0, -1
	w.begin(check)
	w.points[0].again = entry
	w.push(wasmbin.OpBlock)
	for len(w.frames) > 0 && w.Err() == nil {
		w.instruction()
	}
	if w.More() {
		w.Fail(ErrMalformed, "code after a function's end")
	}
	if w.Err() == nil {
		w.settle()
	}
	return w.Err()
}

// locals reads the locals' declaration. Compilers make room for as many as it
// says, which may be more than there is.
func (w *walker) locals() {
	sum := uint64(0)
	for n := w.U32(); n > 0 && w.Err() == nil; n-- {
		sum += uint64(w.U32())
		w.ValueType()
	}
	if sum > maxLocals {
		w.Fail(ErrUnsupported, "%d locals", sum)
	}
}

func (w *walker) push(op byte) {
	w.turns++
	outer := int32(len(w.frames) - 1)
	if outer >= 0 && w.frames[outer].entered.point == w.current.point {
		outer = w.frames[outer].outer
	}
	w.frames = append(w.frames, frame{op: op, entered: w.current, outer: outer, reach: math.MaxInt32})
}

// instruction reads one and books it. Those that only give the code its structure
// are free.
func (w *walker) instruction() {
	begin := w.Offset()
	op := w.Byte()
	if op != wasmbin.OpEnd {
		w.again = -1
	}
	switch op {
	case wasmbin.OpBlock:
		w.blockType()
		w.push(op)
	case wasmbin.OpLoop:
		w.loop(begin)
	case wasmbin.OpElse:
		w.otherwise()
	case wasmbin.OpEnd:
		w.end()
	case wasmbin.OpNop:
	default:
		if w.current.landed != never && w.count-w.current.landed >= advance {
			w.begin(firm)
			w.points[w.current.point].at = begin
		}
		w.count++
		w.book(1)
		w.work(op, begin)
	}
}

// work reads an instruction that does something.
func (w *walker) work(op byte, begin int) {
	switch op {
	case wasmbin.OpUnreachable:
		w.turns++
		w.dead = true
	case wasmbin.OpIf:
		w.blockType()
		w.push(op)
		w.fork(w.current)
	case wasmbin.OpBr:
		w.frame(w.U32()).targeted = true
		w.dead = true
	case wasmbin.OpBrIf:
		label := w.U32()
		w.frame(label).targeted = true
		w.fork(w.current)
		if label == 0 {
			w.again = begin
		}
	case wasmbin.OpBrTable:
		w.book(advance)
		for n := w.U32(); n > 0 && w.Err() == nil; n-- {
			w.frame(w.U32()).dispatched = true
		}
		w.frame(w.U32()).dispatched = true
		w.dead = true
	case wasmbin.OpReturn:
		w.frame(uint32(len(w.frames) - 1))
		w.dead = true
	case wasmbin.OpCall:
		w.call(w.rename())
	case wasmbin.OpCallIndirect:
		w.Index("type", w.m.types)
		w.U32() // the table
		w.book(maxLeaf)
		w.bare, w.busy = false, true
		w.turns++
		w.goOn()
	case wasmbin.OpRefFunc:
		w.rename()
	case wasmbin.OpTableSet:
		w.U32() // the table
		w.taint(begin)
	case wasmbin.OpMisc:
		sub := w.Misc()
		if isLasting(sub) {
			w.taint(begin)
		}
		w.charge(begin, bulkHelper(sub))
	case wasmbin.OpGlobalGet, wasmbin.OpGlobalSet:
		w.Index("global", w.m.globals)
	default:
		if w.Immediates(op); op == wasmbin.OpMemoryGrow {
			w.charge(begin, helperPages)
		}
	}
}

// blockType reads the type of a block, which is negative unless it has parameters or
// more than one result.
func (w *walker) blockType() int64 {
	t := w.BlockType()
	if t >= int64(w.m.types) {
		w.Fail(ErrMalformed, "type %d does not exist", t)
	}
	return t
}

// frame returns the frame that a branch goes to, by its label, which counts from
// the innermost.
func (w *walker) frame(label uint32) *frame {
	w.bare = false
	w.turns++
	depth := len(w.frames) - 1
	if uint64(label) > uint64(depth) {
		w.Fail(ErrMalformed, "label %d does not exist", label)
		return &w.frames[depth]
	}
	target := depth - int(label)
	inner := &w.frames[depth]
	inner.reach = min(inner.reach, int32(target))
	return &w.frames[target]
}

// loop begins a loop. If nothing happened in the function so far, its entry is
// charged here: one check instead of two. What follows the loop gets a point then,
// so that it is not charged in each round.
func (w *walker) loop(begin int) {
	w.busy = true
	again := here
	if w.blockType() < 0 {
		again = header
	}
	w.push(wasmbin.OpLoop)
	f := &w.frames[len(w.frames)-1]
	f.at, f.code, f.count, f.turns = begin, w.Offset(), w.count, w.turns
	if w.bare {
		w.points[0].at = w.Offset()
		w.bare = false
		f.reach = -1
	} else {
		w.begin(check)
	}
	f.header = w.current.point
	w.points[f.header].again = again
}

func (w *walker) otherwise() {
	f := &w.frames[len(w.frames)-1]
	if f.op != wasmbin.OpIf {
		w.Fail(ErrMalformed, "else outside an if")
		return
	}
	f.op, f.targeted = wasmbin.OpElse, f.targeted || !w.dead
	w.dead = false
	w.fork(f.entered)
}

// end ends a frame and finds what the code after it belongs to.
func (w *walker) end() {
	depth := int32(len(w.frames) - 1)
	f := w.frames[depth]
	w.frames = w.frames[:depth]
	if depth == 0 {
		return
	}
	if f.op == wasmbin.OpLoop && w.Err() == nil {
		w.unroll(&f)
	}
	outer := &w.frames[depth-1]
	outer.reach = min(outer.reach, f.reach)
	joined := f.op == wasmbin.OpIf || f.targeted // what did not fall through comes out too
	switch leaves := f.reach < depth; {
	case leaves && (joined || f.op == wasmbin.OpLoop):
		w.fork(f.entered)
	case joined || f.op == wasmbin.OpLoop || f.dispatched && !leaves:
		w.current = f.entered // every path into it comes out
	case f.dispatched:
		w.land()
	}
	w.dead = w.dead && !joined && !f.dispatched
}

// land is a place that is reached from a br_table and perhaps from before.
func (w *walker) land() {
	w.bare = false
	switch {
	case w.dead:
		w.current = account{nobody, w.count}
	case w.current.landed == never:
		w.current.landed = w.count
	}
}

// rename reads a function's index, which is to be changed if it is the module's
// own.
func (w *walker) rename() uint32 {
	w.turns++
	begin := w.Offset()
	i := w.Index("function", w.m.functions)
	if w.Err() == nil && i >= w.m.imports {
		w.edits = append(w.edits, edit{at: begin, n: w.Offset() - begin, index: w.m.own(i)})
	}
	return i
}

// call charges for a function that does not charge for itself.
func (w *walker) call(function uint32) {
	w.bare, w.busy = false, true
	if w.Err() != nil || function < w.m.imports {
		return
	}
	if cost := w.m.leaves[function-w.m.imports]; cost > 0 {
		w.book(uint32(cost))
		return
	}
	w.goOn()
}

// charge puts a call of a helper, which sees the operand on top of the stack,
// before the instruction that begins there.
func (w *walker) charge(begin int, which helper) {
	if w.Err() == nil && which != noHelper {
		w.edits = append(w.edits, edit{at: begin, index: w.m.helper(which), isCall: true})
		w.bare, w.busy = false, true
		w.turns++
	}
}

// taint notes, before the instruction that begins there, that it does what
// Options.Restore cannot undo.
func (w *walker) taint(begin int) {
	if w.Err() == nil && w.m.restores() {
		w.edits = append(w.edits, edit{at: begin, insert: w.m.appendTaint(nil, 1)})
		w.turns++
	}
}

// isLeaf tells whether the function that was read may be charged to its callers.
func (w *walker) isLeaf() bool { return w.count <= maxLeaf && !w.busy }
