package plugins

import (
	"io"
	"strings"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// streamOf decides and wants a stream.
func streamOf(t *testing.T, p *Plugin, r *abi.Request) io.ReadCloser {
	t.Helper()
	got, ok := decide(t, p, r).(*abi.Respond)
	if !ok || got.Stream == nil || got.Body != nil {
		t.Fatalf("got %+v, want a stream", got)
	}
	return got.Stream
}

// TestStream has the decision before the body: the guest writes the second piece
// only after the first was taken.
func TestStream(t *testing.T) {
	t.Parallel()
	g := newAsm()
	b := newBench(t, Config{})
	p := b.load(t, g.module(
		g.call("respond_begin", req(), 200, abi.AppendHeaders(nil, []abi.Header{{Name: "X", Value: "y"}})), wasmasm.Drop(),
		g.call("respond_write", req(), "first"), wasmasm.Drop(),
		g.call("respond_write", req(), ""), wasmasm.Drop(),
		g.call("log", req(), 0, "first is out", ""), wasmasm.Drop(),
		g.call("respond_write", req(), "second"), wasmasm.Drop(),
		g.call("respond_end", req()), wasmasm.Drop(),
		// After the end a write is CLOSED: 9 << 32.
		g.call("respond_write", req(), "third"), wasmasm.I64(9<<32), wasmasm.Code{0x51}, wasmasm.If(nil, wasmasm.Unreachable()),
		wasmasm.I32(0)))
	s := streamOf(t, p, newRequest())
	if strings.Contains(b.book.String(), "first is out") {
		t.Error("the write did not wait for the reader")
	}
	piece := make([]byte, 64)
	n, err := s.Read(piece)
	if err != nil || string(piece[:n]) != "first" {
		t.Errorf("first read: %q, %v", piece[:n], err)
	}
	rest, err := io.ReadAll(s)
	if err != nil || string(rest) != "second" {
		t.Errorf("the rest: %q, %v", rest, err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if strings.Contains(b.book.String(), "plugin failed") {
		t.Error(b.book.String())
	}
}

// TestStreamBroken has streams that did not end properly end with an error.
func TestStreamBroken(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		after    func(g *asm) wasmasm.Code
		code     abi.Code
		deadline time.Duration
	}{
		"returns":  {func(*asm) wasmasm.Code { return nil }, abi.CodePluginFailed, ample},
		"traps":    {func(*asm) wasmasm.Code { return wasmasm.Unreachable() }, abi.CodePluginFailed, ample},
		"loops":    {func(*asm) wasmasm.Code { return wasmasm.Forever() }, abi.CodeTimeout, 2 * time.Second}, // the first half is out by then
		"negative": {func(*asm) wasmasm.Code { return wasmasm.Do(wasmasm.I32(-1), wasmasm.Return()) }, abi.CodePluginFailed, ample},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newAsm()
			p := newBench(t, Config{}).load(t, g.module(
				g.call("respond_begin", req(), 200, ""), wasmasm.Drop(),
				g.call("respond_write", req(), "half"), wasmasm.Drop(),
				tt.after(g), wasmasm.I32(0)), deadline(tt.deadline))
			s := streamOf(t, p, newRequest())
			defer s.Close()
			got, err := io.ReadAll(s)
			if string(got) != "half" {
				t.Errorf("got %q", got)
			}
			wantCode(t, err, tt.code)
		})
	}
}

// TestStreamDeadline has the client read nothing until the deadline: the guest's
// write ends.
func TestStreamDeadline(t *testing.T) {
	t.Parallel()
	still(t, testStreamDeadline)
}

func testStreamDeadline(t *testing.T) {
	g := newAsm()
	b := newBench(t, Config{})
	p := b.load(t, g.module(
		g.call("respond_begin", req(), 200, ""), wasmasm.Drop(),
		g.call("respond_write", req(), "x"), wasmasm.Drop(), wasmasm.I32(0)), deadline(100*time.Millisecond))
	old := p.current.Load()
	s := streamOf(t, p, newRequest())
	defer s.Close()
	b.load(t, responding("new"))
	<-old.idle // its only call ended without a reader
	_, err := io.ReadAll(s)
	wantCode(t, err, abi.CodeTimeout)
}

// TestStreamClosed has the client go away: writes answer CLOSED, the request is
// let go, and the instance lives on.
func TestStreamClosed(t *testing.T) {
	t.Parallel()
	g := newAsm()
	out := g.buffer(8)
	b := newBench(t, Config{})
	closed := wasmasm.Do(wasmasm.I64(9<<32), wasmasm.Code{0x51}, wasmasm.If(nil, wasmasm.Unreachable()))
	p := b.load(t, g.module(
		g.call("respond_begin", req(), 200, ""), wasmasm.Drop(),
		g.call("respond_write", req(), "x"), closed,
		g.call("req_get", req(), 1, out), closed,
		g.call("respond_end", req()), wasmasm.Drop(),
		g.call("log", req(), 0, "saw it", ""), wasmasm.Drop(), wasmasm.I32(0)))
	s := streamOf(t, p, newRequest())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	old := p.current.Load()
	b.load(t, responding("new"))
	<-old.idle
	if log := b.book.String(); !strings.Contains(log, "saw it") || strings.Contains(log, "plugin failed") {
		t.Errorf("log:\n%s", log)
	}
}

// TestStreamReadsBody goes on reading the request's body after respond_begin.
func TestStreamReadsBody(t *testing.T) {
	t.Parallel()
	g := newAsm()
	out := g.buffer(3)
	p := newBench(t, Config{}).load(t, g.module(
		g.call("respond_begin", req(), 200, ""), wasmasm.Drop(),
		wasmasm.Forever(
			g.call("req_body_read", req(), out), wasmasm.Wrap(), wasmasm.Set(1),
			wasmasm.Get(1), wasmasm.If(nil, wasmasm.Do(g.call("respond_end", req()), wasmasm.Drop(), wasmasm.I32(0), wasmasm.Return())),
			g.call("respond_write", req(), wasmasm.Do(wasmasm.I32(int32(out.ptr)), wasmasm.Get(1))), wasmasm.Drop(),
		), wasmasm.I32(0)))
	r := newRequest()
	r.Body = strings.NewReader("a body that comes back")
	if got := bodyOf(t, decide(t, p, r)); got != "a body that comes back" {
		t.Errorf("got %q", got)
	}
}

// TestStreamSurvivesContext reads a stream after Decide's context has ended.
func TestStreamSurvivesContext(t *testing.T) {
	t.Parallel()
	g := newAsm()
	p := newBench(t, Config{}).load(t, g.module(
		g.call("respond_begin", req(), 200, ""), wasmasm.Drop(),
		g.call("respond_write", req(), "late"), wasmasm.Drop(),
		g.call("respond_end", req()), wasmasm.Drop(), wasmasm.I32(0)))
	ctx, cancel := contextOf(t)
	d, err := p.Decide(ctx, newRequest())
	cancel()
	if err != nil {
		t.Fatal(err)
	}
	if got := bodyOf(t, d); got != "late" {
		t.Errorf("got %q", got)
	}
}
