package plugins

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

func TestFloodTellsWhatItDropped(t *testing.T) {
	t.Parallel()
	still(t, testFloodTellsWhatItDropped)
}

func testFloodTellsWhatItDropped(t *testing.T) {
	told := make(chan int, 10)
	f := &flood{since: time.Now().Add(-logWindow / 2)}
	said := 0
	for range 3 * maxLogLines {
		if f.allows(func(n int) { told <- n }) {
			said++
		}
	}
	dropped := 0
	for end := time.After(patience); said+dropped < 3*maxLogLines; { // nothing more is said meanwhile
		select {
		case n := <-told:
			dropped += n
		case <-end:
			t.Fatalf("%d lines were said and %d dropped", said, dropped)
		}
	}
	if said < maxLogLines || dropped == 0 {
		t.Errorf("%d lines were said, %d dropped", said, dropped)
	}
}

// TestLogFlood has a guest that may say nothing more log and print a line.
func TestLogFlood(t *testing.T) {
	t.Parallel()
	g := newAsm()
	b := newBench(t, Config{})
	p := b.load(t, g.script(g.record("log", req(), 0, "one line", "")))
	gen := p.current.Load()
	gen.flood.mu.Lock()
	gen.flood.since = time.Now().Add(time.Hour) // this window does not end
	gen.flood.mu.Unlock()
	for range maxLogLines - 1 {
		gen.maySay()
	}
	for range 5 {
		a := scriptAnswer{t, g, []byte(bodyOf(t, decide(t, p, newRequest())))}
		a.want(0, "log", abi.OK, 0)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := b.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.book.String(), "one line"); n != 1 {
		t.Errorf("the line is there %d times", n)
	}
	for _, want := range []string{"lines of it were dropped", "dropped=4", "plugin=p", "request=r1", "generation=1"} {
		if !strings.Contains(b.book.String(), want) {
			t.Errorf("no %q in the log:\n%s", want, b.book)
		}
	}
}

// TestCallsAreExplained notes what a guest asked the host for, how it failed, and
// in which order.
func TestCallsAreExplained(t *testing.T) {
	t.Parallel()
	g := newAsm()
	out := g.buffer(64)
	services := Services{
		Operations: operateFunc(func(context.Context, string, []byte) ([]byte, error) { return []byte("{}"), nil }),
		Streams: streamsFunc(func(context.Context, string, json.RawMessage) (abi.Socket, error) {
			return nil, abi.Errorf(abi.CodeUnsupported, "no stream")
		}),
		Sockets: socketsFunc(func(abi.SandboxRef, int, abi.WebSocketOptions) (abi.Socket, error) { return newFakeSocket(), nil }), KV: new(fakeKV), Fetcher: new(fakeFetcher),
	}
	box := `{"sandbox":{"binding":"S","id":"a"}}`
	p := newBench(t, Config{Services: services}).load(t, g.script(
		g.record("op", req(), "exec", box, out),
		g.record("op_open", req(), "execStream", box),
		g.record("ws_open", req(), "S", "a", 8080, ""),
		g.record("kv", req(), 1, "k", "", "", out),
		g.record("kv", req(), 9, "k", "", "", out),
		g.record("fetch", req(), `{"url":"https://api.example.com/"}`, ""),
		g.record("op", req(), strings.Repeat("x", 100), box, out),
	))
	var e abi.Explanation
	if _, err := p.Decide(WithExplanation(t.Context(), &e), newRequest()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range e.Calls {
		got = append(got, strings.TrimSpace(fmt.Sprint(c.Name, " ", c.Code)))
	}
	for i, want := range []string{"exec", "execStream UNSUPPORTED", "wsOpen", "kv.get NOT_FOUND", "fetch DENIED", strings.Repeat("x", 64)} {
		if i >= len(got) || !strings.HasPrefix(got[i], want) {
			t.Errorf("call %d is not %s in %q", i, want, got)
		}
	}
}
