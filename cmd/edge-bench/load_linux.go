package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"
)

// load is one way to load a server: a state machine for each connection, driven
// by one thread. Nothing is allocated after open.
type load interface {
	// open begins all connections.
	open(l *loop) error
	// ready is called for each event of a slot.
	ready(l *loop, slot int, events uint32) error
	// done is how many operations have been completed since open.
	done() int64
	// begin is the end of the warm-up: what is recorded from here on counts.
	begin(l *loop)
	// close closes all connections.
	close()
}

// loop drives one load.
type loop struct {
	*poller
	clock clock
	addr  netip.AddrPort
	buf   []byte // of one read
}

// target is what is loaded and what is watched meanwhile.
type target struct {
	addr netip.AddrPort
	pids []int // the proxy's processes; none for direct
	core int   // where the proxy runs
	own  int   // where the load and the backend run
	// goroutines asks the proxy how many it has; nil where it has no such thing,
	// and its answer is nil when it does not tell.
	goroutines func(context.Context) *float64
}

// errStuck is that nothing was answered while it was measured.
var errStuck = errors.New("nothing was answered in the time measured")

// On a machine that is very busy with others, a measurement takes longer than it
// was meant to: it is looked every patience whether anything was answered, and the
// proxy had the processor, for at most stuckBound. The warm-up lasts until
// warmOperations are done.
const (
	patience       = 20 * time.Millisecond
	stuckBound     = time.Minute
	warmOperations = 64
)

// loadRead is what the load reads at once.
const loadRead = 256 << 10

// drive runs a load against a target on a thread of its own and tells what came
// of it. The load's connections are closed when it returns.
func drive(ctx context.Context, t target, w window, ld load) (sample, error) {
	var s sample
	err := withCore(t.own, func() (err error) {
		// What is garbage now is collected now, and none is made from here on.
		runtime.GC()
		defer debug.SetGCPercent(debug.SetGCPercent(-1))
		s, err = driveHere(ctx, t, w, ld)
		return err
	})
	return s, err
}

func driveHere(ctx context.Context, t target, w window, ld load) (s sample, err error) {
	l := &loop{addr: t.addr, buf: make([]byte, loadRead)}
	if l.clock, err = newClock(); err != nil {
		return s, err
	}
	if l.poller, err = newPoller(); err != nil {
		return s, err
	}
	defer l.poller.close()
	defer ld.close()
	if err := ld.open(l); err != nil {
		return s, err
	}
	if err := l.warm(ctx, ld, l.clock.now()+int64(w.warm)); err != nil {
		return s, err
	}
	before, err := t.usage(l.clock)
	if err != nil {
		return s, err
	}
	ld.begin(l)
	count := ld.done()
	if err := l.until(ctx, ld, before.at+int64(w.measure)); err != nil {
		return s, err
	}
	after, err := t.usage(l.clock)
	for end := after.at + int64(stuckBound); err == nil && after.at < end && (ld.done() == count || t.rested(before, after)); {
		if err = l.until(ctx, ld, l.clock.now()+int64(patience)); err == nil {
			after, err = t.usage(l.clock)
		}
	}
	if err != nil {
		return s, err
	}
	if count = ld.done() - count; count == 0 || t.rested(before, after) {
		return s, errStuck
	}
	return after.since(before, count), nil
}

// rested tells whether there is a proxy and it did nothing between two moments: what was
// answered then had been under way before, and tells nothing of what it costs.
func (t target) rested(before, after usage) bool {
	return len(t.pids) > 0 && after.proxy == before.proxy
}

// warm handles events until end, and until the connections are there: until
// enough was answered, or for so long that it will not be.
func (l *loop) warm(ctx context.Context, ld load, end int64) error {
	if err := l.until(ctx, ld, end); err != nil {
		return err
	}
	for end += int64(stuckBound); ld.done() < warmOperations && l.clock.now() < end; {
		if err := l.until(ctx, ld, l.clock.now()+int64(patience)); err != nil {
			return err
		}
	}
	return nil
}

// until handles events until the clock says so.
func (l *loop) until(ctx context.Context, ld load, end int64) error {
	for {
		left := end - l.clock.now()
		if left <= 0 {
			return ctx.Err()
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		events, err := l.wait(min(time.Duration(left)+time.Millisecond, 50*time.Millisecond))
		if err != nil {
			return err
		}
		for i := range events {
			if err := ld.ready(l, int(events[i].Fd), events[i].Events); err != nil {
				return err
			}
		}
	}
}

// usage is what was used up to a moment.
type usage struct {
	at, proxy, thread  int64 // nanoseconds
	proxyIdle, ownIdle int64 // of the cores, in ticks
}

func (t target) usage(c clock) (u usage, err error) {
	for _, pid := range t.pids {
		n, err := processCPU(pid)
		if err != nil {
			return u, err
		}
		u.proxy += n
	}
	if u.thread, err = threadCPU(); err != nil {
		return u, err
	}
	if u.proxyIdle, err = coreIdle(t.core); err != nil {
		return u, err
	}
	if u.ownIdle, err = coreIdle(t.own); err != nil {
		return u, err
	}
	u.at = c.now()
	return u, nil
}

// since makes a sample of what happened between two moments.
func (u usage) since(before usage, count int64) sample {
	wall := float64(u.at - before.at)
	share := func(ns int64) float64 { return math.Min(1, math.Max(0, float64(ns)/wall)) }
	return sample{
		Rate: float64(count) / (wall / 1e9), CPU: float64(u.proxy-before.proxy) / float64(count),
		ProxyShare: share(u.proxy - before.proxy), LoadShare: share(u.thread - before.thread),
		ProxyCore: 1 - share((u.proxyIdle-before.proxyIdle)*tick), LoadCore: 1 - share((u.ownIdle-before.ownIdle)*tick),
	}
}

// tally counts what a load has done.
type tally struct {
	complete int64
	measured bool // the warm-up is over
}

func (t *tally) done() int64 { return t.complete }

func (t *tally) begin(*loop) { t.measured = true }

// dialAll begins n connections, each in the slot of its number.
func dialAll(l *loop, n int, at func(int) *socket) error {
	for i := range n {
		if err := at(i).dial(l, i, netip.Addr{}); err != nil {
			return err
		}
	}
	return nil
}

// closeAll closes those of n connections that are open.
func closeAll(n int, at func(int) *socket) {
	for i := range n {
		at(i).close()
	}
}

// socket is one connection of a load.
type socket struct {
	fd     int
	open   bool
	unsent []byte // of what is sent at the moment, what the socket did not take
	armed  bool   // EPOLLOUT is watched
}

// dial begins a connection whose events come to slot. It is connected when it
// becomes writable.
func (s *socket) dial(l *loop, slot int, from netip.Addr) error {
	fd, _, err := dialTCP(l.addr, from)
	if err != nil {
		return err
	}
	*s = socket{fd: fd, open: true, armed: true}
	return l.watch(unix.EPOLL_CTL_ADD, fd, slot, unix.EPOLLIN|unix.EPOLLOUT)
}

// send sends b, which must not change until all of it is sent, after what is
// unsent. idle is that nothing is.
func (s *socket) send(l *loop, slot int, b []byte) (idle bool, err error) {
	n, errno := rawWrite(s.fd, b)
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		n = 0
	case errno != 0:
		return false, fmt.Errorf("send: %w", errno)
	}
	s.unsent = b[n:]
	if wants := len(s.unsent) > 0; wants != s.armed {
		events := uint32(unix.EPOLLIN)
		if wants {
			events |= unix.EPOLLOUT
		}
		s.armed = wants
		if err := l.watch(unix.EPOLL_CTL_MOD, s.fd, slot, events); err != nil {
			return false, err
		}
	}
	return len(s.unsent) == 0, nil
}

// read reads once into the loop's buffer; nothing is no error.
func (s *socket) read(l *loop) ([]byte, error) {
	n, errno := rawRead(s.fd, l.buf)
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		return nil, nil
	case errno != 0:
		return nil, fmt.Errorf("receive: %w", errno)
	case n == 0:
		return nil, errors.New("receive: the connection was closed")
	}
	return l.buf[:n], nil
}

func (s *socket) close() {
	if s.open {
		s.open = false
		rawClose(s.fd)
	}
}
