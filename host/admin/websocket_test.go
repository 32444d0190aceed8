package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"edge/abi"
)

// dial opens a WebSocket and sends the request, if there is one.
func (w *world) dial(op, request string) *websocket.Conn {
	w.t.Helper()
	d := websocket.Dialer{HandshakeTimeout: patience}
	conn, resp, err := d.DialContext(w.t.Context(), "ws://"+w.addr+box+"/"+op, http.Header{"Authorization": {"Bearer " + testToken}})
	if err != nil {
		w.t.Fatalf("%v (%v)", err, resp)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if request != "" {
		w.write(conn, websocket.TextMessage, request)
	}
	return conn
}

func (w *world) write(conn *websocket.Conn, kind int, text string) {
	w.t.Helper()
	if err := conn.WriteMessage(kind, []byte(text)); err != nil {
		w.t.Fatal(err)
	}
}

// readAll returns the messages until the end, and the close code.
func readAll(t *testing.T, conn *websocket.Conn) (messages []string, code int) {
	t.Helper()
	for {
		_, b, err := conn.ReadMessage()
		if c, ok := errors.AsType[*websocket.CloseError](err); ok {
			return messages, c.Code
		}
		if err != nil {
			t.Fatalf("after %q: %v", messages, err)
		}
		messages = append(messages, string(b))
	}
}

// TestWebSocketKinds wants every stream as a WebSocket, of whatever kind.
func TestWebSocketKinds(t *testing.T) {
	t.Parallel()
	for _, row := range abi.Operations {
		if row.Kind() == abi.KindCall {
			continue
		}
		t.Run(row.Name(), func(t *testing.T) {
			t.Parallel()
			w := start(t, &Server{Operations: opening(t, func(s *fakeStream, body json.RawMessage) error {
				_ = s.event(string(body))
				for range 2 {
					m, err := s.next()
					if err != nil {
						return err
					}
					if err := s.send(m.opcode, m.payload); err != nil {
						return err
					}
				}
				return nil
			})})
			conn := w.dial(row.Name(), `{"id":"x"}`)
			w.write(conn, websocket.BinaryMessage, "bytes")
			w.write(conn, websocket.TextMessage, `{"type":"end"}`)
			got, code := readAll(t, conn)
			want := []string{`{"sandbox":{"binding":"Sandbox","id":"a"},"id":"x"}`, "bytes", `{"type":"end"}`}
			if strings.Join(got, "\n") != strings.Join(want, "\n") || code != 1000 {
				t.Errorf("got %q and %d", got, code)
			}
		})
	}
}

func TestWebSocketFails(t *testing.T) {
	t.Parallel()
	refuse := func(context.Context, string, json.RawMessage) (abi.Socket, error) {
		return nil, abi.Errorf(abi.CodeFileNotFound, "none")
	}
	hold := func(s *fakeStream, _ json.RawMessage) error { <-s.closed; return errHungUp }
	for _, tt := range []struct {
		name  string
		open  func(t *testing.T) *fakeOperations
		send  []message
		code  int
		error abi.Code
	}{
		{"to open", func(*testing.T) *fakeOperations { return &fakeOperations{open: refuse} }, []message{{1, []byte(`{}`)}}, 1011, abi.CodeFileNotFound},
		{"midway", func(t *testing.T) *fakeOperations {
			return opening(t, func(*fakeStream, json.RawMessage) error { return abi.Errorf(abi.CodeTimeout, "late") })
		}, []message{{1, []byte(`{}`)}}, 1011, abi.CodeTimeout},
		{"broken off", func(t *testing.T) *fakeOperations {
			return opening(t, func(*fakeStream, json.RawMessage) error { return &abi.SocketClosed{Code: 1006} })
		}, []message{{1, []byte(`{}`)}}, 1011, abi.CodeSandboxExited},
		{"no JSON", func(t *testing.T) *fakeOperations { return opening(t, hold) }, []message{{1, []byte(`{`)}}, 1011, abi.CodeInvalidRequest},
		{"bytes first", func(t *testing.T) *fakeOperations { return opening(t, hold) }, []message{{2, []byte(`{}`)}}, 1011, abi.CodeInvalidRequest},
		{"long text", func(t *testing.T) *fakeOperations { return opening(t, hold) },
			[]message{{1, []byte(`{}`)}, {1, make([]byte, abi.MaxStreamText+1)}}, 1009, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := start(t, &Server{Operations: tt.open(t)})
			conn := w.dial("terminal", "")
			for _, m := range tt.send {
				w.write(conn, int(m.opcode), string(m.payload))
			}
			got, code := readAll(t, conn)
			if code != tt.code {
				t.Errorf("closed with %d after %q", code, got)
			}
			if tt.error != "" && (len(got) != 1 || (result{body: got[0]}).code() != tt.error) {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestWebSocketHandshake(t *testing.T) {
	t.Parallel()
	w := start(t, &Server{MaxStreams: 1, Operations: opening(t, func(s *fakeStream, _ json.RawMessage) error { <-s.closed; return errHungUp })})
	for _, tt := range []struct {
		name, path string
		header     http.Header
		status     int
	}{
		{"no token", box + "/terminal", nil, 401},
		{"a web page", box + "/terminal", http.Header{"Authorization": {"Bearer " + testToken}, "Origin": {"http://attacker.example"}}, 403},
		{"a call", box + "/exec", http.Header{"Authorization": {"Bearer " + testToken}}, 405},
		{"a query", box + "/terminal?shell=sh", http.Header{"Authorization": {"Bearer " + testToken}}, 400},
	} {
		_, resp, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+w.addr+tt.path, tt.header)
		if err == nil || resp == nil || resp.StatusCode != tt.status {
			t.Errorf("%s: %v, %v", tt.name, resp, err)
		}
	}
	got := raw(t, "tcp", w.addr, "GET "+box+"/terminal HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "+testToken+
		"\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 12\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 400") || !strings.Contains(got, "INVALID_REQUEST") {
		t.Errorf("a bad handshake: %.200s", got)
	}
	defer w.dial("terminal", "{}").Close()
	if _, resp, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+w.addr+box+"/terminal", http.Header{"Authorization": {"Bearer " + testToken}}); err == nil || resp.StatusCode != 429 {
		t.Errorf("one too many: %v, %v", resp, err)
	}
}

// TestWebSocketInput wants bytes of any size to arrive in the stream's pieces,
// and text up to the bound.
func TestWebSocketInput(t *testing.T) {
	t.Parallel()
	const size = 3*abi.MaxStreamBinary + 5
	w := start(t, &Server{Operations: opening(t, func(s *fakeStream, _ json.RawMessage) error {
		total := 0
		for {
			m, err := s.next()
			if err != nil {
				return err
			}
			if m.opcode == abi.OpcodeText {
				b, _ := json.Marshal([]int{total, len(m.payload)})
				return s.event(string(b))
			}
			total += len(m.payload)
		}
	})})
	conn := w.dial("execStream", "{}")
	w.write(conn, websocket.BinaryMessage, strings.Repeat("x", size))
	w.write(conn, websocket.BinaryMessage, "")
	w.write(conn, websocket.TextMessage, strings.Repeat("y", abi.MaxStreamText))
	if got, code := readAll(t, conn); len(got) != 1 || got[0] != "[196613,65536]" || code != 1000 {
		t.Errorf("got %q and %d", got, code)
	}
}

// TestWebSocketClientCloses wants the stream closed when the client says so,
// when its connection breaks, and while the stream is still opening.
func TestWebSocketClientCloses(t *testing.T) {
	t.Parallel()
	hangUp := map[string]func(*websocket.Conn){
		"with a close": func(c *websocket.Conn) {
			_ = c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(patience))
		},
		"by breaking": func(c *websocket.Conn) { _ = c.NetConn().Close() },
	}
	for name, bye := range hangUp {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			over := make(chan struct{})
			w := start(t, &Server{Operations: opening(t, func(s *fakeStream, _ json.RawMessage) error {
				defer close(over)
				_ = s.event(`{"type":"ready"}`)
				<-s.closed
				return errHungUp
			})})
			conn := w.dial("terminal", "{}")
			if _, _, err := conn.ReadMessage(); err != nil {
				t.Fatal(err)
			}
			bye(conn)
			await(t, "the stream's close", over)
		})
		t.Run(name+" while opening", func(t *testing.T) {
			t.Parallel()
			opens, over := make(chan struct{}), make(chan struct{})
			w := start(t, &Server{Operations: &fakeOperations{open: func(ctx context.Context, _ string, _ json.RawMessage) (abi.Socket, error) {
				close(opens)
				<-ctx.Done()
				close(over)
				return nil, ctx.Err()
			}}})
			conn := w.dial("terminal", "{}")
			await(t, "the opening", opens)
			bye(conn)
			await(t, "the opening's end", over)
		})
	}
}

func TestWebSocketPings(t *testing.T) {
	t.Parallel()
	w := start(t, &Server{pace: hurry(func(p *pace) { p.ping = 5 * time.Millisecond }), Operations: opening(t, func(s *fakeStream, _ json.RawMessage) error { <-s.closed; return errHungUp })})
	conn := w.dial("terminal", "{}")
	defer conn.Close()
	pinged := make(chan struct{}, 3)
	conn.SetPingHandler(func(string) error {
		pinged <- struct{}{}
		if len(pinged) == cap(pinged) {
			return io.EOF
		}
		return nil
	})
	if _, _, err := conn.ReadMessage(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}

// TestWebSocketShutdown wants streams closed with 1001, one that has sent no
// request yet included.
func TestWebSocketShutdown(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	w := start(t, &Server{Operations: opening(t, func(s *fakeStream, _ json.RawMessage) error {
		close(begun)
		<-s.closed
		return errHungUp
	})})
	running, silent := w.dial("terminal", "{}"), w.dial("terminal", "")
	await(t, "the stream", begun)
	down := make(chan error, 1)
	go func() { down <- w.server.Shutdown(t.Context()) }()
	for name, conn := range map[string]*websocket.Conn{"running": running, "silent": silent} {
		if got, code := readAll(t, conn); len(got) != 0 || code != 1001 {
			t.Errorf("%s: got %q and %d", name, got, code)
		}
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
}

// TestWebSocketSlowReader wants a sandbox held back by a client that does not
// read, pings and all, and Shutdown not held up by it.
func TestWebSocketSlowReader(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	over := make(chan struct{})
	w := start(t, &Server{pace: hurry(func(p *pace) { p.ping = 5 * time.Millisecond }), Operations: opening(t, func(s *fakeStream, _ json.RawMessage) error {
		defer close(over)
		piece := make([]byte, abi.MaxStreamBinary)
		for {
			if err := s.send(abi.OpcodeBinary, piece); err != nil {
				return err
			}
			sent.Add(1)
		}
	})})
	conn := w.dial("terminal", "{}")
	held := settle(t, &sent)
	for range held / 2 { // it still lives
		if _, _, err := conn.ReadMessage(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("held back after %d KiB", held*abi.MaxStreamBinary>>10)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := w.server.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	await(t, "the stream's close", over)
}

// TestWebSocketBackPressure wants a client held back by a sandbox that takes
// nothing, and a ping to find out that it is gone: nobody reads then.
func TestWebSocketBackPressure(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	w := start(t, &Server{pace: hurry(func(p *pace) { p.ping = 5 * time.Millisecond }), Operations: opening(t, func(s *fakeStream, _ json.RawMessage) error {
		defer close(over)
		<-s.closed
		return errHungUp
	})})
	conn := w.dial("writeFileStream", `{"path":"a"}`)
	var sent atomic.Int64
	flooded := make(chan struct{})
	go func() {
		defer close(flooded)
		piece := make([]byte, 256<<10)
		for conn.WriteMessage(websocket.BinaryMessage, piece) == nil {
			sent.Add(int64(len(piece)))
		}
	}()
	held := settle(t, &sent)
	t.Logf("held back after %d KiB", held>>10)
	_ = conn.NetConn().(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
	await(t, "the client", flooded)
	await(t, "the stream's close", over)
}

// TestWebSocketTimeout wants the client's deadline to end a stream.
func TestWebSocketTimeout(t *testing.T) {
	t.Parallel()
	w := start(t, &Server{Operations: opening(t, func(s *fakeStream, _ json.RawMessage) error { <-s.closed; return errHungUp })})
	conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+w.addr+box+"/terminal",
		http.Header{"Authorization": {"Bearer " + testToken}, "Edge-Timeout": {"50ms"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w.write(conn, websocket.TextMessage, "{}")
	if got, code := readAll(t, conn); len(got) != 1 || (result{body: got[0]}).code() != abi.CodeTimeout || code != 1011 {
		t.Errorf("got %q and %d", got, code)
	}
}
