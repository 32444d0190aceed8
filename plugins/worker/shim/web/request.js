// Request (Fetch Standard, section 5.3), and the one that the edge was asked.
import { edge } from "../core/edge.js";
import { check } from "../core/errors.js";
import { start } from "../core/calls.js";
import { signalOf } from "../core/task.js";
import { Headers, changeableOfRequest, ofRequest, withType } from "./headers.js";
import { AbortSignal, follower } from "./abort.js";
import { extract, isUnusable, isUsed, moved, ofSource, split, streamOf, usedError, withBody } from "./body.js";
import { URL } from "./url.js";
import { expose } from "./idl.js";

const METHOD = 1, URL_FIELD = 8, PIECE = 65536, NOT_FOUND = -2;

// Incoming is what the client sends, as a source of a payload.
class Incoming {
  #left; // bytes that are to come, or Infinity
  constructor(req) {
    this.req = req;
    const n = edge.req_header(req, "content-length");
    this.#left = typeof n === "string" && /^\d+$/.test(n) ? Number(n) : Infinity;
  }
  get empty() { return this.#left === 0; }
  read() {
    if (this.#left === 0) return Promise.resolve(null);
    return start(this.req, edge.req_body_read_start(this.req, PIECE), "bytes", (b) => {
      if (b.length === 0) return null;
      this.#left = Math.max(0, this.#left - b.length);
      return b;
    });
  }
  cancel() { this.#left = 0; return Promise.resolve(); }
}

const normal = new Map([["delete", "DELETE"], ["get", "GET"], ["head", "HEAD"], ["options", "OPTIONS"], ["post", "POST"], ["put", "PUT"]]);
const methodOf = (m) => {
  m = `${m}`;
  if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(m)) throw new TypeError(`${JSON.stringify(m)} is not a valid HTTP method.`);
  const lower = m.toLowerCase();
  if (lower === "connect" || lower === "trace" || lower === "track") throw new TypeError(`the HTTP method ${m} is not supported.`);
  return normal.get(lower) ?? m;
};

const field = (req, n) => {
  const v = edge.req_get(req, n);
  return typeof v === "string" ? v : v === NOT_FOUND ? "" : check(v, req);
};

const secret = Symbol();
let stateOf;

// ownOf is the edge's request that a Request is, as it came; 0 if it is not.
export let ownOf;

// The state of a Request is {req, own, url, method, headers, payload}, and perhaps
// {signal, follow, redirect, cf}. req is the edge's request, if this is it (own) or was
// made of it: then url, method, headers and payload are read when they are asked for. That
// of the edge's own is the request's task: one object less is made.

const methodIn = (s) => s.method ??= field(s.req, METHOD);

const payloadIn = (s) => {
  if (s.payload === undefined) {
    const method = methodIn(s);
    const body = method === "GET" || method === "HEAD" ? null : new Incoming(s.req);
    s.payload = body === null || body.empty ? null : ofSource(body);
  }
  return s.payload;
};

const headersOf = (s) => s.headers === undefined ? changeableOfRequest(s.req) : new Headers(s.headers);

const configure = (s, from, { method, redirect, cf, signal, headers, body }) => {
  if (method !== undefined) s.method = methodOf(method);
  if (redirect !== undefined) {
    const r = `${redirect}`;
    if (r !== "follow" && r !== "manual" && r !== "error") throw new TypeError(`redirect must be "follow", "manual" or "error", not ${JSON.stringify(r)}`);
    s.redirect = r;
  }
  if (cf !== undefined) s.cf = cf;
  if (signal !== undefined) {
    if (signal !== null && !(signal instanceof AbortSignal)) throw new TypeError("signal must be an AbortSignal");
    s.follow = signal ?? undefined;
  }
  if (headers !== undefined) s.headers = new Headers(headers);
  const theirs = from === undefined || body !== undefined ? null : payloadIn(from);
  const given = body !== undefined && body !== null;
  if ((given || theirs !== null) && (s.method === "GET" || s.method === "HEAD")) throw new TypeError("Request with GET/HEAD method cannot have body.");
  if (given) {
    const p = s.payload = extract(body);
    if (p.type !== null) withType(s.headers, p.type);
    return;
  }
  if (theirs !== null && isUnusable(theirs)) throw new TypeError("Cannot construct a Request with a Request object that has already been used.");
  s.payload = theirs === null ? null : moved(theirs);
};

const fresh = (req) => ({ req, own: false, url: undefined, method: undefined, headers: undefined, payload: undefined });

export class Request {
  // One private field alone, without an initializer: both cost the engine as much as the
  // rest of an object.
  #s;
  constructor(input, init) { // init has no default: that alone costs half a microsecond
    if (input === secret) {
      this.#s = init; // the rest when it is asked for
      return;
    }
    const s = this.#s = fresh(0);
    if (arguments.length === 0) throw new TypeError("a Request needs a URL or another Request");
    if (init !== undefined && init !== null && typeof init !== "object" && typeof init !== "function") throw new TypeError("what a Request is made with must be an object");
    const from = typeof input === "object" && input !== null && #s in input ? stateOf(input) : undefined;
    if (from !== undefined) {
      s.req = from.req;
      s.url = input.url;
      s.method = methodIn(from);
      s.follow = input; // when somebody asks for the signal
      s.redirect = from.redirect;
      s.cf = from.cf;
      if (init?.headers === undefined) s.headers = headersOf(from);
    } else {
      const u = new URL(`${input}`);
      s.url = u.href;
      if (s.url.includes("@") && (u.username !== "" || u.password !== "")) throw new TypeError(`a Request's URL cannot have a user name or password: ${u.origin}`);
      s.method = "GET";
      s.headers = new Headers();
    }
    configure(s, from, init ?? {});
  }
  get url() { const s = this.#s; return s.url ??= field(s.req, URL_FIELD); }
  get method() { return methodIn(this.#s); }
  get headers() { const s = this.#s; return s.headers ??= ofRequest(s.req); }
  get redirect() { return this.#s.redirect ?? "follow"; }
  get signal() {
    const s = this.#s, { follow } = s;
    return s.signal ??= s.own ? signalOf(s.req) : follower(follow instanceof Request ? follow.signal : follow);
  }
  get cf() { return this.#s.cf ??= {}; }
  get duplex() { return "half"; }
  clone() {
    const s = this.#s, p = payloadIn(s);
    if (isUnusable(p)) throw new TypeError("Cannot clone a Request whose body has been used or is locked.");
    const r = new Request(secret, undefined);
    r.#s = Object.assign(fresh(s.req), { url: this.url, method: methodIn(s), headers: headersOf(s), redirect: s.redirect, cf: s.cf, follow: this, payload: p === null ? null : split(p) });
    return r;
  }
  static {
    stateOf = (r) => r.#s;
    ownOf = (r) => { const s = r.#s; return s.own ? s.req : 0; };
  }
}
Object.defineProperty(Request, "length", { value: 1, configurable: true }); // init is optional
withBody(Request, (r) => payloadIn(stateOf(r)));
expose(Request);

// incomingRequest is the edge's own request, of a task.
export const incomingRequest = (task) => new Request(secret, task);

// incomingOf is the edge's request that a Request is or was made of; 0 is none.
export const incomingOf = (request) => stateOf(request).req;


// payload takes a Request's body to send it on: null, a string, a Uint8Array, what the
// client sends and nobody has read (its req is the request), or a ReadableStream.
export const payload = (request) => {
  const p = payloadIn(stateOf(request));
  if (p === null) return null;
  if (isUsed(p)) throw usedError();
  if (p.stream !== undefined) return p.stream;
  if (p.source !== undefined && !(p.source instanceof Incoming)) return streamOf(p);
  p.used = true;
  return p.text ?? p.bytes ?? p.source;
};
