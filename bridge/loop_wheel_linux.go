package bridge

import "time"

const (
	// tick is how exact the bounds of a loop's bridges are: they are kept up to a
	// tick late.
	tick = 1 << 25 * time.Nanosecond // 34 ms
	// spokes times tick is one turn of a wheel.
	spokes = 256
)

// wheel keeps the bridges that have something to be looked at later, each in the
// list of its tick. A time that is turns away stays in its list and is passed by.
type wheel struct {
	heads [spokes]*loopBridge
	first [spokes]int64 // no later than the earliest tick of its list
	count int
	at    int64 // the last tick that was looked at
}

// timer is a bridge's place in a wheel.
type timer struct {
	prev, next *loopBridge
	tick       int64 // 0: in no wheel
}

// add has b fire at a time, unless it does so earlier already.
func (w *wheel) add(b *loopBridge, at time.Duration) {
	t := max(int64((at+tick-1)/tick), w.at+1)
	if b.timer.tick != 0 {
		if b.timer.tick <= t {
			return
		}
		w.remove(b)
	}
	i := t % spokes
	head := w.heads[i]
	b.timer = timer{next: head, tick: t}
	if head != nil {
		head.timer.prev = b
	}
	if head == nil || t < w.first[i] {
		w.first[i] = t
	}
	w.heads[i] = b
	w.count++
}

// remove takes b out, if it is in.
func (w *wheel) remove(b *loopBridge) {
	t := b.timer
	if t.tick == 0 {
		return
	}
	if t.prev != nil {
		t.prev.timer.next = t.next
	} else {
		w.heads[t.tick%spokes] = t.next
	}
	if t.next != nil {
		t.next.timer.prev = t.prev
	}
	b.timer = timer{}
	w.count--
}

// soonest is a time at which something may fire, none before it, 0 for never.
func (w *wheel) soonest() time.Duration {
	if w.count == 0 {
		return 0
	}
	var t int64
	for i, head := range w.heads {
		if head != nil && (t == 0 || w.first[i] < t) {
			t = w.first[i]
		}
	}
	return time.Duration(t) * tick
}

// advance fires what is due by now, each bridge out of the wheel before.
func (w *wheel) advance(now time.Duration, fire func(*loopBridge)) {
	to := int64(now / tick)
	from := max(w.at+1, to-spokes+1)
	if to > w.at {
		w.at = to
	}
	if w.count == 0 {
		return
	}
	for t := from; t <= to; t++ {
		if i := t % spokes; w.heads[i] != nil && w.first[i] <= to {
			w.turn(i, to, fire)
		}
	}
}

// turn fires what is due of one list.
func (w *wheel) turn(i, to int64, fire func(*loopBridge)) {
	var due []*loopBridge
	var first int64
	for b := w.heads[i]; b != nil; b = b.timer.next {
		switch {
		case b.timer.tick <= to:
			due = append(due, b)
		case first == 0 || b.timer.tick < first:
			first = b.timer.tick
		}
	}
	w.first[i] = first
	for _, b := range due {
		w.remove(b)
	}
	for _, b := range due {
		fire(b)
	}
}
