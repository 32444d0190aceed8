package bridge

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// breachError is a bound of a Policy that was passed.
type breachError struct {
	bound  Breach
	reason string
}

// Error tells the reason as the peers of a WebSocket are told it.
func (e *breachError) Error() string { return fmt.Sprintf("%v: %s", ErrPolicy, e.reason) }

// Unwrap makes it ErrPolicy.
func (e *breachError) Unwrap() error { return ErrPolicy }

// err is the error of having passed the bound.
func (b Breach) err() *breachError {
	switch b {
	case BreachIdle:
		return &breachError{b, "idle for too long"}
	case BreachDuration:
		return &breachError{b, "maximum duration reached"}
	case BreachBytes:
		return &breachError{b, "too many bytes"}
	case BreachPing:
		return &breachError{b, "no answer to pings"}
	}
	return &breachError{b, string(b)}
}

// breachOf is the bound that err tells of, empty for none.
func breachOf(err error) Breach {
	if err == nil {
		return ""
	}
	var be *breachError
	var fe *frameError
	switch {
	case errors.As(err, &be):
		return be.bound
	case errors.As(err, &fe) && fe.code == closeTooBig:
		return BreachMessageBytes
	case errors.As(err, &fe) && fe.code == closeTryLater:
		return BreachRate
	}
	return ""
}

// closeFor is the close code that a bad frame or a passed bound earns.
func closeFor(err error) int {
	var fe *frameError
	if errors.As(err, &fe) {
		return fe.code
	}
	return closePolicy
}

// reasonOf is what the peers are told of it.
func reasonOf(err error) string {
	var fe *frameError
	var be *breachError
	switch {
	case errors.As(err, &fe):
		return fe.reason
	case errors.As(err, &be):
		return be.reason
	}
	return err.Error()
}

// bounds are those of a Policy that are about time, rate and bytes together. Ages
// are counted from begun. What each flow of a bridge touches is atomic.
type bounds struct {
	idle, max, ping time.Duration
	rate            int   // client messages a second
	maxBytes        int64 // both directions
	begun           time.Time

	filled time.Duration // up to this age tokens were given; the client's flow alone
	last   atomic.Int64  // age at which something was sent either way
	quiet  atomic.Int64  // age at which something came from the client or went to it
	pinged atomic.Int64  // age of the first ping since the client was heard, 0: none
	total  atomic.Int64  // bytes of the frames that have begun, counted when maxBytes is set
}

// newBounds is nil when pol bounds nothing.
func newBounds(pol Policy) *bounds {
	b := new(bounds)
	if !b.set(pol) {
		return nil
	}
	return b
}

// set takes over what pol bounds and says whether that is anything.
func (b *bounds) set(pol Policy) bool {
	b.idle, b.max, b.ping = max(pol.IdleTimeout, 0), max(pol.MaxDuration, 0), max(pol.PingInterval, 0)
	b.rate, b.maxBytes, b.begun = max(pol.MessagesPerSecond, 0), max(pol.MaxBytes, 0), time.Now()
	return b.idle > 0 || b.max > 0 || b.ping > 0 || b.rate > 0 || b.maxBytes > 0
}

// touch notes at an age that p went by. An empty Pong after the edge's own Ping
// is no use of the connection.
func (b *bounds) touch(age time.Duration, p []byte, fromClient bool) {
	pong := false
	if b.ping > 0 {
		pong = fromClient && b.pinged.Load() != 0 && len(p) == 6 && p[0] == bitFin|opPong
		b.quiet.Store(int64(age))
		if fromClient {
			b.pinged.Store(0)
		}
	}
	if b.idle > 0 && !pong {
		b.last.Store(int64(age))
	}
}

// refill is how many messages the client may begin at an age, of which it had
// tokens left. The bucket holds one second's worth.
func (b *bounds) refill(age time.Duration, tokens uint32) uint32 {
	each := max(time.Second/time.Duration(b.rate), 1)
	if b.filled == 0 {
		b.filled = max(age, 1)
		return uint32(b.rate)
	}
	n := (age - b.filled) / each
	b.filled += n * each
	return uint32(min(int64(tokens)+int64(n), int64(b.rate)))
}

// reserve counts a frame of n bytes as it begins and says whether it fits.
func (b *bounds) reserve(n uint64) bool {
	return n <= uint64(b.maxBytes) && b.total.Add(int64(n)) <= b.maxBytes
}

// due says what there is to do at an age: a bound that was passed, or a Ping to
// send (see pinging). Otherwise next is how long it is until there may be, 0 for
// never.
func (b *bounds) due(age time.Duration) (passed Breach, ping bool, next time.Duration) {
	nearer := func(at time.Duration) {
		if left := max(at-age, 1); next == 0 || left < next {
			next = left
		}
	}
	if b.max > 0 {
		if age >= b.max {
			return BreachDuration, false, 0
		}
		nearer(b.max)
	}
	if b.idle > 0 {
		end := time.Duration(b.last.Load()) + b.idle
		if age >= end {
			return BreachIdle, false, 0
		}
		nearer(end)
	}
	if b.ping > 0 {
		if at := time.Duration(b.pinged.Load()); at != 0 {
			if age >= at+2*b.ping {
				return BreachPing, false, 0
			}
			nearer(at + 2*b.ping)
		}
		again := time.Duration(b.quiet.Load()) + b.ping
		if age >= again {
			return "", true, 0
		}
		nearer(again)
	}
	return "", false, next
}

// pinging notes that a Ping was due at an age and whether it could be sent.
func (b *bounds) pinging(age time.Duration, sent bool) {
	b.quiet.Store(int64(age))
	if sent {
		b.pinged.CompareAndSwap(0, int64(age))
	}
}

// limits enforces the time bounds of a Policy with at most one timer; without
// bounds it has none and touch costs a comparison.
type limits struct {
	bounds
	breach  func(Breach)
	pingDue func()
	stopped atomic.Bool
	timer   *time.Timer
}

// start arms the bounds. breach is called once, on the timer's goroutine; so is
// ping, if it is not nil, whenever a Ping is due. It says whether there are any
// bounds.
func (l *limits) start(pol Policy, breach func(Breach), ping func()) bool {
	l.breach, l.pingDue = breach, ping
	if ping == nil {
		pol.PingInterval = 0
	}
	bounded := l.set(pol)
	_, _, next := l.due(0)
	if next == 0 {
		return bounded
	}
	armed := make(chan struct{})
	l.timer = time.AfterFunc(next, func() { <-armed; l.fire() })
	close(armed)
	return true
}

// touch notes that something was sent.
func (l *limits) touch() {
	if l.idle > 0 {
		l.last.Store(int64(time.Since(l.begun)))
	}
}

func (l *limits) fire() {
	if l.stopped.Load() {
		return
	}
	passed, ping, next := l.due(time.Since(l.begun))
	switch {
	case passed != "":
		l.breach(passed)
		return
	case ping:
		l.pingDue()
		next = l.ping
	}
	l.timer.Reset(max(next, time.Millisecond))
}

// stop disarms the bounds. A timer that is just firing finds out and does
// nothing.
func (l *limits) stop() {
	l.stopped.Store(true)
	if l.timer != nil {
		l.timer.Stop()
	}
}
