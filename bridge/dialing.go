package bridge

import (
	"context"
	"sync"
)

// dialing is the context of one dial, which its exchange can end. Most dials look
// once whether they may begin and never wait, so that what can be waited for is
// only made when somebody asks.
type dialing struct {
	context.Context // the caller's

	mu     sync.Mutex // guards what follows
	real   context.Context
	cancel context.CancelCauseFunc
	cause  error
}

var _ context.Context = (*dialing)(nil)

// Done is closed when the dial is to end.
func (d *dialing) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.real == nil {
		d.real, d.cancel = context.WithCancelCause(d.Context)
		if d.cause != nil {
			d.cancel(d.cause)
		}
	}
	return d.real.Done()
}

// Err tells whether it is.
func (d *dialing) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cause != nil {
		return context.Canceled
	}
	return d.Context.Err()
}

// Value is the caller's. Package context finds its own by it, too.
func (d *dialing) Value(key any) any {
	d.mu.Lock()
	real := d.real
	d.mu.Unlock()
	if real != nil {
		return real.Value(key)
	}
	return d.Context.Value(key)
}

// end ends the dial; the first cause is kept.
func (d *dialing) end(cause error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cause != nil {
		return
	}
	d.cause = cause
	if d.cancel != nil {
		d.cancel(cause)
	}
}
