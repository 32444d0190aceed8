package plugins

import (
	"context"
	"sync"
	"time"
)

// lifeline is what stops one instance's guest, at a deadline or by kill. It lives
// as long as its instance and is armed for each entry into the guest. A guest that
// runs comes by again and again (refuel) and asks check; one that waits for the
// host is watched by a timer. Once the lifeline is done the instance can only be
// discarded.
//
// It is also the context under which wazero runs the guest, which is how a host
// function finds its instance.
//
// Host calls that wait do not hang on it but on exchange.work, which also ends
// when the client goes away: a client that hangs up costs no instance.
type lifeline struct {
	in   *instance
	done chan struct{}

	mu       sync.Mutex
	deadline time.Time // zero while no guest runs
	err      error
	timer    *time.Timer // nil until the first watch
	watched  bool
}

var _ context.Context = (*lifeline)(nil)

func newLifeline(in *instance) *lifeline { return &lifeline{in: in, done: make(chan struct{})} }

// arm sets the deadline for one entry into the guest.
func (l *lifeline) arm(deadline time.Time) {
	l.mu.Lock()
	l.deadline = deadline
	l.mu.Unlock()
}

// disarm is the end of an entry. It returns why the lifeline is done, or nil.
func (l *lifeline) disarm() error {
	err := l.check(time.Now())
	l.mu.Lock()
	l.deadline = time.Time{}
	l.mu.Unlock()
	return err
}

// check returns why the lifeline is done: a deadline that has passed ends it.
func (l *lifeline) check(now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil && !l.deadline.IsZero() && !now.Before(l.deadline) {
		l.end(context.DeadlineExceeded)
	}
	return l.err
}

// end closes the lifeline. l.mu is held.
func (l *lifeline) end(err error) {
	l.err = err
	close(l.done)
}

// watch has the deadline noticed while the guest waits; unwatch ends that.
func (l *lifeline) watch() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.deadline.IsZero() {
		return
	}
	l.watched = true
	if l.timer == nil {
		l.timer = time.AfterFunc(time.Until(l.deadline), l.expire)
	} else {
		l.timer.Reset(time.Until(l.deadline))
	}
}

func (l *lifeline) unwatch() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.watched {
		l.watched = false
		l.timer.Stop()
	}
}

// expire is the timer's. It may come late, when the wait it was meant for is over
// and there is another one.
func (l *lifeline) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.watched || l.deadline.IsZero() || l.err != nil {
		return
	}
	if left := time.Until(l.deadline); left > 0 {
		l.timer.Reset(left)
		return
	}
	l.end(context.DeadlineExceeded)
}

// kill ends the guest that runs now and every later one.
func (l *lifeline) kill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.end(context.Canceled)
	}
}

// Deadline returns the deadline of the entry that runs now.
func (l *lifeline) Deadline() (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.deadline, !l.deadline.IsZero()
}

// Done is closed at a missed deadline or by kill.
func (l *lifeline) Done() <-chan struct{} { return l.done }

// Err is context.DeadlineExceeded or context.Canceled once Done is closed.
func (l *lifeline) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Value returns nil: wazero's experimental switches stay off.
func (l *lifeline) Value(any) any { return nil }
