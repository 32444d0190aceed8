package e2e

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// upgradeEdge is an edge on one processor with a sandbox in which a server accepts
// WebSockets. They come to it by a plugin's decision.
func upgradeEdge(t testing.TB) *edge {
	s := settings{
		runtime: "process", plugins: map[string]string{}, files: fmt.Sprintf("tools: [%q]", guestProgram(t)),
		binding: `start: [{processId: upgrade, argv: [guest, upgrade, "8080"], port: 8080}]`, env: []string{"GOMAXPROCS=1"},
	}
	e := newEdge(t, withProbe(t, s))
	c, err := e.handshake()
	if err != nil {
		t.Fatalf("%v\n%s", err, e.log)
	}
	c.Close()
	return e
}

// handshake opens a WebSocket and leaves it as it is: no goroutine and no buffer
// belongs to it here.
func (e *edge) handshake() (net.Conn, error) {
	c, err := net.Dial("tcp", e.addr)
	if err != nil {
		return nil, err
	}
	const head = "GET /probe/connect?id=upgrade&port=8080 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	if _, err := c.Write([]byte(head)); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReaderSize(c, 512), nil)
	if err == nil && resp.StatusCode != 101 {
		err = fmt.Errorf("status %d", resp.StatusCode)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// clientsAtOnce is how many open WebSockets at the same time.
const clientsAtOnce = 16

// handshakes opens n WebSockets, and gives each to then.
func (e *edge) handshakes(n int, then func(net.Conn)) {
	var turn atomic.Int64
	var wg sync.WaitGroup
	for range clientsAtOnce {
		wg.Go(func() {
			for turn.Add(1) <= int64(n) {
				c, err := e.handshake()
				if err != nil {
					e.t.Error(err)
					return
				}
				then(c)
			}
		})
	}
	wg.Wait()
}

// vitals are what the edge tells about its own process.
type vitals struct{ goroutines, descriptors, memory, cpu float64 }

func (e *edge) vitals() (v vitals) {
	e.t.Helper()
	names := map[string]*float64{
		"go_goroutines": &v.goroutines, "process_open_fds": &v.descriptors,
		"process_resident_memory_bytes": &v.memory, "process_cpu_seconds_total": &v.cpu,
	}
	for line := range strings.Lines(string(e.ask("GET", "/metrics", 200))) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if to := names[name]; to != nil {
			*to, _ = strconv.ParseFloat(value, 64)
			delete(names, name)
		}
	}
	if len(names) > 0 {
		e.t.Fatalf("the metrics lack %v", names)
	}
	return v
}

// quiet waits until the edge has put away what a burst of requests needed, and
// returns what it has. Few questions are asked, since each is work for it.
func (e *edge) quiet() vitals {
	e.t.Helper()
	const restFor = 8 * time.Second // longer than goroutines and memory are kept for the next burst
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last, since := e.vitals(), time.Now()
	for began := since; time.Since(began) < patience; {
		now := <-tick.C
		v := e.vitals()
		if v.goroutines != last.goroutines || v.descriptors != last.descriptors {
			since = now
		}
		if last = v; now.Sub(since) >= restFor {
			return v
		}
	}
	e.t.Fatalf("never quiet: %+v", last)
	return last
}

// quietInstances is quiet with the number of plugin instances of that same moment.
func (e *edge) quietInstances() (vitals, float64) {
	e.t.Helper()
	for {
		v, n := e.quiet(), e.sum("edge_plugin_instances\\{")
		if e.vitals().goroutines == v.goroutines { // none ended in between
			return v, n
		}
	}
}

// BenchmarkHandshake is a WebSocket from the client's connection to its close, by
// way of a plugin's decision, and what of the edge's processor it takes.
func BenchmarkHandshake(b *testing.B) {
	e := upgradeEdge(b)
	e.handshakes(50*clientsAtOnce, func(c net.Conn) { c.Close() })
	before := e.vitals()
	b.ResetTimer()
	e.handshakes(b.N, func(c net.Conn) { c.Close() })
	b.StopTimer()
	b.ReportMetric((e.vitals().cpu-before.cpu)*1e6/float64(b.N), "cpu-us/op")
}

// TestIdleBridges wants nothing of a WebSocket on which nothing happens but two
// descriptors and some memory, which it prints.
func TestIdleBridges(t *testing.T) {
	if raceEnabled {
		t.Skip("SKIPPED, NOT TESTED: the race detector's memory is not the edge's")
	}
	const bridges = 3000
	e := upgradeEdge(t)
	// The plugin's instances, and all else that a number of clients at once needs.
	e.handshakes(50*clientsAtOnce, func(c net.Conn) { c.Close() })
	first, err := e.handshake() // with it comes what carries all of them
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	before, had := e.quietInstances()
	var mu sync.Mutex
	var open []net.Conn
	e.handshakes(bridges, func(c net.Conn) {
		mu.Lock()
		open = append(open, c)
		mu.Unlock()
	})
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	after, have := e.quietInstances()
	instances := have - had // each waits in a coroutine for 30 s
	if g, d := after.goroutines-before.goroutines-instances, after.descriptors-before.descriptors; g != 0 || d != 2*bridges {
		t.Errorf("%v goroutines and %v descriptors for %d idle WebSockets; want 0 and %d", g, d, bridges, 2*bridges)
	}
	fmt.Fprintf(os.Stdout, "%-52s %.2f KiB, 2 descriptors, 0 goroutines\n", "an idle WebSocket", (after.memory-before.memory)/bridges/1024)
}
