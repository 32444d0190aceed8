package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/fasthttp/websocket"

	"edge/abi"
)

// ownWorker is a Worker of testdata/workers.
func ownWorker(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "workers", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestQuickExample serves a Worker in the shape of the quick example of release 0.12,
// with the options that its README names, and what of it is not here.
func TestQuickExample(t *testing.T) {
	eachRuntime(t, func(t *testing.T, runtime string) {
		s := settings{runtime: runtime, top: "previews: {plugin: quick}\n", routes: [][2]string{{"/*", "quick"}}}
		w := newWorkers(t, s, map[string]string{"quick": ownWorker(t, "quick.ts")})
		for path, want := range map[string]string{
			"/run": `{"output":"42\n","success":true}`, "/file": `{"content":"Good morning, sandbox"}`, "/": "Try /run or /file",
		} {
			if got := w.ask(path, nil); got != want {
				t.Errorf("%s: %s, want %s", path, got, want)
			}
		}
		var exposed abi.ExposedPort
		w.ask("/serve", &exposed)
		if body, err := fetch(exposed.URL, 200); err != nil || !strings.Contains(body, "greeting.txt") {
			t.Errorf("the preview: %q, %v", body, err)
		}
		if _, err := w.get("/tunnel", 500); err != nil {
			t.Error(err)
		}
		w.said("exposePort") // what the Worker is told to use instead of tunnels
		var list struct {
			Sandboxes []struct {
				ID     string
				Labels map[string]string
			}
		}
		if err := json.Unmarshal(w.edge.ask("GET", "/v1/sandboxes", 200), &list); err != nil {
			t.Fatal(err)
		}
		for _, b := range list.Sandboxes {
			if b.ID == "quick" && b.Labels["tenantId"] != "tenant_123" {
				t.Errorf("labels: %v", b.Labels)
			}
		}
	})
}

// TestTour has a Worker call all operations that release 0.12 and the edge share.
func TestTour(t *testing.T) {
	eachRuntime(t, func(t *testing.T, runtime string) {
		w := newWorkers(t, settings{runtime: runtime}, map[string]string{"tour": ownWorker(t, "tour.ts")})
		for subject, want := range map[string]string{
			"commands": `{"success": false, "exitCode": 3, "stdout": "me\n/tmp\n", "stderr": "problem\n", "heard": "stdout:one stdout:two", "types": ["start", "stdout", "exit", "complete"], "exit": 4, "text": "streamed\n"}`,
			"processes": `{"line": "begun", "running": "running", "listed": ["worker"], "twice": "ProcessAlreadyExistsError: true true", "command": "echo begun; sleep 600",
				"stdout": "begun\n", "after": "killed", "exitCode": 5, "lines": "done\n", "killed": 0, "missing": null}`,
			"files":    `{"text": "grüße", "bytes": "AP/+", "names": ["b", "bytes", "moved"], "before": true, "after": false, "missing": "FILE_NOT_FOUND"}`,
			"sessions": `{"inside": "everywhere here\n/tmp\n", "outside": "everywhere\n/workspace\n", "again": "here\n", "gone": "SESSION_NOT_FOUND"}`,
			"ports": `{"named": "web", "status": 200, "listing": true, "own": 200, "right": true, "wrong": false, "before": true, "after": false,
				"closed": 404, "invalid": "INVALID_PORT", "token": true}`,
			"life": `{"stopped": "stopped", "kept": "kept\n", "absent": "absent"}`,
		} {
			t.Run(subject, func(t *testing.T) {
				body, err := w.get("/tour/"+subject, 200)
				if err != nil {
					t.Fatal(err)
				}
				var got, wanted map[string]any
				if err := json.Unmarshal([]byte(body), &got); err != nil {
					t.Fatal(err)
				}
				if err := json.Unmarshal([]byte(want), &wanted); err != nil {
					t.Fatal(err)
				}
				for key, value := range wanted {
					if !reflect.DeepEqual(got[key], value) {
						t.Errorf("%s: got %#v, want %#v", key, got[key], value)
					}
				}
			})
		}
		var said map[string]string
		w.ask("/tour/absent", &said)
		for name, text := range said {
			if !strings.Contains(text, name) || !strings.HasSuffix(strings.TrimSpace(text), ".") && len(text) < 40 {
				t.Errorf("%s, which is not here, says %q", name, text)
			}
		}
	})
}

// TestWorkerGuardsPreviews has a Worker refuse whoever shows no key before it calls
// proxyToSandbox: the preview's own address, over HTTP and WebSocket, is behind it.
func TestWorkerGuardsPreviews(t *testing.T) {
	eachRuntime(t, func(t *testing.T, runtime string) {
		s := settings{
			runtime: runtime, top: "previews: {plugin: gate}\n", env: []string{"GATE_KEY=open-sesame"},
			pluginKeys: ", secrets: {KEY: {env: GATE_KEY}}", routes: [][2]string{{"/*", "gate"}},
		}
		w := newWorkers(t, s, map[string]string{"gate": ownWorker(t, "gate.ts")})
		w.box("guarded").write(t, "server.ts", seed(t, "guide-echo-server.ts"))
		body, err := fetchAuthorized(t, "http://"+w.addr+"/", "Bearer open-sesame")
		if err != nil {
			t.Fatal(err)
		}
		var exposed abi.ExposedPort
		if err := json.Unmarshal([]byte(body), &exposed); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		if body, err := fetch(exposed.URL, 401); err != nil || body != "Who are you?" {
			t.Errorf("the preview without the key: %q, %v", body, err)
		}
		if _, err := dialURL(socketURL(exposed.URL)); err == nil || !strings.Contains(err.Error(), "401") {
			t.Errorf("the preview's WebSocket without the key: %v", err)
		}
		for _, path := range []string{"/healthz", "/any"} {
			if _, err := fetch(strings.TrimSuffix(exposed.URL, "/")+path, 401); err != nil {
				t.Error(err)
			}
		}
		if body, err := fetchAuthorized(t, exposed.URL, "Bearer open-sesame"); err != nil || body != "WebSocket echo server" {
			t.Errorf("the preview with the key: %q, %v", body, err)
		}
		d := websocket.Dialer{HandshakeTimeout: patience, NetDialContext: dialLocalhost}
		ws, resp, err := d.Dial(socketURL(exposed.URL), http.Header{"Authorization": {"Bearer open-sesame"}})
		if err != nil {
			if resp != nil {
				b, _ := io.ReadAll(resp.Body)
				t.Logf("%s", b)
			}
			t.Fatal(err)
		}
		defer ws.Close()
		answers(t, ws, "Hello!", "Echo: Hello!")
		// A wrong token stays a wrong token for who has the key.
		wrong := strings.Replace(exposed.URL, "-guarded-", "-guarded-wrong", 1)
		if body, err := fetchAuthorized(t, wrong, "Bearer open-sesame"); err != nil || !strings.Contains(body, "INVALID_TOKEN") {
			t.Errorf("a wrong token: %q, %v", body, err)
		}
	})
}
