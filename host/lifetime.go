package host

import (
	"context"
	"sync"
	"time"
)

// lifetime is the context of a request. It ends with the request, before that when
// its client goes away, and with the server. What can be waited for is only made
// when somebody asks, because most of those who are given it look at it once, or
// never.
type lifetime struct {
	server  context.Context
	arrival time.Time
	depth   int // see Inside

	mu     sync.Mutex // guards what follows
	over   bool
	real   context.Context // nil until Done is called
	cancel context.CancelFunc
}

var _ context.Context = (*lifetime)(nil)

// arrivalKey is under what a request's context holds its time of arrival
// (Sockets asks it).
type arrivalKey struct{}

// Deadline is none.
func (l *lifetime) Deadline() (time.Time, bool) { return l.server.Deadline() }

// Done is closed at the end.
func (l *lifetime) Done() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.real == nil {
		l.real, l.cancel = context.WithCancel(l.server)
		if l.over {
			l.cancel()
		}
	}
	return l.real.Done()
}

// Err tells whether it is over.
func (l *lifetime) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.real != nil:
		return l.real.Err()
	case l.over:
		return context.Canceled
	}
	return l.server.Err()
}

// Value returns the arrival and the depth. Package context finds its own by it, too: the cause,
// and what a child belongs to.
func (l *lifetime) Value(key any) any {
	switch key {
	case arrivalKey{}:
		return l.arrival
	case depthKey{}:
		return l.depth
	}
	l.mu.Lock()
	real := l.real
	l.mu.Unlock()
	if real != nil {
		return real.Value(key)
	}
	return l.server.Value(key)
}

// end ends it.
func (l *lifetime) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	if l.cancel != nil {
		l.cancel()
	}
}
