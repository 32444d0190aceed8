package main

import (
	"golang.org/x/sys/unix"
)

// eventsLoad listens to server-sent events that tell when they were written, and
// counts how long each was under way.
type eventsLoad struct {
	tally
	Conns int

	conns   []eventsClient
	request []byte
	times   histogram
}

type eventsClient struct {
	socket
	asked  bool
	stamps stampReader
}

func (e *eventsLoad) open(l *loop) error {
	e.request = requestFor(pathEvents)
	e.conns = make([]eventsClient, e.Conns)
	return dialAll(l, e.Conns, e.at)
}

func (e *eventsLoad) at(i int) *socket { return &e.conns[i].socket }

func (e *eventsLoad) close() {
	closeAll(len(e.conns), e.at)
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
