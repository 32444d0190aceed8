package plugins

import (
	"context"
	"sync"
	"time"
)

// work is the context of an exchange's host calls: Decide's values, and an end of
// its own, at a deadline that can be moved as long as it has not passed (hold). It
// costs less than the standard library's, which a request would need two of.
type work struct {
	context.Context // for its values
	done            chan struct{}

	mu       sync.Mutex
	err      error // why it ended
	deadline time.Time
	timer    *time.Timer // nil: no deadline
	after    map[*func()]struct{}
	watcher  func()
}

var _ context.Context = (*work)(nil)

// newWork begins work with the values of a context. The zero deadline is none.
// Whoever has it calls end.
func newWork(values context.Context, deadline time.Time) *work {
	w := &work{Context: context.WithoutCancel(values), done: make(chan struct{}), deadline: deadline}
	if !deadline.IsZero() {
		w.mu.Lock() // expire may come at once
		w.timer = time.AfterFunc(time.Until(deadline), w.expire)
		w.mu.Unlock()
	}
	return w
}

// Deadline returns when the work ends as things stand.
func (w *work) Deadline() (deadline time.Time, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.deadline, !w.deadline.IsZero()
}

// Done is closed when the work ends.
func (w *work) Done() <-chan struct{} { return w.done }

// Err is context.DeadlineExceeded or context.Canceled once Done is closed.
func (w *work) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// AfterFunc is what package context asks contexts for that are not its own, so as
// not to need a goroutine for each of their children. f is called when the work
// ends, in the goroutine that ends it, unless stop came first: it is true then.
func (w *work) AfterFunc(f func()) (stop func() bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		go f() // the caller may hold what f needs
		return func() bool { return false }
	}
	if w.after == nil {
		w.after = map[*func()]struct{}{}
	}
	key := &f
	w.after[key] = struct{}{}
	return func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		_, waits := w.after[key]
		delete(w.after, key)
		return waits
	}
}

// watch has f called, in a goroutine of its own, when the work ends; nil calls it off.
// There is one such f.
func (w *work) watch(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watcher = f
	if w.err != nil && f != nil {
		go f()
	}
}

// move moves the deadline; false: the work has ended, or never does.
func (w *work) move(deadline time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil || w.timer == nil {
		return false
	}
	w.deadline = deadline
	w.timer.Reset(time.Until(deadline))
	return true
}

// expire is the timer's.
func (w *work) expire() {
	w.mu.Lock()
	if left := time.Until(w.deadline); w.err == nil && left > 0 {
		w.timer.Reset(left)
		w.mu.Unlock()
		return
	}
	w.finish(context.DeadlineExceeded) // without giving w.mu back, or move could come in between
}

// end ends the work, unless it has ended, and whatever hangs on it.
func (w *work) end(err error) {
	w.mu.Lock()
	w.finish(err)
}

// finish is end for who holds w.mu, which it gives back.
func (w *work) finish(err error) {
	if w.err != nil {
		w.mu.Unlock()
		return
	}
	w.err = err
	close(w.done)
	if w.timer != nil {
		w.timer.Stop()
	}
	after, watcher := w.after, w.watcher
	w.after = nil
	w.mu.Unlock()
	if watcher != nil {
		go watcher()
	}
	for f := range after {
		(*f)()
	}
}
