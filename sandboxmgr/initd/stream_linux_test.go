package initd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"edge/abi"
	"edge/sandboxmgr/initproto"
)

// patience bounds waiting for what must happen; nothing is said by its length.
const patience = 2 * time.Minute

// edgeEnd is an edge that a test plays on one connection of a server.
type edgeEnd struct {
	*net.UnixConn
	t      *testing.T
	r      *initproto.Reader
	server *server
	served chan struct{} // closed when the server's end is
}

// newEdgeEnd connects to a server whose execStream is f.
func newEdgeEnd(t *testing.T, version int, f func(context.Context, *abi.ExecStreamRequest, *stream) error) *edgeEnd {
	t.Helper()
	s := newServer(withDefaults(Config{}), &supervisor{pace: newPace()}, nil)
	s.ops[abi.ExecStream.Name()] = streaming(abi.ExecStream, f)
	ctx, cancel := context.WithCancel(t.Context())
	here, there := socketPair(t)
	e := &edgeEnd{here, t, initproto.NewReader(here), s, make(chan struct{})}
	s.conns[there], s.idle = struct{}{}, 1
	s.wg.Add(1)
	go func() {
		defer close(e.served)
		s.converse(ctx, there, version)
	}()
	t.Cleanup(func() {
		here.Close()
		cancel()
		e.join()
	})
	here.SetDeadline(time.Now().Add(patience))
	return e
}

func socketPair(t *testing.T) (a, b *net.UnixConn) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	var conns [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pair")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		conns[i] = c.(*net.UnixConn)
	}
	return conns[0], conns[1]
}

// join waits until the server has let the connection go.
func (e *edgeEnd) join() {
	e.t.Helper()
	select {
	case <-e.served:
	case <-time.After(patience):
		e.t.Fatal("the server still holds the connection")
	}
	e.server.mu.Lock()
	defer e.server.mu.Unlock()
	if e.server.streams != 0 || len(e.server.conns) != 0 {
		e.t.Errorf("%d streams and %d connections are counted", e.server.streams, len(e.server.conns))
	}
}

// call calls execStream and returns the error that is answered.
func (e *edgeEnd) call(timeout time.Duration) *abi.Error {
	e.t.Helper()
	w := initproto.NewWriter(e)
	w.Head(initproto.TypeCall, initproto.Call{Op: abi.ExecStream.Name(), TimeoutMs: timeout.Milliseconds()})
	w.Body([]byte("{}"))
	if err := w.Flush(); err != nil {
		e.t.Fatal(err)
	}
	var res initproto.Result
	if err := e.r.Head(initproto.TypeResult, initproto.MaxFrame, &res); err != nil {
		e.t.Fatal(err)
	}
	if res.Error != nil {
		if _, err := e.r.Body(initproto.MaxFrame, nil); err != nil {
			e.t.Fatal(err)
		}
	}
	return res.Error
}

func (e *edgeEnd) send(typ initproto.Type, body string) {
	e.t.Helper()
	if _, err := initproto.WriteFrame(e, typ, []byte(body)); err != nil {
		e.t.Fatal(err)
	}
}

func (e *edgeEnd) want(typ initproto.Type, body string) {
	e.t.Helper()
	got, b, err := e.r.Frame(func(n int) []byte { return make([]byte, n) })
	if err != nil || got != typ || string(b) != body {
		e.t.Fatalf("got type %d, %.200q, %v; want type %d, %.200q", got, b, err, typ, body)
	}
}

// TestStreamEchoes sends messages of all sizes both ways until the edge ends its
// direction.
func TestStreamEchoes(t *testing.T) {
	t.Parallel()
	e := newEdgeEnd(t, initproto.Version, func(_ context.Context, _ *abi.ExecStreamRequest, s *stream) error {
		if err := s.Open(); err != nil {
			return err
		}
		for {
			text, data, err := s.Next()
			switch {
			case err == io.EOF:
				if _, _, err := s.Next(); err != io.EOF {
					return errors.New("something comes after the end")
				}
				return nil
			case err != nil:
				return err
			case text != nil:
				err = s.Event(json.RawMessage(text))
			default:
				_, err = s.Write(data)
			}
			if err != nil {
				return err
			}
		}
	})
	if err := e.call(0); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, smallMessage, smallMessage + 1, 1, abi.MaxStreamBinary} {
		e.send(initproto.TypeData, strings.Repeat("x", n))
		e.want(initproto.TypeData, strings.Repeat("x", n))
		e.send(initproto.TypeText, `{"a":1}`)
		e.want(initproto.TypeText, `{"a":1}`)
	}
	e.send(initproto.TypeEnd, "")
	e.want(initproto.TypeEnd, "")
	if _, err := e.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
	e.join()
}

// TestStreamErrors: an error before the opening is answered like any call's and
// leaves the connection good; one after it ends the stream.
func TestStreamErrors(t *testing.T) {
	t.Parallel()
	failure := abi.Errorf(abi.CodeTimeout, "late").WithDetails(map[string]string{"stdout": "x"})
	huge := abi.Errorf(abi.CodeTimeout, "late").WithDetails(strings.Repeat("x", initproto.MaxFrame))
	tests := []struct {
		name   string
		before bool
		err    error
		panics bool
		want   abi.Error
	}{
		{"before", true, failure, false, abi.Error{Code: abi.CodeTimeout}},
		{"panic before", true, nil, true, abi.Error{Code: abi.CodeInternal}},
		{"never opened", true, nil, false, abi.Error{Code: abi.CodeInternal}},
		{"after", false, failure, false, abi.Error{Code: abi.CodeTimeout, Details: failure.Details}},
		{"panic after", false, nil, true, abi.Error{Code: abi.CodeInternal}},
		{"huge details", false, huge, false, abi.Error{Code: abi.CodeTimeout}},
		{"no abi.Error", false, errors.New("secret"), false, abi.Error{Code: abi.CodeInternal}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEdgeEnd(t, initproto.Version, func(_ context.Context, _ *abi.ExecStreamRequest, s *stream) error {
				if !tt.before {
					if err := s.Open(); err != nil {
						return err
					}
				}
				if tt.panics {
					panic("secret")
				}
				return tt.err
			})
			if tt.before {
				for range 2 { // the connection goes on being one for calls
					if got := e.call(0); got == nil || got.Code != tt.want.Code || strings.Contains(got.Message, "secret") {
						t.Fatalf("got %v", got)
					}
				}
				return
			}
			if err := e.call(0); err != nil {
				t.Fatal(err)
			}
			var res initproto.Result
			if err := e.r.Head(initproto.TypeResult, initproto.MaxFrame, &res); err != nil {
				t.Fatal(err)
			}
			if res.Error.Code != tt.want.Code || !bytes.Equal(res.Error.Details, tt.want.Details) || strings.Contains(res.Error.Message, "secret") {
				t.Errorf("got %+v", res.Error)
			}
			e.join()
		})
	}
}

// TestStreamHangUp: the operation's context ends when the edge closes the
// connection: before the opening, while nobody reads, with unread messages, and
// after the edge's End.
func TestStreamHangUp(t *testing.T) {
	t.Parallel()
	for _, unread := range []string{"before", "nothing", "messages", "taken", "end", "half a frame"} {
		t.Run(unread, func(t *testing.T) {
			t.Parallel()
			ended, taken := make(chan error, 1), make(chan struct{})
			e := newEdgeEnd(t, initproto.Version, func(ctx context.Context, _ *abi.ExecStreamRequest, s *stream) error {
				if unread != "before" {
					if err := s.Open(); err != nil {
						return err
					}
				}
				if unread == "taken" || unread == "end" {
					_, _, _ = s.Next()
				}
				close(taken)
				<-ctx.Done()
				ended <- s.Event(abi.Empty{})
				return ctx.Err()
			})
			if unread == "before" {
				w := initproto.NewWriter(e)
				w.Head(initproto.TypeCall, initproto.Call{Op: abi.ExecStream.Name()})
				w.Body([]byte("{}"))
				if err := w.Flush(); err != nil {
					t.Fatal(err)
				}
			} else if err := e.call(time.Minute); err != nil {
				t.Fatal(err)
			}
			switch unread {
			case "messages", "taken":
				for range 3 {
					e.send(initproto.TypeData, "hello")
				}
			case "end":
				e.send(initproto.TypeEnd, "")
			case "half a frame":
				io.WriteString(e, "\x00\x00\x00\x09\x04abc")
			}
			<-taken
			e.Close()
			select {
			case err := <-ended:
				if !errors.Is(err, context.Canceled) {
					t.Errorf("sending to nobody: %v", err)
				}
			case <-time.After(patience):
				t.Fatal("the context did not end")
			}
			e.join()
		})
	}
}

// TestStreamOpening: the call's timeout bounds the opening, and nothing else.
func TestStreamOpening(t *testing.T) {
	t.Parallel()
	e := newEdgeEnd(t, initproto.Version, func(ctx context.Context, _ *abi.ExecStreamRequest, _ *stream) error {
		<-ctx.Done()
		return ctx.Err()
	})
	if err := e.call(time.Millisecond); err == nil || err.Code != abi.CodeTimeout {
		t.Errorf("an opening that takes too long: %v", err)
	}
	const opening = 2 * time.Second // which it takes no part of
	e = newEdgeEnd(t, initproto.Version, func(ctx context.Context, _ *abi.ExecStreamRequest, s *stream) error {
		if err := s.Open(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * opening):
			return nil
		}
	})
	if err := e.call(opening); err != nil {
		t.Fatal(err)
	}
	e.want(initproto.TypeEnd, "")
}

// TestStreamBreaches: what the edge must not send ends the stream.
func TestStreamBreaches(t *testing.T) {
	t.Parallel()
	for _, bytes := range []string{"\x00\x00\x00\x02\x03{}", "\xff\xff\xff\xff\x04", "\x00\x00\x00\x00\x07", "garbage"} {
		e := newEdgeEnd(t, initproto.Version, func(_ context.Context, _ *abi.ExecStreamRequest, s *stream) error {
			if err := s.Open(); err != nil {
				return err
			}
			_, _, err := s.Next()
			if !errors.Is(err, initproto.ErrProtocol) {
				t.Errorf("%q: got %v", bytes, err)
			}
			return err
		})
		if err := e.call(0); err != nil {
			t.Fatal(err)
		}
		io.WriteString(e, bytes)
		e.join()
	}
}

// TestStreamBackPressure: an operation that sends more than the edge reads waits,
// and is let go when the edge does.
func TestStreamBackPressure(t *testing.T) {
	t.Parallel()
	sent := make(chan int, 1<<20)
	e := newEdgeEnd(t, initproto.Version, func(ctx context.Context, _ *abi.ExecStreamRequest, s *stream) error {
		if err := s.Open(); err != nil {
			return err
		}
		b := make([]byte, 1<<20)
		for ctx.Err() == nil {
			n, _ := s.Write(b)
			sent <- n
		}
		return ctx.Err()
	})
	if err := e.call(0); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // for what should not happen
	if n := len(sent); n > 8 {
		t.Errorf("%d MiB went nowhere", n)
	}
	e.Close()
	e.join()
}

// TestStreamLimit: beyond initproto.MaxStreams the answer is TOO_MANY_REQUESTS.
func TestStreamLimit(t *testing.T) {
	t.Parallel()
	e := newEdgeEnd(t, initproto.Version, func(_ context.Context, _ *abi.ExecStreamRequest, s *stream) error { return s.Open() })
	e.server.mu.Lock()
	e.server.streams += initproto.MaxStreams
	e.server.mu.Unlock()
	if err := e.call(0); err == nil || err.Code != abi.CodeTooManyRequests {
		t.Errorf("got %v", err)
	}
	e.server.mu.Lock()
	e.server.streams -= initproto.MaxStreams
	e.server.mu.Unlock()
	if err := e.call(0); err != nil {
		t.Error(err)
	}
}

// TestStreamVersion1: an edge of version 1 is told that there are no streams.
func TestStreamVersion1(t *testing.T) {
	t.Parallel()
	e := newEdgeEnd(t, 1, func(_ context.Context, _ *abi.ExecStreamRequest, s *stream) error { return s.Open() })
	for range 2 {
		if err := e.call(0); err == nil || err.Code != abi.CodeUnsupported {
			t.Errorf("got %v", err)
		}
	}
}
