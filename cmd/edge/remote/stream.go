package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/fasthttp/websocket"

	"edge/abi"
)

// maxMessage is the longest message of a stream that is taken, in bytes: a
// stream's own bound, and room for the JSON of an error.
const maxMessage = abi.MaxStreamBinary + maxErrorText

// Stream is an operation whose answer goes on, over a WebSocket. Next belongs to
// one goroutine; Send and SendInput may be called by others at the same time.
// Whoever opened the stream closes it.
type Stream struct {
	conn *websocket.Conn
	// release ends the watch on the context that the stream was opened with.
	release func() bool

	sending sync.Mutex
}

// Open opens a stream. The end of ctx closes it.
func (c *Client) Open(ctx context.Context, ref Ref, operation string, request any) (*Stream, error) {
	first, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	return c.openPath(ctx, ref.path(operation), first)
}

// openPath opens a WebSocket and sends the first message, if there is one.
func (c *Client) openPath(ctx context.Context, path string, first []byte) (*Stream, error) {
	// The package looks at ctx until there is a connection, and not after that.
	release := func() bool { return true }
	dialer := websocket.Dialer{NetDialContext: func(dialing context.Context, network, address string) (net.Conn, error) {
		conn, err := c.dial(dialing, network, address)
		if err == nil {
			release = context.AfterFunc(ctx, func() { conn.Close() })
		}
		return conn, err
	}}
	header := http.Header{}
	if c.address.Token != "" {
		header.Set("Authorization", "Bearer "+c.address.Token)
	}
	conn, resp, err := dialer.DialContext(ctx, "ws"+strings.TrimPrefix(c.base, "http")+path, header)
	if err != nil {
		release()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if resp == nil {
			return nil, fmt.Errorf("the edge at %s does not answer: %w", c.address, err)
		}
		// The package keeps 1,024 bytes of it.
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorText))
		return nil, c.refusal(resp.StatusCode, mendFailure(body))
	}
	conn.SetReadLimit(maxMessage)
	s := &Stream{conn: conn, release: release}
	if first == nil {
		return s, nil
	}
	if err := s.Send(abi.OpcodeText, first); err != nil {
		s.Close()
		return nil, fmt.Errorf("the stream broke off: %w", err)
	}
	return s, nil
}

// Next returns the next message. Its error is io.EOF when the stream ended well,
// *abi.Error when it failed, and another one when it broke off.
func (s *Stream) Next() (opcode byte, message []byte, err error) {
	kind, message, err := s.conn.ReadMessage()
	if err != nil {
		var closed *websocket.CloseError
		switch {
		case !errors.As(err, &closed):
		case closed.Code == websocket.CloseNormalClosure:
			return 0, nil, io.EOF
		case closed.Code == websocket.CloseGoingAway:
			return 0, nil, errors.New("the edge ends, and the stream with it")
		case closed.Code == websocket.CloseAbnormalClosure:
			return 0, nil, errors.New("the stream broke off: the connection to the edge is gone")
		case closed.Text != "":
			return 0, nil, fmt.Errorf("the edge closed the stream: %d %s", closed.Code, printable(closed.Text))
		}
		return 0, nil, fmt.Errorf("the stream broke off: %w", err)
	}
	if kind == websocket.TextMessage {
		if failure := failureOf(message); failure != nil {
			return 0, nil, failure
		}
	}
	return byte(kind), message, nil
}

// failureOf returns the error that a message is. Events have a type; a failure
// is an error and nothing else. Most messages are none, and long.
func failureOf(message []byte) error {
	if !bytes.HasPrefix(bytes.TrimLeft(message, " \t\r\n"), []byte(`{"error"`)) {
		return nil
	}
	var m struct {
		Type  *string    `json:"type"`
		Error *abi.Error `json:"error"`
	}
	if json.Unmarshal(message, &m) != nil || m.Type != nil || m.Error == nil || m.Error.Code == "" {
		return nil
	}
	return m.Error
}

// Event reads the next message, which must be text, into event, a pointer.
func (s *Stream) Event(event any) error {
	opcode, message, err := s.Next()
	if err != nil {
		return err
	}
	if opcode != abi.OpcodeText {
		return errors.New("the edge sent bytes where an event was due")
	}
	if err := json.Unmarshal(message, event); err != nil {
		return fmt.Errorf("the edge sent an event that is not understood: %w", err)
	}
	return nil
}

// Send sends one message and blocks while the edge reads slowly.
func (s *Stream) Send(opcode byte, message []byte) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	return s.conn.WriteMessage(int(opcode), message)
}

// SendInput sends a text message of a stream.
func (s *Stream) SendInput(in abi.StreamInput) error {
	b, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return s.Send(abi.OpcodeText, b)
}

// goodbyeTime bounds the last message of a stream that this side ends.
const goodbyeTime = time.Second

// Close closes the connection, which cancels what the stream does.
func (s *Stream) Close() {
	s.release()
	_ = s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(goodbyeTime))
	s.conn.Close()
}

// pour sends all that r says, in messages of a bounded size, and then end. It
// returns when r or the stream has ended.
func (s *Stream) pour(r io.Reader) error {
	buffer := make([]byte, 32<<10)
	for {
		n, err := r.Read(buffer)
		if n > 0 {
			if err := s.Send(abi.OpcodeBinary, buffer[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return s.SendInput(abi.StreamInput{Type: abi.InputEnd})
		case err != nil:
			return fmt.Errorf("read the input: %w", err)
		}
	}
}
