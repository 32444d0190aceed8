package host

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edge/abi"
)

// TestPlanHoldsAThousandUpgrades has a thousand clients wait for one cold start: no
// decider is at work meanwhile, every step is taken once, what a plan holds is kept
// once, and all are joined in the end.
//
// It measures memory, and so runs beside no other test.
func TestPlanHoldsAThousandUpgrades(t *testing.T) {
	const clients = 1000
	addr := upgradeBackend(t)
	box := newPlanBox(addr)
	box.hold = make(chan struct{})
	var deciding, decided atomic.Int64
	content := strings.Repeat("x", 256<<10)
	decider := decide(func(context.Context, *abi.Request) (abi.Decision, error) {
		deciding.Add(1)
		defer deciding.Add(-1)
		defer decided.Add(1)
		d := steps(abi.PlanConnect)
		d.Files[0].Content = strings.Clone(content) // as each request's plan has its own
		d.Timeout = abi.Duration(5 * time.Minute)
		return d, nil
	})
	r := start(t, &Server{boxes: box.boxes(), DrainTimeout: 10 * time.Second}, all(decider))
	before := memory()
	conns := make([]net.Conn, clients)
	for i := range conns {
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: a\r\n"+handshake+"\r\n"); err != nil {
			t.Fatal(err)
		}
		conns[i] = c
	}
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		r.plans.mu.Lock()
		runs, waiting := len(r.plans.runs), 0
		for _, run := range r.plans.runs {
			waiting += run.waiting
		}
		r.plans.mu.Unlock()
		if waiting == clients && runs == 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d wait for %d runs", waiting, runs)
		}
	}
	if n := deciding.Load(); n != 0 || decided.Load() != clients {
		t.Errorf("%d deciders are at work and %d have decided, while all wait", n, decided.Load())
	}
	each := (memory() - before) / clients
	t.Logf("%d bytes for each client that waits, both ends of its connection included", each)
	if each > 128<<10 {
		t.Errorf("%d bytes for each client that waits: is its plan of 256 KiB kept?", each)
	}
	close(box.hold)
	var wg sync.WaitGroup
	var joined atomic.Int64
	for _, c := range conns {
		wg.Go(func() {
			_ = c.SetReadDeadline(time.Now().Add(patience))
			if line, err := bufio.NewReaderSize(c, 16).ReadString(' '); err == nil && line == "HTTP/1.1 " {
				joined.Add(1)
			}
		})
	}
	wg.Wait()
	if joined.Load() != clients {
		t.Errorf("%d of %d were answered", joined.Load(), clients)
	}
	want := strings.Replace(allSteps, "server.ts 4", fmt.Sprintf("server.ts %d", len(content)), 1)
	if got := box.made(); got != want {
		t.Errorf("steps %.300q, want %q", got, want)
	}
}

// memory is what heap and stacks hold now.
func memory() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// upgradeBackend answers each connection's handshake with a 101 and keeps it open.
func upgradeBackend(t *testing.T) string {
	addr, _ := rawBackend(t, func(head string, _ int) string {
		key := ""
		for line := range strings.Lines(head) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "Sec-WebSocket-Key") {
				key = strings.TrimSpace(value)
			}
		}
		return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept(key) + "\r\n\r\n"
	})
	return addr
}

// BenchmarkPlanWarm is a request whose plan finds all its steps done, beside the same
// request proxied.
func BenchmarkPlanWarm(b *testing.B) {
	for name, d := range map[string]abi.Decision{"plan": steps(abi.PlanProxy), "proxy": &abi.Proxy{Sandbox: ref("a"), Port: 8080}} {
		b.Run(name, func(b *testing.B) {
			box := newPlanBox(backend(b, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
			box.process = abi.StatusRunning
			r := start(b, &Server{boxes: box.boxes()}, all(always(d)))
			c := r.dial(b)
			_ = c.SetDeadline(time.Time{})
			b.ReportAllocs()
			for b.Loop() {
				c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				c.answer("GET")
				box.mu.Lock()
				box.calls = box.calls[:0]
				box.mu.Unlock()
			}
		})
	}
}
