package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// idleLoad opens Bridges WebSockets, some at a time, has each carry one message,
// and leaves them open.
type idleLoad struct {
	tally
	Bridges int
	Path    string

	conns   []echoClient
	frame   []byte
	request []byte
	begun   int
	awaited int64 // how many echoes there should be
}

// opening is how many are opened at once.
const opening = 64

// sources are how many addresses of 127.0.0.0/8 the connections come from, each
// with ports of its own.
const sources = 16

func (d *idleLoad) open(l *loop) error {
	d.frame, d.request = appendFrame(nil, fin|opBinary, new([4]byte), pattern(64)), handshakeTo(d.Path)
	d.conns = make([]echoClient, d.Bridges)
	d.awaited = int64(d.Bridges)
	for range min(opening, d.Bridges) {
		if err := d.next(l); err != nil {
			return err
		}
	}
	return nil
}

func (d *idleLoad) next(l *loop) error {
	if d.begun == d.Bridges {
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

// again has every hundredth bridge carry one more message.
func (d *idleLoad) again(l *loop) error {
	for slot := 0; slot < len(d.conns); slot += 100 {
		if _, err := d.conns[slot].send(l, slot, d.frame); err != nil {
			return wrapBridge(slot, err)
		}
		d.awaited++
	}
	return nil
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

// driveIdle opens the bridges and tells what each costs the proxy, which is fresh
// but for a few that warm it up.
func driveIdle(ctx context.Context, t target, b idleBounds, d *idleLoad) (s sample, err error) {
	if len(t.pids) == 0 {
		return s, errors.New("there is no proxy whose memory could be measured")
	}
	err = withCore(t.own, func() error {
		warm := &idleLoad{Bridges: min(256, d.Bridges), Path: d.Path}
		before, err := t.hold(ctx, b, warm)
		if err == nil {
			s, err = t.holdAndCompare(ctx, b, d, before)
		}
		return err
	})
	return s, err
}

// hold opens the bridges, closes them, and tells what the proxy holds after it.
func (t target) hold(ctx context.Context, b idleBounds, d *idleLoad) (f footprint, err error) {
	if err = t.withBridges(ctx, b, d, func() error { return nil }); err != nil {
		return f, err
	}
	if err = pause(ctx, b.settle); err != nil {
		return f, err
	}
	return t.footprint(ctx)
}

func (t target) holdAndCompare(ctx context.Context, b idleBounds, d *idleLoad, before footprint) (s sample, err error) {
	err = t.withBridges(ctx, b, d, func() error {
		after, err := t.footprint(ctx)
		if err != nil {
			return err
		}
		n := float64(d.Bridges)
		s.Bridges, s.Bytes = d.Bridges, float64(after.bytes-before.bytes)/n
		s.Descriptors = float64(after.descriptors-before.descriptors) / n
		if before.goroutines != nil && after.goroutines != nil {
			each := (*after.goroutines - *before.goroutines) / n
			s.Goroutines = &each
		}
		return nil
	})
	return s, err
}

// withBridges calls do while all bridges are open and idle, and looks afterwards
// whether they are still good.
func (t target) withBridges(ctx context.Context, b idleBounds, d *idleLoad, do func() error) error {
	l := &loop{addr: t.addr, buf: make([]byte, loadRead)}
	var err error
	if l.clock, err = newClock(); err != nil {
		return err
	}
	if l.poller, err = newPoller(); err != nil {
		return err
	}
	defer l.poller.close()
	defer d.close()
	if err := d.open(l); err != nil {
		return err
	}
	if err := l.untilAll(ctx, d, b.open); err != nil {
		return err
	}
	if err := pause(ctx, b.settle); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	if err := d.again(l); err != nil {
		return err
	}
	return l.untilAll(ctx, d, b.open)
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
