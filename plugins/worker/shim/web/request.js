// Request (Fetch Standard, section 5.3), and the one that the edge was asked.
import { edge } from "../core/edge.js";
import { check } from "../core/errors.js";
import { start } from "../core/calls.js";
import { signalOf } from "../core/task.js";
import { Headers, changeableOfRequest, ofRequest } from "./headers.js";
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

const secret = Symbol();
let incoming, payloadOf, origin, isOwn;

export class Request {
  #req = 0; // the edge's request, if it is this or this was made of it
  #own = false; // it is this
  #url; #method; #headers; #payload; #signal; #follow; #redirect = "follow"; #cf;
  constructor(input, init) {
    if (input === secret) { this.#req = init; this.#own = true; return; }
    if (arguments.length === 0) throw new TypeError("a Request needs a URL or another Request");
    if (init !== undefined && init !== null && typeof init !== "object" && typeof init !== "function") throw new TypeError("what a Request is made with must be an object");
    init ??= {};
    const from = typeof input === "object" && input !== null && #payload in input ? input : undefined;
    if (from !== undefined) {
      this.#req = from.#req;
      this.#url = from.url;
      this.#method = from.method;
      this.#redirect = from.#redirect;
      this.#cf = from.#cf;
    } else {
      const u = new URL(`${input}`);
      if (u.username !== "" || u.password !== "") throw new TypeError(`a Request's URL cannot have a user name or password: ${u.origin}`);
      this.#url = u.href;
      this.#method = "GET";
    }
    if (init.method !== undefined) this.#method = methodOf(init.method);
    if (init.redirect !== undefined) {
      const r = `${init.redirect}`;
      if (r !== "follow" && r !== "manual" && r !== "error") throw new TypeError(`redirect must be "follow", "manual" or "error", not ${JSON.stringify(r)}`);
      this.#redirect = r;
    }
    if (init.cf !== undefined) this.#cf = init.cf;
    const signal = init.signal;
    if (signal !== undefined && signal !== null && !(signal instanceof AbortSignal)) throw new TypeError("signal must be an AbortSignal");
    this.#follow = signal === undefined ? from : signal ?? undefined; // followed when somebody asks
    if (init.headers !== undefined) this.#headers = new Headers(init.headers);
    else if (from === undefined) this.#headers = new Headers();
    else if (from.#headers === undefined) this.#headers = changeableOfRequest(from.#req);
    else this.#headers = new Headers(from.#headers);
    this.#embody(from, init.body);
  }
  #embody(from, body) {
    const given = body !== undefined && body !== null;
    const theirs = from === undefined || body !== undefined ? null : payloadOf(from);
    if ((given || theirs !== null) && (this.#method === "GET" || this.#method === "HEAD")) throw new TypeError("Request with GET/HEAD method cannot have body.");
    if (given) {
      const p = this.#payload = extract(body);
      if (p.type !== null && !this.#headers.has("content-type")) this.#headers.append("content-type", p.type);
      return;
    }
    if (theirs !== null && isUnusable(theirs)) throw new TypeError("Cannot construct a Request with a Request object that has already been used.");
    this.#payload = theirs === null ? null : moved(theirs);
  }
  get url() { return this.#url ??= field(this.#req, URL_FIELD); }
  get method() { return this.#method ??= field(this.#req, METHOD); }
  get headers() { return this.#headers ??= ofRequest(this.#req); }
  get redirect() { return this.#redirect; }
  get signal() {
    if (this.#signal === undefined) {
      const f = this.#follow;
      this.#signal = this.#own ? signalOf(this.#req) : follower(f instanceof Request ? f.signal : f);
    }
    return this.#signal;
  }
  get cf() { return this.#cf ??= {}; }
  get duplex() { return "half"; }
  clone() {
    const p = payloadOf(this);
    if (isUnusable(p)) throw new TypeError("Cannot clone a Request whose body has been used or is locked.");
    const r = new Request(secret, this.#req);
    r.#own = false;
    r.#url = this.url;
    r.#method = this.method;
    r.#headers = this.#headers === undefined ? changeableOfRequest(this.#req) : new Headers(this.#headers);
    r.#redirect = this.#redirect;
    r.#cf = this.#cf;
    r.#follow = this;
    r.#payload = p === null ? null : split(p);
    return r;
  }
  static {
    incoming = (req) => new Request(secret, req);
    payloadOf = (r) => {
      if (r.#payload === undefined) {
        const method = r.method;
        const body = method === "GET" || method === "HEAD" ? null : new Incoming(r.#req);
        r.#payload = body === null || body.empty ? null : ofSource(body);
      }
      return r.#payload;
    };
    origin = (r) => r.#req;
    isOwn = (r) => r.#own;
  }
}
withBody(Request, (r) => payloadOf(r));
expose(Request);

const field = (req, n) => {
  const v = edge.req_get(req, n);
  return typeof v === "string" ? v : v === NOT_FOUND ? "" : check(v, req);
};

// incomingRequest is the edge's own request.
export const incomingRequest = (req) => incoming(req);

// incomingOf is the edge's request that a Request is or was made of; 0 is none.
export const incomingOf = (request) => origin(request);

// isIncoming tells whether a Request is the edge's own, as it came.
export const isIncoming = (request) => isOwn(request);

// payload takes a Request's body to send it on: null, a string, a Uint8Array, what the
// client sends and nobody has read (its req is the request), or a ReadableStream.
export const payload = (request) => {
  const p = payloadOf(request);
  if (p === null) return null;
  if (isUsed(p)) throw usedError();
  if (p.stream !== undefined) return p.stream;
  if (p.source !== undefined && !(p.source instanceof Incoming)) return streamOf(p);
  p.used = true;
  return p.text ?? p.bytes ?? p.source;
};
