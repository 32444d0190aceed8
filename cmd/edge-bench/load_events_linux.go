package main

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// eventsLoad listens to server-sent events that tell when they were written, and
// counts how long each was under way.
type eventsLoad struct {
	Conns int

	conns    []eventsClient
	request  []byte
	complete int64
	measured bool
	times    histogram
}

type eventsClient struct {
	socket
	asked  bool
	stamps stampReader
}

func (e *eventsLoad) open(l *loop) error {
	e.request = requestFor(pathEvents)
	e.conns = make([]eventsClient, e.Conns)
	for i := range e.conns {
		if err := e.conns[i].dial(l, i, netip.Addr{}); err != nil {
			return err
		}
	}
	return nil
}

func (e *eventsLoad) done() int64 { return e.complete }

func (e *eventsLoad) begin(*loop) { e.measured = true }

func (e *eventsLoad) close() {
	for i := range e.conns {
		e.conns[i].close()
	}
}

func (e *eventsLoad) ready(l *loop, slot int, events uint32) error {
	c := &e.conns[slot]
	if !c.asked {
		c.asked = true
		_, err := c.send(l, slot, e.request)
		return err
	}
	if events&unix.EPOLLIN == 0 {
		return nil
	}
	b, err := c.read(l)
	if err != nil {
		return err
	}
	now := l.clock.now()
	for at, ok := int64(0), true; ok; {
		if at, b, ok = c.stamps.next(b); ok {
			e.complete++
			if e.measured {
				e.times.add(now - at)
			}
		}
	}
	return nil
}
