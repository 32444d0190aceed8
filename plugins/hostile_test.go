package plugins

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// hostile is a guest that means harm, and what its requests may come to.
type hostile struct {
	name   string
	module func() []byte
	// codes are the errors that a request may end with; "" is a decision.
	codes []abi.Code
	spec  func(*Spec)
}

// hostileDeadline is that of a hostile guest's requests. A request must be answered
// within twice of it; the test allows for a machine that does other things too.
const (
	hostileDeadline = 100 * time.Millisecond
	hostileFactor   = 100
)

// memoryFill fills memory: address, value and length are on the stack (WebAssembly
// 2.0, section 5.4.6).
func memoryFill() wasmasm.Code { return wasmasm.Code{0xfc, 0x0b, 0x00} }

// callTree is a guest without a loop: each of its functions calls the one before
// twice, two to the power of depth calls in all.
func callTree(depth int) []byte {
	g := newAsm()
	f := g.Func("", "", "", "")
	for range depth {
		f = g.Func("", "", "", "", wasmasm.Call(f), wasmasm.Call(f))
	}
	return g.module(wasmasm.Call(f), wasmasm.I32(0))
}

// forever is a guest that does something again and again.
func forever(body func(g *asm) wasmasm.Code) func() []byte {
	return func() []byte {
		g := newAsm()
		return g.module(wasmasm.Forever(body(g)), wasmasm.I32(0))
	}
}

// once is a guest that does something and ends without a word.
func once(body func(g *asm) wasmasm.Code) func() []byte {
	return func() []byte {
		g := newAsm()
		return g.module(body(g), wasmasm.I32(0))
	}
}

// asynchronous is a guest whose requests start an operation and wait for it.
func asynchronous(complete, cancel func(g *asm) wasmasm.Code) func() []byte {
	return func() []byte {
		g := newAsm()
		return g.async(pending(g.drop("op_start", req(), "exec", "{}")), complete(g), cancel(g))
	}
}

func quietly(*asm) wasmasm.Code { return nil }
func trap(*asm) wasmasm.Code    { return wasmasm.Unreachable() }
func spins(*asm) wasmasm.Code   { return wasmasm.Forever() }

// hostileGuests are the ways in which a plugin may harm an edge.
func hostileGuests() []hostile {
	late := []abi.Code{abi.CodeTimeout, abi.CodePluginOverloaded}
	failed := []abi.Code{abi.CodePluginFailed, abi.CodePluginOverloaded} // the crash loop sends some away
	whatever := slices.Concat(late, failed, []abi.Code{""})
	own := deadline(ample) // it ends by itself, however busy the machine is
	return []hostile{
		{"loops", forever(quietly), late, nil},
		{"loops within its compute", forever(quietly), slices.Concat(late, failed), func(s *Spec) { s.Deadline, s.Compute = time.Minute, hostileDeadline }},
		{"loops within its fuel", forever(quietly), failed, func(s *Spec) { s.Deadline, s.Fuel = time.Minute, 1_000_000 }},
		{"calls without a loop", func() []byte { return callTree(40) }, late, nil},
		{"recurses", func() []byte {
			g := newAsm()
			self := wasmasm.Func(len(g.fn)) // the function after the imports
			g.Func("", "", "", "", wasmasm.Call(self))
			return g.module(wasmasm.Call(self), wasmasm.I32(0))
		}, slices.Concat(failed, late), nil},
		{"grows its memory", forever(func(*asm) wasmasm.Code {
			return wasmasm.Do(wasmasm.I32(16), wasmasm.GrowMemory(), wasmasm.Drop())
		}), late, nil},
		{"fills its memory", forever(func(*asm) wasmasm.Code {
			return wasmasm.Do(wasmasm.I32(4096), wasmasm.I32(1), wasmasm.I32(15*wasmPage), memoryFill())
		}), late, nil},
		{"fills memory that it does not have", once(func(*asm) wasmasm.Code {
			return wasmasm.Do(wasmasm.I32(0), wasmasm.I32(1), wasmasm.I32(-1), memoryFill())
		}), slices.Concat(failed, late), nil},
		{"calls the host again and again", forever(func(g *asm) wasmasm.Code { return g.drop("req_get", req(), 4, region{1024, 64}) }), late, nil},
		{"edits headers again and again", forever(func(g *asm) wasmasm.Code { return g.drop("req_header_add", req(), "X-A", strings.Repeat("v", 500)) }), late, nil},
		{"asks for work again and again", forever(func(g *asm) wasmasm.Code { return g.drop("op", req(), "touch", "{}", 0, 0) }), late, nil},
		{"floods the log", forever(func(g *asm) wasmasm.Code { return g.drop("log", req(), 0, strings.Repeat("spam ", 1600), "") }), late, nil},
		{"parks for ever", once(func(g *asm) wasmasm.Code { return g.drop("op", req(), "hang", "{}", 0, 0) }), late, nil},
		{"parks each call for ever", asynchronous(quietly, quietly), late, func(s *Spec) { s.Name = "hangs" }},
		{"decides never", once(quietly), failed, own},
		{"decides twice", once(func(g *asm) wasmasm.Code {
			return wasmasm.Do(g.drop("respond", req(), 200, "", "fine"), g.drop("respond", req(), 500, "", "worse"), g.drop("next", req()))
		}), []abi.Code{""}, own},
		{"goes on after its decision", once(func(g *asm) wasmasm.Code {
			return wasmasm.Do(g.drop("respond", req(), 200, "", "fine"), wasmasm.Forever())
		}), late, nil},
		{"streams without an end", once(func(g *asm) wasmasm.Code {
			return wasmasm.Do(g.drop("respond_begin", req(), 200, ""), wasmasm.Forever(g.drop("respond_write", req(), "more ")))
		}), whatever, nil},
		{"answers with all its memory", once(func(g *asm) wasmasm.Code {
			return g.drop("respond", req(), 200, "", region{0, 16 * wasmPage})
		}), []abi.Code{""}, own},
		{"asks for 64 MiB", once(func(g *asm) wasmasm.Code {
			return wasmasm.Do(g.drop("op", req(), "huge", "{}", 0, 0), g.drop("next", req()))
		}), whatever, nil},
		{"opens all that it can", forever(func(g *asm) wasmasm.Code { return g.drop("op_open", req(), "execStream", "{}") }), late, nil},
		{"traps in edge_request", once(trap), failed, own},
		{"exits", func() []byte {
			g := wasiAsm()
			return g.module(g.call("proc_exit", 0), wasmasm.I32(0))
		}, failed, own},
		{"traps in edge_complete", asynchronous(trap, quietly), failed, own},
		{"loops in edge_complete", asynchronous(spins, quietly), slices.Concat(late, failed), nil},
		{"traps in edge_cancel", asynchronous(quietly, trap), slices.Concat(late, failed), func(s *Spec) { s.Name = "hangs" }},
		{"loops in edge_cancel", asynchronous(quietly, spins), slices.Concat(late, failed), func(s *Spec) { s.Name = "hangs" }},
		{"starts calls again and again", func() []byte {
			g := newAsm()
			return g.async(wasmasm.Do(wasmasm.Forever(g.drop("op_start", req(), "hang", "{}")), wasmasm.I32(1)), nil, nil)
		}, slices.Concat(late, failed), nil},
	}
}

// hostileServices answer at once, but for what is to hang or to be large.
type hostileServices struct{ huge json.RawMessage }

func (s hostileServices) Operate(ctx context.Context, name string, _ json.RawMessage) (json.RawMessage, error) {
	switch name {
	case "hang":
		<-ctx.Done()
		return nil, ctx.Err()
	case "huge":
		return s.huge, nil
	}
	return json.RawMessage(`{}`), nil
}

func (s hostileServices) Open(context.Context, string, json.RawMessage) (abi.Socket, error) {
	return silentSocket{}, nil
}

func (s hostileServices) OpenSocket(context.Context, abi.SandboxRef, int, abi.WebSocketOptions) (abi.Socket, error) {
	return silentSocket{}, nil
}

// silentSocket is one on which nothing ever comes.
type silentSocket struct{}

func (silentSocket) Receive(ctx context.Context) (byte, []byte, error) {
	<-ctx.Done()
	return 0, nil, ctx.Err()
}
func (silentSocket) Send(context.Context, byte, []byte) error { return nil }
func (silentSocket) Close(int, string) error                  { return nil }

// hangOperations hang, whatever is asked.
type hangOperations struct{ hostileServices }

func (hangOperations) Operate(ctx context.Context, _ string, _ json.RawMessage) (json.RawMessage, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestHostileGuests has each of them decide requests, two at a time, beside a plugin
// that means well: the hostile requests are answered in time and with nothing of the
// inside, the other plugin's are answered rightly all the while, the garbage
// collector and a ticker go on, and nothing is left behind.
func TestHostileGuests(t *testing.T) {
	huge := json.RawMessage(`"` + strings.Repeat("x", 64<<20) + `"`)
	heap, goroutines := heapInUse(), runtime.NumGoroutine()
	defer func() { nothingLeft(t, heap, goroutines) }()
	for _, h := range hostileGuests() {
		t.Run(h.name, func(t *testing.T) {
			services := hostileServices{huge}
			s := Services{Operations: services, Streams: services, Sockets: services}
			spec := Spec{Name: "hostile", Deadline: hostileDeadline}
			if h.spec != nil {
				h.spec(&spec)
			}
			if spec.Name == "hangs" {
				s.Operations = hangOperations{services}
			}
			// Floods of the log are written, to nobody.
			b := newBench(t, Config{Services: s, GuestLog: slog.New(slog.NewTextHandler(io.Discard, nil))})
			p := b.load(t, h.module(), func(to *Spec) {
				to.Name, to.Deadline, to.Compute, to.Fuel = "hostile", spec.Deadline, spec.Compute, spec.Fuel
			})
			good := b.load(t, responding("fine"), func(s *Spec) { s.Name = "good" })
			bystander := watchBystanders(t, good)
			worst := h.attack(t, p)
			bystander.end(t)
			limit := hostileDeadline
			t.Logf("the slowest answer took %v, %.1f times the deadline", worst, float64(worst)/float64(limit))
			if worst > 2*limit*hostileFactor {
				t.Errorf("a request was answered after %v", worst)
			}
			if _, ok := decide(t, good, newRequest()).(*abi.Respond); !ok {
				t.Error("the other plugin decides otherwise afterwards")
			}
		})
	}
}

// attack asks the plugin two requests at a time, and returns how long the slowest
// took.
func (h hostile) attack(t *testing.T, p *Plugin) time.Duration {
	var worst atomic.Int64
	var callers sync.WaitGroup
	for range 2 {
		callers.Go(func() {
			for range 2 {
				begun := time.Now()
				d, err := p.Decide(context.Background(), newRequest())
				if r, ok := d.(*abi.Respond); ok && r.Stream != nil {
					err = errors.Join(err, drain(r))
				}
				took := int64(time.Since(begun))
				for was := worst.Load(); took > was && !worst.CompareAndSwap(was, took); was = worst.Load() {
				}
				h.judge(t, err)
			}
		})
	}
	callers.Wait()
	return time.Duration(worst.Load())
}

// drain reads a stream to its end, however that comes.
func drain(r *abi.Respond) error {
	defer r.Stream.Close()
	buf := make([]byte, 64<<10)
	for {
		if _, err := r.Stream.Read(buf); err != nil {
			return err
		}
	}
}

// judge wants one of the codes, and no word of the inside.
func (h hostile) judge(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		if !slices.Contains(h.codes, "") {
			t.Error("it came to a decision")
		}
		return
	}
	var e *abi.Error
	if !errors.As(err, &e) {
		t.Errorf("the error is %v, a %T", err, err)
		return
	}
	if !slices.Contains(h.codes, e.Code) {
		t.Errorf("got %v, want one of %q", e, h.codes)
	}
	for _, inside := range []string{"wasm", "unreachable", "goroutine", "stack"} {
		if strings.Contains(e.Error(), inside) {
			t.Errorf("the client is told %q", e)
		}
	}
}

// bystanders are what goes on beside hostile guests.
type bystanders struct {
	stop     chan struct{}
	done     sync.WaitGroup
	decided  int
	wrong    []string
	gcs      int
	lateness []time.Duration
}

// watchBystanders has another plugin decide, collects garbage, and runs a ticker of
// one millisecond, until end.
func watchBystanders(t *testing.T, good *Plugin) *bystanders {
	t.Helper()
	w := &bystanders{stop: make(chan struct{})}
	var began sync.WaitGroup
	for _, f := range []func(first func()){func(first func()) { w.decide(good, first) }, w.collect, w.tick} {
		began.Add(1)
		w.done.Go(func() { f(sync.OnceFunc(began.Done)) })
	}
	began.Wait()
	return w
}

func (w *bystanders) ended() bool {
	select {
	case <-w.stop:
		return true
	default:
		return false
	}
}

func (w *bystanders) decide(good *Plugin, first func()) {
	for ; !w.ended(); first() {
		d, err := good.Decide(context.Background(), newRequest())
		if r, ok := d.(*abi.Respond); err != nil || !ok || string(r.Body) != "fine" {
			w.wrong = append(w.wrong, "decision "+describe(d, err))
		}
		w.decided++
	}
}

func describe(d abi.Decision, err error) string {
	v := abi.VerdictOf(d, err)
	text, _ := json.Marshal(v)
	return string(text)
}

func (w *bystanders) collect(first func()) {
	ticker := time.NewTicker(10 * time.Millisecond) // a collection without a pause would leave others nothing
	defer ticker.Stop()
	for ; !w.ended(); first() {
		runtime.GC()
		w.gcs++
		<-ticker.C
	}
}

func (w *bystanders) tick(first func()) {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for last := time.Now(); !w.ended(); {
		now := <-ticker.C
		w.lateness = append(w.lateness, max(0, time.Since(now), time.Since(last)-time.Millisecond))
		last = time.Now()
		first()
	}
}

// end looks at what became of them.
func (w *bystanders) end(t *testing.T) {
	t.Helper()
	close(w.stop)
	w.done.Wait()
	if len(w.wrong) > 0 {
		t.Errorf("%d of %d decisions of the other plugin are wrong: %s", len(w.wrong), w.decided, w.wrong[0])
	}
	if w.decided == 0 || w.gcs == 0 || len(w.lateness) == 0 {
		t.Errorf("%d decisions, %d collections, %d ticks meanwhile", w.decided, w.gcs, len(w.lateness))
	}
	slices.Sort(w.lateness)
	t.Logf("meanwhile %d decisions of another plugin, %d collections; a tick was late by p50 %v, p99 %v", w.decided, w.gcs,
		w.lateness[len(w.lateness)/2], w.lateness[len(w.lateness)*99/100])
}

// nothingLeft wants heap and goroutines to be as before, as soon as what was closed is
// gone.
func nothingLeft(t *testing.T, heap uint64, goroutines int) {
	t.Helper()
	const slack = 16 << 20 // other tests, and what the runtime keeps
	for end := time.Now().Add(patience); ; {
		now, running := heapInUse(), runtime.NumGoroutine()
		if now <= heap+slack && running <= goroutines {
			t.Logf("the heap in use went from %d to %d KiB", heap>>10, now>>10)
			return
		}
		if time.Now().After(end) {
			t.Errorf("the heap in use went from %d to %d KiB, goroutines from %d to %d", heap>>10, now>>10, goroutines, running)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}
