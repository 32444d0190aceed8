package plugins

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// TestCrashLoopPauses doubles the pause with each instance that fails, up to the
// longest, and forgets it all with the first request that is served.
func TestCrashLoopPauses(t *testing.T) {
	t.Parallel()
	var c crashLoop
	now := time.Now()
	for i, want := range []time.Duration{0, 0, 100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000} {
		if got := c.crashed(now); got != want*time.Millisecond {
			t.Errorf("after %d instances the pause is %v, want %v ms", i+1, got, int64(want))
		}
	}
	if !c.pausing() {
		t.Error("there is no pause")
	}
	c.served()
	if c.pausing() || c.crashed(now) != 0 {
		t.Error("a pause after a request was served")
	}
}

// TestCrashLoop has every instance of the only version fail: requests are answered
// at once and no instance is made for them, until it works again.
func TestCrashLoop(t *testing.T) {
	t.Parallel()
	for name, async := range map[string]bool{"synchronous": false, "asynchronous": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var works atomic.Bool
			b := newBench(t, Config{Services: Services{Operations: operateFunc(func(context.Context, string, []byte) ([]byte, error) {
				if works.Load() {
					return []byte("{}"), nil
				}
				return nil, errors.New("no")
			})}})
			g := newAsm()
			body := wasmasm.Do(
				wasmasm.I32(int32(g.results)), g.call("op", req(), "exec", "{}", 0, 0), wasmasm.Store64(),
				wasmasm.I32(int32(g.results)+4), wasmasm.Load(), // errno
				wasmasm.If(wasmasm.Unreachable(), nil),
				g.drop("next", req()), wasmasm.I32(0))
			module := g.async
			p := b.load(t, func() []byte {
				if async {
					return module(body, nil, nil)
				}
				return g.module(body)
			}())
			gen := p.current.Load()
			for range maxCrashes {
				_, err := p.Decide(t.Context(), newRequest())
				wantCode(t, err, abi.CodePluginFailed)
			}
			b.waitFor(t, "pause", func() bool { return gen.pool.size() == 0 })
			gen.crashes.until.Store(time.Now().Add(time.Hour).UnixNano())
			for range 100 {
				_, err := p.Decide(t.Context(), newRequest())
				wantCode(t, err, abi.CodePluginFailed)
				if !strings.Contains(err.Error(), "again and again") || gen.pool.size() != 0 {
					t.Fatalf("%d instances, and the answer is %v", gen.pool.size(), err)
				}
			}
			works.Store(true)
			gen.crashes.until.Store(time.Now().Add(firstPause).UnixNano())
			b.waitFor(t, "recovery", func() bool {
				_, err := p.Decide(t.Context(), newRequest())
				return err == nil
			})
			if c := b.Status()[0].Generations[0].Counters; c.Failures < maxCrashes+100 || c.Requests < c.Failures {
				t.Errorf("counted %+v", c)
			}
			if n := strings.Count(b.book.String(), "no other is made for a while"); n != 1 {
				t.Errorf("the pause was logged %d times:\n%s", n, b.book)
			}
		})
	}
}

// TestCrashLoopInStart has every instance after the first fail to start while
// callers wait in line: they are sent away and not kept until their deadline.
func TestCrashLoopInStart(t *testing.T) {
	t.Parallel()
	still(t, testCrashLoopInStart)
}

func testCrashLoopInStart(t *testing.T) {
	b := newBench(t, Config{})
	p := b.load(t, trapping())
	b.initDeadline = 0 // no later instance is in time
	for range 20 {
		_, err := p.Decide(t.Context(), newRequest())
		wantCode(t, err, abi.CodePluginFailed)
	}
	if n := strings.Count(b.book.String(), "did not return in time"); n > 6 {
		t.Errorf("%d instances were made for 20 requests", n)
	}
}
