package bridge

import (
	"sync/atomic"
	"time"
)

// limits enforces the time bounds of a Policy with at most one timer; without
// bounds it has none and touch costs a comparison.
type limits struct {
	idle, max time.Duration
	begun     time.Time
	breach    func(reason string)
	last      atomic.Int64 // of begun, in nanoseconds, when something was sent
	stopped   atomic.Bool
	timer     *time.Timer
}

// start arms the bounds. breach is called once, on the timer's goroutine.
func (l *limits) start(pol Policy, breach func(reason string)) {
	l.idle, l.max, l.breach, l.begun = pol.IdleTimeout, pol.MaxDuration, breach, time.Now()
	if l.idle <= 0 && l.max <= 0 {
		return
	}
	armed := make(chan struct{})
	l.timer = time.AfterFunc(l.next(0), func() { <-armed; l.fire() })
	close(armed)
}

// touch notes that something was sent.
func (l *limits) touch() {
	if l.idle > 0 {
		l.last.Store(int64(time.Since(l.begun)))
	}
}

// next is the time until the nearest bound, at age now.
func (l *limits) next(now time.Duration) time.Duration {
	d := l.max - now
	if l.max <= 0 {
		d = l.idle
	}
	if l.idle > 0 {
		d = min(d, time.Duration(l.last.Load())+l.idle-now)
	}
	return d
}

func (l *limits) fire() {
	if l.stopped.Load() {
		return
	}
	now := time.Since(l.begun)
	switch {
	case l.max > 0 && now >= l.max:
		l.breach("maximum duration reached")
	case l.idle > 0 && now-time.Duration(l.last.Load()) >= l.idle:
		l.breach("idle for too long")
	default:
		l.timer.Reset(max(l.next(now), time.Millisecond))
	}
}

// stop disarms the bounds. A timer that is just firing finds out and does
// nothing.
func (l *limits) stop() {
	l.stopped.Store(true)
	if l.timer != nil {
		l.timer.Stop()
	}
}
