package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/abi"
	"edge/bridge"
	"edge/sandboxmgr"
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
	case <-time.After(20 * time.Second):
		t.Fatal("the stream was not closed")
	}
}

// say has the stream send a message.
func (s *fakeStream) say(t *testing.T, m streamMessage) {
	t.Helper()
	select {
	case s.out <- m:
	case <-time.After(20 * time.Second):
		t.Fatal("nobody receives from the stream")
	}
}

// heard is the next message that the stream is sent.
func (s *fakeStream) heard(t *testing.T) streamMessage {
	t.Helper()
	select {
	case m := <-s.in:
		return m
	case <-time.After(20 * time.Second):
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

// TestClientStream has a client talk to a stream: whole messages both ways, listed as
// a connection, the sandbox kept awake until the program ends.
func TestClientStream(t *testing.T) {
	t.Parallel()
	s := startStreaming(t, &abi.Connect{Stream: terminalCall(), Wake: abi.WakeWS}, nil)
	c := s.client(t)
	if got, want := <-s.asked, `terminal {"cols":100,"rows":30,"sandbox":{"binding":"Sandbox","id":"a"}}`; got != want {
		t.Errorf("opened %s, want %s", got, want)
	}
	s.stream.say(t, streamMessage{opcode: 1, payload: `{"type":"ready"}`})
	gets(t, c, 1, `{"type":"ready"}`)
	list, _ := Connections{Table: s.table}.List(ConnectionFilter{Binding: "Sandbox", Sandbox: "a", Plugin: "p"}, 0)
	if len(list) != 1 || list[0].Kind != "websocket" || list[0].Port != 0 || list[0].Generation != 1 {
		t.Errorf("listed are %+v", list)
	}
	s.box.wanted(t, 1)
	if s.box.wakes[0] != "ws true" {
		t.Errorf("woken with %q", s.box.wakes)
	}
	for _, m := range []streamMessage{{opcode: 2, payload: "echo hi\n"}, {opcode: 1, payload: `{"type":"resize","cols":1,"rows":2}`}, {opcode: 2}} {
		if err := c.Send(t.Context(), m.opcode, []byte(m.payload)); err != nil {
			t.Fatal(err)
		}
		if got := s.stream.heard(t); got != m {
			t.Errorf("the stream got %v, want %v", got, m)
		}
	}
	paste := strings.Repeat("x", abi.MaxStreamBinary+1)
	if err := c.Send(t.Context(), 2, []byte(paste)); err != nil {
		t.Fatal(err)
	}
	if got := s.stream.heard(t).payload + s.stream.heard(t).payload; got != paste {
		t.Errorf("a large message came as %d bytes", len(got))
	}
	s.stream.say(t, streamMessage{opcode: 2, payload: "hi\r\n"})
	gets(t, c, 2, "hi\r\n")
	s.stream.say(t, streamMessage{opcode: 1, payload: `{"type":"exit"}`})
	gets(t, c, 1, `{"type":"exit"}`)
	s.stream.say(t, streamMessage{err: &abi.SocketClosed{Code: 1000}})
	closedWith(t, c, 1000, "")
	s.stream.ends(t)
	s.box.wanted(t, 0)
}

// TestClientStreamEnds ends streams in all ways, and wants the client to be told how.
func TestClientStreamEnds(t *testing.T) {
	t.Parallel()
	secret := abi.Errorf(abi.CodeSandboxExited, "the init is gone").WithSuggestion("look inside").WithDetails(map[string]string{"stderr": "inside"})
	for _, tt := range []struct {
		name   string
		policy abi.Policy
		do     func(t *testing.T, s *streaming, c *bridge.Socket)
		last   string // the last message, if there is one
		code   int
		reason string
	}{
		{"fails", abi.Policy{}, func(t *testing.T, s *streaming, _ *bridge.Socket) { s.stream.say(t, streamMessage{err: secret}) },
			`{"error":{"code":"SANDBOX_EXITED","message":"the init is gone","operation":"terminal"`, 1011, "SANDBOX_EXITED"},
		{"fails inside", abi.Policy{}, func(t *testing.T, s *streaming, _ *bridge.Socket) {
			s.stream.say(t, streamMessage{err: errors.New("/run/secret: broken pipe")})
		}, `{"error":{"code":"INTERNAL","message":"terminal failed; the edge's log has the details","operation":"terminal"`, 1011, "INTERNAL"},
		{"finds a text wrong late", abi.Policy{}, func(t *testing.T, s *streaming, _ *bridge.Socket) {
			s.stream.say(t, streamMessage{err: abi.Errorf(abi.CodeInvalidRequest, "no size")})
		}, `{"error":{"code":"INVALID_REQUEST","message":"no size"`, 1002, "no size"},
		{"breaks off", abi.Policy{}, func(t *testing.T, s *streaming, _ *bridge.Socket) {
			s.stream.say(t, streamMessage{err: &abi.SocketClosed{Code: 1006}})
		}, `{"error":{"code":"SANDBOX_EXITED","message":"the stream broke off"`, 1011, "SANDBOX_EXITED"},
		{"sandbox ends", abi.Policy{}, func(t *testing.T, s *streaming, _ *bridge.Socket) {
			close(s.box.ended)
			s.stream.say(t, streamMessage{err: secret})
		}, "", 1012, "the sandbox has ended"},
		{"sandbox stops", abi.Policy{}, func(_ *testing.T, s *streaming, _ *bridge.Socket) {
			Connections{Table: s.table}.CloseSockets("Sandbox", "a", 1, 1012, "the sandbox is stopping")
		}, "", 1012, "the sandbox is stopping"},
		{"taken back", abi.Policy{}, func(_ *testing.T, s *streaming, _ *bridge.Socket) {
			Connections{Table: s.table}.CloseMatching(ConnectionFilter{Plugin: "p"}, 1008, "by hand")
		}, "", 1008, "by hand"},
		{"shutdown", abi.Policy{}, func(t *testing.T, s *streaming, _ *bridge.Socket) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
			t.Cleanup(cancel)
			go func() { _ = s.Shutdown(ctx) }()
		}, "", 1001, ""},
		{"wrong text", abi.Policy{}, func(t *testing.T, s *streaming, c *bridge.Socket) {
			if err := c.Send(t.Context(), 1, []byte("nonsense")); err != nil {
				t.Error(err)
			}
		}, "", 1002, "no JSON object"},
		{"long text", abi.Policy{}, func(t *testing.T, s *streaming, c *bridge.Socket) {
			if err := c.Send(t.Context(), 1, bytes.Repeat([]byte("x"), abi.MaxStreamText+1)); err != nil {
				t.Error(err)
			}
		}, "", 1009, "a text message is longer"},
		{"long message", abi.Policy{}, func(t *testing.T, _ *streaming, c *bridge.Socket) {
			_ = c.Send(t.Context(), 2, make([]byte, 1<<20+1)) // may be cut short by the end
		}, "", 1009, ""},
		{"policy: message", abi.Policy{MaxMessageBytes: 4}, func(t *testing.T, _ *streaming, c *bridge.Socket) {
			if err := c.Send(t.Context(), 2, []byte("12345")); err != nil {
				t.Error(err)
			}
		}, "", 1009, ""},
		{"policy: idle", abi.Policy{IdleTimeout: abi.Duration(50 * time.Millisecond)}, func(*testing.T, *streaming, *bridge.Socket) {}, "", 1008, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := startStreaming(t, &abi.Connect{Stream: terminalCall(), Policy: tt.policy}, nil)
			s.stream.refuse = func(opcode byte, payload []byte) error {
				if opcode == 1 && payload[0] != '{' {
					return abi.Errorf(abi.CodeInvalidRequest, "no JSON object")
				}
				return nil
			}
			c := s.client(t)
			tt.do(t, s, c)
			if tt.last != "" {
				if _, got, err := c.Receive(t.Context()); err != nil || !strings.HasPrefix(string(got), tt.last) || strings.Contains(string(got), "inside") {
					t.Errorf("the last message is %s, %v; want %s", got, err, tt.last)
				}
			}
			closedWith(t, c, tt.code, tt.reason)
			s.stream.ends(t)
			s.box.wanted(t, 0)
		})
	}
}

// TestClientStreamLeft has the client go away while the stream takes nothing, and while
// it has nothing to say.
func TestClientStreamLeft(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		sends int // messages that nobody takes
		leave func(c *client)
	}{
		{"closes", 0, func(c *client) {
			c.send(frame(8, "\x03\xe8", true))
			if op, reason, err := readFrame(c.r); err != nil || op != 8 || reason != "\x03\xe8" {
				c.t.Errorf("the close was answered with %d %q, %v", op, reason, err)
			}
			c.Close()
		}},
		{"cuts", 0, func(c *client) { c.Close() }},
		{"cuts with input waiting", 100, func(c *client) { c.Close() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := startStreaming(t, &abi.Connect{Stream: terminalCall()}, nil)
			c := s.dial(t)
			c.send("GET / HTTP/1.1\r\nHost: a\r\n" + handshake + "\r\n")
			if a, err := http.ReadResponse(c.r, nil); err != nil || a.StatusCode != 101 {
				t.Fatalf("answered %v, %v", a, err)
			}
			c.send(strings.Repeat(frame(2, "x", true), tt.sends))
			tt.leave(c)
			s.stream.ends(t)
			s.box.wanted(t, 0)
		})
	}
}

// TestClientStreamHeldUp wants a client that does not read to hold the stream up.
func TestClientStreamHeldUp(t *testing.T) {
	t.Parallel()
	s := startStreaming(t, &abi.Connect{Stream: terminalCall()}, nil)
	c := s.dial(t)
	c.send("GET / HTTP/1.1\r\nHost: a\r\n" + handshake + "\r\n")
	if a, err := http.ReadResponse(c.r, nil); err != nil || a.StatusCode != 101 {
		t.Fatalf("answered %v, %v", a, err)
	}
	const bound = 64 << 20 // what sockets and their kernel may hold
	message := streamMessage{opcode: 2, payload: strings.Repeat("x", abi.MaxStreamBinary)}
	sent := 0
	for held := false; !held; {
		select {
		case s.stream.out <- message:
			if sent += len(message.payload); sent > bound {
				t.Fatalf("%d bytes were taken for a client that reads nothing", sent)
			}
		case <-time.After(time.Second):
			held = true
		}
	}
	t.Logf("held up after %d bytes", sent)
}

// TestClientStreamRefused wants everything that is wrong to be answered before a
// WebSocket is.
func TestClientStreamRefused(t *testing.T) {
	t.Parallel()
	opening := abi.Errorf(abi.CodeSessionNotFound, "there is no session").WithDetails(map[string]string{"inside": "secret"})
	for _, tt := range []struct {
		name     string
		decision *abi.Connect
		opening  error
		extra    string
		plain    bool // the request is no handshake
		refusal  error
		status   int
		body     string
		opened   bool
	}{
		{"does not open", &abi.Connect{Stream: terminalCall()}, opening, "", false, nil, 404, `"code":"SESSION_NOT_FOUND"`, true},
		{"fails to open", &abi.Connect{Stream: terminalCall()}, errors.New("/run/secret"), "", false, nil, 500, `"code":"INTERNAL"`, true},
		{"no stream", &abi.Connect{Stream: &abi.StreamCall{Name: "exec"}}, nil, "", false, nil, 501, `"code":"UNSUPPORTED"`, false},
		{"port and stream", &abi.Connect{Port: 80, Stream: terminalCall()}, nil, "", false, nil, 400, `"code":"INVALID_PORT"`, false},
		{"no upgrade", &abi.Connect{Stream: terminalCall()}, nil, "", true, nil, 426, `"code":"UPGRADE_REQUIRED"`, false},
		{"asleep", &abi.Connect{Stream: terminalCall()}, nil, "", false, asleep(), 503, `"code":"SANDBOX_ASLEEP"`, false},
		{"origin", &abi.Connect{Stream: terminalCall(), Policy: abi.Policy{AllowOrigins: []string{"https://a.example"}}}, nil, "Origin: https://b.example\r\n", false, nil, 403, `"code":"DENIED"`, false},
		{"subprotocol", &abi.Connect{Stream: terminalCall(), Policy: abi.Policy{Protocols: []string{"tty"}}}, nil, "", false, nil, 400, `"code":"INVALID_REQUEST"`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := startStreaming(t, tt.decision, tt.opening)
			s.box.refusal = tt.refusal
			extra := handshake
			if tt.plain {
				extra = ""
			}
			a := s.get(t, "a", "/", extra+tt.extra)
			if a.StatusCode != tt.status || !strings.Contains(a.body, tt.body) || strings.Contains(a.body, "secret") {
				t.Errorf("answered %d %s, want %d %s", a.StatusCode, a.body, tt.status, tt.body)
			}
			if opened := len(s.asked) > 0; opened != tt.opened {
				t.Errorf("opened: %v", opened)
			}
			s.box.wanted(t, 0)
		})
	}
}

// TestClientStreamOfAnotherRun wants a stream that was opened when the run was over
// not to be given to anybody.
func TestClientStreamOfAnotherRun(t *testing.T) {
	t.Parallel()
	s := startStreaming(t, &abi.Connect{Stream: terminalCall()}, nil)
	close(s.box.ended)
	if a := s.get(t, "a", "/", handshake); a.StatusCode != 502 || !strings.Contains(a.body, "SANDBOX_EXITED") {
		t.Errorf("answered %d %s", a.StatusCode, a.body)
	}
	s.stream.ends(t)
}

// TestClientStreamProtocol wants the first subprotocol to be spoken that the client
// offers and the policy allows, and none unless one is offered.
func TestClientStreamProtocol(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		allowed, offered []string
		want             string
	}{{nil, nil, ""}, {nil, []string{"b", "a"}, "b"}, {[]string{"a"}, []string{"b", "a"}, "a"}} {
		t.Run(fmt.Sprint(tt.allowed, tt.offered), func(t *testing.T) {
			t.Parallel()
			s := startStreaming(t, &abi.Connect{Stream: terminalCall(), Policy: abi.Policy{Protocols: tt.allowed}}, nil)
			c, err := s.connect(t, bridge.SocketOptions{Host: "a", Protocols: tt.offered})
			if err != nil {
				t.Fatal(err)
			}
			if c.Protocol() != tt.want {
				t.Errorf("spoken is %q, want %q", c.Protocol(), tt.want)
			}
			_ = c.Close(1000, "")
		})
	}
}

var (
	_ abi.Socket = (*fakeStream)(nil)
	_ sandboxes  = managed{(*sandboxmgr.Manager)(nil)}
)
