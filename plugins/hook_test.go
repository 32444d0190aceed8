package plugins

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// eventText is room for an event's JSON.
const eventText = 4096

// hearing adds a hook that gives each event to the operation "touch", by op or,
// in an asynchronous module, by op_start, and answers errno.
func (g *asm) hearing(async bool, errno int32) {
	buf := g.buffer(eventText)
	length := wasmasm.Do(g.call("event_read", wasmasm.Get(0), buf), wasmasm.Wrap(), wasmasm.Set(1))
	text := wasmasm.Do(wasmasm.I32(int32(buf.ptr)), wasmasm.Get(1))
	told := g.drop("op", wasmasm.Get(0), "touch", text, 0, 0)
	if async {
		told = g.drop("op_start", wasmasm.Get(0), "touch", text)
	}
	g.Func("edge_event", "i", "i", "i", length, told, wasmasm.I32(errno))
}

// ears is Operations that hears what hooks say.
type ears struct {
	heard chan abi.SandboxEvent
	begun chan struct{} // when not nil, gets one when each operation begins
	hold  chan struct{} // when not nil, each operation waits for one
}

func (e *ears) Operate(ctx context.Context, _ string, body json.RawMessage) (json.RawMessage, error) {
	var ev abi.SandboxEvent
	if err := json.Unmarshal(body, &ev); err != nil {
		return nil, err
	}
	if e.begun != nil {
		e.begun <- struct{}{}
	}
	if e.hold != nil {
		select {
		case <-e.hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	e.heard <- ev
	return json.RawMessage("{}"), nil
}

func (e *ears) next(t *testing.T) abi.SandboxEvent {
	t.Helper()
	select {
	case ev := <-e.heard:
		return ev
	case <-time.After(patience):
		t.Fatal("no event was heard")
	}
	panic("unreachable")
}

func TestHooks(t *testing.T) {
	t.Parallel()
	for _, async := range []bool{false, true} {
		t.Run(fmt.Sprintf("async %v", async), func(t *testing.T) {
			t.Parallel()
			e := &ears{heard: make(chan abi.SandboxEvent, 64)}
			b := newBench(t, Config{Services: Services{Operations: e}})
			g := newAsm()
			g.hearing(async, 0)
			module := g.script
			if async {
				module = func(...wasmasm.Code) []byte { return g.async(wasmasm.I32(1), wasmasm.Do(), wasmasm.Do()) }
			}
			b.load(t, module())
			code := 3
			var want []abi.SandboxEvent
			for i := range 20 {
				ev := abi.SandboxEvent{Type: abi.SandboxStopped, Binding: "Sandbox", ID: "a", Generation: int64(i), ExitCode: &code, Reason: strings.Repeat("r", i)}
				want = append(want, ev)
				b.Notify(ev)
			}
			for i := range want {
				if got := e.next(t); got.Generation != want[i].Generation || got.Reason != want[i].Reason || *got.ExitCode != 3 {
					t.Errorf("event %d is %+v", i, got)
				}
			}
		})
	}
}

// TestHookFails has a hook that answers an errno, traps, or wants no events:
// requests are served on, and the next event is told all the same.
func TestHookFails(t *testing.T) {
	t.Parallel()
	t.Run("errno", func(t *testing.T) {
		t.Parallel()
		e := &ears{heard: make(chan abi.SandboxEvent, 64)}
		b := newBench(t, Config{Services: Services{Operations: e}})
		g := newAsm()
		g.hearing(false, int32(abi.Denied))
		p := b.load(t, g.script())
		b.Notify(abi.SandboxEvent{ID: "a"})
		b.Notify(abi.SandboxEvent{ID: "b"})
		if got := []string{e.next(t).ID, e.next(t).ID}; !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("heard %v", got)
		}
		decide(t, p, newRequest())
		b.logged(t, "DENIED")
	})
	t.Run("trap", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, Config{})
		g := newAsm()
		g.Func("edge_event", "i", "i", "", wasmasm.Unreachable(), wasmasm.I32(0))
		p := b.load(t, g.script())
		b.Notify(abi.SandboxEvent{ID: "a"})
		b.logged(t, "hook failed")
		decide(t, p, newRequest())
	})
	t.Run("wants none", func(t *testing.T) {
		t.Parallel()
		e := &ears{heard: make(chan abi.SandboxEvent, 64)}
		b := newBench(t, Config{Services: Services{Operations: e}})
		g := newAsm()
		g.hearing(false, int32(abi.Unsupported))
		p := b.load(t, g.script())
		b.Notify(abi.SandboxEvent{ID: "a"})
		e.next(t)
		for p.current.Load().hears() { // the answer comes after the operation
			time.Sleep(time.Millisecond)
		}
		b.Notify(abi.SandboxEvent{ID: "b"})
		decide(t, p, newRequest())
		if len(e.heard) != 0 {
			t.Error("an event was told to a hook that wanted none")
		}
	})
}

// logged waits until the log holds a text.
func (b *bench) logged(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(patience); !strings.Contains(b.book.String(), text); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the log has no %q:\n%s", text, b.book)
		}
	}
}

// TestHookDecidesNothing has a hook that answers its event like a request, and a
// request that reads itself like an event.
func TestHookDecidesNothing(t *testing.T) {
	t.Parallel()
	e := &ears{heard: make(chan abi.SandboxEvent, 64)}
	b := newBench(t, Config{Services: Services{Operations: e}})
	g := newAsm()
	buf := g.buffer(64)
	// The errno of respond becomes the hook's own.
	g.Func("edge_event", "i", "i", "", g.call("respond", wasmasm.Get(0), 200, "", ""), wasmasm.I64(32), wasmasm.Shr64(), wasmasm.Wrap())
	a := b.run(t, g, newRequest(), g.record("event_read", req(), buf))
	a.want(0, "event_read of a request", abi.Invalid, 0)
	b.Notify(abi.SandboxEvent{ID: "a"})
	b.logged(t, "INVALID")
}

// TestHookOfAVersionGivenUp has an event meet a version that is given up just then:
// the one before is told of it.
func TestHookOfAVersionGivenUp(t *testing.T) {
	t.Parallel()
	e := &ears{heard: make(chan abi.SandboxEvent, 1)}
	b, p := rollout(t, Config{Services: Services{Operations: e}})
	good, bad := newAsm(), newAsm()
	good.hearing(false, 0)
	bad.hearing(false, int32(abi.Internal))
	b.offer(t, good.script())
	b.offer(t, bad.script())
	g := p.acquire()
	b.giveUp(g, errFault)
	if err := g.hear(nil); !errors.Is(err, errGivenUp) {
		t.Errorf("the version that was given up: %v", err)
	}
	if err := p.tell(abi.SandboxEvent{ID: "a"}); err != nil || e.next(t).ID != "a" {
		t.Errorf("the one before: %v", err)
	}
}

// TestHooksTooSlow loses the events for which there is no room, says so, and
// ends with the registry while one is being told.
func TestHooksTooSlow(t *testing.T) {
	t.Parallel()
	e := &ears{heard: make(chan abi.SandboxEvent, 2*maxWaiting), begun: make(chan struct{}), hold: make(chan struct{})}
	b := newBench(t, Config{Services: Services{Operations: e}})
	g := newAsm()
	g.hearing(false, 0)
	b.load(t, g.script())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range maxWaiting/4 + 10 {
				b.Notify(abi.SandboxEvent{ID: "a"})
			}
		})
	}
	<-e.begun
	wg.Wait()
	e.hold <- struct{}{}
	b.logged(t, "events were lost")
	<-e.begun // the second event is being told, and nothing lets it end
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := b.Close(ctx); err == nil {
		t.Error("a hook that waits for ever was waited for")
	}
}

// streamsFunc is Streams for a test.
type streamsFunc func(ctx context.Context, name string, body json.RawMessage) (abi.Socket, error)

func (f streamsFunc) Open(ctx context.Context, name string, body json.RawMessage) (abi.Socket, error) {
	return f(ctx, name, body)
}

func TestOperationStreams(t *testing.T) {
	t.Parallel()
	s := newFakeSocket("\x01"+`{"type":"start"}`, "\x02bytes")
	close(s.inbox)
	s.end = abi.Errorf(abi.CodeTimeout, "the command took too long")
	b := newBench(t, Config{Services: Services{Streams: streamsFunc(func(_ context.Context, name string, body json.RawMessage) (abi.Socket, error) {
		if name != "execStream" {
			return nil, abi.Errorf(abi.CodeUnsupported, "no stream")
		}
		if string(body) != `{"sandbox":{}}` {
			t.Errorf("opened with %s", body)
		}
		return s, nil
	})}})
	g := newAsm()
	first, second, failure := g.buffer(64), g.buffer(64), g.buffer(512)
	stream := wasmasm.Get(1)
	a := b.run(t, g, newRequest(),
		g.call("op_open", req(), "execStream", `{"sandbox":{}}`), wasmasm.Wrap(), wasmasm.Set(1),
		g.record("ws_recv", req(), stream, 60_000, first),
		g.record("ws_recv", req(), stream, 60_000, second),
		g.record("ws_send", req(), stream, 2, "input"),
		g.record("ws_recv", req(), stream, 60_000, 0, 0),
		g.record("last_error", req(), failure),
		g.record("ws_close", req(), stream, 1000, ""),
		g.record("op_open", req(), "exec", "{}"),
		g.record("feature", "op_open"),
	)
	a.want(0, "event", abi.OK, 17)
	a.want(1, "bytes", abi.OK, 6)
	a.want(2, "input", abi.OK, 0)
	a.want(3, "failure", abi.Timeout, 0)
	a.want(5, "close", abi.OK, 0)
	a.want(6, "no stream", abi.Unsupported, 0)
	a.want(7, "feature", abi.OK, 1)
	if got := string(a.bytes(first, 17)) + string(a.bytes(second, 6)); got != "\x01"+`{"type":"start"}`+"\x02bytes" {
		t.Errorf("received %q", got)
	}
	_, n := a.result(4)
	if got := string(a.bytes(failure, n)); !strings.Contains(got, "took too long") {
		t.Errorf("last error is %s", got)
	}
}

// TestOperationStreamAsync opens a stream in an asynchronous module, which leaves
// it open: the request's end closes it.
func TestOperationStreamAsync(t *testing.T) {
	t.Parallel()
	s := newFakeSocket()
	b := newBench(t, Config{Services: Services{Streams: streamsFunc(func(context.Context, string, json.RawMessage) (abi.Socket, error) { return s, nil })}})
	g := newAsm()
	buf := g.buffer(64)
	p := b.load(t, g.async(pending(g.drop("op_open_start", req(), "watch", "{}")), g.answerResult(buf), wasmasm.Do()))
	if got := bodyOf(t, decide(t, p, newRequest())); len(got) != 4 {
		t.Errorf("the call's result is %q, want a handle", got)
	}
	select {
	case how := <-s.closed:
		if how != "1001" {
			t.Errorf("closed with %s", how)
		}
	case <-time.After(patience):
		t.Error("the stream was not closed")
	}
}

func TestOperationStreamsMissing(t *testing.T) {
	t.Parallel()
	g := newAsm()
	a := newBench(t, Config{}).run(t, g, newRequest(), g.record("op_open", req(), "watch", "{}"))
	a.want(0, "op_open", abi.Unsupported, 0)
}
