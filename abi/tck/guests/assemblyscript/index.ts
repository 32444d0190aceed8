// The conformance kit's guest, made with the AssemblyScript SDK: it carries out the
// cases of ../../guest.json, whose docs say what each does.

import {
  BodyWriter, Code, EdgeError, Header, Json, JsonWriter, Plan, PlanAnswer, PlanProcess, PlanReady, Policy, Request, Response, Result, Sandbox,
  SandboxOptions, Server, config, count, fail, fetch, getSandbox, handle, kv, log, monotonic, next, now, observe, plan, proxyToSandbox, random,
  secret, stream,
} from "edge-sdk";

export * from "edge-sdk/exports";

type Case = (request: Request, sandbox: Sandbox) => Response;

const cases = new Map<string, Case>();

function text(s: string): Response { return Response.text(200, s); }

handle((request: Request): Response => {
  const name = request.path.substring("/case/".length);
  if (!cases.has(name)) return fail(Code.NOT_FOUND, "there is no case " + name);
  const decide = cases.get(name);
  return decide(request, getSandbox("Sandbox", "one"));
});

// --- the request ---

cases.set("hello", (request: Request, sandbox: Sandbox): Response => text(
  [request.method, request.path, request.rawQuery, request.host, request.scheme, request.remoteAddress, request.id].join(" ")));

cases.set("query", (request: Request, sandbox: Sandbox): Response => text(request.query("a") + "|" + request.query("none")));

const header: Case = (request: Request, sandbox: Sandbox): Response =>
  text([request.header("Accept"), request.headerValues("Accept").join(","), request.isUpgrade ? "true" : "false"].join("|"));
cases.set("header", header);
cases.set("upgrade", header);

cases.set("headers", (request: Request, sandbox: Sandbox): Response => {
  const all = request.headers();
  const last = all[all.length - 1];
  return text(all.length.toString() + " " + last.name + "=" + last.value);
});

cases.set("edits", (request: Request, sandbox: Sandbox): Response => {
  const done: Result<bool>[] = [
    request.setMethod("PUT"), request.setPath("/new%20path"), request.setRawQuery("k=v"), request.setHeader("X-One", "1"),
    request.addHeader("X-Two", "a"), request.addHeader("X-Two", "b"), request.deleteHeader("X-Gone"),
  ];
  for (let i = 0; i < done.length; i++) if (done[i].failed) return done[i].fail();
  return sandbox.proxyTo(request, 8080);
});

cases.set("edit-denied", (request: Request, sandbox: Sandbox): Response => {
  const set = request.setHeader("Host", "other");
  return set.failed ? set.fail() : text("set");
});

cases.set("body", (request: Request, sandbox: Sandbox): Response => {
  const body = request.text(1024);
  return body.failed ? body.fail() : text(body.value);
});

cases.set("body-large", (request: Request, sandbox: Sandbox): Response => {
  const body = request.bytes(4);
  return body.failed ? body.fail() : text("read");
});

// --- decisions ---

cases.set("json", (request: Request, sandbox: Sandbox): Response => Response.json(201,
  new JsonWriter().object().integer("a", 1).array("b").text("", "x").bool("", true).nil("").end().end()));

cases.set("status", (request: Request, sandbox: Sandbox): Response => Response.bytes(404, "", new Uint8Array(0)).header("X-Kind", "none"));

cases.set("stream", (request: Request, sandbox: Sandbox): Response => {
  const begun = stream(request, 201, [new Header("X-Kind", "pieces")]);
  if (begun.failed) return begun.fail();
  const body: BodyWriter = begun.value;
  body.write("one ");
  body.write("two ");
  body.writeBytes(Uint8Array.wrap(String.UTF8.encode("three")));
  return body.end();
});

cases.set("connect", (request: Request, sandbox: Sandbox): Response => {
  const policy: Policy = { idleTimeout: 1000, maxMessageBytes: 4096, protocols: ["chat"] };
  return sandbox.wsConnect(request, 8080, policy);
});

cases.set("connect-plain", (request: Request, sandbox: Sandbox): Response => sandbox.wsConnect(request, 8080));
cases.set("connect-bad-id", (request: Request, sandbox: Sandbox): Response => getSandbox("Sandbox", "Not Good").wsConnect(request, 8080));

cases.set("connect-options", (request: Request, sandbox: Sandbox): Response => {
  const options: SandboxOptions = { sleepAfter: "10m", labels: new Map<string, string>().set("team", "a") };
  return getSandbox("Sandbox", "one", options).wsConnect(request, 9000);
});

cases.set("proxy", (request: Request, sandbox: Sandbox): Response => sandbox.proxyTo(request, 8080));
cases.set("proxy-port", (request: Request, sandbox: Sandbox): Response => sandbox.proxyTo(request, 80));

const preview: Case = (request: Request, sandbox: Sandbox): Response => {
  const response = proxyToSandbox(request);
  return response === null ? text("no preview") : response;
};
cases.set("preview", preview);
cases.set("no-preview", preview);

cases.set("only-port", (request: Request, sandbox: Sandbox): Response => sandbox.proxyToSandbox(request));
cases.set("next", (request: Request, sandbox: Sandbox): Response => next());
cases.set("fail", (request: Request, sandbox: Sandbox): Response => fail(Code.DENIED, "no such user"));
cases.set("fail-unknown", (request: Request, sandbox: Sandbox): Response => fail("MY_OWN", "of my own"));
cases.set("throw", (request: Request, sandbox: Sandbox): Response => { throw new Error("on purpose"); });

cases.set("plan", (request: Request, sandbox: Sandbox): Response => {
  const p = new Plan(sandbox, "connect", 8080);
  p.process = { processId: "srv", command: "run" } as PlanProcess;
  p.ready = { mode: "http", path: "/health" } as PlanReady;
  p.timeout = 20_000;
  p.fallback = { status: 503, body: "later" } as PlanAnswer;
  return plan(p);
});

// --- operations ---

const exec: Case = (request: Request, sandbox: Sandbox): Response => {
  const result = sandbox.exec("echo hi", { cwd: "/tmp", timeout: 5000 });
  return result.failed ? result.fail() : text(result.value.stdout);
};
cases.set("exec", exec);
cases.set("exec-error", exec);
cases.set("exec-large", exec);

cases.set("processes", (request: Request, sandbox: Sandbox): Response => {
  const p = sandbox.startProcess("serve", { processId: "p", cwd: "/app", ifRunning: "reuse" });
  if (p.failed) return p.fail();
  const port = p.value.waitForPort(8080, { timeout: 2000 });
  if (port.failed) return port.fail();
  const line = p.value.waitForLog("ready");
  const logs = p.value.getLogs({ tail: 10 });
  const status = p.value.getStatus();
  const all = sandbox.listProcesses();
  p.value.kill({ signal: "INT" });
  const exit = p.value.waitForExit();
  return text([
    p.value.id, line.value.line, logs.value.stdout, status.value, all.value.length.toString(), exit.value.exitCode.toString(),
  ].join("|"));
});

cases.set("files", (request: Request, sandbox: Sandbox): Response => {
  sandbox.mkdir("d", { recursive: true });
  sandbox.writeFile("d/f", "text", { mode: "0600" });
  const read = sandbox.readFileText("d/f");
  const exists = sandbox.exists("d/f");
  const list = sandbox.listFiles("d");
  sandbox.renameFile("d/f", "d/g");
  sandbox.moveFile("d/g", "e/");
  sandbox.setPermissions("e/g", "0755");
  const gone = sandbox.deleteFile("d", { recursive: true });
  if (gone.failed) return gone.fail();
  return text([read.value, exists.value ? "true" : "false", list.value.files[0].name].join("|"));
});

cases.set("binary", (request: Request, sandbox: Sandbox): Response => {
  const bytes = new Uint8Array(2);
  bytes[1] = 255;
  sandbox.writeFileBytes("b", bytes);
  const read = sandbox.readFile("b");
  if (read.failed) return read.fail();
  return text(read.value.length.toString() + " " + read.value[read.value.length - 1].toString());
});

cases.set("ports", (request: Request, sandbox: Sandbox): Response => {
  const exposed = sandbox.exposePort(8080, { name: "web", ttl: 3_600_000, token: "tok_1" });
  if (exposed.failed) return exposed.fail();
  const all = sandbox.getExposedPorts();
  const is = sandbox.isPortExposed(8080);
  const valid = sandbox.validatePortToken(8080, "tok_1");
  const gone = sandbox.unexposePort(8080);
  if (gone.failed) return gone.fail();
  return text([exposed.value.url, all.value.length.toString(), is.value ? "true" : "false", valid.value ? "true" : "false"].join("|"));
});

cases.set("links", (request: Request, sandbox: Sandbox): Response => {
  const exposed = sandbox.exposePort(8080, { tokenIn: "request", host: "app:${port}", onRestart: "revoke" });
  if (exposed.failed) return exposed.fail();
  const link = sandbox.createPreviewLink(8080, { ttl: 600_000, path: "/a?b=c" });
  if (link.failed) return link.fail();
  const gone = sandbox.unexposePort(8080, 30_000);
  if (gone.failed) return gone.fail();
  return text(exposed.value.token + "|" + link.value.url);
});

cases.set("life", (request: Request, sandbox: Sandbox): Response => {
  sandbox.start();
  sandbox.touch();
  sandbox.pause();
  sandbox.resume();
  const state = sandbox.getState();
  sandbox.setEnvVars(new Map<string, string>().set("A", "1"));
  const session = sandbox.createSession({ id: "s", cwd: "/app" });
  if (session.failed) return session.fail();
  const id = session.value.exec("id");
  session.value.delete();
  sandbox.stop({ signal: "INT" });
  const gone = sandbox.destroy();
  if (gone.failed) return gone.fail();
  return text([state.value.state, session.value.id, id.value.stdout].join("|"));
});

cases.set("ensure", (request: Request, sandbox: Sandbox): Response => {
  const server: Server = { processId: "srv", port: 8080, path: "/tmp/s", source: "code", command: "run /tmp/s" };
  const ready = sandbox.ensureServer(server);
  return ready.failed ? ready.fail() : sandbox.wsConnect(request, server.port);
});

// --- sockets and streams ---

cases.set("socket", (request: Request, sandbox: Sandbox): Response => {
  const opened = sandbox.wsOpen(8080, { path: "/feed" });
  if (opened.failed) return opened.fail();
  const ws = opened.value;
  ws.send("hi");
  const bytes = new Uint8Array(2);
  bytes[1] = 1;
  ws.sendBinary(bytes);
  let said = "";
  for (let m = ws.recv(5000); m.ok; m = ws.recv(5000)) said += m.value.text + "|";
  return text(said + "closed " + ws.closeCode.toString() + " " + ws.closeReason);
});

cases.set("socket-close", (request: Request, sandbox: Sandbox): Response => {
  const opened = sandbox.wsOpen(8080);
  if (opened.failed) return opened.fail();
  const m = opened.value.recv(1);
  const closed = opened.value.close(3000, "bye");
  if (closed.failed) return closed.fail();
  return text(m.failed ? m.error.code : m.value.text);
});

cases.set("socket-refused", (request: Request, sandbox: Sandbox): Response => {
  const opened = sandbox.wsOpen(8080);
  return opened.failed ? opened.fail() : text("opened");
});

cases.set("events", (request: Request, sandbox: Sandbox): Response => {
  const begun = sandbox.execStream("make", { input: true });
  if (begun.failed) return begun.fail();
  const events = begun.value;
  events.writeText("in");
  events.closeInput();
  const types: string[] = [];
  let data = "";
  for (;;) {
    const item = events.next();
    if (item.failed) return item.fail();
    const event = item.value.event;
    if (event === null) break;
    types.push(event.string("type"));
    data += event.string("data");
  }
  events.close();
  return text(types.join(",") + "|" + data);
});

cases.set("events-failed", (request: Request, sandbox: Sandbox): Response => {
  const begun = sandbox.execStream("make");
  if (begun.failed) return begun.fail();
  let item = begun.value.next();
  while (item.ok && !item.value.ended) item = begun.value.next();
  begun.value.close();
  return item.failed ? item.fail() : text("ended");
});

cases.set("download", (request: Request, sandbox: Sandbox): Response => {
  const begun = sandbox.readFileStream("big");
  if (begun.failed) return begun.fail();
  const info = begun.value.next().value.event;
  let size = 0;
  for (;;) {
    const item = begun.value.next();
    if (item.failed) return item.fail();
    const data = item.value.data;
    if (data === null) break;
    size += data.length;
  }
  begun.value.close();
  return text((info === null ? "none" : info.integer("size").toString()) + " " + size.toString());
});

// --- services ---

cases.set("store", (request: Request, sandbox: Sandbox): Response => {
  const none = kv.get("none");
  if (none.failed) return none.fail();
  const first = kv.set("k", "v1", { ttl: 60_000, ifRevision: 0 });
  if (first.failed) return first.fail();
  const held = kv.get("k");
  if (held.failed) return held.fail();
  const value = held.value!;
  const second = kv.set("k", "v2", { ifRevision: value.revision });
  if (second.failed) return second.fail();
  const page = kv.list("k");
  if (page.failed) return page.fail();
  const gone = kv.remove("k");
  if (gone.failed) return gone.fail();
  const keys: string[] = [];
  for (let i = 0; i < page.value.entries.length; i++) keys.push(page.value.entries[i].key);
  return text([
    none.value === null ? "absent" : "there", value.text, value.revision.toString(), second.value.toString(), keys.join(","),
    page.value.more ? "true" : "false",
  ].join("|"));
});

cases.set("store-conflict", (request: Request, sandbox: Sandbox): Response => {
  const set = kv.set("k", "new", { ifRevision: 0 });
  return set.failed ? set.fail() : text("set");
});

cases.set("fetch", (request: Request, sandbox: Sandbox): Response => {
  const answer = fetch("https://api.example.com/x", { method: "POST", headers: [new Header("X-A", "1")], body: "ask" });
  if (answer.failed) return answer.fail();
  const body = answer.value.text();
  if (body.failed) return body.fail();
  return text([answer.value.status.toString(), answer.value.header("x-b"), body.value].join("|"));
});

cases.set("fetch-denied", (request: Request, sandbox: Sandbox): Response => {
  const answer = fetch("https://api.example.com/");
  return answer.failed ? answer.fail() : text("fetched");
});

cases.set("surroundings", (request: Request, sandbox: Sandbox): Response => {
  const greeting = config("greeting");
  const limits = config("limits");
  const missing = config("missing");
  const token = secret("TOKEN");
  const none = secret("NONE");
  log.warn("noted", ["who", "tck"]);
  count("hits", 2, ["kind", "a"]);
  observe("took", 0.5);
  const good = random(16).length == 16 && now() > 946_684_800_000_000_000 && monotonic() >= 0;
  return text([
    greeting === null ? "none" : greeting.asString(), limits === null ? "none" : limits.integer("n").toString(),
    missing === null ? "absent" : "there", token === null ? "none" : token, none === null ? "absent" : "there", good ? "true" : "false",
  ].join("|"));
});
