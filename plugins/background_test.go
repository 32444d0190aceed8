package plugins

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// answered is a guest whose requests do something and are answered at once. What
// complete does is done when something completes; local 3 is free in it.
func answered(complete func(g *asm) wasmasm.Code, request ...func(g *asm) wasmasm.Code) []byte {
	g := newAsm()
	var code wasmasm.Code
	for _, f := range request {
		code = append(code, f(g)...)
	}
	return g.async(pending(code, g.drop("respond", req(), 200, "", "done")), complete(g), g.drop("log", 0, 0, "edge_cancel", ""))
}

// tell starts an operation of request 0.
func tell(name string) func(g *asm) wasmasm.Code {
	return func(g *asm) wasmasm.Code { return g.drop("op_start", 0, name, "") }
}

// onTimer tells of what rings: completions of anything else are passed over.
func onTimer(name string) func(g *asm) wasmasm.Code {
	return func(g *asm) wasmasm.Code {
		started := g.Global(0)
		return wasmasm.Do(wasmasm.GetGlobal(started), wasmasm.If(nil, wasmasm.Do(
			wasmasm.I32(1), wasmasm.SetGlobal(started), g.drop("op_start", 0, name, ""))))
	}
}

func after(handle any, ms int) func(g *asm) wasmasm.Code {
	return func(g *asm) wasmasm.Code { return g.drop("timer_start", handle, ms) }
}

// TestTimerOutlivesItsRequest rings when the request has its answer already, and the
// guest works then.
func TestTimerOutlivesItsRequest(t *testing.T) {
	t.Parallel()
	d := newDesk()
	p := newBench(t, Config{Services: d.services()}).load(t, answered(onTimer("rang"), after(0, 20)))
	if got := bodyOf(t, decide(t, p, newRequest())); got != "done" {
		t.Errorf("got %q", got)
	}
	d.want(t, "rang")
	if c := p.current.Load().counts.read(); c.Requests != 1 || c.Failures != 0 {
		t.Errorf("counted %+v", c)
	}
}

// TestTimersEndWithTheirRequest cancels a request that waits for a timer of its own:
// it does not ring, and one of another request cannot be stopped.
func TestTimersEndWithTheirRequest(t *testing.T) {
	t.Parallel()
	still(t, testTimersEndWithTheirRequest)
}

func testTimersEndWithTheirRequest(t *testing.T) {
	d := newDesk()
	b := newBench(t, Config{Services: d.services()})
	g := newAsm()
	first, handle, later := g.Global(0), g.Global(0), g.Global(0)
	p := b.load(t, g.async(pending(
		wasmasm.GetGlobal(first), wasmasm.If(wasmasm.Do(
			g.record("timer_stop", wasmasm.GetGlobal(first), wasmasm.GetGlobal(handle)),
			g.record("timer_stop", req(), wasmasm.GetGlobal(handle)),
			g.record("timer_stop", 0, wasmasm.GetGlobal(handle)),
			g.record("timer_start", wasmasm.GetGlobal(first), 0),
			g.call("timer_start", 0, 31), wasmasm.Wrap(), wasmasm.SetGlobal(later),
			g.finish(req()), wasmasm.I32(0), wasmasm.Return()), nil),
		req(), wasmasm.SetGlobal(first),
		g.call("timer_start", req(), 30), wasmasm.Wrap(), wasmasm.SetGlobal(handle),
		g.drop("op_start", req(), "waits", "")),
		wasmasm.Do(
			wasmasm.Get(1), wasmasm.GetGlobal(handle), wasmasm.Equal(), wasmasm.If(g.drop("op_start", 0, "rang", ""), nil),
			wasmasm.Get(1), wasmasm.GetGlobal(later), wasmasm.Equal(), wasmasm.If(g.drop("op_start", 0, "later", ""), nil)),
		g.drop("op_start", 0, "canceled", "")))
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		_, err := p.Decide(ctx, newRequest())
		gone <- err
	}()
	d.want(t, "waits")
	cancel()
	wantCode(t, <-gone, abi.CodeCanceled)
	d.want(t, "canceled")
	a := scriptAnswer{t, g, []byte(bodyOf(t, decide(t, p, newRequest())))}
	for i, what := range []string{"of a request that is over", "by another request", "by none", "start for a request that is over"} {
		a.want(i, what, abi.Closed, 0)
	}
	d.want(t, "later") // which is due after the one that must not ring
	d.silent(t)
}

// TestTimerQuota opens more timers than an instance may have; all of them are dropped
// with one line of the log.
func TestTimerQuota(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	g := newAsm()
	p := b.load(t, g.async(wasmasm.Do(
		wasmasm.I32(maxTimers-1), wasmasm.Set(1),
		wasmasm.Forever(wasmasm.Get(1), wasmasm.If(
			wasmasm.Do(wasmasm.Get(1), wasmasm.I32(-1), wasmasm.Add(), wasmasm.Set(1), g.drop("timer_start", 0, 3_600_000)),
			wasmasm.Do(
				g.call("timer_start", 0, 3_600_000), wasmasm.Wrap(), wasmasm.Set(2),
				g.record("timer_start", 0, 0),
				g.record("timer_stop", 0, wasmasm.Get(2)),
				g.record("timer_stop", 0, wasmasm.Get(2)),
				g.finish(req()), wasmasm.I32(0), wasmasm.Return()))),
		wasmasm.I32(0)), nil, nil))
	a := scriptAnswer{t, g, []byte(bodyOf(t, decide(t, p, newRequest())))}
	a.want(0, "one timer too many", abi.Quota, 0)
	a.want(1, "stopping one", abi.OK, 0)
	a.want(2, "stopping it again", abi.Closed, 0)
	b.load(t, responding("new"))
	b.event(t, EventDrained)
	log := b.book.String()
	if strings.Count(log, "timers ended") != 1 || !strings.Contains(log, "timers=9999") || !strings.Contains(log, "ttl of exposePort") {
		t.Errorf("log:\n%s", log)
	}
}

// TestTimersEndWithTheirVersion replaces a version whose timers are open, which stays
// warm: its timers are dropped at once, but not those that an open request may wait
// for. Back in service it sets timers again.
func TestTimersEndWithTheirVersion(t *testing.T) {
	t.Parallel()
	d := newDesk()
	b := newBench(t, Config{Services: d.services()})
	warm := func(s *Spec) { s.KeepWarm = time.Hour }
	p := b.load(t, answered(onTimer("rang"), func(g *asm) wasmasm.Code { // an hour, then 20 ms
		served := g.Global(0)
		return wasmasm.Do(wasmasm.GetGlobal(served), wasmasm.If(g.drop("timer_start", 0, 20), g.drop("timer_start", 0, 3_600_000)),
			wasmasm.I32(1), wasmasm.SetGlobal(served))
	}), warm)
	old := p.current.Load()
	bodyOf(t, decide(t, p, newRequest()))
	b.load(t, responding("new"), warm)
	for end := time.Now().Add(patience); !strings.Contains(b.book.String(), "timers ended") && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	d.silent(t)
	if log := b.book.String(); strings.Count(log, "timers=1 ") != 1 {
		t.Errorf("log:\n%s", log)
	}
	if b.bringBack(p, func(*generation) bool { return true }) != old {
		t.Fatal("the old version did not come back")
	}
	bodyOf(t, decide(t, p, newRequest()))
	d.want(t, "rang")
}

// TestTimerOfAnOpenRequest replaces the version while a request waits for a timer: it
// rings.
func TestTimerOfAnOpenRequest(t *testing.T) {
	t.Parallel()
	still(t, testTimerOfAnOpenRequest)
}

func testTimerOfAnOpenRequest(t *testing.T) {
	d := newDesk()
	b := newBench(t, Config{Services: d.services()})
	g := newAsm()
	mine, step := g.Global(0), g.Global(0)
	p := b.load(t, g.async(
		pending(req(), wasmasm.SetGlobal(mine), g.drop("timer_start", 0, 200), g.drop("timer_start", 0, 3_600_000), g.drop("op_start", 0, "started", "")),
		wasmasm.Do(wasmasm.GetGlobal(step), wasmasm.If(
			g.drop("respond", wasmasm.GetGlobal(mine), 200, "", "rang"),
			wasmasm.Do(wasmasm.I32(1), wasmasm.SetGlobal(step)))), nil))
	got := make(chan string, 1)
	go func() { got <- bodyOf(t, decide(t, p, newRequest())) }()
	d.want(t, "started")
	b.load(t, responding("new"))
	if body := <-got; body != "rang" {
		t.Errorf("got %q", body)
	}
	b.event(t, EventDrained)
	if log := b.book.String(); strings.Count(log, "timers=1 ") != 1 {
		t.Errorf("log:\n%s", log)
	}
}

// TestBackgroundCall has an operation of request 0 end after its request and after a
// reload: the guest is told, and the old version waits for that.
func TestBackgroundCall(t *testing.T) {
	t.Parallel()
	d := newDesk()
	b := newBench(t, Config{Services: d.services()})
	p := b.load(t, answered(onTimer("after"), tell("slow")))
	old := p.current.Load()
	bodyOf(t, decide(t, p, newRequest()))
	d.want(t, "slow")
	b.load(t, responding("new"))
	select {
	case <-old.idle:
		t.Error("the old version did not wait")
	default:
	}
	close(d.release)
	d.want(t, "after")
	b.event(t, EventDrained)
}

// TestBackgroundCallIsBounded has a call of request 0 that never ends, and a guest that
// starts another whenever one ended: neither holds the old version up for longer than
// its deadline.
func TestBackgroundCallIsBounded(t *testing.T) {
	t.Parallel()
	still(t, testBackgroundCallIsBounded)
}

func testBackgroundCallIsBounded(t *testing.T) {
	d := newDesk()
	b := newBench(t, Config{Services: d.services()})
	g := newAsm()
	again := wasmasm.Do(g.record("op_start", 0, "slow", ""), g.drop("log", 0, 0, region{g.results, 8}, ""))
	p := b.load(t, g.async(pending(again, g.drop("respond", req(), 200, "", "done")), again, nil), deadline(200*time.Millisecond))
	bodyOf(t, decide(t, p, newRequest()))
	d.want(t, "slow")
	b.load(t, responding("new"))
	b.event(t, EventDrained)
	if err := <-d.ended; err == nil {
		t.Error("the operation came to its end")
	}
}

// TestBackgroundOfABlockingModule has no request 0.
func TestBackgroundOfABlockingModule(t *testing.T) {
	t.Parallel()
	g := newAsm()
	out := g.buffer(8)
	a := newBench(t, Config{Services: newDesk().services()}).run(t, g, newRequest(),
		g.record("timer_start", 0, 0), g.record("op_start", 0, "exec", ""), g.record("op", 0, "exec", "", out), g.record("last_error", 0, out),
		g.record("ws_close", 0, 1, 1000, ""), g.record("fetch_close", 0, 1))
	for i, what := range []string{"timer_start", "op_start", "op", "last_error", "ws_close", "fetch_close"} {
		a.want(i, what, abi.Closed, 0)
	}
}

// TestBackgroundIsolated drops what belongs to no request when the instance is reset:
// a call that ends later is nobody's, even if another has its handle, and the log is
// told once.
func TestBackgroundIsolated(t *testing.T) {
	t.Parallel()
	for _, mode := range []Isolation{IsolationReset, IsolationFresh} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			still(t, func(t *testing.T) {
				d, begun := newDesk(), make(chan struct{}, 1)
				b := newBench(t, Config{Services: Services{Operations: operateFunc(func(ctx context.Context, name string, body []byte) ([]byte, error) {
					switch name {
					case "slow":
						begun <- struct{}{}
					case "gate": // the request goes on when the other one is under way
						<-begun
						return nil, nil
					}
					return d.operate(ctx, name, body)
				})}})
				p := b.load(t, answered(onTimer("rang"), tell("slow"), after(0, 20),
					func(g *asm) wasmasm.Code { return g.drop("op", req(), "gate", "", 0, 0) }), func(s *Spec) { s.Isolation = mode })
				for range 2 {
					if got := bodyOf(t, decide(t, p, newRequest())); got != "done" {
						t.Errorf("got %q", got)
					}
					d.want(t, "slow")
					if err := <-d.ended; err == nil {
						t.Error("the operation came to its end")
					}
				}
				time.Sleep(50 * time.Millisecond)
				d.silent(t)
				old := p.current.Load()
				b.load(t, responding("new"))
				<-old.idle
				b.event(t, EventDrained)
				log := b.book.String()
				if strings.Count(log, "timers were dropped") != 1 || !strings.Contains(log, "isolation is "+string(mode)) || strings.Contains(log, "timers ended") {
					t.Errorf("log:\n%s", log)
				}
			})
		})
	}
}

// TestBackgroundKeepsTheInstance does not recycle an instance that has a timer open.
func TestBackgroundKeepsTheInstance(t *testing.T) {
	t.Parallel()
	g := newAsm()
	served := g.Global(0)
	p := newBench(t, Config{}).load(t, g.async(pending(
		wasmasm.GetGlobal(served), wasmasm.If(nil, g.drop("timer_start", 0, 3_600_000)),
		wasmasm.GetGlobal(served), wasmasm.I32(1), wasmasm.Add(), wasmasm.SetGlobal(served),
		wasmasm.I32(int32(g.results)), wasmasm.GetGlobal(served), wasmasm.Store(),
		g.drop("respond", req(), 200, "", region{g.results, 1})), nil, nil), func(s *Spec) { s.MaxAge = 1 })
	for want := range 3 {
		if got := bodyOf(t, decide(t, p, newRequest())); got[0] != byte(want+1) {
			t.Errorf("the instance had served %d, want %d", got[0], want+1)
		}
	}
}

// TestBackgroundTrap traps in what belongs to no request: the instance ends, with every
// request that it has, and its version is to blame.
func TestBackgroundTrap(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		complete wasmasm.Code
		compute  time.Duration
		timeouts uint64
	}{"trap": {wasmasm.Unreachable(), ample, 0}, "endless": {wasmasm.Forever(), 200 * time.Millisecond, 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk()
			b := newBench(t, Config{Services: d.services()})
			p := b.load(t, answered(func(*asm) wasmasm.Code { return tt.complete }, tell("quick")),
				func(s *Spec) { s.Compute, s.MaxInstances = tt.compute, 1 })
			bodyOf(t, decide(t, p, newRequest()))
			d.want(t, "quick")
			g := p.current.Load()
			for end := time.Now().Add(patience); g.counts.failures.Load()+g.counts.timeouts.Load() == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
			}
			if c := g.counts.read(); c.Timeouts != tt.timeouts || c.Failures != 1-tt.timeouts {
				t.Errorf("counted %+v", c)
			}
			if got := bodyOf(t, decide(t, p, newRequest())); got != "done" {
				t.Errorf("the next request got %q", got)
			}
		})
	}
}

// TestBackgroundExplained notes what a request began for later with the request.
func TestBackgroundExplained(t *testing.T) {
	t.Parallel()
	still(t, testBackgroundExplained)
}

func testBackgroundExplained(t *testing.T) {
	d := newDesk()
	b := newBench(t, Config{Services: d.services()})
	g := newAsm()
	mine, step := g.Global(0), g.Global(0)
	p := b.load(t, g.async(
		pending(req(), wasmasm.SetGlobal(mine), g.drop("op_start", 0, "quick", ""), g.drop("timer_start", 0, 30)),
		wasmasm.Do(wasmasm.GetGlobal(step), wasmasm.If(
			g.drop("respond", wasmasm.GetGlobal(mine), 200, "", "rang"),
			wasmasm.Do(wasmasm.I32(1), wasmasm.SetGlobal(step)))), nil))
	var e abi.Explanation
	if _, err := p.Decide(WithExplanation(t.Context(), &e), newRequest()); err != nil {
		t.Fatal(err)
	}
	var calls []string
	for _, c := range e.Calls {
		calls = append(calls, c.Name)
	}
	if fmt.Sprint(calls) != "[quick timer]" || e.Calls[1].Took != abi.Duration(30*time.Millisecond) {
		t.Errorf("explained %+v", e.Calls)
	}
}

// TestTrialTimers lets no time pass: timers ring in order as soon as the guest waits
// for nothing else, and the clock shows when.
func TestTrialTimers(t *testing.T) {
	t.Parallel()
	g := newAsm()
	mine, step, clock := g.Global(0), g.Global(0), g.buffer(16)
	next := wasmasm.Do(wasmasm.GetGlobal(step), wasmasm.I32(1), wasmasm.Add(), wasmasm.SetGlobal(step), wasmasm.GetGlobal(step))
	module := g.async(
		pending(req(), wasmasm.SetGlobal(mine), g.drop("hold", req()), g.drop("timer_start", req(), 7_200_000), g.drop("timer_start", 0, 3_600_000),
			g.drop("op_start", req(), "quick", "")),
		wasmasm.Do(next, wasmasm.I32(2), wasmasm.Equal(), wasmasm.If(g.drop("clock", 0, wasmasm.I32(int32(clock.ptr))), nil),
			wasmasm.GetGlobal(step), wasmasm.I32(3), wasmasm.Equal(), wasmasm.If(wasmasm.Do(
				g.drop("clock", 0, wasmasm.I32(int32(clock.ptr+8))), g.drop("respond", wasmasm.GetGlobal(mine), 200, "", clock), g.drop("let_go", req())), nil)),
		nil)
	want := ""
	for range 2 {
		begun := time.Now()
		trial := openTrial(t, Config{}, Spec{Deadline: 5 * time.Hour}, module)
		r, e := trial.try(t, newDesk().services())
		at := func(b []byte) time.Time { return time.Unix(0, int64(binary.LittleEndian.Uint64(b))).UTC() }
		first, second := at(r.Body), at(r.Body[8:])
		if first.Sub(trialTime).Round(time.Second) != time.Hour || second.Sub(trialTime).Round(time.Second) != 2*time.Hour || time.Since(begun) > patience {
			t.Errorf("they rang at %v and %v, which took %v", first, second, time.Since(begun))
		}
		if len(e.Calls) != 3 || e.Calls[0].Name != "quick" {
			t.Errorf("explained %+v", e.Calls)
		}
		if want == "" {
			want = string(r.Body)
		} else if string(r.Body) != want {
			t.Errorf("another trial showed %x, the first one %x", r.Body, want)
		}
	}
}
