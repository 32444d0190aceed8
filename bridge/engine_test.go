package bridge

import (
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"
)

// The suite of engines: every TestEngine... runs once for each of them, on one
// engine shared by its bridges. What is specific to one engine has tests of its
// own.

// engineCase is an engine and what it is given.
type engineCase struct {
	name string
	make func() Engine
	wrap func(net.Conn) net.Conn // what the engine gets of a socket; nil: the socket itself

	engine Engine // made for the test that runs
}

// portableEngines are the ones that every system has.
func portableEngines() []engineCase {
	pair := func() Engine { return new(Pair) }
	return []engineCase{
		{name: "pair", make: pair},
		{name: "pair/wrapped", make: pair, wrap: func(c net.Conn) net.Conn { return hidden{c} }},
	}
}

// hidden is a connection that is no plain socket to the engine.
type hidden struct{ net.Conn }

func (h hidden) CloseWrite() error { return h.Conn.(*net.TCPConn).CloseWrite() }

// NetConn is the socket below, as a tls.Conn tells it.
func (h hidden) NetConn() net.Conn { return h.Conn }

// everyEngine runs f for each engine, all at once.
func everyEngine(t *testing.T, f func(t *testing.T, e engineCase)) {
	t.Parallel()
	atOnce(t, engines(), f)
}

// everySocketEngine is everyEngine for what a wrapper around the sockets does not
// change.
func everySocketEngine(t *testing.T, f func(t *testing.T, e engineCase)) {
	t.Parallel()
	atOnce(t, slices.DeleteFunc(engines(), func(e engineCase) bool { return e.wrap != nil }), f)
}

func atOnce(t *testing.T, es []engineCase, f func(t *testing.T, e engineCase)) {
	for _, e := range es {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			e.engine = e.make()
			f(t, e)
		})
	}
}

// eachEngine runs f for one engine after the other while no other test of the
// package runs: f looks at what the process as a whole holds. Its test must not
// be parallel.
func eachEngine(t *testing.T, f func(t *testing.T, e engineCase)) {
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			e.engine = e.make()
			f(t, e)
		})
	}
}

// rig is one bridge between two sockets that a test holds the far ends of.
type rig struct {
	client, backend *raw
	live            Live
	made            time.Time // no later than the bridge began
	ended           chan Summary
	t               testing.TB
}

// rig makes a bridge. early is what came before it did, from either side.
func (e engineCase) rig(t testing.TB, pol Policy, early ...[]byte) *rig {
	t.Helper()
	nearClient, client := tcpPair(t)
	nearBackend, backend := tcpPair(t)
	if e.wrap != nil {
		nearClient, nearBackend = e.wrap(nearClient), e.wrap(nearBackend)
	}
	for _, c := range []*raw{client, backend} { // patience for a busy machine
		c.SetDeadline(time.Now().Add(6 * wait))
	}
	var up []byte
	if len(early) == 2 {
		up = early[0]
		nearBackend = &earlyConn{Conn: nearBackend, early: early[1]}
	}
	r := &rig{client: client, backend: backend, made: time.Now(), ended: make(chan Summary, 2), t: t}
	r.live = e.engine.Bridge(nearClient, nearBackend, up, pol, func(s Summary) { r.ended <- s })
	t.Cleanup(func() { // no engine outlives its test
		client.Close()
		backend.Close()
	})
	return r
}

// newRig is a bridge of the portable engine.
func newRig(t testing.TB, pol Policy, wrap func(net.Conn) net.Conn) *rig {
	t.Helper()
	return engineCase{engine: new(Pair), wrap: wrap}.rig(t, pol)
}

// edge is a relay with the engine in front of a backend; see newEdge.
func (e engineCase) edge(t testing.TB, backend string, set ...func(*edge)) *edge {
	t.Helper()
	return newEdge(t, backend, append(set, func(x *edge) {
		x.relay.Engine = e.engine
		x.wrap, x.accept = chain(x.wrap, e.wrap), chain(x.accept, e.wrap)
	})...)
}

// chain is f and then g, either of which may be nil.
func chain(f, g func(net.Conn) net.Conn) func(net.Conn) net.Conn {
	switch {
	case f == nil:
		return g
	case g == nil:
		return f
	}
	return func(c net.Conn) net.Conn { return g(f(c)) }
}

// tcpPair is two ends of one loopback connection.
func tcpPair(t testing.TB) (near net.Conn, far *raw) {
	t.Helper()
	ln := listen(t)
	defer ln.Close()
	far = dialRaw(t, ln.Addr().String())
	near, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return near, far
}

// sides are the far ends as a test of one direction sees them: who speaks, who
// hears, the speaker's name and whether its frames are masked.
type side struct {
	from, to *raw
	name     string
	masked   bool
}

func (s side) String() string { return "from the " + s.name }

func (r *rig) fromClient() side  { return side{r.client, r.backend, "client", true} }
func (r *rig) fromBackend() side { return side{r.backend, r.client, "backend", false} }

// sides are both directions of r.
func (r *rig) sides() []side { return []side{r.fromClient(), r.fromBackend()} }

// bothSides runs f for a fresh bridge and each direction of it, at the same time.
func (e engineCase) bothSides(t *testing.T, pol Policy, f func(t *testing.T, r *rig, s side)) {
	for i, name := range []string{"client", "backend"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := e.rig(t, pol)
			f(t, r, r.sides()[i])
		})
	}
}

func (r *rig) summary() Summary {
	r.t.Helper()
	return within(r.t, r.ended, "the bridge did not end")
}

// within takes what must come.
func within[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(3 * wait):
		t.Fatal(what)
		panic("unreachable")
	}
}

// expectClose reads a Close frame as the client or the backend gets it, and the
// end of the connection behind it.
func (r *raw) expectClose(masked bool, code int, reason string) {
	r.t.Helper()
	want := string(appendClose(nil, code, reason, nil))
	if !masked {
		r.expect(want)
		return
	}
	head := make([]byte, 6)
	if _, err := io.ReadFull(r.br, head); err != nil || head[0] != 0x88 || head[1] != 0x80|byte(len(want)-2) {
		r.t.Fatalf("close frame: % x %v", head, err)
	}
	p := make([]byte, len(want)-2)
	io.ReadFull(r.br, p)
	for i := range p {
		p[i] ^= head[2+i&3]
	}
	if string(p) != want[2:] {
		r.t.Fatalf("close payload %q, want %q", p, want[2:])
	}
}

// expectEnd reads to the end, which may be a reset, and wants nothing before it.
func (r *raw) expectEnd() {
	r.t.Helper()
	b, err := io.ReadAll(r.br)
	if len(b) > 0 || isTimeout(err) {
		r.t.Fatalf("got %.200q (%v), want the end", b, err)
	}
}

// reset closes the connection with an RST.
func (r *raw) reset() {
	r.SetLinger(0)
	r.Close()
}

// expectClosed wants the edge's Close frame and the end on both sides.
func (r *rig) expectClosed(code int, reason string) {
	r.t.Helper()
	r.client.expectClose(false, code, reason)
	r.backend.expectClose(true, code, reason)
	r.client.expectEnd()
	r.backend.expectEnd()
}

// edgeClosed is what Summary.Close says of a bridge that the edge ended.
func edgeClosed(code int, reason string) string { return fmt.Sprintf("edge %d %s", code, reason) }
