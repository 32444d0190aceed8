package replay

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"edge/abi"
	"edge/cmd/edge/testleak"
	"edge/plugins"
	"edge/plugins/wasmasm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testleak.Settle(m)) }

// patience bounds what a test waits for; it never decides a result.
const patience = time.Minute

// guest is a hand-written plugin that does steps for each request.
type guest struct {
	*wasmasm.Module
	fn    map[string]wasmasm.Func
	steps []wasmasm.Code
	buf   uint32
}

const bufSize = 4096

func newGuest() *guest {
	g := &guest{Module: wasmasm.New(), fn: map[string]wasmasm.Func{}}
	for name, params := range map[string]string{
		"op": "iiiiiii", "respond": "iiiiii", "next": "i", "req_header_set": "iiiii", "req_body_read": "iii", "kv": "iiiiiiiiii",
		"secret_get": "iiii", "config_get": "iiii", "connect": "iiiiiiii", "log": "iiiiii", "op_open": "iiiii", "fetch": "iiiii",
		"fetch_read": "iiii", "req_header": "iiiii", "fail": "iii",
	} {
		g.fn[name] = g.Import("edge1", name, params, "I")
	}
	g.Memory(2, 0)
	g.buf = g.Space(bufSize)
	return g
}

// args turns texts into pointer and length, and numbers into themselves.
func (g *guest) args(list ...any) []wasmasm.Code {
	var codes []wasmasm.Code
	for _, a := range list {
		switch a := a.(type) {
		case string:
			codes = append(codes, wasmasm.I32(int32(g.Bytes([]byte(a)))), wasmasm.I32(int32(len(a))))
		case int:
			codes = append(codes, wasmasm.I32(int32(a)))
		case wasmasm.Code:
			codes = append(codes, a)
		}
	}
	return codes
}

// do calls a host function and keeps the low half of its result as the length of
// what is in the buffer.
func (g *guest) do(name string, args ...any) *guest {
	g.steps = append(g.steps, wasmasm.Call(g.fn[name], g.args(args...)...), wasmasm.Set(1))
	return g
}

func req() wasmasm.Code { return wasmasm.Get(0) }

// room is the buffer.
func (g *guest) room() []any { return []any{int(g.buf), bufSize} }

func (g *guest) op(name, body string) *guest {
	return g.do("op", append([]any{req(), name, body}, g.room()...)...)
}

// respond answers with what is in the buffer.
func (g *guest) respond(status int, headers ...abi.Header) *guest {
	args := g.args(req(), status, string(abi.AppendHeaders(nil, headers)), int(g.buf))
	g.steps = append(g.steps, wasmasm.Call(g.fn["respond"], append(args, wasmasm.Do(wasmasm.Get(1), wasmasm.Wrap()))...), wasmasm.Drop())
	return g
}

func (g *guest) module() []byte {
	g.Func("edge1", "", "", "")
	g.Func("edge_init", "", "i", "", wasmasm.I32(0))
	g.Func("edge_request", "i", "i", "I", append(g.steps, wasmasm.I32(0))...)
	return g.Encode()
}

// real is the services of an edge that serves.
type real struct {
	answer func(name string, body json.RawMessage) (json.RawMessage, error)
	kv     *store
}

func (r real) Operate(_ context.Context, name string, body json.RawMessage) (json.RawMessage, error) {
	return r.answer(name, body)
}

func (r real) Open(context.Context, string, json.RawMessage) (abi.Socket, error) {
	return newSocket(socketAnswer{}), nil
}

func (r real) Fetch(_ context.Context, req plugins.FetchRequest) (*plugins.FetchResponse, error) {
	return &plugins.FetchResponse{Status: 200, URL: req.URL, Body: io.NopCloser(strings.NewReader("fetched"))}, nil
}

func (r real) services() plugins.Services {
	return plugins.Services{Operations: r, Streams: r, Fetcher: r, KV: r.kv}
}

// recorded serves requests with a module, records them and returns the file.
func recorded(t *testing.T, module []byte, o Options, spec plugins.Spec, services plugins.Services, requests ...*abi.Request) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "requests.jsonl")
	r, err := Create(file, o)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, r, module, spec, services, requests...)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return file
}

func serve(t *testing.T, r plugins.Recorder, module []byte, spec plugins.Spec, services plugins.Services, requests ...*abi.Request) {
	t.Helper()
	registry, err := plugins.NewRegistry(plugins.Config{Services: services, Recorder: r})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := registry.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	spec.Name, spec.Source = "p", filepath.Join(t.TempDir(), "p.wasm")
	if spec.Secrets == nil {
		spec.Secrets = map[string]string{"none": "-"}
	}
	spec.Grants = &plugins.Grants{Sandboxes: map[string][]string{"S": {"*"}}, Fetch: []string{"api.example.com"}, KV: "p"}
	if err := os.WriteFile(spec.Source, module, 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := registry.Load(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range requests {
		_, _ = p.Decide(t.Context(), q) // errors are recorded, too
	}
}

func request(path string, headers ...abi.Header) *abi.Request {
	return &abi.Request{
		ID: "r1", Method: "GET", Scheme: "http", Host: "localhost:8787", Path: path, RemoteAddr: "127.0.0.1:5",
		Headers: append([]abi.Header{{Name: "Host", Value: "localhost:8787"}}, headers...),
	}
}

func withBody(r *abi.Request, text string) *abi.Request {
	r.Method, r.Body, r.ContentLength = "POST", strings.NewReader(text), int64(len(text))
	return r
}

// again decides a recording with a module.
func again(t *testing.T, file string, module []byte) (Summary, []Result) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var results []Result
	run := Run{
		Open: func(ctx context.Context, s Settings) (*plugins.Trial, error) {
			return plugins.OpenTrial(ctx, plugins.Config{}, plugins.Spec{Name: "p", Config: s.Config, Secrets: s.Secrets, Grants: s.Grants, Bindings: s.Bindings}, module)
		},
		Report: func(r Result) { results = append(results, r) },
	}
	s, err := run.Do(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return s, results
}

const box = `{"sandbox":{"binding":"S","id":"a"}}`

// readFetch reads the answer whose handle do kept.
func (g *guest) readFetch() *guest {
	return g.do("fetch_read", req(), wasmasm.Do(wasmasm.Get(1), wasmasm.Wrap()), int(g.buf), bufSize)
}

// openNone opens a trial that answers 200.
func openNone(ctx context.Context, _ Settings) (*plugins.Trial, error) {
	return plugins.OpenTrial(ctx, plugins.Config{}, plugins.Spec{Name: "p"}, newGuest().respond(200).module())
}
