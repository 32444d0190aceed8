// edge-test plays the edge for a plugin's module in Node: a test says what sandboxes
// answer, makes a request, and looks at the decision.
//
//     const host = Host.load("plugin.wasm");
//     host.on("exec", (call) => ({ success: true, stdout: "sandbox " + call.sandbox.id }));
//     const result = host.do(request("GET", "/run?id=one"));
//     assert.equal(result.decision.body, "sandbox one");
//
// It speaks the ABI down to its bytes. Nothing happens to a decision after it was
// made: that is the edge's part.

import { readFileSync } from "node:fs";

/** The error table of abi/REFERENCE.md: code to errno. */
const errnos = {
  INVALID_REQUEST: 1, INVALID_SANDBOX_ID: 1, INVALID_PORT: 1, IS_DIRECTORY: 1, NOT_DIRECTORY: 1, PLUGIN_REFUSED: 1, UPGRADE_REQUIRED: 1, NOT_FOUND: 2,
  COMMAND_NOT_FOUND: 2, FILE_NOT_FOUND: 2, IMAGE_NOT_FOUND: 2, INVALID_TOKEN: 2, PORT_NOT_EXPOSED: 2, PROCESS_NOT_FOUND: 2,
  SESSION_NOT_FOUND: 2, UNKNOWN_BINDING: 2, DENIED: 3, PERMISSION_DENIED: 3, TIMEOUT: 4, PROCESS_READY_TIMEOUT: 4, PLUGIN_OVERLOADED: 5,
  SANDBOX_ASLEEP: 5, SANDBOX_STARTING: 5, QUOTA_EXCEEDED: 6, TOO_MANY_REQUESTS: 6, BACKEND_FAILED: 7, FETCH_FAILED: 7, GIT_FAILED: 7,
  GIT_NOT_AVAILABLE: 7, PORT_NOT_LISTENING: 7, PROCESS_EXITED_BEFORE_READY: 7, RUNTIME_UNAVAILABLE: 7, SANDBOX_EXITED: 7,
  UPGRADE_FAILED: 7, BODY_TOO_LARGE: 8, FILE_TOO_LARGE: 8, CANCELED: 9, SANDBOX_LOST: 9, CONFLICT: 10, FILE_EXISTS: 10,
  PORT_ALREADY_EXPOSED: 10, PROCESS_ALREADY_EXISTS: 10, SESSION_ALREADY_EXISTS: 10, UNKNOWN_OPERATION: 11, UNSUPPORTED: 11,
  INTERNAL: 12, PLUGIN_FAILED: 12,
};

const OK = 0, INVALID = 1, NOT_FOUND = 2, CLOSED = 9, ALREADY = 10, UNSUPPORTED = 11;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** EdgeError is what an answer throws to fail: new EdgeError("PROCESS_NOT_FOUND", "there is no process"). */
export class EdgeError extends Error {
  constructor(code, message, more = {}) {
    super(message);
    Object.assign(this, { code }, more);
  }
  json() {
    const { code, message, operation, retryable = false, retryAfterMs, started = "no", details, suggestion } = this;
    return { code, message, operation, retryable, retryAfterMs, started, details, suggestion };
  }
}

/** request is one without a body; headers are [[name, value], ...]. */
export function request(method, target, { headers = [], body = "" } = {}) {
  const at = target.indexOf("?");
  return {
    method, scheme: "http", host: "edge.test", path: at < 0 ? target : target.slice(0, at), query: at < 0 ? "" : target.slice(at + 1),
    remoteAddress: "192.0.2.1:1234", id: "r1", headers: [["Host", "edge.test"], ...headers], body: bytes(body),
  };
}

/** webSocket is a WebSocket handshake. */
export function webSocket(target, { headers = [] } = {}) {
  return request("GET", target, {
    headers: [
      ["Upgrade", "websocket"], ["Connection", "Upgrade"], ["Sec-WebSocket-Version", "13"],
      ["Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="], ...headers,
    ],
  });
}

/**
 * script is a WebSocket server in a sandbox, or a stream, that sends texts (strings)
 * and binary messages (Uint8Array) and then closes; end null leaves it open, an
 * EdgeError fails it. sent and closed are what the plugin did.
 */
export function script(messages, end = { code: 1000, reason: "" }) {
  return { messages: [...messages], end, sent: [], closed: null };
}

/** Host is one fake edge with one instance of the plugin. */
export class Host {
  /** load compiles and starts a module; edge_init has run when it returns. */
  static load(file, settings = {}) { return new Host(readFileSync(file), settings); }

  constructor(module, { config = {}, secrets = {} } = {}) {
    Object.assign(this, { config, secrets, operations: {}, streams: {}, store: new Map(), revision: 0, handles: 0, previews: () => false });
    this.openSocket = null; // (sandbox, port, options) => script([...])
    this.fetch = null; // ({method, url, headers, body, ...}) => ({status, headers, body})
    this.now = () => BigInt(Date.now()) * 1_000_000n;
    this.call = fresh();
    const compiled = new WebAssembly.Module(module);
    this.imports = WebAssembly.Module.imports(compiled).map((i) => `${i.module}.${i.name}`);
    const edge1 = functions(this);
    for (const name of this.imports) {
      if (!name.startsWith("edge1.") || !(name.slice(6) in edge1)) throw new Error(`the module imports ${name}, which no edge has`);
    }
    this.exports = new WebAssembly.Instance(compiled, { edge1 }).exports;
    if (!("edge1" in this.exports)) throw new Error('the module does not export edge1: say export * from "edge-sdk/exports"');
    this.exports._initialize?.();
    const errno = this.exports.edge_init();
    this.logs = this.call.logs;
    if (errno !== OK) throw new Error(`edge_init answered ${errno}: ${this.logs.map((l) => l.message).join("; ")}`);
  }

  /** on makes a function answer one operation: (call) => answer, where call is {name, sandbox, ...fields}. */
  on(name, answer) {
    this.operations[name] = answer;
    return this;
  }

  /** onStream makes a function begin one stream: (call) => script([...]). */
  onStream(name, begin) {
    this.streams[name] = begin;
    return this;
  }

  /**
   * do runs the plugin on one request. The result has decision ({kind: "respond" |
   * "connect" | "proxy" | "next" | "plan" | "error", ...}, or null), calls, logs,
   * metrics, and errno: what edge_request answered.
   */
  do(req) {
    const call = (this.call = fresh());
    call.handle = ++this.handles;
    call.request = { ...req, headers: req.headers.map((h) => [...h]) };
    call.body = req.body;
    try {
      call.errno = this.exports.edge_request(call.handle);
    } catch (e) {
      if (!(e instanceof WebAssembly.RuntimeError)) throw e;
      call.trap = e;
      call.errno = -12;
    }
    call.handle = 0;
    const { decision, calls, logs, metrics, errno, trap } = call;
    if (decision?.kind === "respond" && decision.pieces) decision.body = decoder.decode(join(decision.pieces));
    return { decision, calls, logs, metrics, errno, trap, request: call.request };
  }

  /** tell tells the plugin's hook of a sandbox's event; errno is 11 if it has none. */
  tell(event) {
    const call = (this.call = fresh());
    call.handle = ++this.handles;
    call.event = event;
    const errno = this.exports.edge_event(call.handle);
    call.handle = 0;
    return { errno, calls: call.calls, logs: call.logs };
  }

  /** selfTest runs the plugin's self-test: 0 is good. */
  selfTest() { return this.exports.edge_selftest(); }
}

function fresh() {
  return {
    handle: 0, request: null, event: null, body: null, kept: null, last: null, decision: null, calls: [], logs: [], metrics: [],
    sockets: new Map(), fetches: new Map(), errno: 0,
  };
}

function bytes(v) { return typeof v === "string" ? encoder.encode(v) : v; }

function join(pieces) {
  const all = new Uint8Array(pieces.reduce((n, p) => n + p.length, 0));
  pieces.reduce((at, p) => (all.set(p, at), at + p.length), 0);
  return all;
}

function values(list) {
  return join(list.flatMap((v) => [u32(bytes(v).length), bytes(v)]));
}

function u32(n) {
  const b = new Uint8Array(4);
  new DataView(b.buffer).setUint32(0, n, true);
  return b;
}

function u64(n) {
  const b = new Uint8Array(8);
  new DataView(b.buffer).setBigUint64(0, BigInt(n), true);
  return b;
}

/** functions are edge1's. Each takes what abi/SPEC.md says. */
function functions(host) {
  const result = (errno, low = 0) => (BigInt(errno) << 32n) | BigInt(low >>> 0);
  const view = (ptr, n) => {
    const memory = host.exports.memory.buffer;
    if ((ptr >>> 0) + (n >>> 0) > memory.byteLength) throw new Error(`the plugin named ${n} bytes at ${ptr}, outside of its memory`);
    return new Uint8Array(memory, ptr >>> 0, n >>> 0);
  };
  const copy = (ptr, n) => view(ptr, n).slice();
  const text = (ptr, n) => decoder.decode(view(ptr, n));
  const json = (ptr, n) => (n === 0 ? {} : JSON.parse(text(ptr, n)));
  const reply = (ptr, cap, data) => {
    if (data.length <= cap) view(ptr, data.length).set(data);
    else host.call.kept = data;
    return result(OK, data.length);
  };
  const list = (b) => {
    const all = [];
    for (let at = 0; at < b.length;) {
      const n = new DataView(b.buffer, b.byteOffset + at).getUint32(0, true);
      all.push(decoder.decode(b.subarray(at + 4, at + 4 + n)));
      at += 4 + n;
    }
    return all;
  };
  const headers = (ptr, n) => {
    const flat = n === 0 ? [] : list(view(ptr + 4, n - 4));
    return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]]);
  };
  const block = (hs) => join([u32(hs.length), values(hs.flat())]);
  const fail = (e) => {
    if (!(e instanceof EdgeError)) throw e;
    if (!(e.code in errnos)) throw new Error(`there is no error code ${e.code}`);
    host.call.last = e;
    return result(errnos[e.code]);
  };
  /** guarded runs f for an open request; what f throws is the request's last error. */
  const guarded = (req, f) => {
    if (req === 0 || req !== host.call.handle) return result(CLOSED);
    try {
      return f();
    } catch (e) {
      return fail(e);
    }
  };
  const refuse = (message) => { throw new EdgeError("INVALID_REQUEST", message); };
  const decide = (req, f) => guarded(req, () => {
    if (host.call.event) refuse("an event is no request: there is nothing to decide");
    if (host.call.decision) return result(ALREADY);
    host.call.decision = f();
    return result(OK);
  });
  const field = (r, n) => [, r.method, r.scheme, r.host, r.path, r.query, r.remoteAddress, r.id, `${r.scheme}://${r.host}${r.path}${r.query && "?" + r.query}`][n];
  const note = (name, body) => {
    const call = { name, ...body };
    host.call.calls.push(call);
    return call;
  };
  const sandbox = (binding, id) => {
    if (!/^[A-Za-z][A-Za-z0-9_]{0,31}$/.test(binding)) throw new EdgeError("UNKNOWN_BINDING", `there is no binding "${binding}"`);
    id = id.toLowerCase();
    if (!/^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/.test(id) || ["www", "api", "admin", "root", "system"].includes(id)) {
      throw new EdgeError("INVALID_SANDBOX_ID", `"${id}" cannot name a sandbox`);
    }
    return { binding, id };
  };
  const port = (n) => {
    if (n < 1024 || n > 65535) throw new EdgeError("INVALID_PORT", `port ${n} is not between 1024 and 65535`);
    return n;
  };
  const hostsOwn = ["host", "content-length", "transfer-encoding", "connection", "upgrade", "keep-alive", "te", "trailer", "proxy-connection"];
  const edit = (req, name, value, f) => guarded(req, () => {
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) refuse(`header name "${name}" is no token`);
    if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value)) refuse(`header ${name}: the value holds a control character`);
    if (hostsOwn.includes(name.toLowerCase())) throw new EdgeError("DENIED", `header ${name} is the host's`);
    f(host.call.request, name.toLowerCase());
    return result(OK);
  });
  const answer = (status, ptr, n) => {
    if (status < 200 || status > 599) refuse(`status ${status} is not between 200 and 599`);
    const hs = headers(ptr, n);
    for (const [name] of hs) {
      if (["content-length", "transfer-encoding", "connection", "upgrade", "trailer"].includes(name.toLowerCase())) refuse(`header ${name} is the host's to write`);
    }
    return { kind: "respond", status, headers: hs };
  };
  const metric = (kind, name, labels, value) => {
    if (!/^[a-z][a-z0-9_]{0,47}$/.test(name) || labels.length % 2 || labels.length > 8 || !Number.isFinite(value)) return result(INVALID);
    if (kind === "count" && value < 0) return result(INVALID);
    host.call.metrics.push({ kind, name, labels, value });
    return result(OK);
  };
  const socket = (ws) => host.call.sockets.get(ws >>> 0);
  const open = (s) => {
    const handle = ++host.handles;
    host.call.sockets.set(handle, s);
    return result(OK, handle);
  };
  return {
    feature: (p, n) => (text(p, n) in functionNames && !text(p, n).endsWith("_start") ? result(OK, 1) : result(UNSUPPORTED)),
    log(req, level, p, n, fp, fn) {
      host.call.logs.push({ level, message: text(p, n), fields: list(view(fp, fn)) });
      return result(OK);
    },
    config_get(p, n, out, cap) {
      const key = text(p, n);
      return key in host.config ? reply(out, cap, bytes(JSON.stringify(host.config[key]))) : result(NOT_FOUND);
    },
    secret_get(p, n, out, cap) {
      const name = text(p, n);
      return name in host.secrets ? reply(out, cap, bytes(host.secrets[name])) : result(NOT_FOUND);
    },
    clock(id, out) {
      if (id !== 0 && id !== 1) return result(INVALID);
      view(out, 8).set(u64(id === 0 ? host.now() : process.hrtime.bigint()));
      return result(OK);
    },
    random(p, n) {
      if (n >>> 0 > 65536) return result(INVALID);
      if (n > 0) globalThis.crypto.getRandomValues(view(p, n));
      return result(OK);
    },
    count: (p, n, lp, ln, value) => metric("count", text(p, n), list(view(lp, ln)), value),
    observe: (p, n, lp, ln, value) => metric("observe", text(p, n), list(view(lp, ln)), value),
    last_error(req, out, cap) {
      if (req === 0 || req !== host.call.handle) return result(CLOSED);
      return host.call.last ? reply(out, cap, bytes(JSON.stringify(host.call.last.json()))) : result(NOT_FOUND);
    },
    result_read(req, call, offset, out, cap) {
      const kept = host.call.kept ?? new Uint8Array(0);
      const piece = kept.subarray(Math.min(offset, kept.length), Math.min(offset + cap, kept.length));
      view(out, piece.length).set(piece);
      return result(OK, piece.length);
    },
    event_read: (req, out, cap) => guarded(req, () => reply(out, cap, bytes(JSON.stringify(host.call.event)))),

    req_get: (req, f, out, cap) => guarded(req, () => reply(out, cap, bytes(field(host.call.request, f) ?? refuse(`there is no field ${f}`)))),
    req_set: (req, f, p, n) => guarded(req, () => {
      const name = { 1: "method", 4: "path", 5: "query" }[f];
      const value = text(p, n);
      if (!name || /[\x00-\x20\x7f]/.test(value) || (f === 4 && !value.startsWith("/"))) refuse(`field ${f} cannot be set to "${value}"`);
      host.call.request[name] = value;
      return result(OK);
    }),
    req_header: (req, p, n, out, cap) => guarded(req, () => {
      const name = text(p, n).toLowerCase();
      const found = host.call.request.headers.filter((h) => h[0].toLowerCase() === name).map((h) => h[1]);
      return found.length ? reply(out, cap, values(found)) : result(NOT_FOUND);
    }),
    req_headers: (req, out, cap) => guarded(req, () => reply(out, cap, block(host.call.request.headers))),
    req_header_set: (req, p, n, vp, vn) => edit(req, text(p, n), text(vp, vn), (r, name) => {
      r.headers = [...r.headers.filter((h) => h[0].toLowerCase() !== name), [text(p, n), text(vp, vn)]];
    }),
    req_header_add: (req, p, n, vp, vn) => edit(req, text(p, n), text(vp, vn), (r) => r.headers.push([text(p, n), text(vp, vn)])),
    req_header_del: (req, p, n) => edit(req, text(p, n), "", (r, name) => { r.headers = r.headers.filter((h) => h[0].toLowerCase() !== name); }),
    req_body_read: (req, out, cap) => guarded(req, () => {
      if (cap === 0) refuse("req_body_read: the buffer has no room");
      const piece = host.call.body.subarray(0, cap >>> 0);
      host.call.body = host.call.body.subarray(piece.length);
      view(out, piece.length).set(piece);
      return result(OK, piece.length);
    }),

    respond: (req, status, hp, hn, p, n) => decide(req, () => ({ ...answer(status, hp, hn), body: text(p, n), bytes: copy(p, n) })),
    respond_begin: (req, status, hp, hn) => decide(req, () => ({ ...answer(status, hp, hn), pieces: [], ended: false })),
    respond_write: (req, p, n) => guarded(req, () => {
      const d = host.call.decision;
      if (!d?.pieces || d.ended) return result(CLOSED);
      d.pieces.push(copy(p, n));
      return result(OK);
    }),
    respond_end: (req) => guarded(req, () => {
      const d = host.call.decision;
      if (!d?.pieces || d.ended) return result(CLOSED);
      d.ended = true;
      return result(OK);
    }),
    fail: (req, p, n) => decide(req, () => {
      const e = json(p, n);
      if (!(e.code in errnos)) refuse(`error: there is no code "${e.code}"`);
      if (!e.message) refuse("error: the message is empty");
      return { kind: "error", error: e };
    }),
    connect: (req, bp, bn, ip, n, to, op, on) => decide(req, () => {
      const upgrade = host.call.request.headers.some(([k, v]) => k.toLowerCase() === "upgrade" && v.toLowerCase() === "websocket");
      if (!upgrade) throw new EdgeError("UPGRADE_REQUIRED", "connect wants a WebSocket upgrade request");
      return { kind: "connect", sandbox: { ...sandbox(text(bp, bn), text(ip, n)), ...json(op, on).sandbox }, port: port(to), options: json(op, on) };
    }),
    proxy: (req, bp, bn, ip, n, to, op, on) => decide(req, () => {
      if (bn === 0 && to === 0) {
        if (!host.previews(host.call.request)) throw new EdgeError("NOT_FOUND", "the request names no preview");
        return { kind: "proxy", sandbox: null, port: 0, options: json(op, on) };
      }
      return { kind: "proxy", sandbox: { ...sandbox(text(bp, bn), text(ip, n)), ...json(op, on).sandbox }, port: to === 0 ? 0 : port(to), options: json(op, on) };
    }),
    next: (req) => decide(req, () => ({ kind: "next" })),
    plan: (req, p, n) => decide(req, () => {
      const plan = json(p, n);
      if (!plan.sandbox || !["connect", "proxy"].includes(plan.then)) refuse("the plan lacks its sandbox or what follows");
      port(plan.port);
      return { kind: "plan", plan: { ...plan, sandbox: { ...plan.sandbox, ...sandbox(plan.sandbox.binding, plan.sandbox.id) } } };
    }),

    op: (req, np, nn, p, n, out, cap) => guarded(req, () => {
      const name = text(np, nn);
      const body = json(p, n);
      body.sandbox = { ...body.sandbox, ...sandbox(body.sandbox.binding, body.sandbox.id) };
      const call = note(name, body);
      const f = host.operations[name];
      if (!f) throw new EdgeError("UNSUPPORTED", `the test gave no answer for ${name}; see host.on`, { operation: name });
      return reply(out, cap, bytes(JSON.stringify(f(call) ?? {})));
    }),
    op_open: (req, np, nn, p, n) => guarded(req, () => {
      const name = text(np, nn);
      const call = note(name, json(p, n));
      const f = host.streams[name];
      if (!f) throw new EdgeError("UNSUPPORTED", `the test gave no stream for ${name}; see host.onStream`, { operation: name });
      return open(f(call));
    }),
    ws_open: (req, bp, bn, ip, n, to, op, on) => guarded(req, () => {
      const ref = sandbox(text(bp, bn), text(ip, n));
      port(to);
      if (!host.openSocket) throw new EdgeError("PORT_NOT_LISTENING", `nothing listens on port ${to}; the test set no openSocket`);
      note("wsOpen", { sandbox: ref, port: to, options: json(op, on) });
      return open(host.openSocket(ref, to, json(op, on)));
    }),
    ws_recv: (req, ws, timeout, out, cap) => guarded(req, () => {
      const s = socket(ws);
      if (!s) return result(CLOSED);
      if (s.messages.length > 0) {
        const m = s.messages.shift();
        return reply(out, cap, join([new Uint8Array([typeof m === "string" ? 1 : 2]), bytes(m)]));
      }
      if (s.end === null) throw new EdgeError("TIMEOUT", `no message came within ${timeout} ms`);
      if (s.end instanceof EdgeError) throw s.end;
      throw new EdgeError("CANCELED", `the socket was closed with ${s.end.code}`, { details: s.end, started: "yes" });
    }),
    ws_send: (req, ws, opcode, p, n) => guarded(req, () => {
      const s = socket(ws);
      if (!s) return result(CLOSED);
      s.sent.push(opcode === 1 ? text(p, n) : copy(p, n));
      return result(OK);
    }),
    ws_close: (req, ws, code, p, n) => guarded(req, () => {
      const s = socket(ws);
      if (!s) return result(CLOSED);
      if (code !== 1000 && (code < 3000 || code > 4999)) refuse(`ws_close: code ${code} is neither 1000 nor 3000 to 4999`);
      if (n > 123) refuse("ws_close: the reason is not UTF-8 of at most 123 bytes");
      s.closed = { code, reason: text(p, n) };
      host.call.sockets.delete(ws >>> 0);
      return result(OK);
    }),

    kv: (req, verb, kp, kn, vp, vn, op, on, out, cap) => guarded(req, () => {
      const key = text(kp, kn);
      const options = json(op, on);
      const held = host.store.get(key);
      const fits = () => {
        if (options.ifRevision !== undefined && options.ifRevision !== (held?.revision ?? 0)) {
          throw new EdgeError("CONFLICT", `key "${key}" has another revision`, { details: { revision: held?.revision ?? 0 } });
        }
      };
      if (verb !== 4 && (kn < 1 || kn > 512)) refuse("a key has 1 to 512 bytes");
      switch (verb) {
        case 1:
          return held ? reply(out, cap, join([u64(held.revision), held.value])) : result(NOT_FOUND);
        case 2:
          fits();
          host.store.set(key, { revision: ++host.revision, value: copy(vp, vn), ttl: options.ttl });
          return reply(out, cap, u64(host.revision));
        case 3:
          fits();
          host.store.delete(key);
          return result(OK);
        case 4: {
          const keys = [...host.store.keys()].filter((k) => k.startsWith(key) && k > (options.after ?? "")).sort();
          const limit = options.limit ?? 100;
          const entries = keys.slice(0, limit).map((k) => ({ key: k, revision: host.store.get(k).revision, size: host.store.get(k).value.length }));
          return reply(out, cap, bytes(JSON.stringify({ entries, more: keys.length > limit })));
        }
      }
      return refuse(`kv: there is no verb ${verb}`);
    }),
    fetch: (req, p, n, bp, bn) => guarded(req, () => {
      const asked = { method: "GET", headers: [], redirect: "follow", ...json(p, n) };
      asked.body = asked.body === "request" ? decoder.decode(host.call.body) : text(bp, bn);
      note("fetch", asked);
      if (!host.fetch) throw new EdgeError("DENIED", `${new URL(asked.url).hostname} is not granted; the test set no fetch`);
      const got = host.fetch(asked);
      const handle = ++host.handles;
      host.call.fetches.set(handle, { status: 200, url: asked.url, headers: [], ...got, body: bytes(got.body ?? "") });
      return result(OK, handle);
    }),
    fetch_head: (req, f, out, cap) => guarded(req, () => {
      const got = host.call.fetches.get(f >>> 0);
      return got ? reply(out, cap, join([u32(got.status), u32(bytes(got.url).length), bytes(got.url), block(got.headers)])) : result(CLOSED);
    }),
    fetch_read: (req, f, out, cap) => guarded(req, () => {
      const got = host.call.fetches.get(f >>> 0);
      if (!got) return result(CLOSED);
      const piece = got.body.subarray(0, cap >>> 0);
      got.body = got.body.subarray(piece.length);
      view(out, piece.length).set(piece);
      return result(OK, piece.length);
    }),
    fetch_close: (req, f) => guarded(req, () => (host.call.fetches.delete(f >>> 0) ? result(OK) : result(CLOSED))),
  };
}

/** functionNames are what feature knows. */
const functionNames = functions({ exports: {}, call: fresh() });
