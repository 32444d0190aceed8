package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// deciding is a plugin of a few bytes whose edge_request does steps and answers 0.
// Its imports are those of the names, in the order of the arguments of steps.
func deciding(names []string, steps func(m *wasmasm.Module, imports []wasmasm.Func) []wasmasm.Code) []byte {
	m := wasmasm.New()
	var imports []wasmasm.Func
	for _, name := range names {
		params := map[string]string{"next": "i", "op": "iiiiiii"}[name]
		imports = append(imports, m.Import("edge1", name, params, "I"))
	}
	m.Memory(1, 0)
	m.Func("edge1", "", "", "")
	m.Func("edge_init", "", "i", "", wasmasm.I32(0))
	m.Func("edge_request", "i", "i", "", append(steps(m, imports), wasmasm.I32(0))...)
	return m.Encode()
}

// brokenModules are plugins that fail, and one that says next.
func brokenModules(t *testing.T, dir string) {
	t.Helper()
	for name, module := range map[string][]byte{
		"trap.wasm": deciding(nil, func(*wasmasm.Module, []wasmasm.Func) []wasmasm.Code { return []wasmasm.Code{wasmasm.Unreachable()} }),
		"late.wasm": deciding(nil, func(*wasmasm.Module, []wasmasm.Func) []wasmasm.Code { return []wasmasm.Code{wasmasm.Forever()} }),
		"next.wasm": deciding([]string{"next"}, func(_ *wasmasm.Module, f []wasmasm.Func) []wasmasm.Code {
			return []wasmasm.Code{wasmasm.Call(f[0], wasmasm.Get(0)), wasmasm.Drop()}
		}),
		"works.wasm": deciding([]string{"op"}, func(*wasmasm.Module, []wasmasm.Func) []wasmasm.Code { return nil }),
		"app.wasm":   answeringModule("hello"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), module, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// fetchURL asks once and reads the answer.
func fetchURL(t *testing.T, url string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// TestPluginFailures has plugins trap, run for ever and be busy, under each onFailure:
// what clients are told has a request's id and nothing of the inside.
func TestPluginFailures(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	brokenModules(t, dir)
	s := serveIn(t, dir, `
state: ./state
admin: {listen: "127.0.0.1:0"}
plugins:
  app: {source: app.wasm}
  next: {source: next.wasm}
  trap: {source: trap.wasm, rollback: off}
  trap503: {source: trap.wasm, rollback: off, onFailure: {status: 503}}
  trapopen: {source: trap.wasm, rollback: off, onFailure: open}
  late: {source: late.wasm, rollback: off, deadline: 100ms}
  lateopen: {source: late.wasm, rollback: off, deadline: 100ms, onFailure: open}
  busy: {source: late.wasm, rollback: off, deadline: 3s, compute: 3s, queue: 20ms, instances: {max: 1}, onFailure: {status: 429}}
routes:
  - {path: /one, plugin: app}
  - {path: /trap, plugin: trap}
  - {path: /trap503, plugin: trap503}
  - {path: /trapopen, plugin: [next, trapopen, app]}
  - {path: /trapalone, plugin: [trapopen, next]}
  - {path: /late, plugin: late}
  - {path: /lateopen, plugin: [lateopen, app]}
  - {path: /busy, plugin: busy}
`)
	url := "http://127.0.0.1:" + s.logged(t, "msg=serving url=http://localhost:")
	for _, tt := range []struct {
		path   string
		status int
		code   string // or the answer of the next plugin
	}{
		{"/trap", 500, "PLUGIN_FAILED"}, {"/trap503", 503, "PLUGIN_FAILED"}, {"/trapopen", 200, "hello"}, {"/trapalone", 500, "PLUGIN_FAILED"},
		{"/late", 504, "TIMEOUT"}, {"/lateopen", 200, "hello"},
	} {
		resp, body := fetchURL(t, url+tt.path)
		wantFailure(t, tt.path, resp, body, tt.status, tt.code)
	}

	// Of several at once, all but one find the only instance taken.
	var wg sync.WaitGroup
	statuses := make(chan int, 4)
	for range cap(statuses) {
		wg.Go(func() {
			resp, body := fetchURL(t, url+"/busy")
			if resp.StatusCode == 429 {
				switch {
				case strings.Contains(body, "PLUGIN_OVERLOADED"):
					wantFailure(t, "/busy", resp, body, 429, "PLUGIN_OVERLOADED")
				default:
					wantFailure(t, "/busy", resp, body, 429, "TIMEOUT")
				}
			}
			statuses <- resp.StatusCode
		})
	}
	wg.Wait()
	close(statuses)
	for status := range statuses {
		if status != 429 {
			t.Errorf("a busy plugin answered %d, and its onFailure says 429", status)
		}
	}
	if log := s.log.String(); !strings.Contains(log, "unreachable") {
		t.Errorf("the log does not tell of the trap:\n%s", log)
	}
}

func wantFailure(t *testing.T, path string, resp *http.Response, body string, status int, code string) {
	t.Helper()
	if resp.StatusCode != status || !strings.Contains(body, code) {
		t.Errorf("%s: %d %s, want %d with %s", path, resp.StatusCode, body, status, code)
	}
	if status != 200 && resp.Header.Get("X-Request-Id") == "" {
		t.Errorf("%s: no X-Request-Id", path)
	}
	for _, inside := range []string{"unreachable", "wasm", "goroutine", "fuel", "lifeline", ".go:"} {
		if strings.Contains(strings.ToLower(body), inside) {
			t.Errorf("%s: the client is told %s", path, body)
		}
	}
}

// TestExplainNeedsTheAdminToken asks how a chain decided, with the token and without.
func TestExplainNeedsTheAdminToken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	brokenModules(t, dir)
	s := serveIn(t, dir, `
state: ./state
admin: {listen: "127.0.0.1:0"}
plugins: {app: {source: app.wasm}, next: {source: next.wasm}}
routes: [{plugin: [next, app]}]
`)
	url := "http://127.0.0.1:" + s.logged(t, "msg=serving url=http://localhost:") + "/"
	token, err := os.ReadFile(filepath.Join(dir, "state", "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	resp, body := fetchURL(t, url, "X-Edge-Explain", strings.TrimSpace(string(token)))
	var told []abi.Explanation
	if err := json.Unmarshal([]byte(resp.Header.Get("X-Edge-Explain")), &told); err != nil || len(told) != 2 || body != "hello" {
		t.Fatalf("told %q (%v), answered %s", resp.Header.Get("X-Edge-Explain"), err, body)
	}
	if e := told[0]; e.Plugin != "next" || e.Verdict.Decision != "next" || e.Generation != 1 {
		t.Errorf("the first plugin: %+v", e)
	}
	if e := told[1]; e.Plugin != "app" || e.Verdict.Decision != "respond" || e.Verdict.BodyBytes != len("hello") || len(e.Digest) != 64 {
		t.Errorf("the second plugin: %+v", e)
	}
	for _, wrong := range []string{"", "wrong", strings.TrimSpace(string(token)) + "x"} {
		if resp, _ := fetchURL(t, url, "X-Edge-Explain", wrong); resp.Header.Get("X-Edge-Explain") != "" {
			t.Errorf("with %q one is told %s", wrong, resp.Header.Get("X-Edge-Explain"))
		}
	}
	if strings.Contains(s.log.String(), strings.TrimSpace(string(token))) {
		t.Error("the log holds the token")
	}
}

// TestHangupTakesOverPlugins changes what a plugin may do while it serves: what a
// failure does needs no new generation, grants and secrets do, and a configuration
// under which the module could not be loaded changes nothing.
func TestHangupTakesOverPlugins(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	brokenModules(t, dir)
	secretFile(t, filepath.Join(dir, "key"), "hunter2\n", 0o644)
	s := serveIn(t, dir, `
state: ./state
admin: off
sandboxes: {Sandbox: {runtime: process}}
plugins:
  trap: {source: trap.wasm, rollback: off, onFailure: closed}
  works: {source: works.wasm, grants: {sandboxes: [Sandbox]}, secrets: {KEY: {file: key}}}
  app: {source: app.wasm}
routes: [{plugin: [trap, app]}]
`)
	url := "http://127.0.0.1:" + s.logged(t, "msg=serving url=http://localhost:") + "/"
	s.logged(t, "can be read or written by others")
	s.serves(t, url, "PLUGIN_FAILED")

	edit(t, s.config, "onFailure: closed", "onFailure: open")
	s.signal(syscall.SIGHUP)
	s.serves(t, url, "hello")
	if strings.Contains(s.log.String(), "plugin reloaded") {
		t.Errorf("a changed onFailure made a new generation:\n%s", s.log)
	}

	secretFile(t, filepath.Join(dir, "key"), "hunter3\n", 0o600)
	s.signal(syscall.SIGHUP)
	s.logged(t, `msg="plugin reloaded" plugin=works generation=2`)

	edit(t, s.config, "grants: {sandboxes: [Sandbox]}", "grants: {}")
	s.signal(syscall.SIGHUP)
	s.logged(t, "which needs a grant: add grants.sandboxes to the plugin's configuration")
	s.serves(t, url, "hello")
	if log := s.log.String(); strings.Contains(log, "hunter") {
		t.Errorf("the log holds a secret:\n%s", log)
	}
}
