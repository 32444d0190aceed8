package plugins

import (
	"bytes"
	"context"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// goingRound is a guest that goes round a loop n times and answers.
func goingRound(n int32) []byte {
	g := newAsm()
	return g.module(
		wasmasm.I32(n), wasmasm.Set(1),
		wasmasm.Forever(wasmasm.Get(1), wasmasm.If(
			wasmasm.Do(wasmasm.Get(1), wasmasm.I32(-1), wasmasm.Add(), wasmasm.Set(1)),
			wasmasm.Do(g.drop("respond", req(), 200, "", "fine"), wasmasm.I32(0), wasmasm.Return()))),
		wasmasm.I32(0))
}

// fuelOf is what one request uses.
func fuelOf(t *testing.T, p *Plugin) uint64 {
	t.Helper()
	var e abi.Explanation
	if _, err := p.Decide(WithExplanation(t.Context(), &e), newRequest()); err != nil {
		t.Fatal(err)
	}
	return e.Fuel
}

// TestFuel counts what guests use, which is the same each time, and ends one that
// uses more than it may.
func TestFuel(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	short, long := b.load(t, goingRound(1)), b.load(t, goingRound(100_000), func(s *Spec) { s.Name = "long" })
	used := fuelOf(t, short)
	if used == 0 || used > 1000 {
		t.Errorf("a short guest used %d units", used)
	}
	for range 3000 { // until the tank was filled again and again
		if again := fuelOf(t, short); again != used {
			t.Fatalf("a guest used %d units, then %d", used, again)
		}
	}
	used = fuelOf(t, long)
	if used < 100_000 || used > 4_000_000 {
		t.Errorf("100,000 rounds used %d units", used)
	}
	for name, tt := range map[string]struct {
		fuel uint64
		fine bool
	}{"just enough": {used, true}, "little less": {used - 500, false}, "next to nothing": {1, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{})
			p := b.load(t, goingRound(100_000), func(s *Spec) { s.Fuel = tt.fuel })
			for range 3 {
				_, err := p.Decide(t.Context(), newRequest())
				if tt.fine {
					if err != nil {
						t.Errorf("with the fuel that it needs: %v", err)
					}
					continue
				}
				wantCode(t, err, abi.CodePluginFailed)
			}
			if log := b.book.String(); strings.Contains(log, errFuel.Error()) == tt.fine {
				t.Errorf("log:\n%s", log)
			}
		})
	}
}

// TestCompute ends a guest that computes for too long, long before its deadline.
func TestCompute(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	g := newAsm()
	p := b.load(t, g.module(wasmasm.Forever(), wasmasm.I32(0)), deadline(time.Hour), func(s *Spec) { s.Compute = 20 * time.Millisecond })
	_, err := p.Decide(t.Context(), newRequest())
	wantCode(t, err, abi.CodeTimeout)
	if !strings.Contains(err.Error(), "computed for longer than the 20ms") {
		t.Errorf("the client is told %q", err)
	}
	if log := b.book.String(); !strings.Contains(log, errCompute.Error()) {
		t.Errorf("log:\n%s", log)
	}
}

// TestComputeIsNotWaiting has requests wait for the host, and for a slot, for
// longer than they may compute.
func TestComputeIsNotWaiting(t *testing.T) {
	t.Parallel()
	still(t, testComputeIsNotWaiting)
}

func testComputeIsNotWaiting(t *testing.T) {
	const compute, waits = 300 * time.Millisecond, 900 * time.Millisecond // a busy machine makes the guest wait, too
	b := newBench(t, Config{Services: Services{Operations: operateFunc(func(context.Context, string, []byte) ([]byte, error) {
		<-time.After(waits)
		return []byte("{}"), nil
	})}})
	p := b.load(t, parking(), func(s *Spec) { s.Compute = compute })
	var e abi.Explanation
	if _, err := p.Decide(WithExplanation(t.Context(), &e), newRequest()); err != nil {
		t.Fatal(err)
	}
	if e.Took.D() < waits || e.Compute.D() > e.Took.D()-waits {
		t.Errorf("of %v the guest computed for %v", e.Took.D(), e.Compute.D())
	}

	for range b.slots.size {
		b.slots.try()
	}
	done := make(chan error, 1)
	go func() {
		_, err := p.Decide(t.Context(), newRequest())
		done <- err
	}()
	for b.slots.waiting.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	<-time.After(waits)
	for range b.slots.size {
		b.slots.give()
	}
	if err := <-done; err != nil {
		t.Errorf("after it waited for a slot: %v", err)
	}
}

// TestResultBytes has host calls answer with more than a result may have: nothing
// of it reaches the guest.
func TestResultBytes(t *testing.T) {
	t.Parallel()
	config := Config{Services: Services{Operations: operateFunc(func(context.Context, string, []byte) ([]byte, error) {
		return bytes.Repeat([]byte("x"), 200), nil
	})}}
	small := func(s *Spec) { s.ResultBytes = 100 }
	b := newBench(t, config)
	g := newAsm()
	out, why := g.buffer(300), g.buffer(300)
	p := b.load(t, g.script(
		g.record("op", req(), "exec", "{}", out),
		g.record("result_read", req(), 0, 0, out),
		g.record("last_error", req(), why),
		g.record("req_get", req(), 4, out)), small)
	r := newRequest()
	r.Path = "/" + strings.Repeat("y", 100)
	a := scriptAnswer{t, g, []byte(bodyOf(t, decide(t, p, r)))}
	a.want(0, "the operation", abi.TooLarge, 0)
	a.want(1, "reading its result", abi.OK, 0)
	if _, n := a.result(2); !bytes.Contains(a.bytes(why, n), []byte(abi.CodeBodyTooLarge)) {
		t.Errorf("the error is %s", a.bytes(why, n))
	}
	a.want(3, "a path of 101 bytes where there is room", abi.OK, 101)
	if !bytes.HasPrefix(a.bytes(out, 101), []byte("/yyy")) {
		t.Errorf("got %q", a.bytes(out, 101))
	}

	async := newBench(t, config).load(t, waiting(), small)
	if got := bodyOf(t, decide(t, async, newRequest())); !strings.Contains(got, string(abi.CodeBodyTooLarge)) {
		t.Errorf("an asynchronous guest got %q", got)
	}
}

// counting is a guest that answers with how many requests its instance has had,
// and grows its memory by a page for each if it is told to.
func counting(grows bool) []byte {
	g := newAsm()
	n := g.Global(0)
	at := g.Space(4)
	return g.module(
		wasmasm.GetGlobal(n), wasmasm.I32(1), wasmasm.Add(), wasmasm.SetGlobal(n),
		wasmasm.I32(int32(at)), wasmasm.GetGlobal(n), wasmasm.Store(),
		wasmasm.I32(map[bool]int32{true: 1}[grows]), wasmasm.GrowMemory(), wasmasm.Drop(),
		g.drop("respond", req(), 200, "", region{at, 4}), wasmasm.I32(0))
}

// counted asks such a guest n times.
func counted(t *testing.T, p *Plugin, n int) (counts []uint32) {
	t.Helper()
	for range n {
		counts = append(counts, binary.LittleEndian.Uint32([]byte(bodyOf(t, decide(t, p, newRequest())))))
	}
	return counts
}
