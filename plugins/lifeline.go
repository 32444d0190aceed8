package plugins

import (
	"context"
	"sync"
	"time"
)

// lifeline is the context under which wazero runs one instance's guest: the one
// place where a deadline stops a guest (through RuntimeConfig's
// WithCloseOnContextDone). It lives as long as its instance and is armed for
// each entry into the guest, which costs no allocation. Once it is done the
// instance can only be discarded.
//
// Host calls that wait do not hang on it but on exchange.work, which also ends
// when the client goes away: a client that hangs up costs no instance.
type lifeline struct {
	in    *instance // how a host function finds its instance
	done  chan struct{}
	timer *time.Timer

	mu       sync.Mutex
	deadline time.Time // zero while no guest runs
	err      error
}

var _ context.Context = (*lifeline)(nil)

func newLifeline(in *instance) *lifeline {
	l := &lifeline{in: in, done: make(chan struct{})}
	l.timer = time.AfterFunc(time.Hour, l.expire)
	l.timer.Stop()
	return l
}

// arm starts the clock for one entry into the guest.
func (l *lifeline) arm(deadline time.Time) {
	l.mu.Lock()
	l.deadline = deadline
	l.mu.Unlock()
	l.timer.Reset(time.Until(deadline))
}

// disarm stops the clock and returns why the lifeline is done, or nil.
func (l *lifeline) disarm() error {
	l.timer.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deadline = time.Time{}
	return l.err
}

// expire is the timer's. It may come late, when the entry it was meant for is
// over and another has been armed.
func (l *lifeline) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.deadline.IsZero() || l.err != nil {
		return
	}
	if left := time.Until(l.deadline); left > 0 {
		l.timer.Reset(left)
		return
	}
	l.err = context.DeadlineExceeded
	close(l.done)
}

// kill ends the guest that runs now and every later one.
func (l *lifeline) kill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = context.Canceled
		close(l.done)
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
