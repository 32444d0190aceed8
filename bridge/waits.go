package bridge

import (
	"context"
	"sync"
	"time"
)

// lookEvery is how often what waits is looked at. Its bounds are kept to within it.
const lookEvery = 50 * time.Millisecond

// waits are the trips under way, and the one timer that looks after all of them:
// whether a backend is late, the caller has given up, or a client had better be
// watched. A deadline for each wait of each request would cost more than the rest
// of the wait. The zero value is ready.
type waits struct {
	mu    sync.Mutex // guards what follows and the waiting of each trip
	first *trip
	clock lookout
}

// lookout is the timer of a list: it runs while there is something to look at, and
// is guarded by the list's lock. The zero value is ready.
type lookout struct {
	timer   *time.Timer
	ticking bool
}

// start has look called in lookEvery, to call goOn. It must not tick already.
func (l *lookout) start(look func()) {
	l.ticking = true
	if l.timer == nil {
		l.timer = time.AfterFunc(lookEvery, look)
	} else {
		l.timer.Reset(lookEvery)
	}
}

// goOn has look called again, if there is more to look at.
func (l *lookout) goOn(more bool) {
	if l.ticking = more; more {
		l.timer.Reset(lookEvery)
	}
}

// waiting is what a trip is in the list with.
type waiting struct {
	prev, next *trip
	ctx        context.Context
	timeout    time.Duration
	since      time.Time // when the wait for the backend began
	answered   bool      // there is a head: the body has no bound, and ctx no say
	woken      bool      // the connection's deadlines are in the past
	moved      int64     // of the answer at the last look
	w          *watch
}

// add enters t, whose time begins.
func (w *waits) add(t *trip) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t.since = time.Now()
	if t.next = w.first; t.next != nil {
		t.next.prev = t
	}
	w.first = t
	if !w.clock.ticking {
		w.clock.start(w.look)
	}
}

// remove takes t out, if it is there; from then on it is not looked at.
func (w *waits) remove(t *trip) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case t.prev != nil:
		t.prev.next = t.next
	case w.first == t:
		w.first = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	}
	t.prev, t.next = nil, nil
}

// restart gives t its time again: something has come, and more must. A handshake
// has its time once.
func (w *waits) restart(t *trip) {
	if !t.until.IsZero() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	t.since = time.Now()
}

// look looks at each trip, and comes again while there are any.
func (w *waits) look() {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for t := w.first; t != nil; t = t.next {
		t.look(now)
	}
	w.clock.goOn(w.first != nil)
}

// sent tells whether the whole request was sent. Until then somebody reads from its
// client, or is about to, and would wait for a watch to end. The list is locked.
func (t *trip) sent() bool { return !t.rest || t.u != nil && t.u.ended() }

// look wakes a trip that has waited too long or in vain, and watches the client of
// one that goes on waiting. The list is locked.
func (t *trip) look(now time.Time) {
	if out := t.x.out.Load(); out != t.moved {
		t.moved, t.since = out, now
	}
	since := t.since
	if t.u != nil {
		if p := time.Unix(0, t.u.progress.Load()); p.After(since) {
			since = p
		}
	}
	switch {
	case t.woken:
	case !t.answered && (t.ctx.Err() != nil || now.Sub(since) >= t.timeout):
		t.woken = true
		t.c.SetDeadline(past)
	case t.upgrade && !t.answered:
		// A client may have ended its half with its handshake, and hear all the same. One
		// that has left is found when the handshake is over, within its HandshakeTimeout.
	case t.w == nil && now.Sub(t.since) >= watchAfter && t.sent():
		t.w = startWatch(t.x.client, t.x.gone)
	}
}
