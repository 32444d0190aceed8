package host

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
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
	box.startedAt = time.Now()
	ctx := context.WithValue(t.Context(), arrivalKey{}, box.startedAt.Add(-time.Second))
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
	conns.CloseExposure("Sandbox", "my-app", 8080, 1008, "taken back")
	wantFrame(t, exposed.r, 8, "\x03\xf0taken back")
	direct.send(frame(1, "lives", true))
	wantFrame(t, direct.r, 1, "lives")
	conns.CloseSandbox("Sandbox", "my-app", 2, 1012, "another generation")
	direct.send(frame(1, "lives on", true))
	wantFrame(t, direct.r, 1, "lives on")
	conns.CloseSandbox("Sandbox", "my-app", 1, 1012, "ended")
	wantFrame(t, direct.r, 8, "\x03\xf4ended")
	Connections{}.CloseSandbox("Sandbox", "my-app", 1, 1012, "")
	Connections{}.CloseExposure("Sandbox", "my-app", 1, 1012, "")
}

// TestBridgeGetsTheSocket wants the connection under the wrappers to be found.
func TestBridgeGetsTheSocket(t *testing.T) {
	t.Parallel()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	c := &clientConn{Conn: a}
	if c.UnsafeConn() != a || c.NetConn() != a {
		t.Error("the socket beneath is hidden")
	}
	if err := c.CloseWrite(); err != nil {
		t.Errorf("a connection that cannot be half-closed: %v", err)
	}
	var _ io.Reader = c
}
