package main

import (
	"golang.org/x/sys/unix"
)

// httpLoad asks for Path over connections that are kept, the next time when an
// answer is complete.
type httpLoad struct {
	tally
	Conns int
	Path  string
	Size  int64 // of the body

	conns   []httpClient
	request []byte
}

type httpClient struct {
	socket
	asked  bool
	reader answerReader
}

func (h *httpLoad) open(l *loop) error {
	h.request = requestFor(h.Path)
	h.conns = make([]httpClient, h.Conns)
	for i := range h.conns {
		h.conns[i].reader.part = make([]byte, 0, 2*maxAnswerHead)
	}
	return dialAll(l, h.Conns, h.at)
}

func (h *httpLoad) at(i int) *socket { return &h.conns[i].socket }

func (h *httpLoad) close() {
	closeAll(len(h.conns), h.at)
}

func (h *httpLoad) ready(l *loop, slot int, events uint32) error {
	c := &h.conns[slot]
	if !c.asked {
		c.asked = true
		_, err := c.send(l, slot, h.request)
		return err
	}
	if events&unix.EPOLLIN == 0 {
		return nil
	}
	b, err := c.read(l)
	if err != nil {
		return err
	}
	n, err := c.reader.feed(b, h.Size)
	if err != nil || n == 0 {
		return err
	}
	h.complete += int64(n)
	_, err = c.send(l, slot, h.request)
	return err
}
