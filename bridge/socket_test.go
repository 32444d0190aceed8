package bridge

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"
)

// serveSocket runs serve for each WebSocket that comes.
func serveSocket(t *testing.T, serve func(*websocket.Conn)) string {
	t.Helper()
	ln := listen(t)
	up := websocket.FastHTTPUpgrader{}
	ended := make(chan struct{}, 100)
	s := &fasthttp.Server{Logger: discardLogger{}, Handler: func(rc *fasthttp.RequestCtx) {
		if err := up.Upgrade(rc, func(c *websocket.Conn) { serve(c); c.Close(); ended <- struct{}{} }); err != nil {
			t.Logf("upgrade: %v", err)
		}
	}}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() { ln.Close(); <-served; s.Shutdown(); <-ended })
	return ln.Addr().String()
}

func open(t *testing.T, addr string, opts SocketOptions) *Socket {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	opts.Limits.Handshake = wait
	s, err := OpenSocket(t.Context(), conn, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSocketEcho(t *testing.T) {
	t.Parallel()
	s := open(t, echoServer(t, websocket.FastHTTPUpgrader{Subprotocols: []string{"p"}}), SocketOptions{Path: "/x?y", Protocols: []string{"p"}})
	if s.Protocol() != "p" {
		t.Errorf("protocol %q", s.Protocol())
	}
	for _, op := range []byte{1, 2} {
		if err := s.Send(t.Context(), op, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		got, p, err := s.Receive(t.Context())
		if err != nil || got != op || string(p) != "hello" {
			t.Fatalf("Receive: %d %q %v", got, p, err)
		}
	}
	if err := s.Send(t.Context(), 9, nil); !errors.Is(err, ErrOpcode) {
		t.Errorf("Send(9): %v", err)
	}
	if err := s.Close(1005, "x"); !errors.Is(err, ErrCloseCode) {
		t.Errorf("Close(1005, x): %v", err)
	}
	for range 2 {
		if err := s.Close(4000, "bye"); err != nil {
			t.Error(err)
		}
	}
	var sc *SocketClosed
	if _, _, err := s.Receive(t.Context()); !errors.As(err, &sc) || sc.Code != 4000 {
		t.Errorf("Receive after Close: %v", err)
	}
}

func TestSocketReceiveLosesNothing(t *testing.T) {
	t.Parallel()
	const n = 500
	addr := serveSocket(t, func(c *websocket.Conn) {
		for i := range n {
			c.WriteMessage(websocket.TextMessage, []byte(strconv.Itoa(i)))
		}
		c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(3001, "enough"), time.Now().Add(wait))
		c.ReadMessage()
	})
	s := open(t, addr, SocketOptions{Limits: SocketLimits{Messages: 4}})
	defer s.Close(1000, "")
	for i := 0; i < n; {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%7)*10*time.Microsecond)
		_, p, err := s.Receive(ctx)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			continue
		}
		if err != nil || string(p) != strconv.Itoa(i) {
			t.Fatalf("message %d: %q %v", i, p, err)
		}
		i++
	}
	var sc *SocketClosed
	if _, _, err := s.Receive(t.Context()); !errors.As(err, &sc) || *sc != (SocketClosed{3001, "enough"}) {
		t.Errorf("end: %v", err)
	}
}

func TestSocketLimits(t *testing.T) {
	t.Parallel()
	got := make(chan error, 1)
	addr := serveSocket(t, func(c *websocket.Conn) {
		c.WriteMessage(websocket.BinaryMessage, make([]byte, 1<<20))
		c.WriteMessage(websocket.BinaryMessage, make([]byte, 1<<20+1))
		_, _, err := c.ReadMessage()
		got <- err
	})
	s := open(t, addr, SocketOptions{})
	defer s.Close(1000, "")
	if _, p, err := s.Receive(t.Context()); err != nil || len(p) != 1<<20 {
		t.Fatalf("1 MiB: %d %v", len(p), err)
	}
	if _, _, err := s.Receive(t.Context()); !errors.Is(err, ErrMessageTooBig) {
		t.Errorf("more: %v", err)
	}
	var sc *SocketClosed
	if _, _, err := s.Receive(t.Context()); !errors.As(err, &sc) || sc.Code != 1009 {
		t.Errorf("then: %v", err)
	}
	if err := <-got; !websocket.IsCloseError(err, 1009) {
		t.Errorf("the peer saw %v", err)
	}
}

// TestSocketBackPressure: a peer that is not read from is made to wait.
func TestSocketBackPressure(t *testing.T) {
	t.Parallel()
	sent, stuck := make(chan int, 1000), make(chan error, 1)
	addr := serveSocket(t, func(c *websocket.Conn) {
		msg := make([]byte, 64<<10)
		for i := range 1000 {
			c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
			if err := c.WriteMessage(websocket.BinaryMessage, msg); err != nil {
				stuck <- err
				return
			}
			sent <- i
		}
		stuck <- nil
	})
	s := open(t, addr, SocketOptions{})
	if err := <-stuck; err == nil {
		t.Error("64 MiB went to a socket that nobody reads")
	}
	s.mu.Lock()
	held := s.bytes
	s.mu.Unlock()
	if held > 2<<20 {
		t.Errorf("%d bytes held", held)
	}
	s.Close(1000, "")
}

func TestSocketRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		answer  string
		timeout bool
	}{
		{"404", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", false},
		{"garbage", "hello\r\n\r\n", false},
		{"silence", "", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			addr := backend(t, func(c *raw) { c.head(); c.send(tc.answer); c.br.ReadByte() })
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			limits := SocketLimits{Handshake: wait}
			if tc.timeout {
				limits.Handshake = 300 * time.Millisecond
				conn = &dueAfter{Conn: conn} // the handshake goes out first
			}
			_, err = OpenSocket(t.Context(), conn, SocketOptions{Limits: limits})
			var ue *UpstreamError
			if !errors.As(err, &ue) || ue.Timeout() != tc.timeout {
				t.Errorf("OpenSocket: %v", err)
			}
		})
	}
}

func TestSocketHandshake(t *testing.T) {
	t.Parallel()
	heads := make(chan string, 1)
	addr := backend(t, func(c *raw) { heads <- c.head() })
	conn, _ := net.Dial("tcp", addr)
	_, err := OpenSocket(t.Context(), conn, SocketOptions{Host: "h:1", Path: "/a?b", Headers: []Header{{"X-A", "1"}, {"X-A", "2"}}})
	if err == nil {
		t.Fatal("opened on a connection that closed")
	}
	head := <-heads
	for _, want := range []string{"GET /a?b HTTP/1.1\r\n", "Host: h:1\r\n", "X-A: 1\r\nX-A: 2\r\n"} {
		if !bytes.Contains([]byte(head), []byte(want)) {
			t.Errorf("no %q in %q", want, head)
		}
	}
	if bytes.Contains([]byte(head), []byte("User-Agent")) {
		t.Errorf("a User-Agent in %q", head)
	}
}
