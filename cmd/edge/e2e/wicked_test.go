package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"edge/plugins/wasmasm"
)

// TestWickedBackends connects to servers that answer an upgrade with something
// else: the client gets their answer, or a 502 that says what was wrong, and the
// edge serves on.
func TestWickedBackends(t *testing.T) {
	eachRuntime(t, func(t *testing.T, runtime string) {
		e := newEdge(t, withProbe(t, examples(runtime)))
		e.startScript(t, "wicked", "testdata/wicked.ts", 9009)
		for _, tt := range []struct {
			name   string
			port   int
			status int
			body   string
		}{
			{"200", 9001, 200, "plain"},
			{"404", 9002, 404, "gone"},
			{"101 with a wrong accept key", 9003, 502, "UPGRADE_FAILED"},
			{"garbage", 9004, 502, "UPGRADE_FAILED"},
			{"nothing", 9005, 502, "UPGRADE_FAILED"},
			{"101 without its headers", 9006, 502, "UPGRADE_FAILED"},
			{"two framings", 9007, 502, "UPGRADE_FAILED"},
			{"nobody listens", 9008, 502, "PORT_NOT_LISTENING"},
			{"port out of range", 80, 400, "INVALID_PORT"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				_, err := dialURL(fmt.Sprintf("ws://%s/probe/connect?id=wicked&port=%d", e.addr, tt.port))
				want := fmt.Sprintf("%d ", tt.status)
				if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), tt.body) {
					t.Errorf("got %v, want %d %s", err, tt.status, tt.body)
				}
			})
		}
		_, err := dialURL("ws://" + e.addr + "/probe/connect?id=wicked&port=9008")
		if err == nil || !strings.Contains(err.Error(), "9009") {
			t.Errorf("the refusal does not say what listens: %v", err)
		}
		goodBackend(t, e)
	})
}

// goodBackend wants the first frame of a server that speaks first, and its own
// close code and reason.
func goodBackend(t *testing.T, e *edge) {
	t.Helper()
	ws := e.dial("/probe/connect?id=wicked&port=9009")
	if err := ws.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, msg, err := ws.ReadMessage(); err != nil || string(msg) != "first" {
		t.Errorf("first message %q, %v", msg, err)
	}
	if err := ws.WriteMessage(websocket.TextMessage, []byte("bye")); err != nil {
		t.Fatal(err)
	}
	_, _, err := ws.ReadMessage()
	var closed *websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != 4321 || closed.Text != "you said bye" {
		t.Errorf("end %v, want close 4321 \"you said bye\"", err)
	}
}

// startScript has the probe run a Bun script in a sandbox and wait for its port.
func (e *edge) startScript(t *testing.T, id, file string, port int) {
	t.Helper()
	script, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(fmt.Sprintf("http://%s/probe/start?id=%s&port=%d", e.addr, id, port), "text/plain", bytes.NewReader(script))
	if err != nil {
		t.Fatal(err)
	}
	body := new(bytes.Buffer)
	_, err = body.ReadFrom(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("start %s: %d %s, %v", file, resp.StatusCode, body, err)
	}
}

// TestBadRequests asks for things that cannot be: each is refused with its own
// code and nothing is started.
func TestBadRequests(t *testing.T) {
	e := newEdge(t, withProbe(t, examples("process")))
	for _, tt := range []struct {
		name, path string
		status     int
		code       string
	}{
		{"id with a dot", "/ws/realtime?id=a.b", 400, "INVALID_SANDBOX_ID"},
		{"id too long", "/ws/realtime?id=" + strings.Repeat("a", 41), 400, "INVALID_SANDBOX_ID"},
		{"reserved id", "/ws/realtime?id=www", 400, "INVALID_SANDBOX_ID"},
		{"id with a slash", "/ws/realtime?id=a%2Fb", 400, "INVALID_SANDBOX_ID"},
		{"no WebSocket", "/ws/echo?id=plain", 426, "UPGRADE_REQUIRED"},
		{"unknown preview", "/_preview/8080/nobody-token/", 404, "INVALID_TOKEN"},
		{"nothing there", "/nothing", 404, "NOT_FOUND"},
		{"port of nobody", "/probe/proxy?id=plain&port=9999", 502, "PORT_NOT_LISTENING"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body, err := e.get(tt.path, tt.status)
			if err != nil {
				t.Fatal(err)
			}
			var answer struct{ Code, Message string }
			if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Code != tt.code || answer.Message == "" {
				t.Errorf("answer %s, want %s with a message", body, tt.code)
			}
			page, kind := pageOf(t, "http://"+e.addr+tt.path)
			if !strings.HasPrefix(kind, "text/html") || !strings.Contains(page, tt.code) {
				t.Errorf("a browser is answered %s %s, want a page with %s", kind, page, tt.code)
			}
		})
	}
}

// pageOf asks as a browser does, and returns the answer and its type.
func pageOf(t *testing.T, url string) (body, kind string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), resp.Header.Get("Content-Type")
}

// TestBadModules puts modules that cannot be in place of one that serves: it
// serves on, and the edge says why in one line.
func TestBadModules(t *testing.T) {
	source := filepath.Join(t.TempDir(), "numbered.wasm")
	install(t, source, 1)
	s := examples("process")
	s.plugins = map[string]string{"numbered": source}
	s.routes = [][2]string{{"/*", "numbered"}}
	e := newEdge(t, s)
	good := numbered(1)
	for _, tt := range []struct {
		name   string
		module []byte
		says   string
	}{
		{"truncated", good[:len(good)/2], "the file is cut short"},
		{"no module at all", []byte("package main\n"), "not a WebAssembly module"},
		{"no marker", module(func(m *wasmasm.Module) {}), "it is not an edge plugin"},
		{"another ABI", module(func(m *wasmasm.Module) { m.Func("edge2", "", "", "") }), "it wants ABI version 2"},
		{"unknown import", module(func(m *wasmasm.Module) {
			m.Import("edge1", "teleport", "i", "I")
			m.Func("edge1", "", "", "")
		}), "teleport"},
		{"traps in init", module(func(m *wasmasm.Module) {
			m.Func("edge1", "", "", "")
			m.Func("_initialize", "", "", "", wasmasm.Unreachable())
		}), "_initialize"},
		{"never returns", module(func(m *wasmasm.Module) {
			m.Func("edge1", "", "", "")
			m.Func("_initialize", "", "", "", wasmasm.Forever())
		}), "_initialize"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			said := len(e.log.String())
			replace(t, source, tt.module)
			eventually(t, "the edge says why", func() error {
				for line := range strings.SplitSeq(e.log.String()[said:], "\n") {
					if strings.Contains(line, "numbered") && strings.Contains(line, tt.says) {
						t.Log(line)
						return nil
					}
				}
				return fmt.Errorf("no line with %q:\n%s", tt.says, e.log.String()[said:])
			})
			if body, err := e.get("/n", 200); err != nil || body != "1" {
				t.Errorf("the module before does not serve any more: %q, %v", body, err)
			}
		})
	}
	install(t, source, 2)
	e.eventually("the mended module serves", func() error {
		body, err := e.get("/n", 200)
		if err == nil && body != "2" {
			err = fmt.Errorf("number %s", body)
		}
		return err
	})
}

// module is a module with edge_init and edge_request, and what build adds.
func module(build func(*wasmasm.Module)) []byte {
	m := wasmasm.New()
	build(m)
	m.Memory(1, 0)
	m.Func("edge_init", "", "i", "", wasmasm.I32(0))
	m.Func("edge_request", "i", "i", "", wasmasm.I32(0))
	return m.Encode()
}
