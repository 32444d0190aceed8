//go:build !wasip1

package guesttest

import (
	"context"

	"edge/abi"
)

// Socket is a WebSocket server in a sandbox, or a stream of an operation, that
// sends what it was given and then closes.
type Socket struct {
	// Messages are sent one for each Receive, as texts; Binary after them, as
	// what they are.
	Messages []string
	Binary   [][]byte
	// End is how it closes after them; nil leaves it open and silent, so that a
	// Receive runs into its timeout.
	End *abi.SocketClosed
	// Failure is how a stream fails after its messages, instead of End.
	Failure *abi.Error
	// Sent is what the plugin sent.
	Sent []string
	// Closed is how the plugin closed it; nil if it did not.
	Closed *abi.SocketClosed
}

var _ abi.Socket = (*Socket)(nil)

// Script returns a Socket that sends the messages and closes with 1000.
func Script(messages ...string) *Socket {
	return &Socket{Messages: messages, End: &abi.SocketClosed{Code: 1000}}
}

// Receive implements abi.Socket.
func (s *Socket) Receive(ctx context.Context) (byte, []byte, error) {
	if len(s.Messages) > 0 {
		m := s.Messages[0]
		s.Messages = s.Messages[1:]
		return abi.OpcodeText, []byte(m), nil
	}
	if len(s.Binary) > 0 {
		m := s.Binary[0]
		s.Binary = s.Binary[1:]
		return abi.OpcodeBinary, m, nil
	}
	if s.Failure != nil {
		return 0, nil, s.Failure
	}
	if s.End != nil {
		return 0, nil, s.End
	}
	<-ctx.Done()
	return 0, nil, ctx.Err()
}

// Send implements abi.Socket.
func (s *Socket) Send(_ context.Context, _ byte, payload []byte) error {
	s.Sent = append(s.Sent, string(payload))
	return nil
}

// Close implements abi.Socket.
func (s *Socket) Close(code int, reason string) error {
	s.Closed = &abi.SocketClosed{Code: code, Reason: reason}
	return nil
}
