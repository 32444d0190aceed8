package plugins

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// desk is an Operations that tests answer by hand: "slow" waits for release, all
// others answer at once. Each is told of, with what it was given.
type desk struct {
	told    chan string // "name body"
	release chan struct{}
	ended   chan error // why a slow one ended
}

func newDesk() *desk {
	return &desk{told: make(chan string, 64), release: make(chan struct{}), ended: make(chan error, 64)}
}

func (d *desk) operate(ctx context.Context, name string, body []byte) ([]byte, error) {
	select {
	case d.told <- name + " " + string(body):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if name != "slow" {
		return []byte("{}"), nil
	}
	select {
	case <-d.release:
		d.ended <- nil
		return []byte("{}"), nil
	case <-ctx.Done():
		d.ended <- ctx.Err()
		return nil, ctx.Err()
	}
}

func (d *desk) services() Services { return Services{Operations: operateFunc(d.operate)} }

// want waits for an operation and returns what it was given.
func (d *desk) want(t *testing.T, name string) string {
	t.Helper()
	select {
	case told := <-d.told:
		body, ok := strings.CutPrefix(told, name+" ")
		if !ok {
			t.Fatalf("the guest asked for %q, want %s", told, name)
		}
		return body
	case <-time.After(patience):
		t.Fatalf("nobody asked for %s", name)
	}
	return ""
}

// silent wants that nothing more was asked for.
func (d *desk) silent(t *testing.T) {
	t.Helper()
	select {
	case told := <-d.told:
		t.Errorf("the guest asked for %q", told)
	default:
	}
}

// report has a guest tell the test the results of its recorded calls.
func (g *asm) report(name string) wasmasm.Code {
	return g.drop("op_start", 0, name, region{g.results, max(8*g.count, 8)})
}

// results reads what report told.
func results(body string) []string {
	var all []string
	for b := []byte(body); len(b) >= 8; b = b[8:] {
		errno, low := abi.SplitResult(binary.LittleEndian.Uint64(b))
		all = append(all, fmt.Sprintf("%s %d", errno, low))
	}
	return all
}

// holding is a guest that starts something slow, holds its request and answers it.
// When the slow thing is done it looks at the request, tries to answer again, lets go
// twice and, once the request is over, tries to hold it again.
func holding(extra ...func(*asm) wasmasm.Code) []byte {
	g := newAsm()
	mine, seen := g.Global(0), g.buffer(8)
	handle := wasmasm.GetGlobal(mine)
	before := wasmasm.Do(
		g.record("req_get", handle, abi.FieldMethod, seen),
		g.record("req_body_read", handle, seen),
		g.record("respond", handle, 200, "", "again"),
		g.record("let_go", handle),
		g.record("let_go", handle))
	first := g.report("first")
	after := wasmasm.Do(g.record("hold", handle), g.record("let_go", handle), g.record("req_get", handle, abi.FieldMethod, seen), g.report("second"))
	step := g.Global(0)
	next := wasmasm.Do(wasmasm.GetGlobal(step), wasmasm.I32(1), wasmasm.Add(), wasmasm.SetGlobal(step), wasmasm.GetGlobal(step))
	var more wasmasm.Code
	for _, f := range extra {
		more = append(more, f(g)...)
	}
	return g.async(
		pending(req(), wasmasm.SetGlobal(mine), g.drop("op_start", req(), "slow", ""), g.drop("hold", req()), more, g.drop("respond", req(), 200, "", "done")),
		wasmasm.Do(next, wasmasm.I32(1), wasmasm.Equal(), wasmasm.If(wasmasm.Do(before, first, wasmasm.Return()), nil),
			wasmasm.GetGlobal(step), wasmasm.I32(2), wasmasm.Equal(), wasmasm.If(after, nil)),
		g.drop("log", 0, 0, "edge_cancel", ""))
}

// TestHold answers a request and goes on with its work: what it started completes, the
// request can still be read, and all of it is over when it is let go.
func TestHold(t *testing.T) {
	t.Parallel()
	d := newDesk()
	b := newBench(t, Config{Services: d.services()})
	p := b.load(t, holding())
	r := newRequest()
	r.Body = strings.NewReader("a body that is the server's")
	if got := bodyOf(t, decide(t, p, r)); got != "done" {
		t.Errorf("got %q", got)
	}
	d.want(t, "slow")
	old := p.current.Load()
	b.load(t, responding("new"))
	select {
	case <-old.idle:
		t.Error("the old version ended before its request was let go")
	default:
	}
	r.Method, r.Headers = "BREW", nil // the server does with its request what it likes
	close(d.release)
	got := fmt.Sprint(results(d.want(t, "first"))[:5])
	if want := "[OK 3 CLOSED 0 ALREADY 0 OK 0 INVALID 0]"; got != want {
		t.Errorf("while it is held: %s, want %s", got, want)
	}
	got = fmt.Sprint(results(d.want(t, "second"))[5:])
	if want := "[CLOSED 0 CLOSED 0 CLOSED 0]"; got != want {
		t.Errorf("after it: %s, want %s", got, want)
	}
	b.event(t, EventDrained)
	if log := b.book.String(); strings.Contains(log, "edge_cancel") {
		t.Errorf("log:\n%s", log)
	}
	if c := old.counts.read(); c.Failures+c.Timeouts != 0 || c.Requests != 1 || c.Fuel == 0 {
		t.Errorf("counted %+v", c)
	}
}

// TestHoldEnds never lets go: the guest is told when the time is over, and nothing is
// held against its version.
func TestHoldEnds(t *testing.T) {
	t.Parallel()
	still(t, testHoldEnds)
}

func testHoldEnds(t *testing.T) {
	d := newDesk()
	b := newBench(t, Config{Services: d.services()})
	b.maxHold = 50 * time.Millisecond
	p := b.load(t, holding(), deadline(time.Hour))
	if got := bodyOf(t, decide(t, p, newRequest())); got != "done" {
		t.Errorf("got %q", got)
	}
	d.want(t, "slow")
	if err := <-d.ended; err == nil {
		t.Error("the operation came to its end")
	}
	old := p.current.Load()
	b.load(t, responding("new"))
	b.event(t, EventDrained)
	if log := b.book.String(); strings.Count(log, "edge_cancel") != 1 || strings.Count(log, "what a request held took too long") != 1 || strings.Contains(log, "missed") {
		t.Errorf("log:\n%s", log)
	}
	if c := old.counts.read(); c.Failures+c.Timeouts != 0 {
		t.Errorf("counted %+v", c)
	}
}

// TestHoldRoom answers requests and holds them: they take no room from those that
// follow, whether they were answered or their clients left, until there are too many.
func TestHoldRoom(t *testing.T) {
	t.Parallel()
	const open = 2
	for name, leaves := range map[string]bool{"answered": false, "client leaves": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk()
			b := newBench(t, Config{Services: d.services()})
			g := newAsm()
			decision := g.drop("respond", req(), 200, "", "done")
			if leaves {
				decision = nil
			}
			p := b.load(t, g.async(
				pending(g.drop("hold", req()), g.drop("op_start", req(), "slow", ""), decision),
				wasmasm.Do(g.drop("respond", req(), 200, "", "late"), g.drop("let_go", req())),
				g.drop("log", 0, 0, "edge_cancel", "")), deadline(time.Hour), func(s *Spec) { s.MaxInstances, s.MaxOpen, s.Queue = 1, open, patience })
			hold := func(i int) {
				t.Helper()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				r := newRequest()
				r.ID = fmt.Sprint("r", i)
				decided := make(chan error, 1)
				go func() {
					_, err := p.Decide(ctx, r)
					decided <- err
				}()
				if leaves {
					d.want(t, "slow")
					cancel()
				}
				if err := <-decided; leaves != (err != nil) {
					t.Fatalf("request %d: %v", i, err)
				}
				if !leaves {
					d.want(t, "slow")
				}
			}
			for i := range heldPerOpen * open {
				hold(i)
			}
			select {
			case err := <-d.ended:
				t.Fatalf("one of those that may be held was ended: %v", err)
			default:
			}
			hold(heldPerOpen * open)
			if err := <-d.ended; err == nil {
				t.Error("all are held, want the oldest ended")
			}
			old := p.current.Load()
			b.load(t, responding("new"))
			close(d.release)
			b.event(t, EventDrained)
			log := b.book.String()
			if strings.Count(log, "edge_cancel") != 1 || strings.Count(log, "holds too many") != 1 || !strings.Contains(log, "request=r0 ") {
				t.Errorf("log:\n%s", log)
			}
			if c := old.counts.read(); c.Failures+c.Timeouts != 0 {
				t.Errorf("counted %+v", c)
			}
		})
	}
}

// TestHoldClientLeaves has the client go away before there is an answer: what the
// request holds goes on all the same, without edge_cancel.
func TestHoldClientLeaves(t *testing.T) {
	t.Parallel()
	d := newDesk()
	b := newBench(t, Config{Services: d.services()})
	g := newAsm()
	buf := g.buffer(8)
	p := b.load(t, g.async(
		pending(g.drop("hold", req()), g.drop("op_start", req(), "slow", "")),
		wasmasm.Do(req(), wasmasm.If(wasmasm.Do(
			g.record("respond", req(), 200, "", "late"),
			g.record("req_get", req(), abi.FieldMethod, buf),
			g.record("preview", req()),
			g.record("let_go", req()),
			g.report("report")), nil)),
		g.drop("log", 0, 0, "edge_cancel", "")))
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		_, err := p.Decide(ctx, newRequest())
		gone <- err
	}()
	d.want(t, "slow")
	cancel()
	wantCode(t, <-gone, abi.CodeCanceled)
	close(d.release)
	if got, want := fmt.Sprint(results(d.want(t, "report"))), "[CLOSED 0 OK 3 OK 0 OK 0]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := <-d.ended; err != nil {
		t.Errorf("the operation ended with %v", err)
	}
	old := p.current.Load()
	b.load(t, responding("new"))
	<-old.idle
	if log := b.book.String(); strings.Contains(log, "edge_cancel") || strings.Contains(log, "missed") {
		t.Errorf("log:\n%s", log)
	}
	if c := old.counts.read(); c.Failures+c.Timeouts != 0 {
		t.Errorf("counted %+v", c)
	}
}

// TestHoldDeadline holds a request that gets no decision: its deadline ends it.
func TestHoldDeadline(t *testing.T) {
	t.Parallel()
	still(t, testHoldDeadline)
}

func testHoldDeadline(t *testing.T) {
	d := newDesk()
	b := newBench(t, Config{Services: d.services()})
	g := newAsm()
	p := b.load(t, g.async(pending(g.drop("hold", req()), g.drop("op_start", req(), "slow", "")), nil, g.drop("log", 0, 0, "edge_cancel", "")),
		deadline(100*time.Millisecond))
	_, err := p.Decide(t.Context(), newRequest())
	wantCode(t, err, abi.CodeTimeout)
	old := p.current.Load()
	b.load(t, responding("new"))
	<-old.idle
	if log := b.book.String(); strings.Count(log, "edge_cancel") != 1 || strings.Count(log, "missed a request's deadline") != 1 {
		t.Errorf("log:\n%s", log)
	}
	if c := old.counts.read(); c.Timeouts != 1 {
		t.Errorf("counted %+v", c)
	}
}

// TestHoldStream holds a request whose answer is a stream: it ends when it is let go,
// not with the stream.
func TestHoldStream(t *testing.T) {
	t.Parallel()
	d := newDesk()
	b := newBench(t, Config{Services: d.services()})
	g := newAsm()
	slow, write, tell := g.Global(0), g.Global(0), g.drop("op_start", req(), "told", "")
	p := b.load(t, g.async(
		pending(g.drop("hold", req()), g.call("op_start", req(), "slow", ""), wasmasm.Wrap(), wasmasm.SetGlobal(slow), g.drop("respond_begin", req(), 200, ""),
			g.call("respond_write_start", req(), "streamed"), wasmasm.Wrap(), wasmasm.SetGlobal(write), g.drop("respond_end", req())),
		wasmasm.Do(wasmasm.Get(1), wasmasm.GetGlobal(slow), wasmasm.Equal(), wasmasm.If(tell, nil),
			wasmasm.Get(1), wasmasm.GetGlobal(write), wasmasm.Equal(), wasmasm.If(tell, nil)),
		g.drop("log", 0, 0, "edge_cancel", "")))
	if got := bodyOf(t, decide(t, p, newRequest())); got != "streamed" {
		t.Errorf("got %q", got)
	}
	if got := []string{await(t, d.told, "an operation"), await(t, d.told, "another")}; !slices.Contains(got, "slow ") || !slices.Contains(got, "told ") { // of the write
		t.Errorf("the guest asked for %q", got)
	}
	close(d.release)
	d.want(t, "told") // of the operation, which outlived the stream
	if log := b.book.String(); strings.Contains(log, "edge_cancel") || strings.Contains(log, "broke its answer off") {
		t.Errorf("log:\n%s", log)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.Close(ctx); err == nil { // stops what is held: nobody waits 30 s
		t.Error("nothing was open any more")
	}
}

// TestHoldTrap computes without an end in what a request left behind: the instance
// ends, and the failure counts although the request has its answer.
func TestHoldTrap(t *testing.T) {
	t.Parallel()
	d := newDesk()
	b := newBench(t, Config{Services: d.services()})
	g := newAsm()
	p := b.load(t, g.async(
		pending(g.drop("hold", req()), g.drop("op_start", req(), "quick", ""), g.drop("respond", req(), 200, "", "done")),
		wasmasm.Forever(), nil), func(s *Spec) { s.Compute = 200 * time.Millisecond }) // the second asks for its operation by then
	for range 2 { // by two instances
		if got := bodyOf(t, decide(t, p, newRequest())); got != "done" {
			t.Errorf("got %q", got)
		}
		d.want(t, "quick")
	}
	old := p.current.Load()
	b.load(t, responding("new"))
	<-old.idle
	if c := old.counts.read(); c.Timeouts == 0 || c.Timeouts > 2 || c.Requests != 2 {
		t.Errorf("counted %+v", c)
	}
}

// TestHoldRecording ends a recording when the guest is done with the request.
func TestHoldRecording(t *testing.T) {
	t.Parallel()
	d, m := newDesk(), new(memo)
	b := newBench(t, Config{Services: d.services(), Recorder: m})
	b.load(t, holding())
	decide(t, b.Plugin("p"), newRequest())
	d.want(t, "slow")
	close(d.release)
	d.want(t, "first")
	d.want(t, "second")
	old := b.Plugin("p").current.Load()
	b.load(t, responding("new"))
	<-old.idle
	m.mu.Lock()
	defer m.mu.Unlock()
	at := func(line string) int { return slices.Index(m.lines, line) }
	if at("end respond p") < 0 || at("op slow {}") < at("end respond p") || at("over") < at("op slow {}") {
		t.Errorf("recorded %q", m.lines)
	}
}
