package main

import (
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// echoLoad is the closed loop: each connection keeps InFlight messages of Size
// bytes under way, and sends the next one when one is back.
type echoLoad struct {
	tally
	Conns, InFlight, Size int

	conns   []echoClient
	burst   []byte // InFlight frames, one after the other
	frame   int    // bytes of one
	request []byte
}

type echoClient struct {
	socket
	upgrade upgrade
	reader  messageReader
	owed    int // messages to send that did not fit yet
}

func (e *echoLoad) open(l *loop) error {
	one := appendFrame(nil, fin|opBinary, new([4]byte), pattern(e.Size))
	e.frame, e.burst = len(one), bytes.Repeat(one, e.InFlight)
	e.request = handshakeTo(pathEcho)
	e.conns = make([]echoClient, e.Conns)
	return dialAll(l, e.Conns, e.at)
}

func (e *echoLoad) at(i int) *socket { return &e.conns[i].socket }

func (e *echoLoad) close() {
	closeAll(len(e.conns), e.at)
}

func (e *echoLoad) ready(l *loop, slot int, events uint32) error {
	c := &e.conns[slot]
	if !c.upgrade.complete {
		early, err := c.upgrade.ready(l, &c.socket, slot, e.request)
		if err != nil || !c.upgrade.complete {
			return err
		}
		if len(early) > 0 {
			return errors.New("the server sent something before it was sent anything")
		}
		return e.send(l, c, slot, e.InFlight)
	}
	if events&unix.EPOLLIN != 0 {
		b, err := c.read(l)
		if err != nil {
			return err
		}
		n, err := c.reader.feed(b, int64(e.Size))
		if err != nil {
			return err
		}
		e.complete += int64(n)
		c.owed += n
	}
	if len(c.unsent) > 0 {
		if events&unix.EPOLLOUT == 0 {
			return nil
		}
		if idle, err := c.socket.send(l, slot, c.unsent); !idle {
			return err
		}
	}
	if c.owed == 0 {
		return nil
	}
	n := c.owed
	c.owed = 0
	return e.send(l, c, slot, n)
}

// send sends n messages at once.
func (e *echoLoad) send(l *loop, c *echoClient, slot, n int) error {
	if n > e.InFlight {
		return fmt.Errorf("%d messages came back of %d sent", n, e.InFlight)
	}
	_, err := c.socket.send(l, slot, e.burst[:n*e.frame])
	return err
}
