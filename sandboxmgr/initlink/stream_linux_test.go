package initlink

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"edge/abi"
	"edge/sandboxmgr/initproto"
)

// playStream opens a stream whose init is the test: c is the init's end.
func (h *hostile) playStream() (abi.Socket, net.Conn) {
	h.t.Helper()
	c, err := h.parkAs(initproto.Version)
	if err != nil {
		h.t.Fatal(err)
	}
	opened := make(chan error, 1)
	go func() {
		r := initproto.NewReader(c)
		var call initproto.Call
		err := r.Head(initproto.TypeCall, initproto.MaxFrame, &call)
		if err == nil {
			_, err = r.Body(initproto.MaxBody, nil)
		}
		if err == nil {
			_, err = io.WriteString(c, frame(initproto.TypeResult, "{}"))
		}
		opened <- err
	}()
	s, err := h.Open(within(h.t), "execStream", nil)
	if err := errors.Join(err, <-opened); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { s.Close(1000, "") })
	return s, c
}

func receive(t testing.TB, s abi.Socket, opcode byte, body string) {
	t.Helper()
	op, b, err := s.Receive(within(t))
	if err != nil || op != opcode || string(b) != body {
		t.Fatalf("got %d, %.200q, %v; want %d, %.200q", op, b, err, opcode, body)
	}
}

func wantClosed(t testing.TB, err error, code int) {
	t.Helper()
	var c *abi.SocketClosed
	if !errors.As(err, &c) || c.Code != code {
		t.Errorf("got %v, want close code %d", err, code)
	}
}

// TestStream sends messages both ways and ends well.
func TestStream(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	s, c := h.playStream()
	large := strings.Repeat("x", initproto.MaxFrame)
	go io.WriteString(c, frame(initproto.TypeText, `{"a":"ä"}`)+frame(initproto.TypeData, "\n")+frame(initproto.TypeData, large)+frame(initproto.TypeEnd, ""))
	receive(t, s, abi.OpcodeText, `{"a":"ä"}`)
	receive(t, s, abi.OpcodeBinary, "\n")
	receive(t, s, abi.OpcodeBinary, large)
	for _, m := range []struct {
		opcode byte
		body   string
		wire   string
	}{
		{abi.OpcodeText, `{"type":"end"}`, frame(initproto.TypeText, `{"type":"end"}`)},
		{abi.OpcodeBinary, "hello", frame(initproto.TypeData, "hello")},
		{abi.OpcodeBinary, "", ""},
	} {
		if err := s.Send(within(t), m.opcode, []byte(m.body)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, len(m.wire))
		if _, err := io.ReadFull(c, b); err != nil || string(b) != m.wire {
			t.Errorf("got %q, %v, want %q", b, err, m.wire)
		}
	}
	for range 2 {
		_, _, err := s.Receive(within(t))
		wantClosed(t, err, 1000)
	}
	if !closed(c) {
		t.Error("the connection was kept")
	}
	wantClosed(t, s.Send(within(t), abi.OpcodeBinary, []byte("x")), 1000)
	if h.violations() != 0 {
		t.Error("a violation is counted")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.streams != 0 || len(h.conns) != 0 {
		t.Errorf("%d streams, %d connections", h.streams, len(h.conns))
	}
}

// TestStreamRefuses: messages that cannot be sent leave the stream as it is.
func TestStreamRefuses(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	s, c := h.playStream()
	for _, tt := range []struct {
		opcode byte
		size   int
		want   abi.Code
	}{
		{abi.OpcodeText, 0, abi.CodeInvalidRequest},
		{abi.OpcodeText, abi.MaxStreamText + 1, abi.CodeBodyTooLarge},
		{abi.OpcodeBinary, abi.MaxStreamBinary + 1, abi.CodeBodyTooLarge},
		{9, 1, abi.CodeInvalidRequest},
	} {
		wantCode(t, s.Send(within(t), tt.opcode, make([]byte, tt.size)), tt.want)
	}
	go io.Copy(io.Discard, c)
	if err := s.Send(within(t), abi.OpcodeBinary, make([]byte, abi.MaxStreamBinary)); err != nil {
		t.Error(err)
	}
}

// TestStreamWaits: the end of a Receive's context loses nothing, not even in the
// middle of a message.
func TestStreamWaits(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	s, c := h.playStream()
	short := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if _, _, err := s.Receive(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
	}
	short()
	for _, piece := range []string{"\x00\x00", "\x00\x05\x04he", "l"} {
		io.WriteString(c, piece)
		short()
	}
	io.WriteString(c, "lo"+frame(initproto.TypeText, "{}"))
	receive(t, s, abi.OpcodeBinary, "hello")
	receive(t, s, abi.OpcodeText, "{}")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.Receive(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	go io.WriteString(c, frame(initproto.TypeEnd, ""))
	_, _, err := s.Receive(within(t))
	wantClosed(t, err, 1000)
}

// TestStreamSilence: it has no bound, however short that of a frame is.
func TestStreamSilence(t *testing.T) {
	t.Parallel()
	times := unhurried()
	times.frame = 100 * time.Millisecond
	s, c := newHostileTimed(t, times).playStream()
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 4*times.frame)
		if _, _, err := s.Receive(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		cancel()
		io.WriteString(c, frame(initproto.TypeText, "{}"))
		receive(t, s, abi.OpcodeText, "{}")
	}
}

// TestStreamOpenFails: an error before the stream has begun is answered like any
// call's, and the connection goes on.
func TestStreamOpenFails(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	c, err := h.parkAs(initproto.Version)
	if err != nil {
		t.Fatal(err)
	}
	serve(c, func(op string) string {
		if op == "ping" {
			return frame(initproto.TypeResult, "{}") + frame(initproto.TypeEnd, "")
		}
		return frame(initproto.TypeResult, `{"error":{"code":"COMMAND_NOT_FOUND","message":"m","started":"no"}}`) +
			frame(initproto.TypeData, `{"a":1}`) + frame(initproto.TypeEnd, "")
	})
	for range 3 {
		_, err := h.Open(within(t), "execStream", nil)
		if e := wantCode(t, err, abi.CodeCommandNotFound); string(e.Details) != `{"a":1}` {
			t.Errorf("details %s", e.Details)
		}
		if err := h.Call(within(t), "ping", nil, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStreamVersion1: an init of version 1 has no streams, and everything else.
func TestStreamVersion1(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	serve(h.park(), func(string) string { return frame(initproto.TypeResult, "{}") + frame(initproto.TypeEnd, "") })
	_, err := h.Open(within(t), "execStream", nil)
	if e := wantCode(t, err, abi.CodeUnsupported); e.Suggestion == "" {
		t.Error("no suggestion")
	}
	if err := h.Call(within(t), "ping", nil, nil); err != nil {
		t.Error(err)
	}
}

// TestHostileStream: each kind of bad stream ends with an error, costs its
// connection and counts; what the init may do does not count.
func TestHostileStream(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, bytes string
		code        abi.Code // of the error
		breach      bool
	}{
		{"goes away", "", abi.CodeSandboxExited, false},
		{"fails", frame(initproto.TypeResult, `{"error":{"code":"TIMEOUT","message":"m","started":"yes","details":{"a":1}}}`), abi.CodeTimeout, false},
		{"fails in an unknown way", frame(initproto.TypeResult, `{"error":{"code":"PWNED"}}`), abi.CodeInternal, false},
		{"result twice", frame(initproto.TypeResult, "{}"), abi.CodeSandboxExited, true},
		{"result that is none", frame(initproto.TypeResult, "}{"), abi.CodeSandboxExited, true},
		{"no JSON", frame(initproto.TypeText, "}{"), abi.CodeSandboxExited, true},
		{"no object", frame(initproto.TypeText, "[1]"), abi.CodeSandboxExited, true},
		{"two objects", frame(initproto.TypeText, "{}{}"), abi.CodeSandboxExited, true},
		{"two lines", frame(initproto.TypeText, "{\n}"), abi.CodeSandboxExited, true},
		{"no UTF-8", frame(initproto.TypeText, "{\"a\":\"\xff\"}"), abi.CodeSandboxExited, true},
		{"empty text", "\x00\x00\x00\x00\x07", abi.CodeSandboxExited, true},
		{"empty data", "\x00\x00\x00\x00\x04", abi.CodeSandboxExited, true},
		{"huge frame", "\x7f\xff\xff\xff\x04", abi.CodeSandboxExited, true},
		{"one byte too long", "\x00\x01\x00\x01\x04", abi.CodeSandboxExited, true},
		{"half a frame", "\x00\x00\x00\x09\x04abc", abi.CodeSandboxExited, true},
		{"half a header", "\x00\x00", abi.CodeSandboxExited, true},
		{"a call", frame(initproto.TypeCall, `{"op":"ping"}`), abi.CodeSandboxExited, true},
		{"a hello", frame(initproto.TypeHello, `{}`), abi.CodeSandboxExited, true},
		{"unknown type", frame(8, "x"), abi.CodeSandboxExited, true},
		{"garbage", "HTTP/1.1 200 OK\r\n\r\n", abi.CodeSandboxExited, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			times := unhurried()
			if strings.HasPrefix(tt.name, "half") {
				times.frame = 300 * time.Millisecond // nothing follows
			}
			h := newHostileTimed(t, times)
			s, c := h.playStream()
			io.WriteString(c, frame(initproto.TypeText, "{}")+tt.bytes)
			if !strings.HasPrefix(tt.name, "half") {
				c.(*net.UnixConn).CloseWrite()
			}
			receive(t, s, abi.OpcodeText, "{}")
			_, _, err := s.Receive(within(t))
			e := wantCode(t, err, tt.code)
			if _, _, again := s.Receive(within(t)); !errors.Is(again, err) {
				t.Errorf("again: %v", again)
			}
			if got := h.violations() == 1; got != tt.breach || errors.Is(err, initproto.ErrProtocol) != tt.breach {
				t.Errorf("%v: %d violations", err, h.violations())
			}
			if tt.name == "fails" && string(e.Details) != `{"a":1}` {
				t.Errorf("details %s", e.Details)
			}
			if !closed(c) {
				t.Error("the connection was kept")
			}
		})
	}
}

// TestHostileFlood: an init that sends without end is held up while nobody
// receives, and stops nobody else.
func TestHostileFlood(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	for _, message := range []string{frame(initproto.TypeText, `{"a":1}`), frame(initproto.TypeData, strings.Repeat("x", initproto.MaxFrame))} {
		s, c := h.playStream()
		written := make(chan int, 1)
		go func() {
			n, err := 0, error(nil)
			for err == nil {
				var m int
				m, err = io.WriteString(c, message)
				n += m
			}
			written <- n
		}()
		for range 3 {
			if _, _, err := s.Receive(within(t)); err != nil {
				t.Fatal(err)
			}
		}
		c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		if n := <-written; n > 4<<20 {
			t.Errorf("%d bytes went nowhere", n)
		}
		other, oc := h.playStream()
		io.WriteString(oc, frame(initproto.TypeText, "{}"))
		receive(t, other, abi.OpcodeText, "{}")
		if err := s.Close(1000, "enough"); err != nil {
			t.Fatal(err)
		}
		_, _, err := s.Receive(within(t))
		wantClosed(t, err, 1000)
	}
	if h.violations() != 0 {
		t.Errorf("%d violations", h.violations())
	}
}

// TestHostileDeaf: an init that never reads holds up who sends to it, until the
// context ends or the stream is closed.
func TestHostileDeaf(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	s, _ := h.playStream()
	fill := func(ctx context.Context) error {
		for {
			if err := s.Send(ctx, abi.OpcodeBinary, make([]byte, abi.MaxStreamBinary)); err != nil {
				return err
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := fill(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	s, _ = h.playStream()
	done := make(chan error, 1)
	go func() { done <- fill(context.Background()) }()
	time.Sleep(50 * time.Millisecond)
	s.Close(1001, "bye")
	wantClosed(t, <-done, 1001)
	s, _ = h.playStream()
	go func() { done <- fill(context.Background()) }()
	receiving := make(chan error, 1)
	go func() { _, _, err := s.Receive(context.Background()); receiving <- err }()
	time.Sleep(50 * time.Millisecond)
	h.Close()
	wantCode(t, <-receiving, abi.CodeRuntimeUnavailable)
	if err := <-done; err == nil {
		t.Error("a sending outlived the link")
	}
}

// TestHostileStreams: streams are bounded and counted apart from calls; nothing
// is left of them.
func TestHostileStreams(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	before := runtime.NumGoroutine()
	var all []abi.Socket
	for range initproto.MaxStreams {
		s, _ := h.playStream()
		all = append(all, s)
	}
	if _, err := h.parkAs(initproto.Version); err != nil {
		t.Fatalf("a connection beside all streams: %v", err)
	}
	_, err := h.Open(within(t), "execStream", nil)
	wantCode(t, err, abi.CodeTooManyRequests)
	for _, s := range all {
		s.Close(1000, "")
	}
	until(t, "the goroutines ended", func() bool { return runtime.NumGoroutine() <= before+64 }) // other tests run beside this one
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.streams != 0 || len(h.conns) != 1 {
		t.Errorf("%d streams, %d connections", h.streams, len(h.conns))
	}
}

// FuzzStream plays a stream of foreign bytes: what is received must be what the
// bounds allow, and it must end.
func FuzzStream(f *testing.F) {
	f.Add([]byte(frame(initproto.TypeText, "{}") + frame(initproto.TypeData, "x") + frame(initproto.TypeEnd, "")))
	f.Add([]byte(frame(initproto.TypeResult, `{"error":{"code":"TIMEOUT","details":{}}}`)))
	f.Add([]byte("\xff\xff\xff\xff\x07"))
	dir := shortDir(f)
	l, err := Open(Config{Dir: dir, Token: testToken})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { l.Close() })
	f.Fuzz(func(t *testing.T, in []byte) {
		a, b := unixPair(t)
		defer b.Close()
		l.mu.Lock()
		l.violations = nil // this many are the point
		c := &conn{UnixConn: a}
		l.conns[c] = struct{}{}
		l.mu.Unlock()
		s, err := l.stream(c, "execStream")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close(1000, "")
		go func() { b.Write(in); b.CloseWrite() }()
		for {
			opcode, msg, err := s.Receive(t.Context())
			if err != nil {
				var closed *abi.SocketClosed
				var failed *abi.Error
				if !errors.As(err, &closed) && !errors.As(err, &failed) {
					t.Fatalf("ended with %v", err)
				}
				return
			}
			if len(msg) == 0 || len(msg) > abi.MaxStreamBinary || opcode == abi.OpcodeText && !json.Valid(msg) {
				t.Fatalf("opcode %d, %q", opcode, msg)
			}
		}
	})
}

// unixPair returns the two ends of a Unix connection.
func unixPair(t testing.TB) (a, b *net.UnixConn) {
	t.Helper()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: shortDir(t) + "/p", Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if a, err = net.DialUnix("unix", nil, ln.Addr().(*net.UnixAddr)); err != nil {
		t.Fatal(err)
	}
	if b, err = ln.AcceptUnix(); err != nil {
		t.Fatal(err)
	}
	return a, b
}

// bareStream returns a stream of a link and its other end.
func bareStream(t testing.TB) (abi.Socket, net.Conn) {
	t.Helper()
	l := openLink(t, shortDir(t))
	a, b := unixPair(t)
	t.Cleanup(func() { b.Close() })
	c := &conn{UnixConn: a}
	l.mu.Lock()
	l.conns[c] = struct{}{}
	l.mu.Unlock()
	s, err := l.stream(c, "execStream")
	if err != nil {
		t.Fatal(err)
	}
	return s, b
}
