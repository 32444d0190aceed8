package plugins

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// TestBackgroundSocket opens a socket for no request, which a later request sends on;
// it is closed with the instance.
func TestBackgroundSocket(t *testing.T) {
	t.Parallel()
	s := newFakeSocket()
	b := newBench(t, Config{Services: Services{Sockets: socketsFunc(func(abi.SandboxRef, int, abi.WebSocketOptions) (abi.Socket, error) { return s, nil })}})
	g := newAsm()
	handle, mine := g.buffer(4), g.Global(0)
	ws := wasmasm.Do(wasmasm.I32(int32(handle.ptr)), wasmasm.Load())
	p := b.load(t, g.async(
		pending(ws, wasmasm.If(wasmasm.Do(
			g.record("ws_send", 0, ws, 1, "later"),
			g.record("ws_send", req(), ws, 1, "not mine"),
			g.finish(req()), wasmasm.I32(0), wasmasm.Return()), nil),
			req(), wasmasm.SetGlobal(mine),
			g.drop("ws_open_start", 0, "Sandbox", "u1", 8080, "")),
		wasmasm.Do(g.drop("result_read", 0, wasmasm.Get(1), 0, handle), g.drop("respond", wasmasm.GetGlobal(mine), 200, "", "open")), nil))
	if got := bodyOf(t, decide(t, p, newRequest())); got != "open" {
		t.Errorf("got %q", got)
	}
	a := scriptAnswer{t, g, []byte(bodyOf(t, decide(t, p, newRequest())))}
	a.want(0, "the instance's", abi.OK, 0)
	a.want(1, "the request's", abi.Closed, 0)
	b.load(t, responding("new"))
	if got := <-s.closed; !strings.HasPrefix(got, "1001") {
		t.Errorf("the socket was closed with %s", got)
	}
	if fmt.Sprint(s.sent) != "[1later]" {
		t.Errorf("sent %q", s.sent)
	}
}

// TestBackgroundFetch reads an answer for no request, and cannot send a body that
// there is not.
func TestBackgroundFetch(t *testing.T) {
	t.Parallel()
	f := &fakeFetcher{answer: func(context.Context, FetchRequest) (*FetchResponse, error) {
		return &FetchResponse{Status: 200, Body: io.NopCloser(strings.NewReader("x"))}, nil
	}}
	d := newDesk()
	services := d.services()
	services.Fetcher = f
	b := newBench(t, Config{Services: services})
	g := newAsm()
	step, handle := g.Global(0), g.buffer(4)
	h := wasmasm.Do(wasmasm.I32(int32(handle.ptr)), wasmasm.Load())
	p := b.load(t, g.async(
		pending(
			g.record("fetch_start", 0, `{"url":"https://api.example.com/","body":"request"}`, ""),
			g.drop("fetch_start", 0, `{"url":"https://api.example.com/"}`, ""),
			g.drop("respond", req(), 200, "", "done")),
		wasmasm.Do(wasmasm.GetGlobal(step), wasmasm.If(nil, wasmasm.Do(
			wasmasm.I32(1), wasmasm.SetGlobal(step),
			g.drop("result_read", 0, wasmasm.Get(1), 0, handle),
			g.record("fetch_close", 0, h), g.record("fetch_close", 0, h), g.report("report")))), nil),
		func(s *Spec) {
			s.Grants = &Grants{KV: "p", Fetch: []string{"api.example.com"}, Sandboxes: map[string][]string{"Sandbox": {"*"}}}
		})
	bodyOf(t, decide(t, p, newRequest()))
	if got, want := fmt.Sprint(results(d.want(t, "report"))), "[INVALID 0 OK 0 CLOSED 0]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestBackgroundFetchIsBounded fetches for no request when another version serves: the
// old one waits no longer for that than for any call.
func TestBackgroundFetchIsBounded(t *testing.T) {
	t.Parallel()
	ends, release := make(chan time.Time, 2), make(chan struct{})
	f := &fakeFetcher{answer: func(ctx context.Context, _ FetchRequest) (*FetchResponse, error) {
		end, _ := ctx.Deadline()
		ends <- end
		<-release
		return nil, abi.Errorf(abi.CodeTimeout, "no answer")
	}}
	b := newBench(t, Config{Services: Services{Fetcher: f}})
	g := newAsm()
	step := g.Global(0)
	again := g.drop("fetch_start", 0, `{"url":"https://api.example.com/","timeout":"10h"}`, "")
	p := b.load(t, g.async(pending(again, g.drop("respond", req(), 200, "", "done")),
		wasmasm.Do(wasmasm.GetGlobal(step), wasmasm.If(nil, wasmasm.Do(wasmasm.I32(1), wasmasm.SetGlobal(step), again))), nil),
		deadline(time.Hour), func(s *Spec) {
			s.Grants = &Grants{KV: "p", Fetch: []string{"api.example.com"}, Sandboxes: map[string][]string{"Sandbox": {"*"}}}
		})
	old := p.current.Load()
	bodyOf(t, decide(t, p, newRequest()))
	first := <-ends
	b.load(t, responding("new"))
	end := old.backgroundEnd(time.Now())
	close(release)
	second := <-ends
	if first.After(end) || !second.Equal(end) {
		t.Errorf("the fetches may take until %v and %v, want %v at most", first, second, end)
	}
	b.event(t, EventDrained)
}

// TestClosedSocketHoldsNobodyUp closes a socket whose peer does not answer: other
// requests of the instance go on.
func TestClosedSocketHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	s := &slowToClose{fakeSocket: newFakeSocket(), let: make(chan struct{})}
	b := newBench(t, Config{Services: Services{Sockets: socketsFunc(func(abi.SandboxRef, int, abi.WebSocketOptions) (abi.Socket, error) { return s, nil })}})
	g := newAsm()
	ws := g.buffer(8)
	p := b.load(t, g.async(pending(
		wasmasm.I32(int32(ws.ptr)), g.call("ws_open", req(), "Sandbox", "u1", 8080, ""), wasmasm.Store64(),
		g.record("ws_close", req(), wasmasm.Do(wasmasm.I32(int32(ws.ptr)), wasmasm.Load()), 4000, "enough"),
		g.finish(req())), nil, nil))
	a := scriptAnswer{t, g, []byte(bodyOf(t, decide(t, p, newRequest())))}
	a.want(0, "ws_close", abi.OK, 0)
	close(s.let)
	if got := <-s.closed; got != "4000enough" {
		t.Errorf("closed with %s", got)
	}
}

// slowToClose is a socket whose closing handshake waits.
type slowToClose struct {
	*fakeSocket
	let chan struct{}
}

func (s *slowToClose) Close(code int, reason string) error {
	<-s.let
	return s.fakeSocket.Close(code, reason)
}
