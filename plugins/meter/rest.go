package meter

const (
	// maxRest is the most of what a function does after a call of another that it
	// does not pay for when it goes on. It was charged before the call, so that
	// the rests of a deep recursion would run for minutes without a question. The
	// stack has room for some million frames: their rests together are below 1<<31,
	// which the counter can bear.
	maxRest = 256
	// maxDue bounds the points that are looked at to find the rest.
	maxDue = 16
	// restShare is which part of a longer rest is charged when the function goes on.
	restShare = 16
)

// due is a point before a call, with what was booked on it until then.
type due struct {
	point int32
	cost  uint32
}

// goOn follows a call of a function that can call others.
func (w *walker) goOn() {
	begin := len(w.due)
	note := func(point int32) {
		if point != nobody {
			w.due = append(w.due, due{point, w.points[point].cost})
		}
	}
	note(w.current.point)
	last := w.current.point
	for i := int32(len(w.frames) - 1); i >= 0; i = w.frames[i].outer {
		if len(w.due)-begin == maxDue {
			w.due = w.due[:begin]
			w.edits = append(w.edits, edit{at: w.Offset(), goesOn: true, passed: w.total})
			return
		}
		if point := w.frames[i].entered.point; point != last {
			note(point)
			last = point
		}
	}
	w.edits = append(w.edits, edit{at: w.Offset(), goesOn: true, open: w.due[begin:]})
}

// rest is what the function can cost after the call of an edit without that anything is
// charged then: what was booked, behind the call, on points before it, and what those
// took over of points behind it.
func (w *walker) rest(e *edit) uint32 {
	if e.passed > 0 {
		return w.total - e.passed
	}
	rest := uint32(0)
	for _, d := range e.open {
		p := &w.points[d.point]
		rest += p.booked - d.cost
		if p.gained > e.at {
			rest += p.absorbed
		}
	}
	return rest
}
