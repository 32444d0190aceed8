package plugins

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins/wasmasm"
)

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}

// fakeSocket is abi.Socket for tests.
type fakeSocket struct {
	inbox  chan []byte // opcode and payload
	end    error       // what Receive says when inbox is closed
	sent   []string
	closed chan string
}

func newFakeSocket(messages ...string) *fakeSocket {
	s := &fakeSocket{inbox: make(chan []byte, 16), closed: make(chan string, 4)}
	for _, m := range messages {
		s.inbox <- []byte(m)
	}
	return s
}

func (s *fakeSocket) Receive(ctx context.Context) (byte, []byte, error) {
	select {
	case m, ok := <-s.inbox:
		if !ok {
			return 0, nil, s.end
		}
		return m[0], m[1:], nil
	case <-ctx.Done():
		return 0, nil, ctx.Err()
	}
}

func (s *fakeSocket) Send(_ context.Context, opcode byte, payload []byte) error {
	s.sent = append(s.sent, fmt.Sprint(opcode, string(payload)))
	return nil
}

func (s *fakeSocket) Close(code int, reason string) error {
	s.closed <- fmt.Sprint(code, reason)
	return nil
}

type socketsFunc func(ref abi.SandboxRef, port int, opts abi.WebSocketOptions) (abi.Socket, error)

func (f socketsFunc) OpenSocket(_ context.Context, ref abi.SandboxRef, port int, opts abi.WebSocketOptions) (abi.Socket, error) {
	return f(ref, port, opts)
}

func TestSockets(t *testing.T) {
	t.Parallel()
	s := newFakeSocket("\x01hello", "\x02"+strings.Repeat("b", 40))
	close(s.inbox)
	s.end = &abi.SocketClosed{Code: 4001, Reason: "bye"}
	b := newBench(t, Config{Services: Services{Sockets: socketsFunc(func(ref abi.SandboxRef, port int, opts abi.WebSocketOptions) (abi.Socket, error) {
		want := abi.WebSocketOptions{Path: "/ws", Headers: [][2]string{{"A", "b"}}, Sandbox: &abi.SandboxOptions{KeepAlive: true}}
		if ref.Binding != "Sandbox" || ref.ID != "u1" || !ref.KeepAlive || port != 8080 || !reflect.DeepEqual(opts, want) {
			t.Errorf("opened %+v %d %+v", ref, port, opts)
		}
		return s, nil
	})}})
	g := newAsm()
	small, big, failure := g.buffer(8), g.buffer(64), g.buffer(512)
	ws := wasmasm.Get(1)
	a := b.run(t, g, newRequest(),
		g.call("ws_open", req(), "Sandbox", "U1", 8080, `{"path":"/ws","headers":[["A","b"]],"sandbox":{"keepAlive":true}}`),
		wasmasm.Wrap(), wasmasm.Set(1),
		g.record("ws_recv", req(), ws, 60_000, small),
		g.record("ws_recv", req(), ws, 60_000, failure.ptr, 4),
		g.record("result_read", req(), 0, 0, big),
		g.record("ws_recv", req(), ws, 0, small.ptr, 0),
		g.record("last_error", req(), failure),
		g.record("ws_send", req(), ws, 1, "text"),
		g.record("ws_send", req(), ws, 2, "\xff\xfe"),
		g.record("ws_send", req(), ws, 1, "\xff\xfe"),
		g.record("ws_send", req(), ws, 9, "ping"),
		g.record("ws_close", req(), ws, 1001, ""),
		g.record("ws_close", req(), ws, 3000, strings.Repeat("r", 124)),
		g.record("ws_close", req(), ws, 3000, "done"),
		g.record("ws_close", req(), ws, 3000, "done"),
		g.record("ws_send", req(), ws, 1, "x"),
	)
	for i, want := range []struct {
		errno abi.Errno
		low   uint32
	}{
		{abi.OK, 6}, {abi.OK, 41}, {abi.OK, 41}, {abi.Closed, 0}, {abi.OK, 0}, {abi.OK, 0}, {abi.OK, 0}, {abi.Invalid, 0},
		{abi.Invalid, 0}, {abi.Invalid, 0}, {abi.Invalid, 0}, {abi.OK, 0}, {abi.Closed, 0}, {abi.Closed, 0},
	} {
		if i != 4 {
			a.want(i, fmt.Sprint("step ", i), want.errno, want.low)
		}
	}
	if got := string(a.bytes(small, 6)); got != "\x01hello" {
		t.Errorf("first message is %q", got)
	}
	if got := string(a.bytes(big, 41)); got != "\x02"+strings.Repeat("b", 40) {
		t.Errorf("second message is %q", got)
	}
	_, n := a.result(4)
	var e abi.Error
	if err := json.Unmarshal(a.bytes(failure, n), &e); err != nil || string(e.Details) != `{"code":4001,"reason":"bye"}` {
		t.Errorf("last error is %s (%v)", a.bytes(failure, n), err)
	}
	if want := []string{"1text", "2\xff\xfe"}; !reflect.DeepEqual(s.sent, want) {
		t.Errorf("sent %q", s.sent)
	}
	if got := <-s.closed; got != "3000done" {
		t.Errorf("closed with %s", got)
	}
}

func TestSocketTimeoutAndSize(t *testing.T) {
	t.Parallel()
	s := newFakeSocket()
	b := newBench(t, Config{Services: Services{Sockets: socketsFunc(func(abi.SandboxRef, int, abi.WebSocketOptions) (abi.Socket, error) { return s, nil })}})
	g := newAsm()
	out := g.buffer(8)
	ws := wasmasm.Get(1)
	p := b.load(t, g.script(
		g.call("ws_open", req(), "Sandbox", "u1", 8080, ""), wasmasm.Wrap(), wasmasm.Set(1),
		g.record("ws_recv", req(), ws, 10, out),
		g.record("req_body_read", req(), out), // the test sends the message now
		g.record("ws_recv", req(), ws, -1, out),
	))
	r := newRequest()
	r.Body = readerFunc(func(b []byte) (int, error) {
		s.inbox <- append([]byte{2}, make([]byte, maxMessage+1)...)
		return 1, nil
	})
	a := scriptAnswer{t, g, []byte(bodyOf(t, decide(t, p, r)))}
	a.want(0, "nothing comes", abi.Timeout, 0)
	a.want(2, "too large", abi.TooLarge, 0)
	if got := <-s.closed; !strings.HasPrefix(got, "1009") {
		t.Errorf("closed with %s, want 1009", got)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// TestSocketDiesWithRequest leaves a socket open: the host closes it.
func TestSocketDiesWithRequest(t *testing.T) {
	t.Parallel()
	s := newFakeSocket()
	opened := 0
	b := newBench(t, Config{Services: Services{Sockets: socketsFunc(func(abi.SandboxRef, int, abi.WebSocketOptions) (abi.Socket, error) {
		if opened++; opened > 1 {
			return nil, abi.Errorf(abi.CodePortNotListening, "nobody listens on 8080")
		}
		return s, nil
	})}})
	g := newAsm()
	a := b.run(t, g, newRequest(),
		g.record("ws_open", req(), "Sandbox", "u1", 8080, ""),
		g.record("ws_open", req(), "Sandbox", "u1", 8080, ""),
		g.record("ws_open", req(), "Sandbox", "u1", 80, ""),
		g.record("ws_open", req(), "Sandbox", "u1", 8080, `{"nope":1}`))
	if e, low := a.result(0); e != abi.OK || low == 0 {
		t.Errorf("ws_open: %s %d", e, low)
	}
	a.want(1, "refused", abi.Unavailable, 0)
	a.want(2, "bad port", abi.Invalid, 0)
	a.want(3, "bad options", abi.Invalid, 0)
	select {
	case got := <-s.closed:
		if !strings.HasPrefix(got, "1001") {
			t.Errorf("closed with %s", got)
		}
	case <-time.After(patience):
		t.Error("the socket stayed open")
	}
}
