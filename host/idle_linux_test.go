package host

import (
	"fmt"
	"net"
	"runtime"
	"testing"
	"time"

	"edge/abi"
	"edge/bridge"
	sockets "edge/bridge/socket"
)

// notingEngine is an engine that notes what it is given.
type notingEngine struct {
	bridge.Loop
	given chan string
}

func (e *notingEngine) Bridge(client, backend net.Conn, early []byte, pol bridge.Policy, done func(bridge.Summary)) bridge.Live {
	e.given <- fmt.Sprintf("%T, %q early", client, early)
	return e.Loop.Bridge(client, backend, early, pol, done)
}

// TestIdleBehindProxies: the bridge of a WebSocket that came with a PROXY protocol
// header has the same connection as without one, and costs no more while it is idle.
// What others leave behind or free meanwhile is in each figure; what a bridge keeps is
// in all of them, and so the least difference of some rounds counts.
func TestIdleBehindProxies(t *testing.T) { // not parallel: it looks at the heap
	excess := map[string]int64{}
	for round := range 3 {
		plain, cost := idleBridges(t, "", false)
		for name, header := range map[string]string{
			"version 1": "PROXY TCP4 203.0.113.7 10.0.0.1 12345 443\r\n", "version 2": proxyV2(0x21, 0x21, sixToSix+someTLVs),
		} {
			given, with := idleBridges(t, header, true)
			if given != plain {
				t.Errorf("%s: the engine was given %s, without a header %s", name, given, plain)
			}
			t.Logf("%s: %d bytes of heap a bridge, without a header %d, both ends of the test's own included", name, with, cost)
			if more := with - cost; round == 0 || more < excess[name] {
				excess[name] = more
			}
		}
	}
	for name, more := range excess {
		if more > 1<<10 {
			t.Errorf("%s: %d bytes a bridge more than without a header", name, more)
		}
	}
}

// idleBridges opens bridges, each of whose clients sends the header first, and tells
// what their engine was given and how much of the heap one takes.
func idleBridges(t *testing.T, header string, proxied bool) (given string, cost int64) {
	const bridges = 200
	t.Run("bridges", func(t *testing.T) { // they end with it
		ln, err := sockets.ListenConfig{}.Listen(t.Context(), "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		engine := &notingEngine{given: make(chan string, bridges+1)}
		t.Cleanup(engine.Close)
		s := &Server{
			boxes: boxes(newBox("a", map[int]string{8080: backend(t, echoSocket)})), Relay: &bridge.Relay{Engine: engine},
			TrustedProxies: prefixes("127.0.0.0/8"), ProxyProtocol: proxied,
		}
		r := startOn(t, s, all(always(&abi.Connect{Sandbox: ref("a"), Port: 8080})), ln, func() error { return s.Serve(ln) })
		open := func(early string) {
			c := r.dial(t)
			c.send(header + "GET /ws HTTP/1.1\r\nHost: app\r\n" + handshake + "\r\n" + early)
			if got := c.answer("GET"); got.StatusCode != 101 {
				t.Fatalf("answer %d %s", got.StatusCode, got.body)
			}
			wantFrame(t, c.r, 1, "app  /ws")
			if early != "" {
				wantFrame(t, c.r, 1, "early")
			}
		}
		open(frame(1, "early", true))
		given = <-engine.given
		r.handlersEnded(t)
		before := liveHeap()
		for range bridges {
			open("")
		}
		r.handlersEnded(t)
		cost = (liveHeap() - before) / bridges
	})
	return given, cost
}

// handlersEnded waits until no handler has a connection: bridges have them all.
func (r *running) handlersEnded(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(patience); r.conns.count() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d handlers have not ended", r.conns.count())
		}
	}
}

// liveHeap is how much of the heap is in use by what is reachable.
func liveHeap() int64 {
	runtime.GC()
	runtime.GC() // what the first one freed of pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
