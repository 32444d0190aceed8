package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// echoing are settings of an edge whose sandboxes run the guide's echo server from
// their start on.
//
// Substitutions: where Docker answers the image is built of the guide's Dockerfile, on
// edge-sandbox instead of docker.io/cloudflare/sandbox:0.3.3, which cannot be fetched;
// what that image has beside (a working directory, the control plane dist/index.js that
// the script ends with, and the script as its command) is added. The process runtime
// has no images: there the same server is one of start:.
func echoing(t testing.TB, runtime, dockerfile string) settings {
	t.Helper()
	server := seed(t, "guide-echo-server.ts")
	if runtime == "process" {
		argv, err := json.Marshal([]string{"bun", "-e", server})
		if err != nil {
			t.Fatal(err)
		}
		return settings{runtime: runtime, binding: fmt.Sprintf("start: [{processId: echo, argv: %s, port: 8080}]", argv)}
	}
	dir := t.TempDir()
	for name, content := range map[string]string{
		"echo-server.ts": server,
		"startup.sh":     seed(t, "guide-startup.sh"),
		"index.js":       "setInterval(() => {}, 1 << 30);\n",
		"Dockerfile": seed(t, dockerfile, "FROM docker.io/cloudflare/sandbox:0.3.3\n", "FROM edge-sandbox\nWORKDIR /container-server\nCOPY index.js dist/index.js\n") +
			"CMD [\"/container-server/startup.sh\"]\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return settings{runtime: runtime, files: fmt.Sprintf("build: {context: %q}, entrypoint: image", dir)}
}

// TestSeedConnect serves the seeds' Workers that connect a client to a server of the
// sandbox by wsConnect, and has the guide's client talk to it.
//
// Substitutions: the client's address, and that it sends once it is connected, which
// browsers insist on; expose-direct has no import, and answers nothing but WebSockets.
func TestSeedConnect(t *testing.T) {
	programs := map[string]string{
		"guide-connect-js": seed(t, "guide-connect.js"), "guide-connect-ts": seed(t, "guide-connect.ts"), "commit-connect": seed(t, "commit-connect.ts"),
		"commit-index": seed(t, "commit-index.ts"), "ports-connect": seed(t, "ports-connect.js"), "expose-direct": sdk + seed(t, "expose-direct.ts"),
		"upgrade-failed": framed("", seed(t, "guide-upgrade-failed.ts"), `new Response("told")`),
	}
	plain := map[string]string{
		"guide-connect-js": "WebSocket endpoint", "guide-connect-ts": "WebSocket endpoint", "commit-connect": "WebSocket endpoint",
		"commit-index": `{"message":"WebSocket endpoint"}`, "ports-connect": "WebSocket endpoint",
	}
	eachRuntime(t, func(t *testing.T, runtime string) {
		w := newWorkers(t, echoing(t, runtime, "guide-Dockerfile"), programs)
		for name, body := range plain {
			if got := w.ask("/"+name, nil); got != body {
				t.Errorf("%s: %q, want %q", name, got, body)
			}
		}
		for name := range programs {
			if name == "upgrade-failed" {
				continue
			}
			ws := exchange(t, "ws://"+w.addr+"/"+name, "Hello!", "Echo: Hello!")
			answers(t, ws, "and again", "Echo: and again")
		}
		clientProgram(t, seed(t, "guide-connect-client.js", "wss://your-worker.com", "ws://"+w.addr+"/guide-connect-ts",
			"ws.send('Hello!');", "ws.onopen = () => ws.send('Hello!');"), "Echo: Hello!")
		if _, err := dialURL("ws://" + w.addr + "/upgrade-failed"); err == nil {
			t.Error("upgrade-failed: a WebSocket was opened")
		}
		w.said("websocket")
		w.said("Upgrade")
		if body, err := w.get("/expose-direct", 500); err != nil || !strings.Contains(body, "PLUGIN_FAILED") {
			t.Errorf("a Worker that returns nothing: %s, %v", body, err)
		}
		w.said("did not return a Response, but undefined")
	})
}

// TestSeedPreview serves the guide's Workers that expose a port and tell its URL, and
// has its client connect to that; other requests go to the port by proxyToSandbox.
// Over http the edge's URLs are http, over https the client's replacement makes wss.
//
// Substitutions: the client's address, and that it sends once it is connected.
func TestSeedPreview(t *testing.T) {
	programs := map[string]string{"js": seed(t, "guide-preview.js"), "ts": seed(t, "guide-preview.ts")}
	eachRuntime(t, func(t *testing.T, runtime string) {
		for name, previews := range map[string]string{"by the edge": "native", "by the Worker": "{plugin: ts}"} { // who sees requests to previews first
			t.Run(name, func(t *testing.T) {
				s := echoing(t, runtime, "guide-Dockerfile-local")
				s.top = "previews: " + previews + "\n"
				w := newWorkers(t, s, programs)
				for name := range programs {
					var told struct{ URL string }
					w.ask("/"+name+"/ws-url", &told)
					exchange(t, told.URL, "Hello!", "Echo: Hello!")
					if body, err := fetch(told.URL, 200); err != nil || body != "WebSocket echo server" {
						t.Errorf("%s: the preview: %q, %v", name, body, err)
					}
					if body := w.ask("/"+name+"/any/path", nil); body != "WebSocket echo server" {
						t.Errorf("%s: another path: %q", name, body)
					}
					exchange(t, "ws://"+w.addr+"/"+name, "Hello!", "Echo: Hello!")
				}
				clientProgram(t, seed(t, "guide-preview-client.js", "https://your-worker.com", "http://"+w.addr+"/ts",
					"ws.send('Hello!');", "ws.onopen = () => ws.send('Hello!');"), "Echo: Hello!")
			})
		}
	})
}

// TestSeedPreviewHTTPS is TestSeedPreview's client over https, where the URL that the
// Worker tells begins with wss.
func TestSeedPreviewHTTPS(t *testing.T) {
	s := echoing(t, "process", "")
	s.top = "tls: internal\n"
	w := newWorkers(t, s, map[string]string{"ts": seed(t, "guide-preview.ts")})
	var told struct{ URL string }
	w.ask("/ts/ws-url", &told)
	if !strings.HasPrefix(told.URL, "wss://") {
		t.Fatalf("the URL is %s", told.URL)
	}
	ws, err := dialTrusting(w.trusted(), told.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	answers(t, ws, "Hello!", "Echo: Hello!")
}

// TestSeedRealtime has a Worker talk to the sandbox's server itself, for a request
// that is no WebSocket.
//
// Substitutions: the import line, which the guide leaves out. The second program does
// what the comment leaves to the reader.
func TestSeedRealtime(t *testing.T) {
	const process = "// Process WebSocket stream and return HTTP response\n    // (Implementation depends on your needs)\n\n    return new Response('Processed real-time data');"
	programs := map[string]string{
		"js": sdk + seed(t, "guide-realtime.js"), "ts": sdk + seed(t, "guide-realtime.ts"),
		"processing": sdk + seed(t, "guide-realtime.ts", process, `const ws = wsResponse.webSocket;
    ws.accept();
    const answers: string[] = [];
    await new Promise<void>((resolve, reject) => {
      ws.addEventListener("message", (event: any) => {
        answers.push(event.data);
        if (answers.length < 3) ws.send(String(answers.length + 1));
        else resolve();
      });
      ws.addEventListener("close", () => reject(new Error("closed early")));
      ws.send("1");
    });
    ws.close(1000, "enough");
    return Response.json({ status: wsResponse.status, answers });`),
	}
	eachRuntime(t, func(t *testing.T, runtime string) {
		w := newWorkers(t, echoing(t, runtime, "guide-Dockerfile"), programs)
		for _, name := range []string{"js", "ts"} {
			if body := w.ask("/"+name, nil); body != "Processed real-time data" {
				t.Errorf("%s: %q", name, body)
			}
		}
		if got, want := w.ask("/processing", nil), `{"status":101,"answers":["Echo: 1","Echo: 2","Echo: 3"]}`; got != want {
			t.Errorf("processing: %s, want %s", got, want)
		}
	})
}

// TestSeedRoutesPreviews runs the fragment of the page about preview URLs and the
// Worker beside it.
//
// Substitutions: the imports, and a file ws-server.ts, the guide's echo server, written
// beforehand.
func TestSeedRoutesPreviews(t *testing.T) {
	programs := map[string]string{
		"start":  framed(inSandbox("sandbox-id"), seed(t, "commit-preview-start.ts"), "Response.json({ exposedAt })"),
		"worker": sdk + seed(t, "commit-preview-worker.ts"),
	}
	eachRuntime(t, func(t *testing.T, runtime string) {
		w := newWorkers(t, settings{runtime: runtime, top: "previews: {plugin: worker}\n"}, programs)
		w.box("sandbox-id").write(t, "ws-server.ts", seed(t, "guide-echo-server.ts"))
		var told struct{ ExposedAt string }
		w.ask("/start", &told)
		w.box("sandbox-id").listens(t, 8080, "")
		exchange(t, told.ExposedAt, "Hello!", "Echo: Hello!")
		exchange(t, "ws://"+w.addr+"/worker", "Hello!", "Echo: Hello!")
	})
}
