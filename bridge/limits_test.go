package bridge

import (
	"errors"
	"testing"
	"time"
)

func TestBoundsDue(t *testing.T) {
	t.Parallel()
	const s = time.Second
	for _, tc := range []struct {
		name   string
		pol    Policy
		before func(*bounds)
		age    time.Duration
		passed Breach
		ping   bool
		next   time.Duration
	}{
		{name: "none", age: 100 * s},
		{name: "idle ahead", pol: Policy{IdleTimeout: 10 * s}, age: 4 * s, next: 6 * s},
		{name: "idle passed", pol: Policy{IdleTimeout: 10 * s}, age: 10 * s, passed: BreachIdle},
		{name: "idle put off", pol: Policy{IdleTimeout: 10 * s}, before: func(b *bounds) { b.touch(3*s, []byte("x"), false) }, age: 10 * s, next: 3 * s},
		{name: "duration wins", pol: Policy{IdleTimeout: s, MaxDuration: 5 * s}, age: 5 * s, passed: BreachDuration},
		{name: "the nearer", pol: Policy{IdleTimeout: 9 * s, MaxDuration: 5 * s}, age: s, next: 4 * s},
		{name: "ping due", pol: Policy{PingInterval: 2 * s}, age: 2 * s, ping: true},
		{name: "ping not yet", pol: Policy{PingInterval: 2 * s}, before: func(b *bounds) { b.touch(s, []byte("x"), false) }, age: 2 * s, next: s},
		{name: "second ping", pol: Policy{PingInterval: 2 * s}, before: func(b *bounds) { b.pinging(2*s, true) }, age: 4 * s, ping: true},
		{name: "no answer", pol: Policy{PingInterval: 2 * s}, before: func(b *bounds) { b.pinging(2*s, true); b.pinging(4*s, true) }, age: 6 * s, passed: BreachPing},
		{name: "not sent, not dead", pol: Policy{PingInterval: 2 * s}, before: func(b *bounds) { b.pinging(2*s, false); b.pinging(4*s, false) }, age: 6 * s, ping: true},
		{name: "answered", pol: Policy{PingInterval: 2 * s}, before: func(b *bounds) { b.pinging(2*s, true); b.touch(3*s, []byte("x"), true) }, age: 4 * s, next: s},
		{name: "spoken to is no answer", pol: Policy{PingInterval: 2 * s}, before: func(b *bounds) { b.pinging(2*s, true); b.touch(5*s, []byte("x"), false) }, age: 6 * s, passed: BreachPing},
		{
			name: "a pong is no use", pol: Policy{PingInterval: 2 * s, IdleTimeout: 5 * s},
			before: func(b *bounds) { b.pinging(2*s, true); b.touch(3*s, frame(0x8a, "", true), true) }, age: 5 * s, passed: BreachIdle,
		},
		{
			name: "an unasked pong is", pol: Policy{PingInterval: 20 * s, IdleTimeout: 5 * s},
			before: func(b *bounds) { b.touch(3*s, frame(0x8a, "", true), true) }, age: 5 * s, next: 3 * s,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var b bounds
			b.set(tc.pol)
			if tc.before != nil {
				tc.before(&b)
			}
			passed, ping, next := b.due(tc.age)
			if passed != tc.passed || ping != tc.ping || next != tc.next {
				t.Errorf("got %q, %v, %v, want %q, %v, %v", passed, ping, next, tc.passed, tc.ping, tc.next)
			}
		})
	}
}

// TestBoundsRefill: a second's worth at first, no more after a long silence, and
// over any time no more than the rate.
func TestBoundsRefill(t *testing.T) {
	t.Parallel()
	b := bounds{rate: 10}
	tokens := b.refill(0, 0)
	if tokens != 10 {
		t.Fatalf("at first %d", tokens)
	}
	if tokens = b.refill(50*time.Millisecond, 0); tokens != 0 {
		t.Errorf("after 50 ms %d", tokens)
	}
	if tokens = b.refill(time.Hour, tokens); tokens != 10 {
		t.Errorf("after an hour %d", tokens)
	}
	passed := 0
	for at := time.Hour; at < time.Hour+10*time.Second; at += 7 * time.Millisecond {
		if tokens = b.refill(at, tokens); tokens > 0 {
			tokens--
			passed++
		}
	}
	if passed < 109 || passed > 110 {
		t.Errorf("%d passed in 10 s at 10 a second with 10 saved", passed)
	}
}

func TestPatience(t *testing.T) {
	t.Parallel()
	const dead, step = 60 * time.Second, 60 * time.Second / stallSteps
	begun := time.Now()
	for _, tc := range []struct {
		name     string
		untaken  func(i int) int
		progress func(i int) bool
		lostAt   int // step, 0: never within 20
	}{
		{"nothing is taken", func(int) int { return 100 }, func(int) bool { return false }, stallAfter - 1},
		{"the kernel's store shrinks", func(i int) int { return 1000 - i }, func(int) bool { return false }, 0},
		{"writes go on", func(int) int { return 100 }, func(i int) bool { return i%2 == 0 }, 0},
		{"it stops after a while", func(i int) int { return 1000 - min(i, 6) }, func(int) bool { return false }, 6 + stallAfter},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var p patience
			for i := range 20 {
				lost := p.lost(tc.untaken(i), begun.Add(time.Duration(i+1)*step), tc.progress(i), dead)
				if lost != (i == tc.lostAt && tc.lostAt > 0) {
					t.Fatalf("step %d: lost %v, want at %d", i, lost, tc.lostAt)
				}
				if lost {
					return
				}
			}
		})
	}
}

func TestBreachOf(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err  error
		want Breach
	}{
		{nil, ""},
		{ErrPolicy, ""},
		{BreachIdle.err(), BreachIdle},
		{errors.Join(ErrClosed, BreachBytes.err()), BreachBytes},
		{&frameError{closeTooBig, "message too big"}, BreachMessageBytes},
		{&frameError{closeTryLater, "too many messages"}, BreachRate},
		{&frameError{closeProtocol, "reserved bit set"}, ""},
	} {
		if got := breachOf(tc.err); got != tc.want {
			t.Errorf("%v: %q, want %q", tc.err, got, tc.want)
		}
	}
}
