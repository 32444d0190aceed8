// The runtime of Workers, as far as the pilot needs it.
(() => {
  "use strict";
  const edge = globalThis.__edge;
  const INFO = 0, ERROR = 8;
  const names = ["OK", "INVALID", "NOT_FOUND", "DENIED", "TIMEOUT", "BUSY", "QUOTA", "UNAVAILABLE", "TOO_LARGE", "CLOSED", "ALREADY", "UNSUPPORTED", "INTERNAL"];
  const CAP = 0x8000;
  let current = 0; // the request that is being worked on
  let worker = null;
  const open = new Map(); // request -> calls
  const calls = new Map(); // call -> {resolve, reject, req}
  const unhandled = new Map(); // promise -> {reason, req}

  // positions of the bundle in its sources: a source map, read when an error is shown.
  let map = null, rows = null, added = 0;
  const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const readMap = () => {
    rows = [];
    let file = 0, line = 0, column = 0;
    for (const row of map.mappings.split(";")) {
      const out = [];
      let at = 0, i = 0;
      const next = () => {
        let v = 0, shift = 0, d;
        do { d = digits.indexOf(row[i++]); v |= (d & 31) << shift; shift += 5; } while (d & 32);
        return v & 1 ? -(v >> 1) : v >> 1;
      };
      while (i < row.length) {
        at += next();
        if (i < row.length && row[i] !== ",") { file += next(); line += next(); column += next(); out.push([at, file, line, column]); }
        if (i < row.length && row[i] !== ",") next();
        i++;
      }
      rows.push(out);
    }
  };
  const source = (text) => map === null ? text : text.replace(/worker\.js:(\d+):(\d+)/g, (whole, l, c) => {
    if (rows === null) readMap();
    const row = rows[l - 1] ?? [];
    let best = null;
    for (const r of row) if (r[0] <= c - 1) best = r;
    return best === null ? whole : `${map.sources[best[1]].split("/").pop()}:${best[2] + 1}:${best[3] + 1}`;
  });

  const show = (e) => {
    try {
      if (e instanceof Error) return e.stack ? `${e.name}: ${e.message}\n${source(e.stack)}` : `${e.name}: ${e.message}`;
      return typeof e === "string" ? e : typeof e === "object" ? JSON.stringify(e) : String(e);
    } catch { return "a value that cannot be shown"; }
  };
  const log = (level, text) => edge.log(current, level, text, null);
  const check = (r) => {
    if (typeof r === "number" && r < 0) {
      const detail = current ? edge.last_error(current) : null;
      throw fault(typeof detail === "string" ? detail : "", -r);
    }
    return r;
  };
  const fault = (json, errno) => {
    let d = {};
    try { d = JSON.parse(json); } catch {}
    const e = new Error(d.message || names[errno] || "INTERNAL");
    e.code = d.code || names[errno];
    if (d.details !== undefined) e.details = d.details;
    return e;
  };

  // start makes a promise of a call that was started for a request.
  const start = (req, call) => {
    check(call);
    return new Promise((resolve, reject) => { calls.set(call, { resolve, reject, req }); });
  };
  const result = (req, call) => {
    const first = edge.result_text(req, call, 0);
    if (typeof first === "number" || first.length < CAP / 4) return first;
    const parts = [];
    let size = 0;
    for (;;) {
      const part = edge.result_bytes(req, call, size);
      if (typeof part === "number" || part.length === 0) break;
      parts.push(part);
      size += part.length;
    }
    const all = new Uint8Array(size);
    let at = 0;
    for (const p of parts) { all.set(p, at); at += p.length; }
    return edge.utf8_decode(all);
  };
  const operate = (req, name, body) => new Promise((resolve, reject) => {
    const call = check(edge.op_start(req, name, JSON.stringify(body)));
    calls.set(call, { resolve, reject, req, json: true });
  });

  // Headers cross as one string: name NUL value NUL ...
  const block = (h) => { let s = ""; for (const [k, v] of h) s += k + "\0" + v + "\0"; return s; };
  class Headers {
    #req = 0; #map;
    constructor(init, req) {
      if (req) { this.#req = req; return; }
      this.#map = new Map();
      if (init === undefined) return;
      if (init instanceof Headers) for (const [k, v] of init.#m) this.#m.set(k, v);
      else if (Array.isArray(init)) for (const [k, v] of init) this.append(k, v);
      else if (init) for (const k of Object.keys(init)) this.append(k, init[k]);
    }
    get #m() { // the request's own are fetched when there is need of all
      if (this.#map === undefined) {
        this.#map = new Map();
        const l = check(edge.req_headers(this.#req)).split("\0");
        for (let i = 0; i < l.length; i += 2) this.append(l[i], l[i + 1]);
      }
      return this.#map;
    }
    get(k) {
      if (this.#map !== undefined) return this.#map.get(String(k).toLowerCase()) ?? null;
      const v = edge.req_header(this.#req, String(k));
      if (typeof v !== "number") return v.includes("\0") ? v.split("\0").join(", ") : v;
      return v === -2 ? null : check(v);
    }
    has(k) { return this.#m.has(String(k).toLowerCase()); }
    set(k, v) { this.#m.set(String(k).toLowerCase(), String(v)); }
    append(k, v) { k = String(k).toLowerCase(); this.#m.set(k, this.#m.has(k) ? this.#m.get(k) + ", " + v : String(v)); }
    delete(k) { this.#m.delete(String(k).toLowerCase()); }
    forEach(f) { for (const [k, v] of this.#m) f(v, k, this); }
    entries() { return this.#m.entries(); }
    keys() { return this.#m.keys(); }
    [Symbol.iterator]() { return this.#m.entries(); }
  }
  class Request {
    #req; #headers; #url; #method;
    constructor(input, init = {}) {
      if (typeof input === "number") { this.#req = input; return; }
      this.#url = input instanceof Request ? input.url : String(input);
      this.#method = init.method ?? (input instanceof Request ? input.method : "GET");
      this.#headers = new Headers(init.headers ?? (input instanceof Request ? input.headers : undefined));
      this.#req = input instanceof Request ? input.#req : 0;
    }
    get url() { return this.#url ??= check(edge.req_get(this.#req, 8)); }
    get method() { return this.#method ??= check(edge.req_get(this.#req, 1)); }
    get headers() { return this.#headers ??= new Headers(undefined, this.#req); }
    async text() {
      const parts = [];
      for (;;) {
        const p = await start(this.#req, edge.req_body_read_start(this.#req, 65536));
        if (p.length === 0) return parts.join("");
        parts.push(p);
      }
    }
  }
  class Response {
    constructor(body, init = {}) {
      this._body = body ?? null;
      this.status = init.status ?? 200;
      this._init = init.headers;
      this._decision = init._decision;
    }
    get headers() {
      if (this._headers === undefined) {
        this._headers = new Headers(this._init);
        if (typeof this._body === "string" && !this._headers.has("content-type")) this._headers.set("content-type", "text/plain;charset=UTF-8");
      }
      return this._headers;
    }
    _block() {
      if (this._headers === undefined && this._init === undefined) return typeof this._body === "string" ? "content-type\0text/plain;charset=UTF-8\0" : "";
      return block(this.headers);
    }
    static json(v, init = {}) { const r = new Response(JSON.stringify(v), init); r.headers.set("content-type", "application/json"); return r; }
  }
  const plus = (x) => x.includes("%") || x.includes("+") ? decodeURIComponent(x.replaceAll("+", " ")) : x;
  class URLSearchParams {
    #l;
    constructor(q) {
      this.#l = [];
      if (q[0] === "?") q = q.slice(1);
      for (const p of q.split("&")) {
        if (p === "") continue;
        const i = p.indexOf("=");
        if (i < 0) this.#l.push(plus(p), ""); else this.#l.push(plus(p.slice(0, i)), plus(p.slice(i + 1)));
      }
    }
    get(k) { const l = this.#l; for (let i = 0; i < l.length; i += 2) if (l[i] === k) return l[i + 1]; return null; }
  }
  class URL { // absolute ones alone, and parsed when asked
    #u; #host; #path; #query; #end;
    constructor(u) {
      u = String(u);
      const colon = u.indexOf("://");
      if (colon < 1) throw new TypeError("Invalid URL: " + u);
      this.#u = u;
      const hash = u.indexOf("#", colon), end = this.#end = hash < 0 ? u.length : hash;
      const q = u.indexOf("?", colon);
      this.#query = q < 0 || q > end ? end : q;
      const slash = u.indexOf("/", colon + 3);
      this.#path = slash < 0 || slash > this.#query ? this.#query : slash;
      this.#host = colon + 3;
    }
    get protocol() { return this.#u.slice(0, this.#host - 2); }
    get host() { return this.#u.slice(this.#host, this.#path); }
    get pathname() { return this.#u.slice(this.#path, this.#query) || "/"; }
    get search() { return this.#u.slice(this.#query, this.#end); }
    get searchParams() { return new URLSearchParams(this.search); }
  }

  const finish = (req) => {
    if (!open.delete(req) || calls.size === 0) return;
    for (const [call, c] of calls) if (c.req === req) calls.delete(call);
  };
  const answer = (req, r) => {
    if (!(r instanceof Response)) throw new TypeError("fetch() of the Worker did not return a Response");
    const d = r._decision;
    if (d !== undefined) check(edge.connect(req, d.binding, d.id, d.port, d.options === undefined ? null : JSON.stringify(d.options)));
    else check(edge.respond(req, r.status, r._block(), r._body));
    finish(req);
  };
  const failed = (req, e) => {
    current = req;
    log(ERROR, "Uncaught " + show(e));
    edge.fail(req, JSON.stringify({ code: "PLUGIN_FAILED", message: "the Worker threw an exception" }));
    finish(req);
  };

  let seeded = false, s0 = 0;
  Math.random = () => { // the engine's own would be the same in each instance
    if (!seeded) { seeded = true; s0 = new DataView(edge.random(4).buffer).getUint32(0, true) | 1; }
    s0 ^= s0 << 13; s0 >>>= 0; s0 ^= s0 >>> 17; s0 ^= s0 << 5; s0 >>>= 0;
    return s0 / 4294967296;
  };

  const ctx = { waitUntil() {}, passThroughOnException() {} };
  const env = { Sandbox: { __binding: "Sandbox" } };
  edge.onInit = () => {};
  edge.onRequest = (req) => {
    current = req;
    open.set(req, true);
    let p;
    try { p = worker.fetch(new Request(req), env, ctx); } catch (e) { return failed(req, e); }
    if (p instanceof Response) return answer(req, p); // nothing to wait for
    if (typeof p?.then !== "function") p = Promise.resolve(p);
    p.then((r) => { try { answer(req, r); } catch (e) { failed(req, e); } }, (e) => failed(req, e));
  };
  edge.onComplete = (req, call, errno) => {
    const c = calls.get(call);
    if (!c) return;
    current = req;
    calls.delete(call);
    const r = result(req, call);
    if (errno !== 0) c.reject(fault(r, errno));
    else c.resolve(c.json ? JSON.parse(r) : r);
  };
  edge.onCancel = (req) => { finish(req); };
  edge.onRejection = (promise, reason, handled) => {
    if (handled) unhandled.delete(promise);
    else unhandled.set(promise, { reason, req: current });
  };
  edge.onDrain = () => {
    for (const { reason } of unhandled.values()) log(ERROR, "Unhandled promise rejection: " + show(reason));
    unhandled.clear();
  };
  edge.onError = (e) => { // what no JavaScript can catch: it was stopped
    if (current !== 0 && open.has(current)) failed(current, e);
    else log(ERROR, "Uncaught " + show(e));
  };

  const line = (level) => (...args) => { log(level, args.map(show).join(" ")); };
  globalThis.console = { log: line(INFO), info: line(INFO), debug: line(-4), warn: line(4), error: line(ERROR) };
  Object.assign(globalThis, { Headers, Request, Response, URL, URLSearchParams });
  globalThis.__positions = (m) => { map = m; };
  globalThis.__serve = (w) => {
    if (typeof w?.fetch !== "function") throw new TypeError("the Worker's default export has no fetch()");
    worker = w;
    delete globalThis.__serve;
    delete globalThis.__edge;
    delete globalThis.__positions;
  };
  globalThis.__runtime = { operate, now: () => current, Response };
})();
