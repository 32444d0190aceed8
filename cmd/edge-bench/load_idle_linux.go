package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// idleLoad opens WebSockets, some at a time, has each carry one message, and
// leaves them open.
type idleLoad struct {
	tally
	Path string

	conns   []echoClient // has room for all that there will be
	frame   []byte
	request []byte
	begun   int
	goal    int   // how many are wanted open at the moment
	awaited int64 // how many echoes there should be
}

// opening is how many are opened at once.
const opening = 64

// sources are how many addresses of 127.0.0.0/8 the connections come from, each
// with ports of its own.
const sources = 16

// newIdleLoad has room for so many WebSockets.
func newIdleLoad(path string, room int) *idleLoad {
	return &idleLoad{
		Path: path, conns: make([]echoClient, room), frame: appendFrame(nil, fin|opBinary, new([4]byte), pattern(64)), request: handshakeTo(path),
	}
}

// raise opens WebSockets until goal of them are open.
func (d *idleLoad) raise(ctx context.Context, l *loop, goal int, bound time.Duration) error {
	d.awaited += int64(goal - d.goal)
	d.goal = goal
	if err := d.open(l); err != nil {
		return err
	}
	return l.untilAll(ctx, d, bound)
}

// open begins with those that are missing.
func (d *idleLoad) open(l *loop) error {
	for range min(opening, d.goal-d.begun) {
		if err := d.next(l); err != nil {
			return err
		}
	}
	return nil
}

func (d *idleLoad) next(l *loop) error {
	if d.begun == d.goal {
		return nil
	}
	slot := d.begun
	d.begun++
	return d.conns[slot].dial(l, slot, netip.AddrFrom4([4]byte{127, 0, 0, byte(2 + slot%sources)}))
}

func (d *idleLoad) at(i int) *socket { return &d.conns[i].socket }

func (d *idleLoad) close() {
	closeAll(len(d.conns), d.at)
}

func (d *idleLoad) ready(l *loop, slot int, events uint32) error {
	c := &d.conns[slot]
	if !c.upgrade.complete {
		if _, err := c.upgrade.ready(l, &c.socket, slot, d.request); err != nil || !c.upgrade.complete {
			return wrapBridge(slot, err)
		}
		c.upgrade.head = nil
		_, err := c.send(l, slot, d.frame)
		return wrapBridge(slot, err)
	}
	if events&unix.EPOLLIN == 0 {
		return nil
	}
	b, err := c.read(l)
	if err != nil {
		return wrapBridge(slot, err)
	}
	n, err := c.reader.feed(b, 64)
	if err != nil || n == 0 {
		return wrapBridge(slot, err)
	}
	d.complete++
	return d.next(l)
}

func wrapBridge(slot int, err error) error {
	if err != nil {
		return fmt.Errorf("bridge %d: %w", slot, err)
	}
	return nil
}

// again has every hundredth bridge carry one more message, and waits for it.
func (d *idleLoad) again(ctx context.Context, l *loop, bound time.Duration) error {
	for slot := 0; slot < len(d.conns); slot += 100 {
		if _, err := d.conns[slot].send(l, slot, d.frame); err != nil {
			return wrapBridge(slot, err)
		}
		d.awaited++
	}
	return l.untilAll(ctx, d, bound)
}

// footprint is what the proxy holds at a moment.
type footprint struct {
	bytes       int64
	descriptors int
	goroutines  *float64
}

func (t target) footprint(ctx context.Context) (f footprint, err error) {
	if f.bytes, err = privateBytes(t.pids); err != nil {
		return f, err
	}
	if f.descriptors, err = descriptors(t.pids); err != nil {
		return f, err
	}
	if t.goroutines != nil {
		f.goroutines = t.goroutines(ctx)
	}
	return f, nil
}

// idleBounds are how long opening may take, and how long the proxy is left alone
// before it is looked at.
type idleBounds struct{ open, settle time.Duration }

// driveIdle tells what one of so many open bridges costs the proxy, and what it
// holds with all of them. What a proxy makes once, for the first bridges or for so
// many handshakes at a time, it has made before the first look; both looks come
// equally long after anything happened.
func driveIdle(ctx context.Context, t target, b idleBounds, path string, bridges int) (s sample, err error) {
	if len(t.pids) == 0 {
		return s, errors.New("there is no proxy whose memory could be measured")
	}
	err = withCore(t.own, func() error {
		l := &loop{addr: t.addr, buf: make([]byte, loadRead)}
		var err error
		if l.clock, err = newClock(); err != nil {
			return err
		}
		if l.poller, err = newPoller(); err != nil {
			return err
		}
		defer l.poller.close()
		if err := warmIdle(ctx, l, b, newIdleLoad(path, min(warmHandshakes, bridges))); err != nil {
			return err
		}
		s, err = t.holdAndCompare(ctx, l, b, newIdleLoad(path, bridges))
		return err
	})
	return s, err
}

// warmIdle opens the bridges and closes them.
func warmIdle(ctx context.Context, l *loop, b idleBounds, d *idleLoad) error {
	defer d.close()
	return d.raise(ctx, l, len(d.conns), b.open)
}

// holdAndCompare opens the bridges, looking at the proxy when a few and when all
// of them are open and idle, and sees afterwards that they are still good.
func (t target) holdAndCompare(ctx context.Context, l *loop, b idleBounds, d *idleLoad) (s sample, err error) {
	defer d.close()
	few := min(baseBridges, len(d.conns)/2)
	before, err := t.hold(ctx, l, b, d, few)
	if err != nil {
		return s, err
	}
	after, err := t.hold(ctx, l, b, d, len(d.conns))
	if err != nil {
		return s, err
	}
	n := float64(len(d.conns) - few)
	s.Bridges, s.Bytes, s.Total = len(d.conns), float64(after.bytes-before.bytes)/n, float64(after.bytes)
	s.Descriptors = float64(after.descriptors-before.descriptors) / n
	if before.goroutines != nil && after.goroutines != nil {
		each := (*after.goroutines - *before.goroutines) / n
		s.Goroutines = &each
	}
	return s, d.again(ctx, l, b.open)
}

// hold has so many bridges open, lets them be, and tells what the proxy holds.
func (t target) hold(ctx context.Context, l *loop, b idleBounds, d *idleLoad, bridges int) (f footprint, err error) {
	if err := d.raise(ctx, l, bridges, b.open); err != nil {
		return f, err
	}
	if err := pause(ctx, b.settle); err != nil {
		return f, err
	}
	return t.footprint(ctx)
}

// untilAll handles events until all echoes that are awaited are there.
func (l *loop) untilAll(ctx context.Context, d *idleLoad, bound time.Duration) error {
	for end := l.clock.now() + int64(bound); d.complete < d.awaited; {
		if l.clock.now() > end {
			return fmt.Errorf("%d of %d bridges answered in %v", d.complete, d.awaited, bound)
		}
		if err := l.until(ctx, d, min(end, l.clock.now()+int64(patience))); err != nil {
			return err
		}
	}
	return nil
}

// pause waits for d, or for the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
