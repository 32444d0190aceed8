package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"edge/abi"
	"edge/bridge"
)

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
			ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
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
