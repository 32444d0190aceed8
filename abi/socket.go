package abi

import (
	"context"
	"fmt"
)

// Socket is one WebSocket that a plugin opened to a port of a sandbox. Receive
// and Send may run at the same time, each by one goroutine. Whoever was given
// the socket closes it.
type Socket interface {
	// Receive returns the next whole message; opcode 1 is text, 2 binary. It
	// ends with the context's error without losing a message, or with
	// *SocketClosed. A message above the bound is an *Error, BODY_TOO_LARGE,
	// and the socket is closed with 1009.
	Receive(ctx context.Context) (opcode byte, payload []byte, err error)
	// Send sends one message and blocks while the peer reads slowly.
	Send(ctx context.Context, opcode byte, payload []byte) error
	// Close starts the closing handshake (RFC 6455, section 7.1.2) and returns
	// when the connection is closed, at once if it is.
	Close(code int, reason string) error
}

// SocketClosed is how a Socket ended: the peer's close code and reason, or 1006
// when the connection broke without one.
type SocketClosed struct {
	Code   int    `json:"code"`
	Reason string `json:"reason"`
}

// Error tells code and reason.
func (e *SocketClosed) Error() string { return fmt.Sprintf("socket closed: %d %q", e.Code, e.Reason) }
