package host

import (
	"io"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edge/abi"
	"edge/bridge"
)

// closes notes how a connection was closed.
type closes struct {
	mu   sync.Mutex
	code int
}

func (c *closes) Close(code int, _ string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.code = code
}

func TestConnectionsByMark(t *testing.T) {
	t.Parallel()
	c := Connections{Table: new(bridge.Table)}
	remote := &net.TCPAddr{IP: net.IPv4(203, 0, 113, 7), Port: 50123}
	lives := make([]closes, 4)
	chat := bridge.Owner{Binding: "Sandbox", ID: "one", Generation: 2, Port: 8080, Plugin: "chat", Request: "r-1"}
	preview := bridge.Owner{Binding: "Sandbox", ID: "one", Generation: 3, Port: 8080, Exposure: true, Request: "r-2"}
	other := bridge.Owner{Binding: "Py", ID: "one", Generation: 1, Port: 80, Plugin: "chat"}
	chatID := c.Table.Add(chat, remote, &lives[0])
	c.Table.Add(preview, remote, &lives[1])
	c.Table.Add(other, nil, &lives[2])

	list, more := c.List(ConnectionFilter{Plugin: "chat"}, 1)
	if len(list) != 1 || !more || time.Since(list[0].ConnectedAt) > time.Minute {
		t.Fatalf("listed %+v, more %t", list, more)
	}
	list[0].ConnectedAt = time.Time{}
	want := Connection{
		ID: chatID, Kind: "http", Binding: "Sandbox", Sandbox: "one", Generation: 2, Port: 8080, Plugin: "chat", Request: "r-1", Client: "203.0.113.7:50123",
	}
	if list[0] != want {
		t.Errorf("listed %+v, want %+v", list[0], want)
	}
	if list, more := c.List(ConnectionFilter{Client: netip.MustParseAddr("203.0.113.7"), Exposure: true}, 0); len(list) != 1 || more || !list[0].Exposure {
		t.Errorf("listed %+v, more %t", list, more)
	}
	if all, exposed := c.Count("Sandbox", "one", 0), c.Count("Sandbox", "one", 8080); all != 2 || exposed != 1 {
		t.Errorf("%d connections, %d exposed", all, exposed)
	}
	if counts := c.CountBindings(); counts["Sandbox"] != 2 || counts["Py"] != 1 {
		t.Errorf("by binding %v", counts)
	}
	closed := func(what string, want ...int) {
		t.Helper()
		for i, code := range want {
			if lives[i].code != code {
				t.Errorf("%s: connection %d was closed with %d, want %d", what, i, lives[i].code, code)
			}
			lives[i].code = 0
		}
	}
	c.Close(c.Through("Sandbox", "one", 8080), 1008, "")
	closed("exposure", 0, 1008, 0)
	c.CloseSandbox("Sandbox", "one", 2, 1012, "")
	closed("generation", 1012, 0, 0)
	if n := c.CloseMatching(ConnectionFilter{Plugin: "chat"}, 1001, ""); n != 2 {
		t.Errorf("%d closed", n)
	}
	closed("plugin", 1001, 0, 1001)
	if !c.CloseID(chatID, 3000, "") || c.CloseID(99, 3000, "") {
		t.Error("CloseID")
	}
	closed("id", 3000, 0, 0)
}

// TestNoConnections wants an edge without a table to have none.
func TestNoConnections(t *testing.T) {
	t.Parallel()
	var c Connections
	list, more := c.List(ConnectionFilter{}, 0)
	c.Close(c.Through("B", "a", 1), 1008, "")
	c.CloseSandbox("B", "a", 1, 1008, "")
	if list != nil || more || c.Count("B", "a", 0) != 0 || c.CloseID(1, 1008, "") || c.CloseMatching(ConnectionFilter{}, 1008, "") != 0 || c.CountBindings() != nil {
		t.Error("something is there")
	}
}

// TestConnectionsHammer opens WebSockets while others list and close them in
// every way, and wants nothing left, and an end told of each beginning.
func TestConnectionsHammer(t *testing.T) {
	t.Parallel()
	box := newBox("a", map[int]string{8080: backend(t, echoSocket)})
	var opened, closed atomic.Int64
	observe := func(e Event) {
		switch e.Kind {
		case EventWebSocketOpened:
			opened.Add(1)
		case EventWebSocketClosed:
			closed.Add(1)
		}
	}
	conns := Connections{Table: new(bridge.Table)}
	r := start(t, &Server{boxes: boxes(box), Relay: &bridge.Relay{Table: conns.Table}, Observe: observe}, all(always(&abi.Connect{Sandbox: ref("a"), Port: 8080})))
	var clients, closers sync.WaitGroup
	done := make(chan struct{})
	closers.Go(func() {
		for {
			list, _ := conns.List(ConnectionFilter{Binding: "Sandbox", Sandbox: "a"}, 3)
			for _, c := range list {
				conns.CloseID(c.ID, 1008, "by id")
			}
			conns.CloseMatching(ConnectionFilter{Client: netip.MustParseAddr("127.0.0.1")}, 1001, "by client")
			conns.CloseSandbox("Sandbox", "a", 1, 1012, "by sandbox")
			conns.Count("Sandbox", "a", 8080)
			select {
			case <-done:
				return
			default:
				runtime.Gosched()
			}
		}
	})
	for range 4 {
		clients.Go(func() {
			for range 20 {
				c := r.dial(t)
				c.send("GET / HTTP/1.1\r\nHost: a\r\n" + handshake + "\r\n" + frame(1, "hello", true))
				if _, err := io.Copy(io.Discard, c.r); isTimeout(err) {
					t.Error("not closed")
				}
				_ = c.Close()
			}
		})
	}
	clients.Wait()
	deadline := time.Now().Add(patience)
	for conns.Count("Sandbox", "a", 0) > 0 && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	close(done)
	closers.Wait()
	for opened.Load() != closed.Load() && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	t.Logf("%d opened", opened.Load())
	if left := conns.Count("Sandbox", "a", 0); left != 0 || opened.Load() != closed.Load() {
		t.Errorf("%d left, %d opened, %d closed", left, opened.Load(), closed.Load())
	}
}

// TestBreachIsTold has a policy end a WebSocket, and wants its bound to be told
// with the event of the end.
func TestBreachIsTold(t *testing.T) {
	t.Parallel()
	box := newBox("a", map[int]string{8080: backend(t, echoSocket)})
	ev := newEvents()
	pol := abi.Policy{IdleTimeout: abi.Duration(50 * time.Millisecond)}
	r := start(t, &Server{boxes: boxes(box), Observe: ev.add}, all(always(&abi.Connect{Sandbox: ref("a"), Port: 8080, Policy: pol})))
	c := r.dial(t)
	c.send("GET / HTTP/1.1\r\nHost: app\r\n" + handshake + "\r\n")
	if e := ev.next(t); e.Kind != EventWebSocketOpened || e.Via != ViaPlugin || e.Breach != "" {
		t.Fatalf("event %+v", e)
	}
	if e := ev.next(t); e.Kind != EventWebSocketClosed || e.Breach != string(bridge.BreachIdle) || e.Plugin != "p" || e.Sandbox.ID != "a" {
		t.Errorf("event %+v", e)
	}
}
