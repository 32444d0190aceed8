package main

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// handshakeLoad opens one WebSocket after the other in each of Slots slots: a new
// TCP connection, the handshake, one message and its echo, then a reset, which
// leaves no port in TIME_WAIT on the client's side.
type handshakeLoad struct {
	tally
	Slots, Size int

	conns   []echoClient
	frame   []byte
	request []byte
}

func (h *handshakeLoad) open(l *loop) error {
	h.frame, h.request = appendFrame(nil, fin|opBinary, new([4]byte), pattern(h.Size)), handshakeTo(pathEcho)
	h.conns = make([]echoClient, h.Slots)
	for i := range h.conns {
		h.conns[i].upgrade.head = make([]byte, 0, 1024)
	}
	return dialAll(l, h.Slots, h.at)
}

func (h *handshakeLoad) at(i int) *socket { return &h.conns[i].socket }

func (h *handshakeLoad) close() {
	closeAll(len(h.conns), h.at)
}

func (h *handshakeLoad) ready(l *loop, slot int, events uint32) error {
	c := &h.conns[slot]
	if !c.upgrade.complete {
		if _, err := c.upgrade.ready(l, &c.socket, slot, h.request); err != nil || !c.upgrade.complete {
			return err
		}
		_, err := c.socket.send(l, slot, h.frame)
		return err
	}
	if events&unix.EPOLLIN == 0 {
		return nil
	}
	b, err := c.read(l)
	if err != nil {
		return err
	}
	n, err := c.reader.feed(b, int64(h.Size))
	if err != nil || n == 0 {
		return err
	}
	h.complete++
	c.close()
	c.upgrade = upgrade{head: c.upgrade.head[:0]}
	c.reader = messageReader{}
	return c.dial(l, slot, netip.Addr{})
}
