package main

import (
	"bytes"
	"errors"
	"fmt"
)

// upgrade is the state of a handshake.
type upgrade struct {
	sent, complete bool
	head           []byte
}

// ready goes on with a handshake: it sends request once the socket is connected,
// and reads the answer. early is what came with its end.
func (u *upgrade) ready(l *loop, s *socket, slot int, request []byte) (early []byte, err error) {
	if !u.sent {
		u.sent = true
		idle, err := s.send(l, slot, request)
		if err == nil && !idle {
			err = errors.New("a socket that is new does not take a handshake")
		}
		return nil, err
	}
	b, err := s.read(l)
	if err != nil {
		return nil, fmt.Errorf("handshake: %w", err)
	}
	if u.head = append(u.head, b...); len(u.head) > maxAnswerHead {
		return nil, errors.New("handshake: the answer's head is too long")
	}
	i := bytes.Index(u.head, []byte("\r\n\r\n"))
	if i < 0 {
		return nil, nil
	}
	head := u.head[:i+4]
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) {
		line, _, _ := bytes.Cut(head, []byte("\r\n"))
		return nil, fmt.Errorf("handshake: answered %q", line)
	}
	if accept, _ := headerValue(head, "sec-websocket-accept"); string(accept) != handshakeAccept {
		return nil, fmt.Errorf("handshake: Sec-WebSocket-Accept is %q", accept)
	}
	u.complete = true
	return u.head[i+4:], nil
}
