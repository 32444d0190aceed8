package main

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// pacedLoad is the open loop: messages leave at a fixed rate, whether earlier
// ones are back or not, and a round trip is counted from the moment at which its
// message was due. A server that stalls is therefore charged with every message
// that was due meanwhile.
type pacedLoad struct {
	tally
	Conns, Size int
	// Interval is the time between two messages over all connections.
	Interval time.Duration

	conns   []pacedClient
	frame   []byte
	request []byte
	opened  int
	ticker  *ticker
	due     int64 // when the next message is
	turn    int
	times   histogram
}

type pacedClient struct {
	socket
	upgrade upgrade
	reader  messageReader
	// due holds when the messages under way were due, oldest at head.
	due        [1024]int64
	head, tail int
}

func (p *pacedLoad) open(l *loop) error {
	p.frame, p.request = appendFrame(nil, fin|opBinary, new([4]byte), pattern(p.Size)), handshakeTo(pathEcho)
	p.conns = make([]pacedClient, p.Conns)
	return dialAll(l, p.Conns, p.at)
}

func (p *pacedLoad) at(i int) *socket { return &p.conns[i].socket }

func (p *pacedLoad) close() {
	closeAll(len(p.conns), p.at)
	if p.ticker != nil {
		p.ticker.close()
	}
}

func (p *pacedLoad) ready(l *loop, slot int, events uint32) error {
	if slot == len(p.conns) {
		return p.tick(l)
	}
	c := &p.conns[slot]
	if !c.upgrade.complete {
		if _, err := c.upgrade.ready(l, &c.socket, slot, p.request); err != nil || !c.upgrade.complete {
			return err
		}
		if p.opened++; p.opened < len(p.conns) {
			return nil
		}
		return p.start(l)
	}
	if events&unix.EPOLLIN == 0 {
		return nil
	}
	b, err := c.read(l)
	if err != nil {
		return err
	}
	n, err := c.reader.feed(b, int64(p.Size))
	if err != nil {
		return err
	}
	now := l.clock.now()
	for range n {
		if c.head == c.tail {
			return errors.New("more messages came back than were sent")
		}
		if p.measured {
			p.times.add(now - c.due[c.head%len(c.due)])
		}
		c.head++
	}
	p.complete += int64(n)
	return nil
}

// start begins to send once all connections are open.
func (p *pacedLoad) start(l *loop) (err error) {
	p.due = l.clock.now() + int64(p.Interval)
	if p.ticker, err = newTicker(p.due, p.Interval); err != nil {
		return err
	}
	return l.watch(unix.EPOLL_CTL_ADD, p.ticker.fd, len(p.conns), unix.EPOLLIN)
}

// tick sends what is due by now.
func (p *pacedLoad) tick(l *loop) error {
	for range p.ticker.expired() {
		slot := p.turn
		p.turn = (p.turn + 1) % len(p.conns)
		c := &p.conns[slot]
		if c.tail-c.head == len(c.due) {
			return fmt.Errorf("%d messages of one connection are not back yet", len(c.due))
		}
		c.due[c.tail%len(c.due)] = p.due
		c.tail++
		p.due += int64(p.Interval)
		idle, err := c.socket.send(l, slot, p.frame)
		if err != nil {
			return err
		}
		if !idle {
			return errors.New("a connection takes no more messages")
		}
	}
	return nil
}
