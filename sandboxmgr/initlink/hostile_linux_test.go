package initlink

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"edge/abi"
	"edge/sandboxmgr/initproto"
)

// hostile is an init that a test plays itself: its connections come from this
// process.
type hostile struct {
	*Link
	t   *testing.T
	dir string
}

func newHostile(t *testing.T) *hostile {
	t.Helper()
	return newHostileTimed(t, unhurried())
}

// newHostileTimed is for tests in which a bound is to strike.
func newHostileTimed(t *testing.T, times timing) *hostile {
	t.Helper()
	dir := shortDir(t)
	l := openTimed(t, dir, times)
	l.SetPeer(os.Getpid())
	return &hostile{l, t, dir}
}

func (h *hostile) dial() net.Conn {
	h.t.Helper()
	c, err := net.Dial("unix", filepath.Join(h.dir, "s"))
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// park opens a connection that says a good hello.
func (h *hostile) park() net.Conn {
	h.t.Helper()
	c, err := h.tryPark()
	if err != nil {
		h.t.Fatalf("no welcome: %v", err)
	}
	return c
}

// awaitParked waits until the link has parked n connections, which it does after it
// has welcomed them.
func (h *hostile) awaitParked(n int) {
	h.t.Helper()
	until(h.t, fmt.Sprintf("%d connections are parked", n), func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return len(h.parked) == n
	})
}

func (h *hostile) tryPark() (net.Conn, error) {
	h.t.Helper()
	return h.parkAs(1)
}

// parkAs opens a connection of an init that speaks no version beyond max.
func (h *hostile) parkAs(max int) (net.Conn, error) {
	h.t.Helper()
	c := h.dial()
	h.hello(c, initproto.Hello{Min: 1, Max: max, Token: testToken, Boot: "b"})
	var w initproto.Welcome
	return c, initproto.NewReader(c).Head(initproto.TypeWelcome, initproto.MaxHello, &w)
}

func (h *hostile) hello(c net.Conn, hello initproto.Hello) {
	w := initproto.NewWriter(c)
	w.Head(initproto.TypeHello, hello)
	w.Flush()
}

func (h *hostile) violations() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.Link.violations)
}

// closed waits until the link has closed the connection.
func closed(c net.Conn) bool {
	c.SetDeadline(time.Now().Add(patience))
	_, err := io.Copy(io.Discard, c)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

func frame(typ initproto.Type, body string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(body)))) + string(byte(typ)) + body
}

// TestHostileHello: each kind of bad hello costs its connection and counts.
func TestHostileHello(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, bytes string }{ // two of them wait for a hello's bound
		{"garbage", strings.Repeat("garbage", 100)},
		{"huge length", "\xff\xff\xff\xff\x01"},
		{"longer than a hello", frame(initproto.TypeHello, strings.Repeat(" ", initproto.MaxHello+1))},
		{"half a frame", "\x00\x00\x00\x09\x01{"},
		{"silence", ""},
		{"another frame", frame(initproto.TypeResult, "{}")},
		{"not JSON", frame(initproto.TypeHello, "{{{{")},
		{"wrong token", frame(initproto.TypeHello, `{"min":1,"max":1,"token":"x","boot":"b"}`)},
		{"longer token", frame(initproto.TypeHello, `{"min":1,"max":1,"token":"`+testToken+`0","boot":"b"}`)},
		{"no token", frame(initproto.TypeHello, `{"min":1,"max":1}`)},
		{"unknown version", frame(initproto.TypeHello, `{"min":7,"max":9,"token":"`+testToken+`"}`)},
		{"another boot", frame(initproto.TypeHello, `{"min":1,"max":1,"token":"`+testToken+`","boot":"c"}`)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			times := unhurried()
			if tt.name == "half a frame" || tt.name == "silence" {
				times.hello = 3 * time.Second // enough for the good one
			}
			h := newHostileTimed(t, times)
			good := h.park()
			c := h.dial()
			io.WriteString(c, tt.bytes)
			if !closed(c) {
				t.Error("the connection was kept")
			}
			until(t, "a violation is counted", func() bool { return h.violations() == 1 })
			serve(good, func(string) string {
				return frame(initproto.TypeResult, "{}") + frame(initproto.TypeData, `{"boot":"b"}`) + frame(initproto.TypeEnd, "")
			})
			var pong initproto.PingResponse
			if err := h.Call(within(t), initproto.OpPing, nil, &pong); err != nil || pong.Boot != "b" {
				t.Errorf("the good connection: %+v, %v", pong, err)
			}
		})
	}
}

// serve answers the calls that come over c with what answer says.
func serve(c net.Conn, answer func(op string) string) {
	go func() {
		r := initproto.NewReader(c)
		for {
			var call initproto.Call
			if r.Head(initproto.TypeCall, initproto.MaxFrame, &call) != nil {
				return
			}
			if _, err := r.Body(initproto.MaxBody, nil); err != nil {
				return
			}
			if _, err := io.WriteString(c, answer(call.Op)); err != nil {
				return
			}
		}
	}()
}

// TestHostileAnswer: each kind of bad answer ends its call, costs its
// connection and counts.
func TestHostileAnswer(t *testing.T) {
	t.Parallel()
	result, end := frame(initproto.TypeResult, "{}"), frame(initproto.TypeEnd, "")
	tests := []struct{ name, op, bytes string }{
		{"garbage", "ping", "HTTP/1.1 200 OK\r\n\r\n"},
		{"huge length", "ping", "\x7f\xff\xff\xff\x06"},
		{"unknown type", "ping", frame(9, "x")},
		{"data without a result", "ping", frame(initproto.TypeData, "{}") + end},
		{"a call", "ping", frame(initproto.TypeCall, `{"op":"ping"}`)},
		{"half a header", "ping", "\x00\x00"},
		{"half a frame", "ping", result + "\x00\x00\x00\x09\x04abc"},
		{"no end", "ping", result + frame(initproto.TypeData, "{}")},
		{"not JSON", "ping", result + frame(initproto.TypeData, "}{") + end},
		{"no JSON", "ping", result + end},
		{"result twice", "ping", result + result + end},
		{"more after the end", "ping", result + frame(initproto.TypeData, "{}") + end + "x"},
		{"longer than such an answer can be", "ping", result + strings.Repeat(frame(initproto.TypeData, strings.Repeat("x", initproto.MaxFrame)), 17) + end},
		{"empty data", "ping", result + strings.Repeat(frame(initproto.TypeData, ""), 9) + end},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			times := unhurried()
			if strings.HasPrefix(tt.name, "half") || tt.name == "no end" {
				times.frame = 300 * time.Millisecond // nothing follows
			}
			h := newHostileTimed(t, times)
			c := h.park()
			serve(c, func(string) string { return tt.bytes })
			err := h.Call(within(t), tt.op, nil, &struct{}{})
			if tt.name == "more after the end" && err == nil {
				// The surplus came later than the answer was read: it is found
				// when the connection is taken again.
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				err = h.Call(ctx, tt.op, nil, nil)
				if errors.Is(err, context.DeadlineExceeded) {
					err = initproto.ErrProtocol
				}
			}
			if !errors.Is(err, initproto.ErrProtocol) {
				t.Errorf("got %v", err)
			}
			if h.violations() != 1 {
				t.Errorf("%d violations", h.violations())
			}
			if tt.name != "not JSON" && tt.name != "no JSON" && !closed(c) {
				t.Error("the connection was kept")
			}
		})
	}
}

// TestHostileMillion: a million frames are an answer like any other, as long as
// they are not too much together; with one more byte than that they are none.
func TestHostileMillion(t *testing.T) {
	t.Parallel()
	result, end := frame(initproto.TypeResult, "{}"), frame(initproto.TypeEnd, "")
	blanks := strings.Repeat(frame(initproto.TypeData, " "), 1_000_000)
	h := newHostile(t)
	good := h.park()
	serve(good, func(string) string {
		return result + frame(initproto.TypeData, `{"boot":"b"`) + blanks + frame(initproto.TypeData, "}") + end
	})
	var pong initproto.PingResponse
	if err := h.Call(within(t), initproto.OpPing, nil, &pong); err != nil || pong.Boot != "b" || h.violations() != 0 {
		t.Errorf("%+v, %v, %d violations", pong, err, h.violations())
	}
	good.Close()
	serve(h.park(), func(string) string { return result + blanks + blanks })
	if err := h.Call(within(t), initproto.OpPing, nil, &pong); !errors.Is(err, initproto.ErrProtocol) || h.violations() != 1 {
		t.Errorf("two million: %v, %d violations", err, h.violations())
	}
}

// TestHostileSilence: an init that takes a call and says nothing costs the
// caller half a second beyond its deadline.
func TestHostileSilence(t *testing.T) {
	t.Parallel()
	times := unhurried()
	times.write, times.dial, times.grace = time.Second, time.Second, 100*time.Millisecond
	h := newHostileTimed(t, times)
	serve(h.park(), func(string) string { return "" })
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := h.Call(ctx, "ping", nil, nil); !errors.Is(err, context.DeadlineExceeded) || h.violations() != 1 {
		t.Errorf("got %v, %d violations", err, h.violations())
	}
	h = newHostileTimed(t, times) // the first violation may be forgotten before the second
	h.park()                      // never reads: what does not fit its buffer cannot be sent
	err := h.Call(within(t), "writeFile", abi.WriteFileRequest{Content: strings.Repeat("x", 8<<20)}, nil)
	if !errors.Is(err, initproto.ErrProtocol) || h.violations() != 1 {
		t.Errorf("got %v, %d violations", err, h.violations())
	}
	h.park()
	if _, err := h.Tunnel(within(t), 8080); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("tunnel: %v", err)
	}
}

// TestLateAnswer: an init that is still sending when the caller's time is over is
// late, and breaks nothing.
func TestLateAnswer(t *testing.T) {
	t.Parallel()
	times := unhurried()
	times.grace = 50 * time.Millisecond
	h := newHostileTimed(t, times)
	c := h.park()
	sending := make(chan struct{})
	go func() {
		defer close(sending)
		var call initproto.Call
		r := initproto.NewReader(c)
		err := r.Head(initproto.TypeCall, initproto.MaxFrame, &call)
		if err == nil {
			_, err = r.Body(initproto.MaxBody, nil)
		}
		for said := frame(initproto.TypeResult, "{}"); err == nil; said = frame(initproto.TypeData, " ") {
			_, err = io.WriteString(c, said) // until the connection is closed
			time.Sleep(10 * time.Millisecond)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := h.Call(ctx, initproto.OpPing, nil, nil); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, initproto.ErrProtocol) {
		t.Errorf("got %v", err)
	}
	if n := h.violations(); n != 0 {
		t.Errorf("%d violations", n)
	}
	<-sending
}

// drowsy is a context that has not noticed yet that its deadline has passed.
type drowsy struct {
	context.Context
	deadline time.Time
}

func (d drowsy) Deadline() (time.Time, bool) { return d.deadline, true }

// TestDeadlineBeforeItsContext: that an init is late is told by the clock, whoever
// notices it first.
func TestDeadlineBeforeItsContext(t *testing.T) {
	t.Parallel()
	times := unhurried()
	times.grace = 50 * time.Millisecond
	h := newHostileTimed(t, times)
	serve(h.park(), func(string) string { return "" })
	err := h.Call(drowsy{t.Context(), time.Now().Add(50 * time.Millisecond)}, initproto.OpPing, nil, nil)
	if !errors.Is(err, context.DeadlineExceeded) || h.violations() != 1 {
		t.Errorf("got %v, %d violations", err, h.violations())
	}
}

// TestHostileUnasked: bytes on a parked connection cost it, and the call that
// finds them is carried out on another.
func TestHostileUnasked(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	good := h.park()
	serve(good, func(string) string { return frame(initproto.TypeResult, "{}") + frame(initproto.TypeEnd, "") })
	h.awaitParked(1) // the one that is parked last is taken first
	flooder := h.park()
	answer := frame(initproto.TypeResult, "{}") + frame(initproto.TypeEnd, "")
	for err := error(nil); err == nil; { // until the kernel takes no more: the link reads nothing
		_, err = io.WriteString(flooder, strings.Repeat(answer, 1000))
		flooder.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)) // of the next
	}
	h.awaitParked(2)
	if err := h.Call(within(t), "ping", nil, nil); err != nil {
		t.Error(err)
	}
	if h.violations() != 1 || !closed(flooder) {
		t.Errorf("%d violations", h.violations())
	}
}

// TestHostileStorm: connections beyond the bound are refused; nothing is left
// of them.
func TestHostileStorm(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	before := runtime.NumGoroutine()
	var conns []net.Conn
	for range 200 {
		conns = append(conns, h.dial())
	}
	h.mu.Lock()
	n := len(h.conns)
	h.mu.Unlock()
	if n > initproto.MaxConns {
		t.Errorf("%d connections were admitted", n)
	}
	for _, c := range conns {
		c.Close()
	}
	until(t, "all are gone", func() bool { h.mu.Lock(); defer h.mu.Unlock(); return len(h.conns) == 0 })
	until(t, "the goroutines ended", func() bool { return runtime.NumGoroutine() <= before+64 }) // other tests run beside this one
	if h.Broken() {
		t.Error("connecting and going away is no violation")
	}
	var good net.Conn
	until(t, "a connection is welcome", func() bool { // the last of the storm may still wait to be accepted
		c, err := h.tryPark()
		good = c
		return err == nil
	})
	serve(good, func(string) string { return frame(initproto.TypeResult, "{}") + frame(initproto.TypeEnd, "") })
	if err := h.Call(within(t), "ping", nil, nil); err != nil {
		t.Error(err)
	}
}

// TestDeadParked: connections whose other end is gone make room for new ones.
func TestDeadParked(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	for range 3 * initproto.MaxConns {
		h.park().Close()
	}
	serve(h.park(), func(string) string { return frame(initproto.TypeResult, "{}") + frame(initproto.TypeEnd, "") })
	if err := h.Call(within(t), "ping", nil, nil); err != nil || h.violations() != 0 {
		t.Errorf("%v, %d violations", err, h.violations())
	}
}

// TestBroken: ten violations end the link; those who wait are told.
func TestBroken(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	waiting := make(chan error, 1)
	go func() { waiting <- h.Call(context.Background(), "ping", nil, nil) }()
	for range maxViolations {
		if h.Broken() {
			t.Fatal("broken too soon")
		}
		c := h.dial()
		io.WriteString(c, "garbage garbage")
		closed(c)
	}
	if err := <-waiting; !errors.Is(err, ErrBroken) {
		t.Errorf("a waiting call: %v", err)
	}
	if !h.Broken() {
		t.Error("not broken")
	}
	if _, err := h.Ready(within(t)); !errors.Is(err, ErrBroken) {
		t.Errorf("Ready: %v", err)
	}
	if _, err := h.Tunnel(within(t), 8080); !errors.Is(err, ErrBroken) {
		t.Errorf("Tunnel: %v", err)
	}
}

func TestViolationsAreForgotten(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	now := time.Now()
	for i := range 3 * maxViolations {
		if h.count(now.Add(time.Duration(i) * (violationWindow/(maxViolations-1) + time.Millisecond))) {
			t.Fatalf("violation %d of a slow series is one too many", i)
		}
	}
}

// TestForeignError: what an init may say of an error, and what not.
func TestForeignError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		in      abi.Error
		details string
		want    abi.Error
	}{
		{"good", abi.Error{Code: abi.CodeTimeout, Message: "m", Started: "yes", Suggestion: "s"}, `{"a":1}`,
			abi.Error{Code: abi.CodeTimeout, Message: "m", Started: "yes", Suggestion: "s", Retryable: true, Details: []byte(`{"a":1}`)}},
		{"unknown code", abi.Error{Code: "PWNED", Message: "m", Started: "no"}, "", abi.Error{Code: abi.CodeInternal, Message: "m", Started: "no"}},
		{"lies", abi.Error{Code: abi.CodeNotFound, Retryable: true, RetryAfterMs: 1, Operation: "x", Started: "perhaps"}, "}{",
			abi.Error{Code: abi.CodeNotFound, Started: "maybe"}},
		{"long and broken text", abi.Error{Code: abi.CodeNotFound, Message: strings.Repeat("ä", maxText), Started: "no"}, "",
			abi.Error{Code: abi.CodeNotFound, Message: strings.Repeat("ä", maxText/2), Started: "no"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := foreignError(&tt.in, []byte(tt.details))
			if got.Error() != tt.want.Error() || got.Retryable != tt.want.Retryable || got.RetryAfterMs != 0 || got.Operation != "" ||
				got.Started != tt.want.Started || got.Suggestion != tt.want.Suggestion || string(got.Details) != string(tt.want.Details) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

// TestDescriptorsAreDropped: a descriptor that is sent along reaches nobody.
func TestDescriptorsAreDropped(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	c := h.dial().(*net.UnixConn)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	hello := frame(initproto.TypeHello, `{"min":1,"max":1,"token":"`+testToken+`","boot":"b"}`)
	if _, _, err := c.WriteMsgUnix([]byte(hello), syscall.UnixRights(int(w.Fd())), nil); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if _, err := h.Ready(within(t)); err != nil {
		t.Fatal(err)
	}
	// The pipe has no writer left, so reading it ends.
	r.SetReadDeadline(time.Now().Add(patience))
	if _, err := r.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("somebody has the descriptor: %v", err)
	}
}
