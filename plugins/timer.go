package plugins

import (
	"container/heap"
	"time"
)

// timer is a call of timer_start that is not complete.
type timer struct {
	call  *call
	due   time.Time
	took  time.Duration
	index int // in timers; -1: it is there no more
}

// timers are those of an instance, the one that is due first in front. The loop
// alone uses them: no goroutine stands behind one.
type timers struct {
	heap  timerHeap
	alarm *time.Timer // nil before the first
	set   time.Time   // for when the alarm is
}

func (t *timers) add(e *timer) { heap.Push(&t.heap, e) }

func (t *timers) remove(e *timer) {
	if e.index >= 0 {
		heap.Remove(&t.heap, e.index)
	}
}

// ringing returns the channel that tells when the first timer is due, nil if there
// is none.
func (t *timers) ringing() <-chan time.Time {
	if len(t.heap) == 0 {
		return nil
	}
	due := t.heap[0].due
	switch {
	case t.alarm == nil:
		t.alarm = time.NewTimer(time.Until(due))
	case !t.set.Equal(due):
		t.alarm.Reset(time.Until(due))
	}
	t.set = due
	return t.alarm.C
}

// take takes the first timer if it is due at that time.
func (t *timers) take(now time.Time) *timer {
	t.set = time.Time{} // the alarm has rung
	if len(t.heap) == 0 || t.heap[0].due.After(now) {
		return nil
	}
	return heap.Pop(&t.heap).(*timer)
}

// stop ends the alarm.
func (t *timers) stop() {
	if t.alarm != nil {
		t.alarm.Stop()
	}
}

// timerHeap is for package container/heap. Timers that are due at the same time
// ring in the order in which they were started.
type timerHeap []*timer

func (h timerHeap) Len() int { return len(h) }

func (h timerHeap) Less(i, j int) bool {
	if h[i].due.Equal(h[j].due) {
		return h[i].call.handle < h[j].call.handle
	}
	return h[i].due.Before(h[j].due)
}

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *timerHeap) Push(e any) {
	t := e.(*timer)
	t.index = len(*h)
	*h = append(*h, t)
}

func (h *timerHeap) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	t.index = -1
	return t
}
