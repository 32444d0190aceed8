package host

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/abi"
	"edge/bridge"
)

// fakeStream is a stream of a sandbox that the test plays. It takes one message at a
// time, as an init does whose program does not read.
type fakeStream struct {
	out    chan streamMessage // what it sends next
	in     chan streamMessage // what it was sent
	refuse func(opcode byte, payload []byte) error

	once   sync.Once
	closed chan struct{}
}

// streamMessage is a message, or the end of a stream.
type streamMessage struct {
	opcode  byte
	payload string
	err     error
}

var _ abi.Socket = (*fakeStream)(nil)

func newFakeStream() *fakeStream {
	return &fakeStream{out: make(chan streamMessage), in: make(chan streamMessage), closed: make(chan struct{})}
}

func (s *fakeStream) Receive(ctx context.Context) (byte, []byte, error) {
	select {
	case m := <-s.out:
		return m.opcode, []byte(m.payload), m.err
	case <-ctx.Done():
		return 0, nil, ctx.Err()
	}
}

func (s *fakeStream) Send(ctx context.Context, opcode byte, payload []byte) error {
	if s.refuse != nil {
		if err := s.refuse(opcode, payload); err != nil {
			return err
		}
	}
	select {
	case s.in <- streamMessage{opcode: opcode, payload: string(payload)}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *fakeStream) Close(int, string) error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// ends waits until the host has closed the stream.
func (s *fakeStream) ends(t *testing.T) {
	t.Helper()
	select {
	case <-s.closed:
	case <-time.After(patience):
		t.Fatal("the stream was not closed")
	}
}

// say has the stream send a message.
func (s *fakeStream) say(t *testing.T, m streamMessage) {
	t.Helper()
	select {
	case s.out <- m:
	case <-time.After(patience):
		t.Fatal("nobody receives from the stream")
	}
}

// heard is the next message that the stream is sent.
func (s *fakeStream) heard(t *testing.T) streamMessage {
	t.Helper()
	select {
	case m := <-s.in:
		return m
	case <-time.After(patience):
		t.Fatal("the stream was sent nothing")
		return streamMessage{}
	}
}

// terminalCall is the decision's part that is looked at by these tests.
func terminalCall() *abi.StreamCall {
	return &abi.StreamCall{Name: "terminal", Request: json.RawMessage(`{"cols":100,"rows":30}`)}
}

// streaming is a server whose plugin gives everybody a stream of the box a.
type streaming struct {
	*running
	box    *fakeBox
	table  *bridge.Table
	asked  chan string
	stream *fakeStream
}

func startStreaming(t *testing.T, d *abi.Connect, opening error) *streaming {
	t.Helper()
	s := &streaming{box: newBox("a", nil), table: &bridge.Table{}, asked: make(chan string, 8), stream: newFakeStream()}
	f := boxes(s.box)
	f.stream = func(_ context.Context, name string, body json.RawMessage) (abi.Socket, error) {
		s.asked <- name + " " + string(body)
		if opening != nil {
			return nil, opening
		}
		return s.stream, nil
	}
	d.Sandbox = ref("a")
	s.running = start(t, &Server{boxes: f, Relay: &bridge.Relay{Table: s.table}}, all(always(d)))
	return s
}

// connect is a client.
func (s *streaming) connect(t *testing.T, opts bridge.SocketOptions) (*bridge.Socket, error) {
	t.Helper()
	return bridge.OpenSocket(t.Context(), s.dial(t).Conn, opts)
}

// client is connect of one that gets in.
func (s *streaming) client(t *testing.T) *bridge.Socket {
	t.Helper()
	c, err := s.connect(t, bridge.SocketOptions{Host: "a"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(1000, "") })
	return c
}

// gets wants the client to get a message.
func gets(t *testing.T, c *bridge.Socket, opcode byte, want string) {
	t.Helper()
	op, got, err := c.Receive(t.Context())
	if err != nil || op != opcode || string(got) != want {
		t.Fatalf("the client got %d %.200q, %v; want %d %.200q", op, got, err, opcode, want)
	}
}

// closedWith wants the client's WebSocket to be closed, with a code and the beginning of
// a reason.
func closedWith(t *testing.T, c *bridge.Socket, code int, reason string) {
	t.Helper()
	var end *bridge.SocketClosed
	if op, got, err := c.Receive(t.Context()); !errors.As(err, &end) || end.Code != code || !strings.HasPrefix(end.Reason, reason) {
		t.Errorf("the client got %d %q, %v; want the close %d %q", op, got, err, code, reason)
	}
}
