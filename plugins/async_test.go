package plugins

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// async adds what makes a module asynchronous and encodes it. In complete,
// locals 0 to 2 are req, call and errno and 3 is free; request has 1 to 3 free
// and must push its answer.
func (g *asm) async(request, complete, cancel wasmasm.Code) []byte {
	g.Func("edge_complete", "iii", "", "i", complete)
	g.Func("edge_cancel", "i", "", "", cancel)
	return g.module(request)
}

// drop calls a host function and forgets the result.
func (g *asm) drop(name string, args ...any) wasmasm.Code {
	return wasmasm.Do(g.call(name, args...), wasmasm.Drop())
}

func pending(code ...wasmasm.Code) wasmasm.Code {
	return wasmasm.Do(append(code, wasmasm.I32(1))...)
}

// answerResult reads the completed call's result into a buffer and responds with
// it; local 3 is its length.
func (g *asm) answerResult(buf region) wasmasm.Code {
	return wasmasm.Do(
		g.call("result_read", req(), wasmasm.Get(1), 0, buf), wasmasm.Wrap(), wasmasm.Set(3),
		g.drop("respond", req(), 200, "", wasmasm.Do(wasmasm.I32(int32(buf.ptr)), wasmasm.Get(3))))
}

// waiting is a guest whose requests wait for one operation, which is given the
// request's id, and answer with its result.
func waiting() []byte {
	g := newAsm()
	id, buf := g.buffer(64), g.buffer(4096)
	return g.async(
		pending(g.call("req_get", req(), 7, id), wasmasm.Wrap(), wasmasm.Set(1),
			g.drop("op_start", req(), "exec", wasmasm.Do(wasmasm.I32(int32(id.ptr)), wasmasm.Get(1)))),
		g.answerResult(buf),
		g.drop("log", 0, 0, "edge_cancel", ""))
}

// TestAsyncHoldsManyRequests opens requests whose operations end in the opposite
// order: all of them are held by one instance.
func TestAsyncHoldsManyRequests(t *testing.T) {
	t.Parallel()
	const n = 50
	started := make(chan struct{}, n)
	release := make([]chan struct{}, n)
	for i := range release {
		release[i] = make(chan struct{})
	}
	b := newBench(t, Config{Services: Services{Operations: operateFunc(func(_ context.Context, _ string, body []byte) ([]byte, error) {
		var i int
		_, _ = fmt.Sscan(string(body), &i)
		started <- struct{}{}
		<-release[i]
		if i%2 == 1 {
			return nil, abi.Errorf(abi.CodeFileNotFound, "no file %d", i)
		}
		return []byte("result of " + string(body)), nil
	})}})
	b.slots.size = 1 // where more guests can run at once there are as many instances
	p := b.load(t, waiting())
	var wg sync.WaitGroup
	answers := make([]string, n)
	for i := range n {
		wg.Go(func() {
			r := newRequest()
			r.ID = fmt.Sprint(i)
			d, err := p.Decide(t.Context(), r)
			if err != nil {
				t.Errorf("request %d: %v", i, err)
				return
			}
			answers[i] = string(d.(*abi.Respond).Body)
		})
	}
	for range n {
		<-started
	}
	if got := p.current.Load().pool.size(); got != 1 {
		t.Errorf("%d instances hold %d requests, want 1", got, n)
	}
	for i := n - 1; i >= 0; i-- {
		close(release[i])
	}
	wg.Wait()
	for i, got := range answers {
		if want := fmt.Sprint("result of ", i); i%2 == 0 && got != want {
			t.Errorf("request %d got %q, want %q", i, got, want)
		}
		var e abi.Error
		if err := json.Unmarshal([]byte(got), &e); i%2 == 1 && (err != nil || e.Code != abi.CodeFileNotFound) {
			t.Errorf("request %d got %q, want an error's JSON", i, got)
		}
	}
}

// TestAsyncCancel ends pending requests by their caller and by the deadline: the
// guest is told, the operation is canceled, and the instance lives on.
func TestAsyncCancel(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		deadline time.Duration
		code     abi.Code
	}{
		"caller leaves": {patience, abi.CodeCanceled},
		"deadline":      {100 * time.Millisecond, abi.CodeTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			still(t, func(t *testing.T) {
				started, ended := make(chan struct{}, 1), make(chan struct{}, 1)
				b := newBench(t, Config{Services: Services{Operations: operateFunc(func(ctx context.Context, _ string, body []byte) ([]byte, error) {
					if string(body) == "quick" {
						return body, nil
					}
					started <- struct{}{}
					<-ctx.Done()
					ended <- struct{}{}
					return nil, ctx.Err()
				})}})
				p := b.load(t, waiting(), deadline(tt.deadline))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				go func() {
					<-started
					if tt.code == abi.CodeCanceled {
						cancel()
					}
				}()
				_, err := p.Decide(ctx, newRequest())
				wantCode(t, err, tt.code)
				<-ended
				r := newRequest()
				r.ID = "quick"
				if got := bodyOf(t, decide(t, p, r)); got != "quick" {
					t.Errorf("the next request got %q", got)
				}
				old := p.current.Load()
				b.load(t, responding("new"))
				<-old.idle
				if log := b.book.String(); strings.Count(log, "edge_cancel") != 1 || strings.Contains(log, "plugin failed") {
					t.Errorf("log:\n%s", log)
				}
			})
		})
	}
}

// TestAsyncFails traps in edge_complete: every request of the instance fails, and
// the next one gets another instance.
func TestAsyncFails(t *testing.T) {
	t.Parallel()
	started, release := make(chan struct{}, 3), make(chan struct{})
	b := newBench(t, Config{Services: Services{Operations: operateFunc(func(ctx context.Context, _ string, body []byte) ([]byte, error) {
		if string(body) == "bad" {
			<-release
			return body, nil
		}
		started <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	})}})
	g := newAsm()
	id := g.buffer(64)
	p := b.load(t, g.async(
		pending(g.call("req_get", req(), 7, id), wasmasm.Wrap(), wasmasm.Set(1),
			wasmasm.Get(1), wasmasm.I32(4), wasmasm.Equal(), // "next" has four letters
			wasmasm.If(wasmasm.Do(g.drop("next", req()), wasmasm.I32(0), wasmasm.Return()), nil),
			g.drop("op_start", req(), "exec", wasmasm.Do(wasmasm.I32(int32(id.ptr)), wasmasm.Get(1)))),
		wasmasm.Unreachable(), nil))
	failed := make(chan error, 3)
	call := func(id string) {
		r := newRequest()
		r.ID = id
		_, err := p.Decide(t.Context(), r)
		failed <- err
	}
	go call("a")
	go call("b")
	<-started
	<-started
	go call("bad")
	close(release)
	for range 3 {
		wantCode(t, <-failed, abi.CodePluginFailed)
	}
	go call("next")
	if err := <-failed; err != nil {
		t.Errorf("the next request: %v", err)
	}
}

// TestAsyncDecidesForAnother has one request's entry decide another's.
func TestAsyncDecidesForAnother(t *testing.T) {
	t.Parallel()
	g := newAsm()
	first := g.Global(0)
	in := make(chan struct{})
	b := newBench(t, Config{Services: Services{Operations: operateFunc(func(context.Context, string, []byte) ([]byte, error) {
		close(in)
		return nil, nil
	})}})
	p := b.load(t, g.async(wasmasm.Do(
		wasmasm.GetGlobal(first), wasmasm.If(wasmasm.Do(
			g.drop("respond", wasmasm.GetGlobal(first), 200, "", "for the first"),
			g.drop("respond", req(), 200, "", "for the second"),
			wasmasm.I32(0), wasmasm.Return(),
		), nil),
		wasmasm.Get(0), wasmasm.SetGlobal(first), g.drop("op", req(), "exec", "{}", 0, 0), wasmasm.I32(1)), nil, nil))
	got := make(chan string, 1)
	go func() {
		d, err := p.Decide(t.Context(), newRequest())
		if err != nil {
			got <- err.Error()
			return
		}
		got <- string(d.(*abi.Respond).Body)
	}()
	<-in
	second := bodyOf(t, decide(t, p, newRequest()))
	if f := <-got; f+second != "for the firstfor the second" {
		t.Errorf("got %q and %q", f, second)
	}
}

// TestAsyncStream echoes the request's body, piece by piece, with started reads
// and writes.
func TestAsyncStream(t *testing.T) {
	t.Parallel()
	g := newAsm()
	reading := g.Global(0)
	buf := g.buffer(5)
	read := wasmasm.Do(g.call("req_body_read_start", req(), 5), wasmasm.Wrap(), wasmasm.SetGlobal(reading))
	p := newBench(t, Config{}).load(t, g.async(
		pending(g.drop("respond_begin", req(), 200, ""), read),
		wasmasm.Do(
			wasmasm.Get(1), wasmasm.GetGlobal(reading), wasmasm.Equal(), wasmasm.If(nil, wasmasm.Return()), // a write
			g.call("result_read", req(), wasmasm.Get(1), 0, buf), wasmasm.Wrap(), wasmasm.Set(3),
			wasmasm.Get(3), wasmasm.If(nil, wasmasm.Do(g.drop("respond_end", req()), wasmasm.Return())),
			g.drop("respond_write_start", req(), wasmasm.Do(wasmasm.I32(int32(buf.ptr)), wasmasm.Get(3))),
			read),
		nil))
	body := strings.Repeat("0123456789abc", 20)
	r := newRequest()
	r.Body = strings.NewReader(body)
	if got := bodyOf(t, decide(t, p, r)); got != body {
		t.Errorf("got %q", got)
	}
}

// TestAsyncEndAfterStartedWrites ends the answer while writes are on their way:
// all of them arrive, in order.
func TestAsyncEndAfterStartedWrites(t *testing.T) {
	t.Parallel()
	g := newAsm()
	var writes []wasmasm.Code
	want := ""
	for i := range 20 {
		writes = append(writes, g.drop("respond_write_start", req(), fmt.Sprintf("<%d>", i)))
		want += fmt.Sprintf("<%d>", i)
	}
	b := newBench(t, Config{})
	p := b.load(t, g.async(pending(g.drop("respond_begin", req(), 200, ""), wasmasm.Do(writes...), g.drop("respond_end", req())), nil, nil))
	if got := bodyOf(t, decide(t, p, newRequest())); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if log := b.book.String(); strings.Contains(log, "broke its answer off") {
		t.Error(log)
	}
}

// TestAsyncStreamBroken never ends its answer: the deadline breaks it off, and
// the instance lives on.
func TestAsyncStreamBroken(t *testing.T) {
	t.Parallel()
	still(t, testAsyncStreamBroken)
}

func testAsyncStreamBroken(t *testing.T) {
	g := newAsm()
	p := newBench(t, Config{}).load(t, g.async(
		wasmasm.Do(g.drop("respond_begin", req(), 200, ""), g.drop("respond_write_start", req(), "half"), wasmasm.I32(0)), nil, nil),
		deadline(100*time.Millisecond))
	for range 2 {
		s := streamOf(t, p, newRequest())
		got, err := io.ReadAll(s)
		if string(got) != "half" {
			t.Errorf("got %q", got)
		}
		wantCode(t, err, abi.CodeTimeout)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		synctest.Wait() // the guest has been told: no other instance is made for the next request
	}
	if n := p.current.Load().pool.size(); n != 1 {
		t.Errorf("%d instances, want 1", n)
	}
}

// TestAsyncStreamFailed breaks its answer off long before the deadline does, and the
// instance lives on.
func TestAsyncStreamFailed(t *testing.T) {
	t.Parallel()
	still(t, testAsyncStreamFailed)
}

func testAsyncStreamFailed(t *testing.T) {
	g := newAsm()
	p := newBench(t, Config{}).load(t, g.async(
		wasmasm.Do(g.drop("respond_begin", req(), 200, ""), g.drop("respond_write_start", req(), "half"), wasmasm.I32(0)),
		g.drop("fail", req(), `{"code":"PLUGIN_FAILED","message":"no more"}`), nil), deadline(time.Hour))
	for range 2 {
		s := streamOf(t, p, newRequest())
		got, err := io.ReadAll(s)
		if string(got) != "half" {
			t.Errorf("got %q", got)
		}
		wantCode(t, err, abi.CodePluginFailed)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		synctest.Wait() // as above
	}
	if n := p.current.Load().pool.size(); n != 1 {
		t.Errorf("%d instances, want 1", n)
	}
}

// TestAsyncSocket opens, sends and receives without blocking.
func TestAsyncSocket(t *testing.T) {
	t.Parallel()
	s := newFakeSocket("\x01pong")
	b := newBench(t, Config{Services: Services{Sockets: socketsFunc(func(abi.SandboxRef, int, abi.WebSocketOptions) (abi.Socket, error) { return s, nil })}})
	g := newAsm()
	step := g.Global(0)
	buf, handle := g.buffer(64), g.buffer(4)
	ws := wasmasm.Do(wasmasm.I32(int32(handle.ptr)), wasmasm.Load())
	on := func(n int, then ...wasmasm.Code) wasmasm.Code {
		return wasmasm.Do(wasmasm.GetGlobal(step), wasmasm.I32(int32(n)), wasmasm.Equal(),
			wasmasm.If(wasmasm.Do(wasmasm.I32(int32(n+1)), wasmasm.SetGlobal(step), wasmasm.Do(then...), wasmasm.Return()), nil))
	}
	p := b.load(t, g.async(
		pending(g.drop("ws_open_start", req(), "Sandbox", "u1", 8080, "")),
		wasmasm.Do(
			on(0, g.drop("result_read", req(), wasmasm.Get(1), 0, handle), g.drop("ws_send_start", req(), ws, 1, "ping")),
			on(1, g.drop("ws_recv_start", req(), ws, 60_000)),
			on(2, g.answerResult(buf))),
		nil))
	if got := bodyOf(t, decide(t, p, newRequest())); got != "\x01pong" {
		t.Errorf("got %q", got)
	}
	if got := <-s.closed; !strings.HasPrefix(got, "1001") {
		t.Errorf("the socket was closed with %s", got)
	}
	if len(s.sent) != 1 || s.sent[0] != "1ping" {
		t.Errorf("sent %q", s.sent)
	}
}

// TestAsyncQuota opens more calls than a request may; the result of a call is
// not to be had outside edge_complete.
func TestAsyncQuota(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{Services: Services{Operations: operateFunc(func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})}})
	g := newAsm()
	out := g.buffer(8)
	p := b.load(t, g.async(wasmasm.Do(
		g.call("op_start", req(), "exec", "{}"), wasmasm.Wrap(), wasmasm.Set(3),
		wasmasm.I32(maxCalls-1), wasmasm.Set(1),
		wasmasm.Forever(wasmasm.Get(1), wasmasm.If(
			wasmasm.Do(wasmasm.Get(1), wasmasm.I32(-1), wasmasm.Add(), wasmasm.Set(1), g.drop("op_start", req(), "exec", "{}")),
			wasmasm.Do(
				g.record("op_start", req(), "exec", "{}"),
				g.record("result_read", req(), wasmasm.Get(3), 0, out),
				g.finish(req()), wasmasm.I32(0), wasmasm.Return()))),
		wasmasm.I32(0)), nil, nil))
	a := scriptAnswer{t, g, []byte(bodyOf(t, decide(t, p, newRequest())))}
	a.want(0, "one call too many", abi.Quota, 0)
	a.want(1, "result of an open call", abi.Closed, 0)
}

// unopened is a Sockets whose peers never answer.
type unopened struct{}

func (unopened) OpenSocket(ctx context.Context, _ abi.SandboxRef, _ int, _ abi.WebSocketOptions) (abi.Socket, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestAsyncSocketQuota opens more sockets at once than a request may have: those
// that are not open yet count too.
func TestAsyncSocketQuota(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{Services: Services{Sockets: unopened{}}})
	g := newAsm()
	open := func() []any { return []any{req(), "Sandbox", "u1", 8080, ""} }
	p := b.load(t, g.async(wasmasm.Do(
		wasmasm.I32(maxSockets), wasmasm.Set(1),
		wasmasm.Forever(wasmasm.Get(1), wasmasm.If(
			wasmasm.Do(wasmasm.Get(1), wasmasm.I32(-1), wasmasm.Add(), wasmasm.Set(1), g.drop("ws_open_start", open()...)),
			wasmasm.Do(
				g.record("ws_open_start", open()...),
				g.finish(req()), wasmasm.I32(0), wasmasm.Return()))),
		wasmasm.I32(0)), nil, nil))
	a := scriptAnswer{t, g, []byte(bodyOf(t, decide(t, p, newRequest())))}
	a.want(0, "one socket too many", abi.Quota, 0)
}

// TestAsyncBusyInstance has a request go to an instance whose guest computes for
// another one: it is answered when its own time is over, not when that ends.
func TestAsyncBusyInstance(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	p := b.load(t, newAsm().async(wasmasm.Do(wasmasm.Forever(), wasmasm.I32(1)), nil, nil), func(s *Spec) {
		s.Deadline, s.Compute, s.MaxInstances = time.Hour, time.Hour, 1
	})
	g := p.current.Load()
	ended := make(chan error, 1)
	go func() {
		_, err := p.Decide(context.Background(), newRequest())
		ended <- err
	}()
	slots := g.reg.slots
	for end := time.Now().Add(patience); slots.free.Load() == int32(slots.size) && time.Now().Before(end); { // until it runs
		time.Sleep(time.Millisecond)
	}
	for _, tt := range []struct {
		ctx  func() (context.Context, context.CancelFunc)
		code abi.Code
	}{
		{func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(t.Context(), 50*time.Millisecond)
		}, abi.CodePluginOverloaded},
		{func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(50*time.Millisecond, cancel)
			return ctx, cancel
		}, abi.CodeCanceled},
	} {
		ctx, cancel := tt.ctx()
		_, err := p.Decide(ctx, newRequest())
		cancel()
		wantCode(t, err, tt.code)
	}
	select {
	case err := <-ended:
		t.Errorf("the guest was stopped meanwhile: %v", err)
	default:
	}
	g.kill()
	if err := <-ended; err == nil {
		t.Error("a guest that loops decided")
	}
}
