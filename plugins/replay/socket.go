package replay

import (
	"context"
	"sync"

	"edge/abi"
)

// A socketAnswer is what comes on a stream or a WebSocket that is made up: the
// messages, and then its end.
type socketAnswer struct {
	Messages []Text `json:"messages,omitempty"`
	// Code and Reason are how it ends; 1000 by default.
	Code   int    `json:"code,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// socket is a WebSocket that nobody is at the other end of.
type socket struct {
	mu   sync.Mutex
	left []Text
	end  abi.SocketClosed
}

var _ abi.Socket = (*socket)(nil)

func newSocket(a socketAnswer) *socket {
	s := &socket{left: a.Messages, end: abi.SocketClosed{Code: a.Code, Reason: a.Reason}}
	if s.end.Code == 0 {
		s.end.Code = 1000
	}
	return s
}

// Receive returns the next message that was made up: a text if it was written as
// one.
func (s *socket) Receive(ctx context.Context) (opcode byte, payload []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return 0, nil, ctx.Err()
	case len(s.left) == 0:
		end := s.end
		return 0, nil, &end
	}
	m := s.left[0]
	s.left = s.left[1:]
	return m.opcode(), m, nil
}

// Send takes a message and tells nobody.
func (s *socket) Send(ctx context.Context, _ byte, _ []byte) error { return ctx.Err() }

// Close ends the socket.
func (s *socket) Close(code int, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left, s.end = nil, abi.SocketClosed{Code: code, Reason: reason}
	return nil
}
