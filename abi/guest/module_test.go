//go:build !wasip1

package guest_test

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"edge/abi"
	"edge/abi/guest"
	"edge/abi/guest/guesttest"
	"edge/abi/guest/internal/edge1"
)

// TestModule runs a plugin as the module it is built into. Its imports end in the
// same fake host as those of a native test, so what differs is the border alone:
// pointers, lengths, and results that do not fit. It does not run beside other
// tests, because it takes the place of the package's entry.
func TestModule(t *testing.T) {
	code := buildModule(t, wazero.NewRuntimeConfigInterpreter()) // compiling takes long under the race detector
	long := strings.Repeat("y", 70_000)
	host := moduleHost(t, code, &guesttest.Host{
		Config:    map[string]any{"greeting": long},
		IsPreview: func(r *abi.Request) bool { return r.Host == "preview.test" },
		OpenSocket: func(abi.SandboxRef, int, abi.WebSocketOptions) (abi.Socket, error) {
			return guesttest.Script("a", long, "", "b"), nil
		},
	})
	guesttest.On(host, abi.Exec, func(_ guesttest.Call, req *abi.ExecRequest) (*abi.ExecResponse, error) {
		if req.Stdin == "" {
			return nil, abi.Errorf(abi.CodeCommandNotFound, "%s", long)
		}
		return &abi.ExecResponse{Stdout: strings.Repeat(req.Stdin, max(1, req.MaxOutput))}, nil
	})
	request := func(target string) *abi.Request { return guesttest.Request("GET", target) }
	body := func(t *testing.T, req *abi.Request, status int) string {
		t.Helper()
		got := answered(t, host.Do(req))
		if got.Status != status {
			t.Fatalf("status %d, want %d: %.200s", got.Status, status, got.Body)
		}
		return string(got.Body)
	}

	fails := func(t *testing.T, req *abi.Request, code abi.Code) *abi.Error {
		t.Helper()
		e := failed(t, host.Do(req))
		if e.Code != code {
			t.Fatalf("failed with %.200v, want %s", e, code)
		}
		return e
	}

	t.Run("init reads the configuration", func(t *testing.T) {
		if got := body(t, request("/config"), 200); got != long {
			t.Errorf("got %d bytes", len(got))
		}
	})
	t.Run("request", func(t *testing.T) {
		req := request("/view?q=" + long)
		req.Method = "POST"
		req.Headers = append(req.Headers, abi.Header{Name: "X-Long", Value: long}, abi.Header{Name: "X-Empty"})
		req.Body = strings.NewReader(strings.Repeat("z", 300_000))
		var view struct {
			Method, Query, Header string
			Headers, Body         int
		}
		if err := json.Unmarshal([]byte(body(t, req, 200)), &view); err != nil {
			t.Fatal(err)
		}
		if view.Method != "POST" || view.Query != long || view.Header != long || view.Headers != 3 || view.Body != 300_000 {
			t.Errorf("the module saw %d %d %d %d %s", len(view.Query), len(view.Header), view.Headers, view.Body, view.Method)
		}
	})
	t.Run("operation", func(t *testing.T) {
		if got := body(t, request("/exec?q=abc"), 200); got != strings.Repeat("abc", 5_000) {
			t.Errorf("got %d bytes", len(got))
		}
		// What the host says is longer than what may be answered.
		if got := fails(t, request("/exec"), abi.CodeCommandNotFound); len(got.Message) < 1000 || !strings.HasPrefix(long, got.Message) {
			t.Errorf("error %.100v", got)
		}
	})
	t.Run("socket", func(t *testing.T) {
		if got := body(t, request("/ws"), 200); got != "a"+long+"b" {
			t.Errorf("got %d bytes", len(got))
		}
	})
	t.Run("stream", func(t *testing.T) {
		if got := body(t, request("/stream"), 200); got != strings.Repeat("x", 100_000) {
			t.Errorf("got %d bytes", len(got))
		}
	})
	t.Run("stream of an operation", func(t *testing.T) {
		guesttest.OnStream(host, abi.ExecStream, func(_ guesttest.Call, req *abi.ExecStreamRequest) (abi.Socket, error) {
			return guesttest.Script(`{"type":"start","pid":7}`, `{"type":"stdout","data":"`+req.Stdin+`"}`, `{"type":"exit","exitCode":3}`), nil
		})
		if got := body(t, request("/follow?q="+long), 200); got != "7"+long+"3" {
			t.Errorf("got %d bytes", len(got))
		}
	})
	t.Run("event", func(t *testing.T) {
		result := host.Tell(abi.SandboxEvent{Type: abi.SandboxStopped, Binding: "Sandbox", ID: "two", Reason: long})
		if result.Errno != abi.OK || len(result.Logs) != 1 || result.Logs[0].Message != "stop two" {
			t.Errorf("errno %v, log %+v", result.Errno, result.Logs)
		}
	})
	t.Run("decisions", func(t *testing.T) {
		if c, ok := host.Do(guesttest.WebSocket("/policy")).Decision.(*abi.Connect); !ok || c.Port != 8080 || c.Sandbox.ID != "one" || c.Policy.MaxBytes != 7 {
			t.Errorf("connect: %+v", c)
		}
		edited := request("/edit")
		edited.Headers = append(edited.Headers, abi.Header{Name: "X-Gone", Value: "1"})
		result := host.Do(edited)
		if p, ok := result.Decision.(*abi.Proxy); !ok || p.Port != 9000 || result.Request.Path != "/new" || header(result.Request.Headers, "X-Edited") != "yes" ||
			header(result.Request.Headers, "X-Gone") != "" {
			t.Errorf("proxy: %+v of %+v", result.Decision, result.Request)
		}
		preview := request("/preview")
		preview.Host = "preview.test"
		if _, ok := host.Do(preview).Decision.(*abi.Proxy); !ok {
			t.Error("the preview was not taken")
		}
		fails(t, request("/preview"), abi.CodeNotFound)
		guarded := request("/guarded")
		guarded.Host = "preview.test"
		body(t, guarded, 401)
		fails(t, request("/guarded"), abi.CodeNotFound)
		result = host.Do(request("/next"))
		if _, ok := result.Decision.(*abi.Next); !ok || len(result.Logs) != 1 || result.Logs[0].Message != "passing on" || len(result.Logs[0].Fields) != 2 {
			t.Errorf("next: %+v, log %+v", result.Decision, result.Logs)
		}
		fails(t, request("/"), abi.CodeUpgradeRequired)
	})
	t.Run("collection of garbage", func(t *testing.T) {
		for range 3 {
			if got := body(t, request("/collect?q=abc"), 200); got != "abc" {
				t.Errorf("got %q", got)
			}
		}
	})
	t.Run("self-test", func(t *testing.T) {
		if r := host.SelfTest(); r.Errno != abi.OK {
			t.Errorf("errno %v", r.Errno)
		}
		broken := moduleHost(t, code, &guesttest.Host{Config: map[string]any{"greeting": "broken"}})
		broken.Do(request("/next"))
		if r := broken.SelfTest(); r.Errno != abi.Internal || len(r.Logs) != 1 {
			t.Errorf("errno %v, log %+v", r.Errno, r.Logs)
		}
		misconfigured := moduleHost(t, code, &guesttest.Host{Config: map[string]any{"greeting": 5}})
		if r := misconfigured.Do(request("/next")); r.Errno != abi.Invalid || r.Decision != nil {
			t.Errorf("a failing init: errno %v, decision %+v", r.Errno, r.Decision)
		}
	})
	t.Run("services", func(t *testing.T) {
		served := moduleHost(t, code, &guesttest.Host{Secrets: map[string]string{"token": "hush"}})
		result := served.Do(request("/services?q=" + long))
		if got := answered(t, result); string(got.Body) != "hush "+long {
			t.Errorf("got %.100s of %d bytes", got.Body, len(got.Body))
		}
		if m := result.Metrics; len(m) != 2 || m[0].Value != 2 || m[0].Labels[1] != "/services" || m[1].Value != 0.25 || !m[1].Observed {
			t.Errorf("metrics %+v", m)
		}
		if e := failed(t, served.Do(request("/services"))); e.Code != abi.CodeConflict || string(e.Details) != `{"revision":1}` {
			t.Errorf("the second time: %v %s", e, e.Details)
		}
	})
	t.Run("fetch", func(t *testing.T) {
		reached := moduleHost(t, code, &guesttest.Host{Fetch: func(f guesttest.Fetch) (*guest.FetchResponse, error) {
			if f.Method != "POST" || string(f.Body) != "client's" {
				return nil, abi.Errorf(abi.CodeFetchFailed, "%+v", f)
			}
			return &guest.FetchResponse{Status: 201, URL: "https://x.test/" + long, Headers: []abi.Header{{Name: "X-Long", Value: long}}, Body: io.NopCloser(strings.NewReader(long))}, nil
		}})
		req := request("/fetch?url=https://x.test/")
		req.Body = strings.NewReader("client's")
		got := answered(t, reached.Do(req))
		if got.Status != 201 || string(got.Body) != long || len(got.Headers) != 1 || got.Headers[0].Value != long {
			t.Errorf("status %d, %d bytes, %d headers", got.Status, len(got.Body), len(got.Headers))
		}
		fails(t, request("/fetch?url=https://x.test/"), abi.CodeDenied)
	})
	t.Run("plan", func(t *testing.T) {
		p, ok := host.Do(guesttest.WebSocket("/plan")).Decision.(*abi.Plan)
		if !ok || p.Then != abi.PlanConnect || p.Sandbox.ID != "one" || p.Process.ProcessID != "web" {
			t.Errorf("decision %+v", p)
		}
	})
	t.Run("panic", func(t *testing.T) {
		fresh := moduleHost(t, code, &guesttest.Host{})
		result := fresh.Do(request("/panic"))
		if result.Errno != abi.Internal || len(result.Logs) != 1 || result.Logs[0].Level != guest.LevelError {
			t.Errorf("errno %v, log %+v", result.Errno, result.Logs)
		}
	})
}

// module is a compiled plugin.
type module struct {
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
}

func buildModule(tb testing.TB, config wazero.RuntimeConfig) module {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "plugin.wasm")
	cmd := exec.CommandContext(tb.Context(), "go", "build", "-buildmode=c-shared", "-o", file, "./testdata/plugin")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("go build: %v\n%s", err, out)
	}
	code, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, config)
	tb.Cleanup(func() {
		if err := r.Close(ctx); err != nil {
			tb.Error(err)
		}
	})
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	b := r.NewHostModuleBuilder("edge1")
	for _, f := range imports {
		b.NewFunctionBuilder().WithGoModuleFunction(f, f.params(), []api.ValueType{api.ValueTypeI64}).Export(f.name)
	}
	if _, err := b.Instantiate(ctx); err != nil {
		tb.Fatal(err)
	}
	compiled, err := r.CompileModule(ctx, code)
	if err != nil {
		tb.Fatal(err)
	}
	return module{r, compiled}
}

// TestUnusedFunctionsAreNotImported builds an example that needs sandboxes alone: a
// grant that it does not need would be missed at load, and its module would be
// larger than it has to be.
func TestUnusedFunctionsAreNotImported(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "echo.wasm")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", file, "../../examples/wasm/echo")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	code, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer r.Close(ctx)
	compiled, err := r.CompileModule(ctx, code)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range compiled.ImportedFunctions() {
		if module, name, _ := f.Import(); module == "edge1" {
			got = append(got, name)
		}
	}
	if len(got) == 0 {
		t.Error("it imports nothing")
	}
	for _, name := range []string{"fetch", "fetch_head", "fetch_read", "fetch_close", "kv", "secret_get", "clock", "random", "count", "observe", "plan", "ws_open", "op_open"} {
		if slices.Contains(got, name) {
			t.Errorf("it imports %s, which it does not use", name)
		}
	}
	t.Logf("%d bytes, imports %s", len(code), strings.Join(got, " "))
}

// moduleHost makes an instance of the module the entry of this test's package,
// so that host runs it.
func moduleHost(tb testing.TB, m module, host *guesttest.Host) *guesttest.Host {
	tb.Helper()
	ctx := context.Background()
	instance, err := m.runtime.InstantiateModule(ctx, m.compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize"))
	if err != nil {
		tb.Fatal(err)
	}
	export := func(name string) func(args ...uint64) int32 {
		f := instance.ExportedFunction(name)
		return func(args ...uint64) int32 {
			result, err := f.Call(ctx, args...)
			if err != nil {
				tb.Errorf("%s: %v", name, err)
				return int32(abi.Internal)
			}
			return int32(result[0])
		}
	}
	initialize, request, selfTest, event := export("edge_init"), export("edge_request"), export("edge_selftest"), export("edge_event")
	old := edge1.SetEntry(edge1.Entry{
		Init:     func() int32 { return initialize() },
		Request:  func(req uint32) int32 { return request(uint64(req)) },
		SelfTest: func() int32 { return selfTest() },
		Event:    func(ev uint32) int32 { return event(uint64(ev)) },
	})
	tb.Cleanup(func() {
		edge1.SetEntry(old)
		if err := instance.Close(ctx); err != nil {
			tb.Error(err)
		}
	})
	return host
}

// imported is one function of edge1 for wazero: a letter for each argument (u an
// u32, b a pointer and a length, t a pointer to 8 bytes, f an f64 at the end), and
// the function with its arguments read; an f64 is the bits of two u32.
type imported struct {
	name string
	args string
	call func(u []uint32, b [][]byte) uint64
}

func (f imported) params() []api.ValueType {
	var types []api.ValueType
	for _, a := range f.args {
		switch a {
		case 'b':
			types = append(types, api.ValueTypeI32, api.ValueTypeI32)
		case 'f':
			types = append(types, api.ValueTypeF64)
		default:
			types = append(types, api.ValueTypeI32)
		}
	}
	return types
}

// float puts an f64 together again.
func float(u []uint32) float64 { return math.Float64frombits(uint64(u[0])<<32 | uint64(u[1])) }

// Call implements api.GoModuleFunction.
func (f imported) Call(_ context.Context, m api.Module, stack []uint64) {
	var u []uint32
	var b [][]byte
	next := 0
	take := func() uint32 {
		next++
		return uint32(stack[next-1])
	}
	for _, a := range f.args {
		if a == 'u' {
			u = append(u, take())
			continue
		}
		if a == 'f' {
			u = append(u, uint32(stack[next]>>32), uint32(stack[next]))
			continue
		}
		ptr, size := take(), uint32(8)
		if a == 'b' {
			size = take()
		}
		bytes, ok := m.Memory().Read(ptr, size)
		if !ok {
			panic(f.name + ": a pointer outside the memory")
		}
		b = append(b, bytes)
	}
	stack[0] = f.call(u, b)
}

var imports = []imported{
	{"feature", "b", func(_ []uint32, b [][]byte) uint64 { return edge1.Feature(string(b[0])) }},
	{"log", "uubb", func(u []uint32, b [][]byte) uint64 { return edge1.Log(u[0], int32(u[1]), string(b[0]), b[1]) }},
	{"config_get", "bb", func(_ []uint32, b [][]byte) uint64 { return edge1.ConfigGet(string(b[0]), b[1]) }},
	{"secret_get", "bb", func(_ []uint32, b [][]byte) uint64 { return edge1.SecretGet(string(b[0]), b[1]) }},
	{"clock", "ut", func(u []uint32, b [][]byte) uint64 { return edge1.Clock(u[0], (*[8]byte)(b[0])) }},
	{"random", "b", func(_ []uint32, b [][]byte) uint64 { return edge1.Random(b[0]) }},
	{"count", "bbf", func(u []uint32, b [][]byte) uint64 { return edge1.Count(string(b[0]), b[1], float(u)) }},
	{"observe", "bbf", func(u []uint32, b [][]byte) uint64 { return edge1.Observe(string(b[0]), b[1], float(u)) }},
	{"plan", "ub", func(u []uint32, b [][]byte) uint64 { return edge1.Plan(u[0], b[0]) }},
	{"kv", "uubbbb", func(u []uint32, b [][]byte) uint64 {
		return edge1.KV(u[0], u[1], string(b[0]), b[1], b[2], b[3])
	}},
	{"fetch", "ubb", func(u []uint32, b [][]byte) uint64 { return edge1.Fetch(u[0], b[0], b[1]) }},
	{"fetch_head", "uub", func(u []uint32, b [][]byte) uint64 { return edge1.FetchHead(u[0], u[1], b[0]) }},
	{"fetch_read", "uub", func(u []uint32, b [][]byte) uint64 { return edge1.FetchRead(u[0], u[1], b[0]) }},
	{"fetch_close", "uu", func(u []uint32, _ [][]byte) uint64 { return edge1.FetchClose(u[0], u[1]) }},
	{"last_error", "ub", func(u []uint32, b [][]byte) uint64 { return edge1.LastError(u[0], b[0]) }},
	{"event_read", "ub", func(u []uint32, b [][]byte) uint64 { return edge1.EventRead(u[0], b[0]) }},
	{"result_read", "uuub", func(u []uint32, b [][]byte) uint64 { return edge1.ResultRead(u[0], u[1], u[2], b[0]) }},
	{"req_get", "uub", func(u []uint32, b [][]byte) uint64 { return edge1.ReqGet(u[0], u[1], b[0]) }},
	{"req_set", "uub", func(u []uint32, b [][]byte) uint64 { return edge1.ReqSet(u[0], u[1], string(b[0])) }},
	{"req_header", "ubb", func(u []uint32, b [][]byte) uint64 { return edge1.ReqHeader(u[0], string(b[0]), b[1]) }},
	{"req_headers", "ub", func(u []uint32, b [][]byte) uint64 { return edge1.ReqHeaders(u[0], b[0]) }},
	{"req_header_set", "ubb", func(u []uint32, b [][]byte) uint64 { return edge1.ReqHeaderSet(u[0], string(b[0]), string(b[1])) }},
	{"req_header_add", "ubb", func(u []uint32, b [][]byte) uint64 { return edge1.ReqHeaderAdd(u[0], string(b[0]), string(b[1])) }},
	{"req_header_del", "ub", func(u []uint32, b [][]byte) uint64 { return edge1.ReqHeaderDel(u[0], string(b[0])) }},
	{"req_body_read", "ub", func(u []uint32, b [][]byte) uint64 { return edge1.ReqBodyRead(u[0], b[0]) }},
	{"respond", "uubb", func(u []uint32, b [][]byte) uint64 { return edge1.Respond(u[0], u[1], b[0], b[1]) }},
	{"respond_begin", "uub", func(u []uint32, b [][]byte) uint64 { return edge1.RespondBegin(u[0], u[1], b[0]) }},
	{"respond_write", "ub", func(u []uint32, b [][]byte) uint64 { return edge1.RespondWrite(u[0], b[0]) }},
	{"respond_end", "u", func(u []uint32, _ [][]byte) uint64 { return edge1.RespondEnd(u[0]) }},
	{"fail", "ub", func(u []uint32, b [][]byte) uint64 { return edge1.Fail(u[0], b[0]) }},
	{"connect", "ubbub", func(u []uint32, b [][]byte) uint64 {
		return edge1.Connect(u[0], string(b[0]), string(b[1]), u[1], b[2])
	}},
	{"proxy", "ubbub", func(u []uint32, b [][]byte) uint64 { return edge1.Proxy(u[0], string(b[0]), string(b[1]), u[1], b[2]) }},
	{"preview", "u", func(u []uint32, _ [][]byte) uint64 { return edge1.Preview(u[0]) }},
	{"next", "u", func(u []uint32, _ [][]byte) uint64 { return edge1.Next(u[0]) }},
	{"op", "ubbb", func(u []uint32, b [][]byte) uint64 { return edge1.Op(u[0], string(b[0]), b[1], b[2]) }},
	{"op_open", "ubb", func(u []uint32, b [][]byte) uint64 { return edge1.OpOpen(u[0], string(b[0]), b[1]) }},
	{"ws_open", "ubbub", func(u []uint32, b [][]byte) uint64 { return edge1.WSOpen(u[0], string(b[0]), string(b[1]), u[1], b[2]) }},
	{"ws_recv", "uuub", func(u []uint32, b [][]byte) uint64 { return edge1.WSRecv(u[0], u[1], u[2], b[0]) }},
	{"ws_send", "uuub", func(u []uint32, b [][]byte) uint64 { return edge1.WSSend(u[0], u[1], u[2], b[0]) }},
	{"ws_close", "uuub", func(u []uint32, b [][]byte) uint64 { return edge1.WSClose(u[0], u[1], u[2], string(b[0])) }},
}

// BenchmarkModule is what one request costs in the module, the fake host's own
// work included: one field of the request, the two headers of an upgrade, and the
// decision, with the JSON of a policy or without.
func BenchmarkModule(b *testing.B) {
	m := buildModule(b, wazero.NewRuntimeConfigCompiler())
	for _, path := range []string{"/", "/policy"} {
		b.Run("connect"+path, func(b *testing.B) {
			host := moduleHost(b, m, &guesttest.Host{})
			host.Do(guesttest.WebSocket(path))
			b.ReportAllocs()
			for b.Loop() {
				if host.Do(guesttest.WebSocket(path)).Errno != abi.OK {
					b.Fatal("failed")
				}
			}
		})
	}
}
