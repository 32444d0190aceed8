package meter

import "math"

const (
	// slack is how much a point may charge for code that only some of the paths
	// from it run, instead of a point there: fewer points for a charge that is a
	// little too high.
	slack = 96
	// advance is what a br_table costs, besides itself: it pays for the code at its
	// targets up to there, so that not each of them needs a point. A compiler that
	// makes one large switch of a function, as Go's does, has very many.
	advance = 96
	// maxLeaf is the most instructions of a function that its callers are charged
	// for.
	maxLeaf = 16
)

// point is a place where fuel is charged. Each instruction belongs to one: one
// that dominates it (no path avoids it) in the same innermost loop, so that
// between two runs of the instruction the point is passed. What is charged is
// therefore never less than what runs.
type point struct {
	at       int    // offset in the body
	cost     uint32 // instructions that belong to it
	absorbed uint32 // how much of cost came from points that were given up
	dominant int32  // the point that its instructions may fall to, or check or firm
	booked   uint32 // cost, before points were given up
	gained   int    // where the last point was that it took over, or 0
	again    again  // of one that asks
}

// again is where the code goes on after a question.
type again int

const (
	here   again = iota // behind it
	entry               // at the function's entry, where nothing was done yet
	header              // at the header of a loop without parameters
)

// What a point is that stays where it is.
const (
	check = -1 // asks the host if fuel ran out: a function's entry, a loop's header
	firm  = -2
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

// account is what the next instruction belongs to. If it can also be reached from
// a br_table, without passing the point, landed is the number of instructions
// before the first such place: what follows is paid for in advance, but no further
// than that reaches.
type account struct {
	point  int32
	landed int // or never
}

const (
	never  = -1 // reached from a br_table
	nobody = -1 // the point of code that only a br_table leads to
)

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
	reader
	m       *rewriter
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
func (w *walker) body(m *rewriter, body []byte) error {
	w.reader, w.m = reader{b: body}, m
	w.frames, w.points, w.edits, w.due = w.frames[:0], w.points[:0], w.edits[:0], w.due[:0]
	w.locals()
	w.bare, w.dead, w.busy, w.count, w.total, w.turns, w.again = true, false, false, 0, 0, 0, -1
	w.begin(check)
	w.points[0].again = entry
	w.push(opBlock)
	for len(w.frames) > 0 && w.err == nil {
		w.instruction()
	}
	if w.more() {
		w.fail(malformed("code after a function's end"))
	}
	if w.err == nil {
		w.settle()
	}
	return w.err
}

// locals reads the locals' declaration. Compilers make room for as many as it
// says, which may be more than there is.
func (w *walker) locals() {
	sum := uint64(0)
	for n := w.u32(); n > 0 && w.err == nil; n-- {
		sum += uint64(w.u32())
		w.valueType()
	}
	if sum > maxLocals {
		w.fail(unsupported("%d locals", sum))
	}
}

// begin makes a point of the place that is read next.
func (w *walker) begin(dominant int32) {
	w.points = append(w.points, point{at: w.at, dominant: dominant})
	w.current = account{int32(len(w.points) - 1), never}
}

// fork is a place to which only some of the paths from a point come.
func (w *walker) fork(from account) {
	w.bare = false
	if w.current = from; from.landed == never {
		w.begin(from.point)
	}
}

// book adds to what is charged for the code that is being read.
func (w *walker) book(cost uint32) {
	w.total += cost
	if w.current.point != nobody {
		w.points[w.current.point].cost += cost
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
	begin := w.at
	op := w.byte()
	if op != opEnd {
		w.again = -1
	}
	switch op {
	case opBlock:
		w.blockType(w.m)
		w.push(op)
	case opLoop:
		w.loop(begin)
	case opElse:
		w.otherwise()
	case opEnd:
		w.end()
	case opNop:
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
	case opUnreachable:
		w.turns++
		w.dead = true
	case opIf:
		w.blockType(w.m)
		w.push(op)
		w.fork(w.current)
	case opBr:
		w.frame(w.u32()).targeted = true
		w.dead = true
	case opBrIf:
		label := w.u32()
		w.frame(label).targeted = true
		w.fork(w.current)
		if label == 0 {
			w.again = begin
		}
	case opBrTable:
		w.book(advance)
		for n := w.u32(); n > 0 && w.err == nil; n-- {
			w.frame(w.u32()).dispatched = true
		}
		w.frame(w.u32()).dispatched = true
		w.dead = true
	case opReturn:
		w.frame(uint32(len(w.frames) - 1))
		w.dead = true
	case opCall:
		w.call(w.rename())
	case opCallIndirect:
		w.index("type", w.m.types)
		w.u32() // the table
		w.book(maxLeaf)
		w.bare, w.busy = false, true
		w.turns++
		w.goOn()
	case opRefFunc:
		w.rename()
	case opTableSet:
		w.u32() // the table
		w.taint(begin)
	case opMisc:
		sub := w.misc()
		if isLasting(sub) {
			w.taint(begin)
		}
		w.charge(begin, bulkHelper(sub))
	case opMemoryGrow:
		w.zero()
		w.charge(begin, helperPages)
	default:
		w.immediates(op, w.m)
	}
}

// frame returns the frame that a branch goes to, by its label, which counts from
// the innermost.
func (w *walker) frame(label uint32) *frame {
	w.bare = false
	w.turns++
	depth := len(w.frames) - 1
	if uint64(label) > uint64(depth) {
		w.fail(malformed("label %d does not exist", label))
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
	if w.at < len(w.b) && w.b[w.at] >= blockEmpty && w.b[w.at] < 0x80 { // at most a result
		again = header
	}
	w.blockType(w.m)
	w.push(opLoop)
	f := &w.frames[len(w.frames)-1]
	f.at, f.code, f.count, f.turns = begin, w.at, w.count, w.turns
	if w.bare {
		w.points[0].at = w.at
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
	if f.op != opIf {
		w.fail(malformed("else outside an if"))
		return
	}
	f.op, f.targeted = opElse, f.targeted || !w.dead
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
	if f.op == opLoop && w.err == nil {
		w.unroll(&f)
	}
	outer := &w.frames[depth-1]
	outer.reach = min(outer.reach, f.reach)
	joined := f.op == opIf || f.targeted // what did not fall through comes out too
	switch leaves := f.reach < depth; {
	case leaves && (joined || f.op == opLoop):
		w.fork(f.entered)
	case joined || f.op == opLoop || f.dispatched && !leaves:
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
	begin := w.at
	i := w.index("function", w.m.functions)
	if w.err == nil && i >= w.m.imports {
		w.edits = append(w.edits, edit{at: begin, n: w.at - begin, index: w.m.own(i)})
	}
	return i
}

// call charges for a function that does not charge for itself.
func (w *walker) call(function uint32) {
	w.bare, w.busy = false, true
	if w.err != nil || function < w.m.imports {
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
	if w.err == nil && which != noHelper {
		w.edits = append(w.edits, edit{at: begin, index: w.m.helper(which), isCall: true})
		w.bare, w.busy = false, true
		w.turns++
	}
}

// taint notes, before the instruction that begins there, that it does what
// Options.Restore cannot undo.
func (w *walker) taint(begin int) {
	if w.err == nil && w.m.restores() {
		w.edits = append(w.edits, edit{at: begin, insert: w.m.appendTaint(nil, 1)})
		w.turns++
	}
}

// isLeaf tells whether the function that was read may be charged to its callers.
func (w *walker) isLeaf() bool { return w.count <= maxLeaf && !w.busy }

// settle gives points up whose cost their dominant point can take over. Later
// points come first, so that a row of small ones becomes a few of some size.
func (w *walker) settle() {
	for i := range w.points {
		w.points[i].booked = w.points[i].cost
	}
	for i := len(w.points) - 1; i > 0; i-- {
		p := &w.points[i]
		if p.dominant < 0 {
			continue
		}
		d := &w.points[p.dominant]
		if d.absorbed+p.cost > slack {
			continue
		}
		d.absorbed += p.cost
		if p.cost > 0 {
			d.gained = max(d.gained, p.at, p.gained)
		}
		d.cost += p.cost
		p.cost = 0
	}
}
