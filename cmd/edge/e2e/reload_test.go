package e2e

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"edge/plugins/wasmasm"
)

// reloading is how much TestReloadUnderLoad does: some among the other tests, a
// million requests over 60 reloads under 1,000 sockets in "make soak".
type reloading struct {
	reloads, sockets int
	requests         int64 // at least, over all reloads
}

func howMuchReloading() reloading {
	r := reloading{reloads: 100, sockets: 200}
	for name, set := range map[string]func(int){
		"EDGE_RELOADS":         func(n int) { r.reloads = n },
		"EDGE_RELOAD_SOCKETS":  func(n int) { r.sockets = n },
		"EDGE_RELOAD_REQUESTS": func(n int) { r.requests = int64(n) },
	} {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
			set(n)
		}
	}
	return r
}

// TestReloadUnderLoad replaces a plugin again and again, each time by a module of
// other bytes that answers with its own number, while WebSockets that it routed
// are open and requests run. No socket closes, no request fails, every number is
// seen, and never an older one after a newer one was answered to the same client;
// and each request was given to one generation, as their counters tell.
func TestReloadUnderLoad(t *testing.T) {
	const workers = 4
	much := howMuchReloading()
	reloads, sockets := much.reloads, much.sockets
	source := filepath.Join(t.TempDir(), "numbered.wasm")
	install(t, source, 0)
	s := examples("process")
	s.plugins["numbered"] = source
	s.routes = append([][2]string{{"/n", "numbered"}, {"/through", "numbered"}}, s.routes...)
	e := newEdge(t, s)
	if err := echo(e.dial("/ws/echo?id=reload"), "the server is up"); err != nil {
		t.Fatal(err)
	}
	var conns []*websocket.Conn
	for range sockets {
		conns = append(conns, e.dial("/through"))
	}

	load := startLoad(t.Context(), workers, "http://"+e.addr+"/n")
	start, before, given := time.Now(), e.vitals(), map[string]int64{}
	for n := 1; n <= reloads; n++ {
		install(t, source, n)
		load.await(t, n)
		load.awaitRequests(t, much.requests*int64(n)/int64(reloads))
		if n%10 == 0 { // every socket, ten times over the run
			for i, ws := range conns {
				if err := echo(ws, fmt.Sprintf("socket %d after reload %d", i, n)); err != nil {
					t.Fatalf("socket %d of %d after reload %d: %v", i, sockets, n, err)
				}
			}
		}
		if err := echo(e.dial("/through"), "a new socket"); err != nil {
			t.Fatalf("new socket after reload %d: %v", n, err)
		}
		// The generation before is warm still, and its last request was long ago.
		maps.Copy(given, e.requestsGiven("numbered"))
	}
	requests, failed := load.stop()
	if failed != nil {
		t.Errorf("a request failed: %v", failed)
	}
	for i, ws := range conns {
		if err := echo(ws, "still here"); err != nil {
			t.Errorf("socket %d at the end: %v", i, err)
		}
	}
	maps.Copy(given, e.requestsGiven("numbered"))
	asked, decided := requests+int64(sockets+reloads), int64(0)
	for _, n := range given {
		decided += n
	}
	if decided != asked || len(given) != reloads+1 {
		t.Errorf("%d generations were given %d requests, want %d given %d, one each", len(given), decided, reloads+1, asked)
	}
	after := e.vitals()
	t.Logf("%d reloads in %v under %d requests and %d open sockets: 0 closed, 0 failed; resident memory %.1f MiB, %.1f MiB before",
		reloads, time.Since(start).Round(time.Millisecond), requests, sockets, after.memory/(1<<20), before.memory/(1<<20))
}

// requestsGiven returns how many requests each generation of a plugin was given,
// of those that are there.
func (e *edge) requestsGiven(plugin string) map[string]int64 {
	e.t.Helper()
	given := map[string]int64{}
	series := regexp.MustCompile(`(?m)^edge_plugin_requests_total\{generation="(\d+)",plugin="` + plugin + `"\} (.*)$`)
	for _, m := range series.FindAllStringSubmatch(string(e.ask("GET", "/metrics", 200)), -1) {
		n, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			e.t.Fatalf("metrics: %s: %v", m[0], err)
		}
		given[m[1]] = int64(n)
	}
	return given
}

// load asks a URL for its number again and again.
type load struct {
	ended    atomic.Bool // no further request is made
	done     sync.WaitGroup
	requests atomic.Int64
	seen     sync.Map // number -> struct{}
	failure  atomic.Pointer[error]
	news     chan struct{}
}

func startLoad(ctx context.Context, workers int, url string) *load {
	l := &load{news: make(chan struct{}, 1)}
	for range workers {
		l.done.Go(func() { l.ask(ctx, url) })
	}
	return l
}

func (l *load) ask(ctx context.Context, url string) {
	client := http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	newest := 0
	for ctx.Err() == nil && !l.ended.Load() {
		n, err := number(ctx, &client, url)
		if err == nil && n < newest {
			err = fmt.Errorf("number %d answered after number %d", n, newest)
		}
		if err != nil {
			l.failure.CompareAndSwap(nil, &err)
			return
		}
		newest = n
		l.requests.Add(1)
		if _, old := l.seen.LoadOrStore(n, struct{}{}); !old {
			select {
			case l.news <- struct{}{}:
			default:
			}
		}
	}
}

func number(ctx context.Context, client *http.Client, url string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("status %d: %s", resp.StatusCode, body)
	}
	return strconv.Atoi(string(body))
}

// await returns when the number was seen.
func (l *load) await(t *testing.T, n int) {
	t.Helper()
	timeout := time.After(patience)
	for {
		if _, ok := l.seen.Load(n); ok {
			return
		}
		if err := l.failure.Load(); err != nil {
			t.Fatalf("a request failed while waiting for number %d: %v", n, *err)
		}
		select {
		case <-l.news:
		case <-timeout:
			t.Fatalf("number %d was not seen within %v", n, patience)
		}
	}
}

// awaitRequests returns when so many were answered. It waits as long as they are.
func (l *load) awaitRequests(t *testing.T, n int64) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for last, since := int64(-1), time.Now(); ; <-tick.C {
		now := l.requests.Load()
		if now >= n {
			return
		}
		if err := l.failure.Load(); err != nil {
			t.Fatalf("a request failed: %v", *err)
		}
		if now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) > patience {
			t.Fatalf("no request was answered for %v", patience)
		}
	}
}

// stop returns when every request that was made is answered.
func (l *load) stop() (requests int64, failed error) {
	l.ended.Store(true)
	l.done.Wait()
	if err := l.failure.Load(); err != nil {
		failed = *err
	}
	return l.requests.Load(), failed
}

// install puts module number n in place of the one before, as a build would:
// written beside it, then renamed.
func install(t *testing.T, path string, n int) {
	t.Helper()
	replace(t, path, numbered(n))
}

func replace(t *testing.T, path string, module []byte) {
	t.Helper()
	next := path + ".next"
	if err := os.WriteFile(next, module, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

// numbered is a module that answers "/n" with its number, and connects
// everything else to the echo server of the sandbox "reload".
func numbered(n int) []byte {
	m := wasmasm.New()
	get := m.Import("edge1", "req_get", "iiii", "I")
	respond := m.Import("edge1", "respond", "iiiiii", "I")
	connect := m.Import("edge1", "connect", "iiiiiiii", "I")
	m.Memory(1, 0)
	str := func(s string) wasmasm.Code {
		return wasmasm.Do(wasmasm.I32(int32(m.Bytes([]byte(s)))), wasmasm.I32(int32(len(s))))
	}
	path := wasmasm.I32(int32(m.Space(64)))
	const fieldPath = 4
	m.Func("edge1", "", "", "")
	m.Func("edge_init", "", "i", "", wasmasm.I32(0))
	m.Func("edge_request", "i", "i", "",
		wasmasm.Call(get, wasmasm.Get(0), wasmasm.I32(fieldPath), path, wasmasm.I32(64)), wasmasm.Wrap(),
		wasmasm.I32(int32(len("/n"))), wasmasm.Equal(),
		wasmasm.If(
			wasmasm.Do(wasmasm.Call(respond, wasmasm.Get(0), wasmasm.I32(200), wasmasm.I32(0), wasmasm.I32(0), str(strconv.Itoa(n))), wasmasm.Drop()),
			wasmasm.Do(wasmasm.Call(connect, wasmasm.Get(0), str("Sandbox"), str("reload"), wasmasm.I32(8080), wasmasm.I32(0), wasmasm.I32(0)), wasmasm.Drop()),
		),
		wasmasm.I32(0))
	return m.Encode()
}
