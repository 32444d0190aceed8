package host

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"edge/abi"
	"edge/bridge"
)

func TestOpenSocket(t *testing.T) {
	t.Parallel()
	addr := backend(t, echoSocket)
	box := newBox("a", nil)
	box.onDial = func(n int) {
		if n == 3 { // the server comes up late
			box.mu.Lock()
			box.ports = map[int]string{8080: addr}
			box.mu.Unlock()
		}
	}
	box.ready = time.Now()
	ctx := context.WithValue(t.Context(), arrivalKey{}, box.ready.Add(-time.Second))
	s, err := openSocket(ctx, boxes(box), ref("a"), 8080, abi.WebSocketOptions{Path: "/ws?x"})
	if err != nil {
		t.Fatal(err)
	}
	if op, msg, err := s.Receive(ctx); err != nil || op != 1 || string(msg) != "localhost:8080  /ws?x" {
		t.Errorf("first message %d %q, %v", op, msg, err)
	}
	if err := s.Send(ctx, 2, []byte("hi")); err != nil {
		t.Fatal(err)
	}
	if op, msg, err := s.Receive(ctx); err != nil || op != 2 || len(msg) != 2 {
		t.Errorf("echo %d %q, %v", op, msg, err)
	}
	if err := s.Close(1000, ""); err != nil {
		t.Errorf("close: %v", err)
	}
	var closed *abi.SocketClosed
	if _, _, err := s.Receive(ctx); !errors.As(err, &closed) {
		t.Errorf("after the end: %v, want *abi.SocketClosed", err)
	}
}

// TestSocketMessageTooBig wants a message of more than 1 MiB to be TOO_LARGE
// (SPEC.md, section 6), and the socket closed behind it.
func TestSocketMessageTooBig(t *testing.T) {
	t.Parallel()
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
			accept(r.Header.Get("Sec-WebSocket-Key")))
		_, _ = rw.Write(binary.BigEndian.AppendUint64([]byte{0x82, 127}, 1<<20+1))
		_, _ = rw.Write(make([]byte, 1<<20+1))
		_ = rw.Flush()
		_, _ = io.Copy(io.Discard, rw)
	})
	s, err := openSocket(t.Context(), boxes(newBox("a", map[int]string{8080: addr})), ref("a"), 8080, abi.WebSocketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(1000, "")
	if _, _, err := s.Receive(t.Context()); !errors.Is(err, abi.CodeBodyTooLarge.Err()) {
		t.Errorf("got %v, want BODY_TOO_LARGE", err)
	}
	var closed *abi.SocketClosed
	if _, _, err := s.Receive(t.Context()); !errors.As(err, &closed) || closed.Code != 1009 {
		t.Errorf("then %v, want a close with 1009", err)
	}
}

func TestOpenSocketFails(t *testing.T) {
	t.Parallel()
	box := newBox("a", map[int]string{9000: backend(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) })})
	for name, tt := range map[string]struct {
		ref  abi.SandboxRef
		port int
		code abi.Code
	}{
		"nobody listens":  {ref("a"), 8080, abi.CodePortNotListening},
		"no WebSocket":    {ref("a"), 9000, abi.CodeUpgradeFailed},
		"bad port":        {ref("a"), 80, abi.CodeInvalidPort},
		"unknown sandbox": {ref("x"), 8080, abi.CodeUnknownBinding},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := openSocket(t.Context(), boxes(box), tt.ref, tt.port, abi.WebSocketOptions{}); !errors.Is(err, tt.code.Err()) {
				t.Errorf("got %v, want %s", err, tt.code)
			}
		})
	}
	if _, err := (Sockets{}).OpenSocket(t.Context(), ref("a"), 8080, abi.WebSocketOptions{}); !errors.Is(err, abi.CodeRuntimeUnavailable.Err()) {
		t.Errorf("without a manager: %v", err)
	}
}

// TestConnections closes and counts by whose a connection is.
func TestConnections(t *testing.T) {
	t.Parallel()
	f := previews(t)
	table := &bridge.Table{}
	relay := &bridge.Relay{Table: table}
	r := start(t, &Server{boxes: f, Relay: relay}, all(always(&abi.Connect{Sandbox: ref("my-app"), Port: 8080})))
	open := func(host string) *client {
		c := r.dial(t)
		c.send("GET / HTTP/1.1\r\nHost: " + host + "\r\n" + handshake + "\r\n")
		if got := c.answer("GET"); got.StatusCode != 101 {
			t.Fatalf("answer %d", got.StatusCode)
		}
		if _, _, err := readFrame(c.r); err != nil {
			t.Fatal(err)
		}
		return c
	}
	direct, exposed := open("a"), open("8080-my-app-s3cret_token.localhost")
	conns := Connections{Table: table, Relay: relay}
	if all, through, other := conns.Count("Sandbox", "my-app", 0), conns.Count("Sandbox", "my-app", 8080), conns.Count("Other", "my-app", 0); all != 2 || through != 1 || other != 0 {
		t.Errorf("counts %d %d %d, want 2 1 0", all, through, other)
	}
	conns.Close(conns.Through("Sandbox", "my-app", 8080), 1008, "taken back")
	wantFrame(t, exposed.r, 8, "\x03\xf0taken back")
	direct.send(frame(1, "lives", true))
	wantFrame(t, direct.r, 1, "lives")
	conns.CloseSandbox("Sandbox", "my-app", 2, 1012, "another generation")
	conns.CloseSockets("Sandbox", "my-app", 2, 1012, "another generation")
	direct.send(frame(1, "lives on", true))
	wantFrame(t, direct.r, 1, "lives on")
	conns.CloseSandbox("Sandbox", "my-app", 1, 1012, "ended")
	wantFrame(t, direct.r, 8, "\x03\xf4ended")
	Connections{}.CloseSandbox("Sandbox", "my-app", 1, 1012, "")
	Connections{}.CloseSockets("Sandbox", "my-app", 1, 1012, "")
	Connections{}.Close(Connections{}.Through("Sandbox", "my-app", 1), 1012, "")
}

// TestBridgeGetsTheSocket wants the connection under the wrappers to be found.
func TestBridgeGetsTheSocket(t *testing.T) {
	t.Parallel()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	c := &clientConn{Conn: a, raw: a}
	if c.UnsafeConn() != a || c.NetConn() != a {
		t.Error("the socket beneath is hidden")
	}
	if err := c.CloseWrite(); err != nil {
		t.Errorf("a connection that cannot be half-closed: %v", err)
	}
	var _ io.Reader = c
}

// TestDialPort wants a connection to a sandbox's port to keep it awake until it is
// closed.
func TestDialPort(t *testing.T) {
	t.Parallel()
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL) })
	box := newBox("a", map[int]string{8080: addr})
	conn, err := dialPort(t.Context(), boxes(box), ref("a"), 8080)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprint(conn, "GET /x HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(conn)
	if err != nil || !strings.HasSuffix(string(b), "/x") {
		t.Errorf("answer %q, %v", b, err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if _, err := dialPort(t.Context(), boxes(box), ref("a"), 9090); !errors.Is(err, abi.CodePortNotListening.Err()) {
		t.Errorf("a closed port: %v", err)
	}
}
