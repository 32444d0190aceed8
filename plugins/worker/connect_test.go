package worker

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins"
)

// TestConnect returns what connects a client, and what does not.
func TestConnect(t *testing.T) {
	t.Parallel()
	var opened []string
	var mu sync.Mutex
	s := &services{socket: func(ref abi.SandboxRef, port int, o abi.WebSocketOptions) (abi.Socket, error) {
		mu.Lock()
		defer mu.Unlock()
		if port == 9999 {
			return nil, abi.Errorf(abi.CodePortNotListening, "nothing listens on port 9999")
		}
		opened = append(opened, fmt.Sprint(ref.Binding, "/", ref.ID, ":", port, " ", o.Path, " ", o.Protocols, " ", o.Headers))
		return echo(), nil
	}}
	p, log := s.with(t, `import { connect, getSandbox } from "@cloudflare/sandbox";
const cases: Record<string, (r: Request, s: any, env: any) => any> = {
  plain: (r, s) => s.wsConnect(r, 8080),
  connect: (r, s) => connect(s, r, 8081),
  policy: (r, s) => s.wsConnect(r, 8080, { maxMessageBytes: 1024, wake: "never" }),
  options: (r, s, env) => getSandbox(env.Sandbox, "b", { sleepAfter: 60, labels: { a: "b" } }).wsConnect(r, 8080),
  changed: (r, s) => { const u = new URL(r.url); u.pathname = "/chat"; u.search = "?room=1"; const q = new Request(u, r); q.headers.set("x-user", "me"); q.headers.delete("user-agent"); return s.wsConnect(q, 8080); },
  made: (r, s) => s.wsConnect(new Request("ws://internal/made", { headers: { Upgrade: "websocket" } }), 8080),
  wrapped: async (r, s) => { const { webSocket } = await s.wsConnect(r, 8080); return new Response(null, { status: 101, webSocket }); },
  port: async (r, s) => { try { return await s.wsConnect(r, 80) } catch (e: any) { return new Response(e.code + " " + e.message) } },
  refused: async (r, s) => { try { return await s.wsConnect(new Request("http://x/"), 8080) } catch (e: any) { return new Response(e.code) } },
  stub: (r, s, env) => env.Sandbox.get(env.Sandbox.idFromName("Named")).wsConnect(r, 8080),
  byName: (r, s, env) => env.Sandbox.getByName("named").fetch(new Request(r, { headers: [...r.headers, ["cf-container-target-port", "8082"]] })),
  fetch: (r, s) => s.fetch(r, 8083),
  nothing: async (r, s) => { await s.wsConnect(r, 8080); return new Response("unused"); },
  accepted: async (r, s) => {
    const { webSocket: ws, status } = await s.wsConnect(r, 8080), got: any[] = [status];
    const done = new Promise<void>((resolve) => ws.addEventListener("message", (e: any) => { got.push(e.data); if (got.length === 3) resolve(); }));
    ws.accept(); ws.send("a"); ws.send("b");
    await done; ws.close(1000, "bye");
    return new Response(got.join());
  },
  both: async (r, s) => { const x = await s.wsConnect(r, 8080); x.webSocket.accept(); return x; },
};
export default { async fetch(request: Request, env: any) {
  const name = new URL(request.url).pathname.slice(1);
  return cases[name](request, getSandbox(env.Sandbox, "A"), env);
} };`)
	for _, c := range []struct{ name, want, opened string }{
		{"plain", "connect Sandbox/a:8080", ""},
		{"connect", "connect Sandbox/a:8081", ""},
		{"policy", "connect Sandbox/a:8080", ""},
		{"options", "connect Sandbox/b:8080", ""},
		{"changed", "connect Sandbox/a:8080", ""},
		{"made", "connect Sandbox/a:8080", ""},
		{"wrapped", "connect Sandbox/a:8080", ""},
		{"port", "200 INVALID_PORT wsConnect: port 80 is not between 1024 and 65535", ""},
		{"refused", "200 UPGRADE_REQUIRED", ""},
		{"stub", "connect Sandbox/named:8080", ""},
		{"byName", "connect Sandbox/named:8082", ""},
		{"fetch", "connect Sandbox/a:8083", ""},
		{"nothing", "200 unused", ""},
		{"accepted", "200 101,echo a,echo b", "Sandbox/a:8080 /accepted [] [[accept */*] [user-agent test/1]]"},
		{"both", "error PLUGIN_FAILED: the Worker threw an exception", "Sandbox/a:8080 /both [] [[accept */*] [user-agent test/1]]"},
	} {
		r := upgrade("/" + c.name)
		if got := tell(t, p, r); got != c.want {
			t.Errorf("%s: got %q, want %q\n%s", c.name, got, c.want, log)
		}
		mu.Lock()
		if got := strings.Join(opened, "; "); got != c.opened {
			t.Errorf("%s: opened %q, want %q", c.name, got, c.opened)
		}
		opened = nil
		mu.Unlock()
		if c.name == "changed" {
			user, _ := r.Header("X-User")
			_, agent := r.Header("User-Agent")
			_, upgrade := r.Header("Upgrade")
			if r.Path != "/chat" || r.Query != "room=1" || user != "me" || agent || !upgrade {
				t.Errorf("the backend would be sent %s?%s %v", r.Path, r.Query, r.Headers)
			}
		}
	}
}

// TestConnectPlain answers what asks for no WebSocket as the edge does.
func TestConnectPlain(t *testing.T) {
	t.Parallel()
	p, log := (&services{}).with(t, `import { connect, getSandbox } from "@cloudflare/sandbox";
export default { async fetch(request: Request, env: any) { return await connect(getSandbox(env.Sandbox, "a"), request, 8080); } };`)
	if got := tell(t, p, request("/")); !strings.HasPrefix(got, "error UPGRADE_REQUIRED") {
		t.Error(got, log)
	}
}

// TestLater closes a port when the answer has long been given, as the seeds do, and does
// work that ctx.waitUntil keeps the request for.
func TestLater(t *testing.T) {
	t.Parallel()
	done := make(chan string, 4)
	s := &services{}
	s.operate = func(name string, _ json.RawMessage) (any, error) {
		done <- name
		return struct{}{}, nil
	}
	p, log := s.with(t, `import { getSandbox } from "@cloudflare/sandbox";
export default { async fetch(request: Request, env: any, ctx: any) {
  const sandbox: any = getSandbox(env.Sandbox, "a");
  if (request.url.includes("timer")) setTimeout(async () => { await sandbox.closePort(8000); await sandbox.touch(); }, 10);
  else ctx.waitUntil((async () => { await new Promise((r) => setTimeout(r, 10)); await sandbox.destroy(); })());
  return new Response("answered");
} };`)
	for _, c := range []struct {
		path string
		want []string
	}{{"/timer", []string{"unexposePort", "touch"}}, {"/wait", []string{"destroy"}}} {
		if got := tell(t, p, request(c.path)); got != "200 answered" {
			t.Fatal(got, log)
		}
		for _, want := range c.want {
			select {
			case got := <-done:
				if got != want {
					t.Errorf("%s asked for %s, want %s", c.path, got, want)
				}
			case <-time.After(patience):
				t.Fatalf("%s never asked for %s\n%s", c.path, want, log)
			}
		}
	}
}

// TestPolicy has decisions carry what they ask for.
func TestPolicy(t *testing.T) {
	t.Parallel()
	s := &services{preview: func(*abi.Request) bool { return true }}
	p, _ := s.with(t, `import { getSandbox } from "@cloudflare/sandbox";
export default { async fetch(request: Request, env: any) {
  const sandbox: any = getSandbox(env.Sandbox, "a", { sleepAfter: "5m", keepAlive: false });
  return sandbox.wsConnect(request, 8080, { maxMessageBytes: 1024, allowOrigins: ["a.com"], wake: "never" });
} };`)
	d, err := p.Decide(t.Context(), upgrade("/"))
	c, ok := d.(*abi.Connect)
	if !ok || c.Policy.MaxMessageBytes != 1024 || len(c.Policy.AllowOrigins) != 1 || c.Wake != abi.WakeNever || c.Sandbox.SleepAfter.D().Minutes() != 5 {
		t.Errorf("decided %+v, %v", d, err)
	}
}

// TestWorkersOwnSocket opens a WebSocket for a plain request, as the seeds do.
func TestWorkersOwnSocket(t *testing.T) {
	t.Parallel()
	stream := echo()
	s := &services{socket: func(_ abi.SandboxRef, port int, _ abi.WebSocketOptions) (abi.Socket, error) {
		if port == 9999 {
			return nil, abi.Errorf(abi.CodePortNotListening, "nothing listens on port 9999")
		}
		return stream, nil
	}}
	p, log := s.with(t, `import { getSandbox } from "@cloudflare/sandbox";
export default { async fetch(request: Request, env: any) {
  const sandbox: any = getSandbox(env.Sandbox, "data-processor");
  const wsRequest = new Request("ws://internal", { headers: { Upgrade: "websocket", Connection: "Upgrade" } });
  try { await sandbox.wsConnect(wsRequest, 9999); } catch (e: any) { console.log(e.code, e.retryable, e instanceof Error); }
  const response = await sandbox.wsConnect(wsRequest, 8080);
  const ws = response.webSocket, got: any[] = [];
  let tooEarly = "";
  try { ws.send("x") } catch (e: any) { tooEarly = e.name }
  ws.accept();
  const closed = new Promise<any>((r) => { ws.onclose = r; });
  ws.addEventListener("message", (e: any) => {
    got.push(typeof e.data === "string" ? e.data : [...new Uint8Array(e.data)].join(" "));
    if (got.length === 1) ws.send(new Uint8Array([1, 2, 3]).buffer);
    if (got.length === 2) ws.close(3001, "done");
  });
  ws.send("hello");
  const end = await closed;
  return new Response([response.status, tooEarly, ...got, end.type, ws.readyState].join());
} };`)
	if got, want := tell(t, p, request("/")), "200 101,TypeError,echo hello,1 2 3,close,3"; got != want {
		t.Errorf("got %q, want %q\n%s", got, want, log)
	}
	if got, want := stream.log(t), "1 hello; 2 \x01\x02\x03; close 3001 done"; got != want {
		t.Errorf("sent %q, want %q", got, want)
	}
	if !strings.Contains(log.String(), "PORT_NOT_LISTENING true true") {
		t.Error(log)
	}
}

// TestWsOpen reads a socket message by message.
func TestWsOpen(t *testing.T) {
	t.Parallel()
	stream := play("a", []byte{1}, &abi.SocketClosed{Code: 4000, Reason: "enough"})
	var asked string
	s := &services{socket: func(ref abi.SandboxRef, port int, o abi.WebSocketOptions) (abi.Socket, error) {
		b, err := json.Marshal(o)
		asked = string(b)
		return stream, err
	}}
	p, log := s.with(t, `import { getSandbox } from "@cloudflare/sandbox";
export default { async fetch(request: Request, env: any) {
  const socket = await (getSandbox(env.Sandbox, "a", { keepAlive: true }) as any).wsOpen(8080, { path: "/x", protocols: ["p"], headers: { A: "b" } });
  await socket.send("hi");
  const got: any[] = [];
  for await (const m of socket) got.push(typeof m === "string" ? m : [...m].join());
  return new Response(got.join("|"));
} };`)
	if got := tell(t, p, request("/")); got != "200 a|1" {
		t.Error(got, log)
	}
	if want := `{"path":"/x","protocols":["p"],"headers":[["A","b"]],"sandbox":{"keepAlive":true}}`; asked != want {
		t.Errorf("asked %s, want %s", asked, want)
	}
}

// TestPreviews has proxyToSandbox take requests for previews and no others; a Worker
// that answers before it protects them.
func TestPreviews(t *testing.T) {
	t.Parallel()
	s := &services{preview: func(r *abi.Request) bool { return strings.HasPrefix(r.Host, "8080-") }}
	p, log := s.with(t, `import { getSandbox, proxyToSandbox } from "@cloudflare/sandbox";
export { Sandbox } from "@cloudflare/sandbox";
export default { async fetch(request: Request, env: any) {
  const url = new URL(request.url);
  if (url.searchParams.has("guarded")) return new Response("Unauthorized", { status: 401 });
  if (url.pathname === "/three") return proxyToSandbox(request, env.Sandbox, "echo-service");
  if (url.pathname === "/to") return getSandbox(env.Sandbox, "a").proxyTo(3000);
  if (url.pathname === "/dropped") await proxyToSandbox(request, env);
  else { const proxied = await proxyToSandbox(request, env); if (proxied) return proxied; }
  return new Response("own " + await request.text());
} };`)
	preview := func(url string) *abi.Request { r := request(url); r.Host = "8080-a-token.localhost:8787"; return r }
	for _, c := range []struct {
		r    *abi.Request
		want string
	}{
		{preview("/"), "proxy /:0"},
		{request("/"), "200 own "},
		{preview("/?guarded"), "401 Unauthorized"},
		{preview("/dropped"), "200 own "},
		{preview("/three"), "proxy Sandbox/echo-service:0"},
		{request("/three"), "proxy Sandbox/echo-service:0"},
		{request("/to"), "proxy Sandbox/a:3000"},
	} {
		if got := tell(t, p, c.r); got != c.want {
			t.Errorf("%s %s?%s: got %q, want %q\n%s", c.r.Host, c.r.Path, c.r.Query, got, c.want, log)
		}
	}
}

// TestNotHere has what the vendor's package offers and the edge does not fail by name.
func TestNotHere(t *testing.T) {
	t.Parallel()
	s := &services{}
	p, log := s.with(t, `import { getSandbox, CodeInterpreter } from "@cloudflare/sandbox";
import { DurableObject } from "cloudflare:workers";
export class Room extends DurableObject {}
export default { async fetch(request: Request, env: any) {
  const s: any = getSandbox(env.Sandbox, "a"), out: string[] = [];
  for (const f of [() => s.runCode("1"), () => s.mountBucket("b", "/m", {}), () => s.createBackup({ dir: "/" }), () => s.tunnels.get(8080), () => s.checkChanges("/"),
    () => new (globalThis as any).WebSocketPair(), () => new (CodeInterpreter as any)(s), () => new (Room as any)(), () => (globalThis as any).caches.default.match(request),
    () => new (globalThis as any).HTMLRewriter(), () => s.containerFetch("http://x/"), () => getSandbox(undefined as any, "x")]) {
    try { await f(); out.push("went on") } catch (e: any) { out.push(e.code + " " + e.message.slice(0, 30) + (e.suggestion ? "!" : "")) }
  }
  return new Response(out.join("\n"));
} };`, func(s *plugins.Spec) {})
	got := tell(t, p, request("/"))
	for i, line := range strings.Split(strings.TrimPrefix(got, "200 "), "\n") {
		if i < 10 && (!strings.HasPrefix(line, "UNSUPPORTED ") || !strings.HasSuffix(line, "!")) || strings.Contains(line, "went on") {
			t.Errorf("%d: %q", i, line)
		}
	}
	if t.Failed() || strings.Count(got, "\n") != 11 {
		t.Error(got, log)
	}
}

// TestConnectTerminal gives terminals to the client, and to the Worker.
func TestConnectTerminal(t *testing.T) {
	t.Parallel()
	stream, done := play(`{"type":"ready","id":"t"}`, []byte("$ ")), make(chan string, 8)
	s := &services{open: func(name string, body json.RawMessage) (abi.Socket, error) {
		done <- name
		return stream, nil
	}}
	s.operate = func(name string, body json.RawMessage) (any, error) {
		return abi.Session{ID: "mine"}, nil
	}
	p, log := s.with(t, `import { getSandbox, proxyTerminal } from "@cloudflare/sandbox";
const cases: Record<string, (r: Request, s: any, env: any) => any> = {
  plain: (r, s) => s.terminal(r),
  options: (r, s) => s.terminal(r, { cols: 100, rows: 30, shell: "/bin/sh", sessionId: "one", policy: { maxDuration: "1h" }, wake: "ws" }),
  labelled: (r, s, env) => getSandbox(env.Sandbox, "b", { labels: { a: "b" } }).terminal(r, { id: "t", takeover: true }),
  session: async (r, s) => (await s.createSession({ id: "mine" })).terminal(r, { cols: 100 }),
  proxied: (r, s) => proxyTerminal(s, "two", r, { rows: 30 }),
  made: (r, s) => s.terminal(new Request("ws://internal/", { headers: { Upgrade: "websocket" } })),
  wrapped: async (r, s) => { const { webSocket } = await s.terminal(r); return new Response(null, { status: 101, webSocket }); },
  nothing: async (r, s) => { await s.terminal(r); return new Response("unused"); },
  refused: async (r, s) => { try { return await s.terminal(new Request("http://x/")) } catch (e: any) { return new Response(e.code) } },
  wrong: async (r, s) => s.terminal(r, { columns: 1 }),
  accepted: async (r, s) => {
    const { webSocket: ws, status } = await s.terminal(r, { cols: 100 }), got: any[] = [status];
    const done = new Promise<void>((resolve) => ws.addEventListener("message", (e: any) => {
      got.push(typeof e.data === "string" ? e.data : new TextDecoder().decode(e.data));
      if (got.length === 3) resolve();
    }));
    ws.accept(); await done; ws.close(1000, "bye");
    return new Response(got.join());
  },
};
export default { async fetch(request: Request, env: any) {
  return cases[new URL(request.url).pathname.slice(1)](request, getSandbox(env.Sandbox, "A"), env);
} };`)
	for _, c := range []struct{ name, want, opened string }{
		{"plain", `connect Sandbox/a:0 terminal {}`, ""},
		{"options", `connect Sandbox/a:0 terminal {"cols":100,"rows":30,"shell":"/bin/sh","session":"one"} {"maxDuration":3600000} ws`, ""},
		{"labelled", `connect Sandbox/b:0 terminal {"id":"t","takeover":true}`, ""},
		{"session", `connect Sandbox/a:0 terminal {"cols":100,"session":"mine"}`, ""},
		{"proxied", `connect Sandbox/a:0 terminal {"rows":30,"session":"two"}`, ""},
		{"made", `connect Sandbox/a:0 terminal {}`, ""},
		{"wrapped", `connect Sandbox/a:0 terminal {}`, ""},
		{"nothing", "200 unused", ""},
		{"refused", "200 UPGRADE_REQUIRED", ""},
		{"wrong", "error PLUGIN_FAILED: the Worker threw an exception", ""},
		{"accepted", `200 101,{"type":"ready","id":"t"},$ `, "terminal"},
	} {
		d, err := p.Decide(t.Context(), upgrade("/"+c.name))
		var got string
		switch d := d.(type) {
		case *abi.Connect:
			got = fmt.Sprintf("connect %s/%s:%d %s %s", d.Sandbox.Binding, d.Sandbox.ID, d.Port, d.Stream.Name, d.Stream.Request)
			if !d.Policy.IsZero() {
				policy, _ := json.Marshal(d.Policy)
				got += fmt.Sprintf(" %s %s", policy, d.Wake)
			}
		case *abi.Respond:
			got = fmt.Sprintf("%d %s", d.Status, d.Body)
		default:
			got = fmt.Sprint("error ", err)
		}
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: got %q, want %q\n%s", c.name, got, c.want, log)
		}
		opened := ""
		select {
		case opened = <-done:
		default:
		}
		if opened != c.opened {
			t.Errorf("%s: opened %q, want %q", c.name, opened, c.opened)
		}
	}
	if d, err := p.Decide(t.Context(), request("/plain")); abi.AsError(err) == nil || abi.AsError(err).Code != abi.CodeUpgradeRequired {
		t.Errorf("without a WebSocket: %v, %v", d, err)
	}
}
