package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"edge/abi"
)

// bunServer is a program for Bun around a fragment that has the handlers of a server's
// WebSockets.
func bunServer(before, fragment string) string {
	return before + `
Bun.serve({
  port: 8080,
  fetch(req, server) {
    if (server.upgrade(req, { data: { id: "one" } })) return;
    return new Response("Expected WebSocket", { status: 400 });
  },
` + fragment + "\n});\n"
}

// exampleServer is the source of a server of the examples.
func exampleServer(t testing.TB, name string, changes ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "examples", "wasm", name, "server.ts"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(changes...).Replace(string(b))
}

// TestSeedPattern serves the README's pattern, which writes, starts and connects in one
// request, to ten clients at once, of whom nine find the process there already.
//
// Substitutions: the line that makes it the Worker's fetch; where the server is given a
// second, it is given what it takes besides.
func TestSeedPattern(t *testing.T) {
	program := seed(t, "readme-pattern.ts", "  // 5. Route", "  await sandbox.waitForPort(port, { timeout: 600000 });\n\n  // 5. Route") + "\nexport { Sandbox };\nexport default { fetch: handleWebSocket };\n"
	eachRuntime(t, func(t *testing.T, runtime string) {
		w := newWorkers(t, settings{runtime: runtime}, map[string]string{"pattern": program})
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				ws, err := dialURL("ws://" + w.addr + "/pattern")
				if err != nil {
					t.Errorf("client %d: %v", i, err)
					return
				}
				defer ws.Close()
				answers(t, ws, fmt.Sprint("client ", i), fmt.Sprint("Echo: client ", i))
			})
		}
		wg.Wait()
		if body, err := w.get("/pattern", 426); err != nil {
			t.Errorf("without an upgrade: %s, %v", body, err)
		}
		var list abi.ProcessList
		w.box("my-sandbox").must(t, "listProcesses", nil, &list)
		if len(list.Processes) != 1 || list.Processes[0].ID != "ws-server-8080" {
			t.Errorf("processes: %+v", list.Processes)
		}
	})
}

// endpoints is a Worker with the endpoints that the README describes and does not
// print: the pattern for three servers, those of the examples, by path, with the
// sandbox that the client names.
func endpoints(t testing.TB) string {
	servers := map[string]any{}
	for i, name := range []string{"echo", "broadcast", "json"} {
		servers["/ws/"+name] = map[string]any{"port": 8080 + i, "script": exampleServer(t, name)}
	}
	text, err := json.Marshal(servers)
	if err != nil {
		t.Fatal(err)
	}
	return sdk + `
const servers: Record<string, { port: number; script: string }> = ` + string(text) + `;

export default {
  async fetch(request: Request, env: any): Promise<Response> {
    const url = new URL(request.url);
    const server = servers[url.pathname];
    if (!server) return new Response("Not found", { status: 404 });
    const sandbox = getSandbox(env.Sandbox, url.searchParams.get("id") ?? "default");
    const path = "/tmp/server-" + server.port + ".ts";
    await sandbox.writeFile(path, server.script);
    try {
      const process = await sandbox.startProcess("bun run " + path, { processId: "ws-server-" + server.port });
      await process.waitForPort(server.port);
    } catch (error: any) {
      if (!error.message?.includes("already exists")) throw error;
      await sandbox.waitForPort(server.port);
    }
    return connect(sandbox, request, server.port);
  },
};
`
}

// TestSeedClients runs the README's clients, in Bun, against the endpoints that it
// describes.
//
// Substitutions: addresses; what a client sends at once it sends when it is connected,
// as browsers insist; train.py is written beforehand, and the JSON client that prints
// nothing prints what it gets.
func TestSeedClients(t *testing.T) {
	const hosted = "wss://your-worker.workers.dev"
	eachRuntime(t, func(t *testing.T, runtime string) {
		w := newWorkers(t, settings{runtime: runtime}, map[string]string{"ws": endpoints(t)})
		here := "ws://" + w.addr
		clientProgram(t, seed(t, "readme-echo-client.js", "ws://localhost:8787", here, "ws.send('Hello!');", "ws.onopen = () => ws.send('Hello!');"), "Received: Hello!")
		clientProgram(t, seed(t, "readme-broadcast-client.js", "ws://localhost:8787", here, "ws.send('Hello everyone!');", "ws.onopen = () => ws.send('Hello everyone!');"), ": Hello everyone!")

		other := exchangeJoin(t, here+"/ws/broadcast?id=room-123")
		_, end := startClient(t, seed(t, "readme-room-client.js", hosted, here, "ws.send('Hello from client!');", "ws.onopen = () => ws.send('Hello from client!');"))
		defer end()
		other("Hello from client!")

		w.box("default").write(t, "train.py", "print('trained')\nraise SystemExit(7)\n")
		command := "cd /workspace; python3 train.py"
		clientProgram(t, seed(t, "readme-exec-client.js", hosted, here, "ws.send(JSON.stringify({", "ws.onopen = () => ws.send(JSON.stringify({", "python train.py", command), "stdout: trained\n\nexit code: 7")
		clientProgram(t, "const all = [];\n"+seed(t, "readme-json-client.js", "ws://localhost:8787", here, "// Send ping\n", "ws.onmessage = (e) => { all.push(JSON.parse(e.data).type); if (all.length === 3) console.log(all.sort().join()); };\nws.onopen = () => {\n")+"};", "info,pong,result")

		if _, err := w.get("/ws/none", 404); err != nil {
			t.Error(err)
		}
	})
}

// exchangeJoin joins a room, and returns what waits for a message that somebody else
// sends there.
func exchangeJoin(t testing.TB, url string) (awaits func(text string)) {
	t.Helper()
	ws, err := dialURL(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.Close() })
	return func(text string) {
		t.Helper()
		if err := ws.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		for {
			var event struct{ Type, Text string }
			if err := ws.ReadJSON(&event); err != nil {
				t.Fatalf("waiting for %q: %v", text, err)
			}
			if event.Type == "message" && event.Text == text {
				return
			}
		}
	}
}

// TestSeedReconnect runs the README's client that connects again, against a server
// that closes each connection: it does so until it has no attempts left, which it
// counts from each success on.
//
// Substitutions: url, and the call that begins.
func TestSeedReconnect(t *testing.T) {
	e := newEdge(t, withProbe(t, settings{runtime: "process", plugins: map[string]string{}}))
	b := &box{e: e, id: "closing"}
	b.write(t, "/tmp/server.ts", bunServer("", `  websocket: { open(ws) { ws.close(1012, "again"); }, message() {} },`))
	b.must(t, "startProcess", &abi.StartProcessRequest{ProcessID: "server", Command: "bun run /tmp/server.ts"}, nil)
	b.listens(t, 8080, "server")
	program := fmt.Sprintf("const url = %q;\nlet opened = 0;\n", "ws://"+e.addr+"/probe/connect?id=closing&port=8080") +
		seed(t, "readme-reconnect-client.js", "reconnectAttempts = 0;\n  };", "reconnectAttempts = 0;\n    console.log(`opened ${++opened}`);\n  };") + "\nconnect();\n"
	clientProgram(t, program, "opened 3")
}

// TestSeedFragments runs the README's fragments of Workers.
//
// Substitutions: the values that they take for granted (pathname, userId, port,
// verifyToken); the two halves of the one about shared sandboxes, which give one name to
// two things, are two programs; where a server is given a second, that stays, and it is
// given what it takes besides.
func TestSeedFragments(t *testing.T) {
	shared, isolated, ok := strings.Cut(seed(t, "readme-shared.ts"), "\n\n")
	if !ok {
		t.Fatal("readme-shared.ts has no second half")
	}
	const server = `
    const url = new URL(request.url);
    const pathname = url.pathname.replace("/ports", "");
    const userId = url.searchParams.get("user") ?? "nobody";
    const port = 8080;
    const verifyToken = async (token: string | null) => token === "let-me-in";
`
	const wait, listening = "setTimeout(resolve, 1000));", "setTimeout(resolve, 1000));\nawait sandbox.waitForPort(8080, { timeout: 600000 });"
	script := seed(t, "guide-echo-server.ts")
	programs := map[string]string{
		"ports":    framed(server+inSandbox("ports"), seed(t, "readme-ports.ts"), `new Response("no such path", { status: 404 })`),
		"shared":   framed(server, shared, "connect(sandbox, request, 8080)"),
		"isolated": framed(server, isolated, "connect(sandbox, request, 8080)"),
		"manage":   framed(server+inSandbox("manage"), seed(t, "readme-manage.ts", wait, listening), "null"),
		"once":     framed(server+inSandbox("once"), seed(t, "readme-once.ts"), "Response.json((await sandbox.listProcesses()).length)"),
		"delay":    framed(server+inSandbox("delay"), seed(t, "readme-delay.ts", wait, listening), "null"),
		"errors":   framed(server+inSandbox("errors"), seed(t, "readme-errors.ts"), "null"),
		"thrown":   framed(strings.Replace(server, "port = 8080", "port = 80", 1)+inSandbox("errors"), seed(t, "readme-errors.ts"), "null"),
		"auth":     framed(server+inSandbox("auth")+seed(t, "readme-auth.ts"), "", "handleWebSocket(request, env)"),
	}
	eachRuntime(t, func(t *testing.T, runtime string) {
		w := newWorkers(t, settings{runtime: runtime}, programs)
		at := func(path string) string { return "ws://" + w.addr + path }
		listen := func(id string, port int) {
			t.Helper()
			b := w.box(id)
			name := fmt.Sprintf("/tmp/server-%d.ts", port)
			b.write(t, name, strings.NewReplacer("8080", fmt.Sprint(port), "Echo:", fmt.Sprint(id, " ", port, ":")).Replace(script))
			b.must(t, "startProcess", &abi.StartProcessRequest{Command: "bun run " + name}, nil)
			b.listens(t, port, "")
		}
		for i, path := range []string{"chat", "terminal", "game"} {
			listen("ports", 8080+i)
			exchange(t, at("/ports/ws/"+path), "hello", fmt.Sprintf("ports %d: hello", 8080+i))
		}
		listen("shared-room", 8080)
		listen("anna", 8080)
		listen("bert", 8080)
		for _, user := range []string{"anna", "bert"} {
			exchange(t, at("/shared?user="+user), "hello", "shared-room 8080: hello")
			exchange(t, at("/isolated?user="+user), "hello", user+" 8080: hello")
		}
		for _, id := range []string{"manage", "once", "delay"} {
			w.box(id).write(t, "/tmp/server.ts", script, "/tmp/ws-server.ts", script)
		}
		for range 2 { // the second finds the server
			exchange(t, at("/manage"), "hello", "Echo: hello")
			if n := w.ask("/once", nil); n != "1" {
				t.Errorf("%s processes, want 1", n)
			}
		}
		exchange(t, at("/delay"), "hello", "Echo: hello")

		// Nobody listens: the edge finds out after the Worker has decided.
		w.box("errors").run(t, "true")
		if status, body := refusedUpgrade(t, w, "/errors"); status != 502 || !strings.Contains(body, "PORT_NOT_LISTENING") {
			t.Errorf("nobody listens: %d %s", status, body)
		}
		if status, body := refusedUpgrade(t, w, "/thrown"); status != 503 || body != "WebSocket server unavailable" {
			t.Errorf("a port that there cannot be: %d %s", status, body)
		}
		w.said("Failed to connect: ")
		listen("errors", 8080)
		exchange(t, at("/errors"), "hello", "errors 8080: hello")

		listen("auth", 8080)
		if status, body := refusedUpgrade(t, w, "/auth?token=wrong"); status != 401 || body != "Unauthorized" {
			t.Errorf("with a wrong token: %d %s", status, body)
		}
		exchange(t, at("/auth?token=let-me-in"), "hello", "auth 8080: hello")
	})
}

// refusedUpgrade asks for a WebSocket and returns the answer that is none.
func refusedUpgrade(t testing.TB, w *workers, path string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+w.addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	} {
		req.Header.Set(name, value)
	}
	c := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1000))
	if err != nil && resp.StatusCode != 101 {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// TestSeedSandboxServers runs the README's servers inside a sandbox, behind a Worker
// that connects to them.
//
// Substitutions: Bun takes no server without fetch, which is added; ws is installed
// beforehand; asyncio.run takes a coroutine alone, so the Python server's last two lines
// are put into one; the fragments of handlers stand in a server, and their comments are
// what is answered; the rate is one message in ten minutes instead of ten in a second.
// As they are printed neither Bun's nor Python's runs anywhere, and the edge says why.
func TestSeedSandboxServers(t *testing.T) {
	bun, python := seed(t, "readme-bun-server.ts"), seed(t, "readme-python-server.py")
	rate, handlers, ok := strings.Cut(seed(t, "readme-rate.ts", "< 100)", "< 600000)", "// Handle message", `ws.send("handled");`), "\n\n")
	if !ok {
		t.Fatal("readme-rate.ts has no handlers")
	}
	const refused = `{"error":"Rate limit exceeded"}`
	const validate = "  websocket: { message(ws, message) { ws.send(JSON.stringify(handle(JSON.parse(message)) ?? { ok: true })); } },"
	programs := []struct{ id, file, content, command, send, want string }{
		{"bun", "server.ts", strings.Replace(bun, "port: 8080,", "port: 8080,\n  fetch(req, server) { server.upgrade(req); },", 1), "bun run server.ts", "hello", "hello"},
		{"node", "server.js", seed(t, "readme-node-server.js"), "node server.js", "hello", "hello"},
		{"python", "server.py", seed(t, "readme-python-server.py", "start_server = websockets.serve(echo, \"0.0.0.0\", 8080)\nasyncio.run(start_server)", "async def start_server():\n    async with websockets.serve(echo, \"0.0.0.0\", 8080):\n        await asyncio.Future()\n\nasyncio.run(start_server())"), "python3 server.py", "hello", "hello"},
		{"messages", "server.ts", bunServer("", seed(t, "readme-messages.ts", "// Handle valid message", `ws.send("valid");`)), "bun run server.ts", `{"type": 1}`, `{"error":"Invalid message format"}`},
		{"messages", "", "", "", `{`, `{"error":"Invalid JSON"}`},
		{"messages", "", "", "", `{"type": "a"}`, "valid"},
		{"rate", "server.ts", bunServer(rate, handlers), "bun run server.ts", "first", "handled"},
		{"validate", "server.ts", bunServer("const isValidCommand = (c) => c === 'ls';\nfunction handle(data) {\nswitch (data.type) {\n"+seed(t, "readme-validate.ts")+"}\n}\n", validate), "bun run server.ts", `{"type": "exec", "command": "rm"}`, `{"error":"Invalid command"}`},
		{"validate", "", "", "", `{"type": "exec", "command": "ls"}`, `{"ok":true}`},
	}
	eachRuntime(t, func(t *testing.T, runtime string) {
		s := settings{runtime: runtime, files: withNode(t, runtime)}
		w := newWorkers(t, s, map[string]string{"to": framed(`const id = new URL(request.url).searchParams.get("id");`, "const sandbox = getSandbox(env.Sandbox, id);", "connect(sandbox, request, 8080)")})
		w.box("node").install(t, "ws")
		if runtime == "process" {
			needPythonWebSockets(t)
		}
		for _, p := range programs {
			if p.file != "" {
				w.box(p.id).write(t, p.file, p.content)
				w.box(p.id).must(t, "startProcess", &abi.StartProcessRequest{ProcessID: "server", Command: p.command}, nil)
				w.box(p.id).listens(t, 8080, "server")
			}
			exchange(t, "ws://"+w.addr+"/to?id="+p.id, p.send, p.want)
		}
		ws := exchange(t, "ws://"+w.addr+"/to?id=rate", "too soon", refused)
		for range 5 { // a burst of messages
			if err := ws.WriteMessage(websocket.TextMessage, []byte("at once")); err != nil {
				t.Fatal(err)
			}
		}
		for range 5 {
			if _, got, err := ws.ReadMessage(); err != nil || string(got) != refused {
				t.Errorf("one of a burst was answered %q, %v", got, err)
			}
		}
		for _, printed := range [][3]string{{"bun run server.ts", bun, "fetch"}, {"python3 server.py", python, "coroutine"}} {
			b := w.box("printed")
			b.write(t, strings.Fields(printed[0])[len(strings.Fields(printed[0]))-1], printed[1])
			var p abi.Process
			b.must(t, "startProcess", &abi.StartProcessRequest{Command: printed[0]}, &p)
			err := b.call("waitForPort", &abi.WaitForPortRequest{Port: 8080, ProcessID: p.ID, Timeout: abi.Duration(patience)}, nil)
			if failure := abi.AsError(err); err == nil || failure.Code != abi.CodeProcessExitedBeforeReady || !strings.Contains(fmt.Sprint(string(failure.Details)), printed[2]) {
				t.Errorf("%s as printed: %v", printed[0], err)
			}
		}
	})
}
