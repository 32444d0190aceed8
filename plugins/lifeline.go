package plugins

import (
	"context"
	"sync"
	"time"
)

// lifeline is what stops one instance's guest, at a deadline or by kill. It lives
// as long as its instance. A guest that runs comes by again and again (refuel) and
// asks check; one that waits for the host is watched by a timer. Once the lifeline
// is done the instance can only be discarded.
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
	err      error
	deadline time.Time   // of the wait that is watched
	timer    *time.Timer // nil until the first watch
	watched  bool
}

var _ context.Context = (*lifeline)(nil)

func newLifeline(in *instance) *lifeline { return &lifeline{in: in, done: make(chan struct{})} }

// check returns why the lifeline is done: a deadline that has passed ends it.
func (l *lifeline) check(now, deadline time.Time) error {
	if now.Before(deadline) {
		select {
		case <-l.done:
			return l.Err()
		default:
			return nil
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end(context.DeadlineExceeded)
	return l.err
}

// end closes the lifeline. l.mu is held.
func (l *lifeline) end(err error) {
	if l.err == nil {
		l.err = err
		close(l.done)
	}
}

// watch has the deadline noticed while the guest waits; unwatch ends that.
func (l *lifeline) watch(deadline time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deadline, l.watched = deadline, true
	if l.timer == nil {
		l.timer = time.AfterFunc(time.Until(deadline), l.expire)
	} else {
		l.timer.Reset(time.Until(deadline))
	}
}

func (l *lifeline) unwatch() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watched = false
	l.timer.Stop()
}

// expire is the timer's. It may come late, when the wait it was meant for is over
// and there is another one.
func (l *lifeline) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.watched || l.err != nil {
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
	l.end(context.Canceled)
}

// Deadline returns none: the guest's changes from entry to entry.
func (l *lifeline) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

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
