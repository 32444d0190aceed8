package plugins

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// TestFailures makes a guest fail on its first request; the instance must be
// gone, and the next request served by another.
func TestFailures(t *testing.T) {
	t.Parallel()
	exit := func(m *wasmasm.Module) { m.Import(wasiModule, "proc_exit", "i", "") }
	beyond := wasmasm.Do(wasmasm.I32(wasmasm.MaxI32), wasmasm.I32(16))
	for name, tt := range map[string]struct {
		body func(g *asm) wasmasm.Code
		code abi.Code
		log  string
	}{
		"traps":    {func(*asm) wasmasm.Code { return wasmasm.Unreachable() }, abi.CodePluginFailed, "unreachable"},
		"negative": {func(*asm) wasmasm.Code { return wasmasm.Do(wasmasm.I32(-5), wasmasm.Return()) }, abi.CodePluginFailed, "answered -5 (BUSY)"},
		"nonsense": {func(*asm) wasmasm.Code { return wasmasm.Do(wasmasm.I32(7), wasmasm.Return()) }, abi.CodePluginFailed, "answered 7"},
		"pending without async": {func(*asm) wasmasm.Code { return wasmasm.Do(wasmasm.I32(1), wasmasm.Return()) },
			abi.CodePluginFailed, "answered 1"},
		"never decides": {func(*asm) wasmasm.Code { return wasmasm.Do(wasmasm.I32(0), wasmasm.Return()) },
			abi.CodePluginFailed, "without a decision"},
		"decides and traps": {func(g *asm) wasmasm.Code {
			return wasmasm.Do(g.call("next", req()), wasmasm.Drop(), wasmasm.Unreachable())
		}, abi.CodePluginFailed, "unreachable"},
		"exits": {func(g *asm) wasmasm.Code {
			return wasmasm.Call(wasmasm.Func(len(g.fn)), wasmasm.I32(0))
		}, abi.CodePluginFailed, "proc_exit(0)"},
		"loops": {func(*asm) wasmasm.Code { return wasmasm.Forever() }, abi.CodeTimeout, "deadline"},
		"bad input pointer": {func(g *asm) wasmasm.Code {
			return wasmasm.Do(g.call("log", req(), 0, beyond, ""), wasmasm.Drop())
		}, abi.CodePluginFailed, "outside memory"},
		"bad output pointer": {func(g *asm) wasmasm.Code {
			return wasmasm.Do(g.call("req_get", req(), 1, beyond), wasmasm.Drop())
		}, abi.CodePluginFailed, "outside memory"},
		"length that wraps": {func(g *asm) wasmasm.Code {
			return wasmasm.Do(g.call("req_get", req(), 1, 16, -1), wasmasm.Drop())
		}, abi.CodePluginFailed, "outside memory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newAsm(exit)
			failed := g.Bytes([]byte{0, 0, 0, 0})
			b := newBench(t, Config{})
			p := b.load(t, g.module(
				// A second request in the same memory would answer "poisoned".
				wasmasm.I32(int32(failed)), wasmasm.Load(),
				wasmasm.If(wasmasm.Do(g.call("respond", req(), 500, "", "poisoned"), wasmasm.Drop(), wasmasm.I32(0), wasmasm.Return()), nil),
				g.call("req_get", req(), 5, 0, 0), wasmasm.Wrap(), // the query's length decides
				wasmasm.If(nil, wasmasm.Do(g.call("respond", req(), 200, "", "fine"), wasmasm.Drop(), wasmasm.I32(0), wasmasm.Return())),
				wasmasm.I32(int32(failed)), wasmasm.I32(1), wasmasm.Store(),
				tt.body(g), wasmasm.I32(0)))
			ctx, cancel := context.WithCancel(t.Context())
			if tt.code == abi.CodeTimeout { // the others come to an end by themselves
				cancel()
				ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
			}
			defer cancel()
			_, err := p.Decide(ctx, newRequest())
			wantCode(t, err, tt.code)
			quiet := newRequest()
			quiet.Query = ""
			for range 4 {
				if got := bodyOf(t, decide(t, p, quiet)); got != "fine" {
					t.Fatalf("the next request got %q", got)
				}
			}
			b.load(t, responding("new"))
			b.event(t, EventDrained) // the failed instance has said all it had to say
			log := b.book.String()
			if strings.Count(log, "plugin failed") != 1 || !strings.Contains(log, tt.log) || !strings.Contains(log, "request=r1") {
				t.Errorf("the log should name %q and the request once:\n%s", tt.log, log)
			}
		})
	}
}

// TestDeadlineInHostCall lets the deadline pass while the guest waits for the
// host.
func TestDeadlineInHostCall(t *testing.T) {
	t.Parallel()
	still(t, testDeadlineInHostCall)
}

func testDeadlineInHostCall(t *testing.T) {
	b := newBench(t, Config{Services: Services{Operations: operateFunc(func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})}})
	g := newAsm()
	p := b.load(t, deciding(g, g.call("op", req(), "exec", "{}", 0, 0)), deadline(100*time.Millisecond))
	_, err := p.Decide(t.Context(), newRequest())
	wantCode(t, err, abi.CodeTimeout)
}

// TestCallerLeaves ends Decide's context while the guest waits for the host: the
// guest is told, and its instance survives, whatever the guest makes of that.
func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*asm) wasmasm.Code{
		"decides": func(g *asm) wasmasm.Code { return g.call("next", req()) },
		"passes the error on": func(g *asm) wasmasm.Code {
			return wasmasm.Do(g.call("next", req()), wasmasm.Drop(), wasmasm.I32(-int32(abi.Closed)), wasmasm.Return())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			callerLeaves(t, end)
		})
	}
}

func callerLeaves(t *testing.T, end func(*asm) wasmasm.Code) {
	entered := make(chan struct{}, 1)
	b := newBench(t, Config{Services: Services{Operations: operateFunc(func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
		entered <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	})}})
	g := newAsm()
	p := b.load(t, deciding(g, wasmasm.Do(g.call("op", req(), "exec", "{}", 0, 0), wasmasm.Drop(), end(g))),
		func(s *Spec) { s.MaxInstances = 1 })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-entered; cancel() }()
	_, err := p.Decide(ctx, newRequest())
	wantCode(t, err, abi.CodeCanceled)
	pool := p.current.Load().pool
	x := newExchange(t.Context(), pool.gen, newRequest(), time.Now(), time.Now().Add(patience))
	in, err := pool.take(t.Context(), x) // it is back when the guest is done
	if err != nil {
		t.Fatal(err)
	}
	defer pool.put(in, x)
	if in.lastHandle != 1 {
		t.Error("the instance was replaced")
	}
}

// TestBodyIsLetGo ends Decide while a read of the body waits for the client: the
// body is told, and no read is under way when Decide returns.
func TestBodyIsLetGo(t *testing.T) {
	t.Parallel()
	still(t, testBodyIsLetGo)
}

func testBodyIsLetGo(t *testing.T) {
	g := newAsm()
	out := g.buffer(8)
	p := newBench(t, Config{}).load(t, deciding(g, g.call("req_body_read", req(), out)), deadline(100*time.Millisecond))
	body := &slowBody{cut: make(chan struct{})}
	r := newRequest()
	r.Body = body
	_, err := p.Decide(t.Context(), r)
	wantCode(t, err, abi.CodeTimeout)
	if body.reading || !body.cleared {
		t.Errorf("after Decide: reading %v, deadline cleared %v", body.reading, body.cleared)
	}
}

// slowBody is a client that sends nothing.
type slowBody struct {
	cut     chan struct{}
	reading bool
	cleared bool
}

func (b *slowBody) Read([]byte) (int, error) {
	b.reading = true
	<-b.cut
	b.reading = false
	return 0, io.ErrUnexpectedEOF
}

func (b *slowBody) SetReadDeadline(at time.Time) error {
	if at.IsZero() {
		b.cleared = true
	} else {
		close(b.cut)
	}
	return nil
}

// TestOverload fills the only instance; callers in line get PLUGIN_OVERLOADED at
// their deadline, or CANCELED when they leave, and one that can wait is served.
func TestOverload(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	b := newBench(t, Config{Services: Services{Operations: operateFunc(func(context.Context, string, []byte) ([]byte, error) {
		entered <- struct{}{}
		<-release
		return []byte("{}"), nil
	})}})
	g := newAsm()
	p := b.load(t, deciding(g, wasmasm.Do(g.call("op", req(), "exec", "{}", 0, 0), wasmasm.Drop(), g.call("next", req()))),
		func(s *Spec) { s.MaxInstances = 1 })
	results := make(chan error, 2)
	call := func() {
		_, err := p.Decide(t.Context(), newRequest())
		results <- err
	}
	go call()
	<-entered

	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := p.Decide(short, newRequest())
	wantCode(t, err, abi.CodePluginOverloaded)
	left, leave := context.WithCancel(t.Context())
	leave()
	_, err = p.Decide(left, newRequest())
	wantCode(t, err, abi.CodeCanceled)

	go call()
	close(release)
	<-entered // the one in line
	for range 2 {
		if err := <-results; err != nil {
			t.Errorf("a caller that waited got %v", err)
		}
	}
}

// TestInitFailsLater has an instance fail to start after the load: the request
// that wanted it fails, the others go on.
func TestInitFailsLater(t *testing.T) {
	t.Parallel()
	g := newAsm()
	g.Func("edge1", "", "", "")
	// The instance that was tried out gets an answer; every later one traps, since
	// there is no self-test to set the flag that request needs.
	tested := g.Global(0)
	g.Func("edge_init", "", "i", "", wasmasm.I32(0))
	g.Func("edge_selftest", "", "i", "", wasmasm.I32(1), wasmasm.SetGlobal(tested), wasmasm.I32(0))
	g.Func("edge_request", "i", "i", "", wasmasm.GetGlobal(tested),
		wasmasm.If(wasmasm.Do(g.call("next", req()), wasmasm.Drop()), nil),
		wasmasm.I32(-1), wasmasm.SetGlobal(tested), wasmasm.I32(0))
	p := newBench(t, Config{}).load(t, g.Encode())
	decide(t, p, newRequest()) // in the tested instance
	decide(t, p, newRequest())
	if n := p.current.Load().pool.size(); n != 1 {
		t.Errorf("there are %d instances, want 1", n)
	}
}

// operateFunc is Operations for a test.
type operateFunc func(ctx context.Context, name string, body []byte) ([]byte, error)

// TestClose refuses calls after Close and loads too.
func TestClose(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	p := b.load(t, responding("x"))
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := p.Decide(t.Context(), newRequest())
	wantCode(t, err, abi.CodePluginFailed)
	if _, err := b.Load(t.Context(), Spec{Name: "q", Source: "x"}); !errors.Is(err, ErrClosed) {
		t.Errorf("load after close: %v", err)
	}
}

// TestCloseStopsCalls closes while a guest loops and another waits in a host
// call: both end, and Close says that it stopped them.
func TestCloseStopsCalls(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 2)
	b := newBench(t, Config{Services: Services{Operations: operateFunc(func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
		entered <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	})}})
	g := newAsm()
	p := b.load(t, deciding(g, wasmasm.Do(g.call("op", req(), "exec", "{}", 0, 0), wasmasm.Drop(), wasmasm.Forever(), g.call("next", req()))))
	failed := make(chan error, 1)
	go func() {
		_, err := p.Decide(t.Context(), newRequest())
		failed <- err
	}()
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := b.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close: %v", err)
	}
	wantCode(t, <-failed, abi.CodePluginFailed)
}

// TestCloseSendsTheLineAway closes while guests loop and callers wait in line for
// an instance: none of those is served any more.
func TestCloseSendsTheLineAway(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 8)
	b := newBench(t, Config{Services: Services{Operations: operateFunc(func(context.Context, string, []byte) ([]byte, error) {
		entered <- struct{}{}
		return []byte("{}"), nil
	})}})
	g := newAsm()
	p := b.load(t, deciding(g, wasmasm.Do(g.call("op", req(), "exec", "{}", 0, 0), wasmasm.Drop(), wasmasm.Forever(), g.call("next", req()))),
		deadline(time.Hour), func(s *Spec) { s.MaxInstances = 1 })
	pool := p.current.Load().pool
	failed := make(chan error, 3)
	for range 3 {
		go func() {
			_, err := p.Decide(t.Context(), newRequest())
			failed <- err
		}()
	}
	<-entered
	for inLine := 0; inLine < 2; {
		pool.mu.Lock()
		inLine = len(pool.line)
		pool.mu.Unlock()
		runtime.Gosched()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	closed := make(chan error, 1)
	go func() { closed <- b.Close(ctx) }()
	select {
	case err := <-closed:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("close: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("close waits for callers in line")
	}
	for range 3 {
		wantCode(t, <-failed, abi.CodePluginFailed)
	}
}
