package meter

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
	at       int    // offset in the module
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

// begin makes a point of the place that is read next.
func (w *walker) begin(dominant int32) {
	w.points = append(w.points, point{at: w.Offset(), dominant: dominant})
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
