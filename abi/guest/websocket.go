package guest

import (
	"encoding/json"
	"math"
	"time"

	"edge/abi"
	"edge/abi/guest/internal/edge1"
)

// Opcodes of a message (RFC 6455, section 11.8).
const (
	opText   = 1
	opBinary = 2
)

// WebSocket is a connection on which the plugin itself is the client. It ends
// with the request; Close says goodbye before that.
type WebSocket struct {
	req *Request
	ws  uint32
	buf []byte
}

// Message is one whole message.
type Message struct {
	// Binary tells a binary message from a text.
	Binary bool
	Data   []byte
}

// Text returns the message's bytes as a string.
func (m Message) Text() string { return string(m.Data) }

// WSOpen opens a WebSocket to a port of the sandbox with the plugin as client,
// for data that the plugin itself wants. To give the client's own WebSocket to
// the sandbox use WSConnect.
func (s *Sandbox) WSOpen(port int, opts ...WebSocketOptions) (*WebSocket, error) {
	if err := s.check("wsOpen", port); err != nil {
		return nil, err
	}
	var options []byte
	if len(opts) > 0 || s.options() != nil {
		o := last(opts)
		if o.Sandbox == nil {
			o.Sandbox = s.options()
		}
		var err error
		if options, err = json.Marshal(o); err != nil {
			return nil, abi.Errorf(abi.CodeInvalidRequest, "wsOpen: %v", err)
		}
	}
	errno, ws := abi.SplitResult(edge1.WSOpen(s.req.handle, s.ref.Binding, s.ref.ID, uint32(port), options))
	if errno != abi.OK {
		return nil, failure(s.req.handle, "wsOpen", errno)
	}
	return &WebSocket{req: s.req, ws: ws, buf: make([]byte, 4096)}, nil
}

// Recv returns the next message, whose Data is the caller's. It waits for at most
// timeout (0 only looks; fractions of a millisecond count as one): ErrTimeout
// then, and nothing is lost. After the peer closed it is *SocketClosed. A message
// of more than 1 MiB closes the socket and is an error.
func (w *WebSocket) Recv(timeout time.Duration) (Message, error) {
	ms := min(max(0, (timeout+time.Millisecond-1)/time.Millisecond), math.MaxInt32)
	result := edge1.WSRecv(w.req.handle, w.ws, uint32(ms), w.buf)
	b, errno := collect(w.req.handle, result, w.buf)
	if errno != abi.OK {
		return Message{}, w.failure("wsRecv", errno)
	}
	if len(b) == 0 {
		return Message{}, meaning("wsRecv", abi.Internal)
	}
	return Message{Binary: b[0] == opBinary, Data: append([]byte(nil), b[1:]...)}, nil
}

// SendText sends one text message; s must be UTF-8. It blocks while the peer
// reads slowly.
func (w *WebSocket) SendText(s string) error { return w.send(opText, []byte(s)) }

// SendBinary sends one binary message. It blocks while the peer reads slowly.
func (w *WebSocket) SendBinary(b []byte) error { return w.send(opBinary, b) }

// Close starts the closing handshake. code is 1000 or 3000 to 4999, reason at
// most 123 bytes. Closing what is closed is no error.
func (w *WebSocket) Close(code int, reason string) error {
	errno, _ := abi.SplitResult(edge1.WSClose(w.req.handle, w.ws, uint32(code), reason))
	if errno != abi.OK && errno != abi.Closed {
		return failure(w.req.handle, "wsClose", errno)
	}
	return nil
}

func (w *WebSocket) send(opcode uint32, b []byte) error {
	if errno, _ := abi.SplitResult(edge1.WSSend(w.req.handle, w.ws, opcode, b)); errno != abi.OK {
		return w.failure("wsSend", errno)
	}
	return nil
}

// failure tells how the peer closed, if that is what happened.
func (w *WebSocket) failure(call string, errno abi.Errno) error {
	e := lastError(w.req.handle)
	if errno == abi.Closed && e != nil && len(e.Details) > 0 {
		closed := new(SocketClosed)
		if json.Unmarshal(e.Details, closed) == nil && closed.Code != 0 {
			return closed
		}
	}
	if e != nil && e.Code.Errno() == errno {
		return e
	}
	return meaning(call, errno)
}
