package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins"
)

// The harness of this package's tests: build makes a module of a Worker, serve loads
// it into a registry with a made-up sandbox, ask sends it a request.

// engineFile is what make fetched.
const engineFile = "../../cmd/edge/assets/quickjs.wasm"

var (
	// cacheDir keeps compiled code from one run of the tests to the next.
	cacheDir = filepath.Join(userCache(), "edge-worker-test")
	// shared is the Builder of all tests but those of top levels that compute for too
	// long, which have hasty: the engine is compiled once for each.
	shared = sync.OnceValues(func() (*Builder, error) {
		engine, err := os.ReadFile(engineFile)
		if err != nil {
			return nil, fmt.Errorf("%w: make fetches it", err)
		}
		return patient(Config{Engine: engine, CacheDir: cacheDir}), os.MkdirAll(cacheDir, 0o700)
	})
	hasty = sync.OnceValues(func() (*Builder, error) {
		b, err := shared()
		if err != nil {
			return nil, err
		}
		h := patient(b.config)
		h.bounds.worker = time.Second
		return h, nil
	})
)

// patient makes a Builder that has time for every Worker, however busy the machine is.
func patient(config Config) *Builder {
	b := New(config)
	b.bounds = bounds{runtime: forever, worker: forever}
	return b
}

func userCache() string {
	if dir, err := os.UserCacheDir(); err == nil {
		return dir
	}
	return os.TempDir()
}

// builder returns the Builder of all tests.
func builder(t testing.TB) *Builder {
	t.Helper()
	b, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// hurried returns the Builder of tests whose top level does not end.
func hurried(t testing.TB) *Builder {
	t.Helper()
	b, err := hasty()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// write puts files, name and text in turn, into a new folder and returns the first
// one's path.
func write(t testing.TB, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, files[0])
}

// build makes a module of a Worker: a file below testdata, or the text of worker.ts.
func build(t testing.TB, source string) []byte {
	t.Helper()
	file := source
	if !strings.HasPrefix(source, "testdata/") {
		file = write(t, "worker.ts", source)
	}
	built, err := builder(t).Build(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	return built.Module
}

// operate is a sandbox.
type operate func(ctx context.Context, name string, body json.RawMessage) (json.RawMessage, error)

func (f operate) Operate(ctx context.Context, name string, body json.RawMessage) (json.RawMessage, error) {
	return f(ctx, name, body)
}

func startProcess(_ context.Context, name string, body json.RawMessage) (json.RawMessage, error) {
	var q struct{ ProcessID string }
	_ = json.Unmarshal(body, &q)
	return json.Marshal(map[string]any{"id": q.ProcessID, "pid": 42})
}

// book is a log that a test reads while it is written.
type book struct {
	mu    sync.Mutex
	b     strings.Builder
	grown chan struct{} // closed by the next write; nil while nobody waits
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.grown != nil {
		close(b.grown)
		b.grown = nil
	}
	return b.b.Write(p)
}

// next is closed when something is written after what String has now.
func (b *book) next() (text string, grown <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.grown == nil {
		b.grown = make(chan struct{})
	}
	return b.b.String(), b.grown
}

func (b *book) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// serve loads the module into a registry; the log is what it says.
func serve(t testing.TB, module []byte, op operate, change ...func(*plugins.Spec)) (*plugins.Plugin, *book) {
	t.Helper()
	r, log := register(t, plugins.Services{Operations: op})
	return load(t, r, module, change...), log
}

// register makes a registry without plugins.
func register(t testing.TB, services plugins.Services) (*plugins.Registry, *book) {
	t.Helper()
	log := &book{}
	logger := slog.New(slog.NewTextHandler(log, nil))
	r, err := plugins.NewRegistry(plugins.Config{Log: logger, GuestLog: logger, CacheDir: cacheDir, Services: services})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close(context.Background()) })
	return r, log
}

// load has a registry serve a module, as the plugin w. It has time for whatever it does
// unless change says otherwise: what it answers is its own doing and no deadline's.
func load(t testing.TB, r *plugins.Registry, module []byte, change ...func(*plugins.Spec)) *plugins.Plugin {
	t.Helper()
	path := filepath.Join(t.TempDir(), "worker.wasm")
	if err := os.WriteFile(path, module, 0o600); err != nil {
		t.Fatal(err)
	}
	spec := plugins.Spec{Name: "w", Source: path, MaxInstances: 1, Deadline: forever, Compute: forever, Queue: forever, Bindings: plugins.Bindings{Sandboxes: map[string]string{"Sandbox": "Sandbox"}}}
	for _, f := range change {
		f(&spec)
	}
	p, err := r.Load(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func ask(t testing.TB, p *plugins.Plugin, r *abi.Request) string {
	t.Helper()
	d, err := p.Decide(context.Background(), r)
	switch d := d.(type) {
	case *abi.Respond:
		return string(d.Body)
	case *abi.Connect:
		return fmt.Sprintf("connect %s/%s:%d", d.Sandbox.Binding, d.Sandbox.ID, d.Port)
	}
	return fmt.Sprint("error ", err)
}

func upgrade(url string) *abi.Request {
	r := request(url)
	r.Headers = append(r.Headers, abi.Header{Name: "Upgrade", Value: "websocket"}, abi.Header{Name: "Connection", Value: "Upgrade"},
		abi.Header{Name: "Sec-WebSocket-Key", Value: "dGhlIHNhbXBsZSBub25jZQ=="}, abi.Header{Name: "Sec-WebSocket-Version", Value: "13"})
	return r
}

func request(url string) *abi.Request {
	path, query, _ := strings.Cut(url, "?")
	return &abi.Request{ID: "r1", Method: "GET", Scheme: "http", Host: "localhost:8787", Path: path, Query: query, HasQuery: query != "", RemoteAddr: "192.0.2.1:1024",
		Headers: []abi.Header{{Name: "Host", Value: "localhost:8787"}, {Name: "User-Agent", Value: "test/1"}, {Name: "Accept", Value: "*/*"}}}
}
