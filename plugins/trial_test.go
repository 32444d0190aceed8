package plugins

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins/wasmasm"
)

func openTrial(t testing.TB, config Config, spec Spec, module []byte) *Trial {
	t.Helper()
	spec.Name = "p"
	trial, err := OpenTrial(t.Context(), config, unhurried(spec), module)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(trial.Close)
	return trial
}

// try decides one request.
func (trial *Trial) try(t *testing.T, services Services) (*abi.Respond, abi.Explanation) {
	t.Helper()
	d, e, err := trial.Decide(t.Context(), newRequest(), services)
	if err != nil {
		t.Fatalf("decide: %v\n%s", err, strings.Join(trial.Output(), "\n"))
	}
	return d.(*abi.Respond), e
}

// TestTrialServices gives each request services of its own.
func TestTrialServices(t *testing.T) {
	t.Parallel()
	g := newAsm()
	got := g.buffer(16)
	module := g.script(g.record("op", req(), "exec", `{"sandbox":{"binding":"S","id":"a"}}`, got))
	trial := openTrial(t, Config{}, Spec{}, module)
	for _, answer := range []string{`{"n":1}`, `{"n":2}`} {
		r, e := trial.try(t, Services{Operations: answers(answer)})
		if text := (scriptAnswer{t, g, r.Body}).bytes(got, 7); string(text) != answer {
			t.Errorf("the guest got %q, want %q", text, answer)
		}
		if e.Digest != digestOf(module) || e.Verdict.Decision != "respond" || e.Digest != trial.Digest() {
			t.Errorf("explained %+v", e)
		}
	}
	r, _ := trial.try(t, Services{})
	(scriptAnswer{t, g, r.Body}).want(0, "op without services", abi.Unsupported, 0)
}

// TestTrialServicesWithoutARequest has calls that name no request reach the services
// of the one that is decided: a replay must not write where an edge serves from.
func TestTrialServicesWithoutARequest(t *testing.T) {
	t.Parallel()
	g := newAsm()
	out := g.buffer(64)
	live, own := &fakeMetrics{}, &fakeMetrics{}
	trial := openTrial(t, Config{Services: Services{KV: &fakeKV{}, Metrics: live}}, Spec{}, g.script(
		g.record("kv", 0, abi.KVSet, "key", "value", "", out),
		g.record("count", "hits", "", 1.0)))
	r, _ := trial.try(t, Services{Metrics: own})
	a := scriptAnswer{t, g, r.Body}
	a.want(0, "kv where there is none", abi.Unsupported, 0)
	a.want(1, "count", abi.OK, 0)
	if len(live.lines) != 0 || len(own.lines) != 1 {
		t.Errorf("counted %v by the edge and %v by the trial", live.lines, own.lines)
	}
}

// TestTrialStage reads the clocks and randomness: both are the same each time,
// but for a clock that must not go back.
func TestTrialStage(t *testing.T) {
	t.Parallel()
	guest := func() (*asm, region, []byte) {
		g := wasiAsm()
		b := g.buffer(8 + 8 + 16)
		wait := g.Bytes(clockSubscription(1, clockMonotonic, uint64(time.Hour), false))
		events, n := g.Space(eventSize), g.Space(4)
		return g, b, g.script(
			g.recordWASI("clock_time_get", clockRealtime, wasmasm.I64(0), b.ptr),
			g.recordWASI("poll_oneoff", wait, events, 1, n),
			g.recordWASI("clock_time_get", clockRealtime, wasmasm.I64(0), b.ptr+8),
			g.recordWASI("random_get", b.ptr+16, 16),
		)
	}
	g, b, module := guest()
	read := func(trial *Trial) (first, second time.Time, chance []byte) {
		r, _ := trial.try(t, Services{})
		v := (scriptAnswer{t, g, r.Body}).bytes(b, b.cap)
		at := func(v []byte) time.Time { return time.Unix(0, int64(binary.LittleEndian.Uint64(v))).UTC() }
		return at(v), at(v[8:]), v[16:]
	}
	one, two := openTrial(t, Config{}, Spec{}, module), openTrial(t, Config{}, Spec{}, module)
	begun := time.Now()
	first, second, chance := read(one)
	if time.Since(begun) > patience {
		t.Error("the guest slept")
	}
	if first.Sub(trialTime) > time.Millisecond || first.Before(trialTime) || second.Sub(first) < time.Hour || second.Sub(first) > time.Hour+time.Millisecond {
		t.Errorf("the clock showed %v, then %v", first, second)
	}
	if f, s, c := read(two); !f.Equal(first) || !s.Equal(second) || !bytes.Equal(c, chance) {
		t.Errorf("another trial showed %v, %v, %x; the first one %v, %v, %x", f, s, c, first, second, chance)
	}
	if f, _, c := read(one); f.Before(second) || !bytes.Equal(c, chance) {
		t.Errorf("the next request: %v, after %v before; %x", f, second, c)
	}
	later := trialTime.Add(48 * time.Hour)
	one.At(later)
	if f, _, _ := read(one); f.Before(later) || f.Sub(later) > time.Second {
		t.Errorf("at %v the clock showed %v", later, f)
	}
}

// TestTrialOutput keeps what each request's guest said, and why it failed.
func TestTrialOutput(t *testing.T) {
	t.Parallel()
	g := newAsm()
	trial := openTrial(t, Config{}, Spec{}, g.module(
		g.call("log", req(), 0, "hello", ""), wasmasm.Drop(), wasmasm.Unreachable()))
	for range 2 { // the second in another instance
		_, e, err := trial.Decide(t.Context(), newRequest(), Services{})
		wantCode(t, err, abi.CodePluginFailed)
		text := strings.Join(trial.Output(), "\n")
		if !strings.HasPrefix(text, "hello request=r1\n") || strings.Count(text, "hello") != 1 || !strings.Contains(text, "unreachable") {
			t.Errorf("got the output\n%s", text)
		}
		if e.Verdict.Decision != "error" || e.Verdict.Error.Code != abi.CodePluginFailed {
			t.Errorf("got the verdict %+v", e.Verdict)
		}
	}
}

// TestTrialStream reads a streamed answer to its end, and what the guest does
// after that belongs to the same request.
func TestTrialStream(t *testing.T) {
	t.Parallel()
	g := newAsm()
	trial := openTrial(t, Config{}, Spec{}, g.module(
		g.call("respond_begin", req(), 201, ""), wasmasm.Drop(),
		g.call("respond_write", req(), "one "), wasmasm.Drop(),
		g.call("respond_write", req(), "two"), wasmasm.Drop(),
		g.call("respond_end", req()), wasmasm.Drop(),
		g.call("op", req(), "exec", "{}", region{0, 0}), wasmasm.Drop(), wasmasm.I32(0)))
	for range 3 {
		var done countOperations
		d, e, err := trial.Decide(t.Context(), newRequest(), Services{Operations: &done})
		if err != nil {
			t.Fatal(err)
		}
		if r := d.(*abi.Respond); r.Stream != nil || string(r.Body) != "one two" || r.Status != 201 {
			t.Errorf("got %+v", r)
		}
		if v := e.Verdict; !v.Streamed || v.BodyBytes != 7 || v.BodySHA256 == "" {
			t.Errorf("got the verdict %+v", v)
		}
		if n := done.count(); n != 1 {
			t.Errorf("%d operations were done when Decide returned, want 1", n)
		}
	}
}

// countOperations counts what is asked of it.
type countOperations struct {
	mu sync.Mutex
	n  int
}

func (c *countOperations) Operate(context.Context, string, json.RawMessage) (json.RawMessage, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return json.RawMessage(`{}`), nil
}

func (c *countOperations) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// TestTrialBrokenStream ends a streamed answer at the deadline.
func TestTrialBrokenStream(t *testing.T) {
	t.Parallel()
	g := newAsm()
	trial := openTrial(t, Config{}, Spec{Deadline: 2 * time.Second}, g.module( // the first piece is read by then
		g.call("respond_begin", req(), 200, ""), wasmasm.Drop(),
		g.call("respond_write", req(), "one"), wasmasm.Drop(), wasmasm.Forever(), wasmasm.I32(0)))
	d, e, err := trial.Decide(t.Context(), newRequest(), Services{})
	if r, ok := d.(*abi.Respond); !ok || string(r.Body) != "one" || err == nil || e.Verdict.Error == nil {
		t.Errorf("got %+v, %v, verdict %+v", d, err, e.Verdict)
	}
}

// TestTrialRefused does not take what a load would not.
func TestTrialRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"text", "unknown function", "traps in init", "fails its test"} {
		tt := refusedModules()[name]
		_, err := OpenTrial(t.Context(), Config{}, Spec{Name: "p"}, tt.module)
		if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), tt.why) {
			t.Errorf("%s: got %v, want %q", name, err, tt.why)
		}
	}
	trial := openTrial(t, Config{}, Spec{}, responding("x"))
	trial.Close()
	if _, _, err := trial.Decide(t.Context(), newRequest(), Services{}); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestTrialAgain opens the module under another spec.
func TestTrialAgain(t *testing.T) {
	t.Parallel()
	g := newAsm()
	got := g.buffer(8)
	trial := openTrial(t, Config{}, Spec{}, g.script(g.record("config_get", "k", got)))
	again, err := trial.Again(t.Context(), Spec{Name: "p", Config: map[string]json.RawMessage{"k": json.RawMessage(`"v"`)}})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	r, _ := trial.try(t, Services{})
	(scriptAnswer{t, g, r.Body}).want(0, "without", abi.NotFound, 0)
	r, _ = again.try(t, Services{})
	(scriptAnswer{t, g, r.Body}).want(0, "with", abi.OK, 3)
}

// TestTrialFresh gives each request an instance of its own, and the same time and
// chance, when the instance is made too.
func TestTrialFresh(t *testing.T) {
	t.Parallel()
	g := wasiAsm()
	b := g.buffer(48)
	count := g.Global(0)
	// edge_init looks at the clock and at chance; the request at both again.
	module := func() []byte {
		g.Func("edge1", "", "", "")
		g.Func("edge_init", "", "i", "",
			g.call("clock_time_get", clockRealtime, wasmasm.I64(0), b.ptr), wasmasm.Drop(), g.call("random_get", b.ptr+8, 8), wasmasm.Drop(), wasmasm.I32(0))
		g.Func("edge_request", "i", "i", "",
			wasmasm.GetGlobal(count), wasmasm.I32(1), wasmasm.Add(), wasmasm.SetGlobal(count),
			wasmasm.I32(int32(b.ptr+40)), wasmasm.GetGlobal(count), wasmasm.Store(),
			g.call("clock_time_get", clockRealtime, wasmasm.I64(0), b.ptr+16), wasmasm.Drop(), g.call("random_get", b.ptr+24, 8), wasmasm.Drop(),
			g.finish(req()), wasmasm.I32(0))
		return g.Encode()
	}()
	trial := openTrial(t, Config{}, Spec{Isolation: IsolationFresh}, module)
	var first []byte
	for i := range 3 {
		r, _ := trial.try(t, Services{})
		got := (scriptAnswer{t, g, r.Body}).bytes(b, b.cap)
		if i == 0 {
			first = got
		}
		if !bytes.Equal(got, first) || got[40] != 1 {
			t.Errorf("request %d: got %x, the first one %x", i, got, first)
		}
	}
	trial.At(trialTime.Add(-time.Hour))
	r, _ := trial.try(t, Services{})
	got := (scriptAnswer{t, g, r.Body}).bytes(b, b.cap)
	if at := int64(binary.LittleEndian.Uint64(got[16:])); at != trialTime.Add(-time.Hour).UnixNano()+int64(clockStep) {
		t.Errorf("an hour before, the clock shows %v", time.Unix(0, at).UTC())
	}
}
