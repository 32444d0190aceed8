// Response (Fetch Standard, section 5.5), and the decisions that one can stand for.
import { edge } from "../core/edge.js";
import { check } from "../core/errors.js";
import { Headers, block, immutable, ofPairs, withType } from "./headers.js";
import { PLAIN, extract, isUnusable, ofSource, ofText, split, withBody } from "./body.js";
import { URL } from "./url.js";
import { isStream } from "./stream_readable.js";
import { expose } from "./idl.js";

const redirects = [301, 302, 303, 307, 308];
const bodiless = [101, 103, 204, 205, 304];

// Of sockets that were not accepted: the decision which returning them makes.
const sockets = new WeakMap(); // WebSocket -> what standFor was given

const deciding = Symbol(); // has the constructor take a decision
let stateOf;

// isResponse tells whether a value is a Response.
export var isResponse;

// sendPlain answers a request with a Response whose body is a text, or makes the decision
// that it stands for, if it is returned as it is; false for anything else, with which
// nothing has happened.
export var sendPlain;

// The state of a Response is {payload, status, text, headers, decision}, and perhaps
// {type, url, redirected, socket, cf, isJSON}. payload is the string itself as long as a text is
// only sent.

const payloadIn = (s) => typeof s.payload === "string" ? s.payload = ofText(s.payload, s.isJSON ? JSON_TYPE : PLAIN) : s.payload;

const configure = (s, { status, statusText, headers, webSocket, cf }) => {
  if (status !== undefined) {
    const n = Number(status) & 0xffff;
    if ((n < 200 || n > 599) && !(n === 101 && webSocket)) throw new RangeError(`the status of a Response is between 200 and 599${n === 101 ? ", or 101 with a webSocket" : ""}; it was ${status}`);
    s.status = n;
  }
  if (statusText !== undefined) {
    const text = `${statusText}`;
    if (/[^\t\x20-\x7e\x80-\xff]/.test(text)) throw new TypeError("Invalid statusText");
    s.text = text;
  }
  if (headers !== undefined) s.headers = new Headers(headers);
  if (webSocket !== undefined && webSocket !== null) attach(s, webSocket);
  if (cf !== undefined) s.cf = cf;
};

const attach = (s, socket) => {
  if (s.status !== 101) throw new RangeError("a Response with a webSocket has the status 101");
  const decision = sockets.get(socket);
  if (decision === undefined) throw new TypeError("this webSocket cannot be given to the client: only one of sandbox.wsConnect() that was not accepted can");
  s.socket = socket;
  s.decision = decision;
};

// fresh is the state of a Response with a body that is a string or null.
const fresh = (payload) => ({ payload, status: 200, text: "", headers: undefined, decision: undefined });

export class Response {
  // One private field alone, without an initializer: both cost the engine as much as the
  // rest of an object. It is the string itself of a Response that is nothing more: most
  // are only made and sent.
  #s;
  constructor(body, init) { // without defaults: each costs half a microsecond
    if (typeof body === "string" && init === undefined) {
      this.#s = body;
      return;
    }
    if (body === deciding) {
      this.#s = init;
      return;
    }
    const s = this.#s = fresh(null);
    if (init !== undefined && init !== null) {
      if (typeof init !== "object" && typeof init !== "function") throw new TypeError("what a Response is made with must be an object");
      configure(s, init);
    }
    if (body === null || body === undefined) return;
    if (s.status !== 200 && bodiless.includes(s.status)) throw new TypeError(`Response with null body status ${s.status} cannot have body`);
    let type = PLAIN;
    if (typeof body === "string") s.payload = body;
    else type = (s.payload = extract(body)).type;
    if (s.headers !== undefined && type !== null) withType(s.headers, type);
  }
  get status() { return stateOf(this).status; }
  get statusText() { return stateOf(this).text; }
  get ok() { return stateOf(this).status >= 200 && stateOf(this).status < 300; }
  get headers() {
    const s = stateOf(this);
    if (s.headers === undefined) {
      s.headers = new Headers();
      const p = payloadIn(s);
      if (p !== null && p.type !== null) withType(s.headers, p.type);
      if (s.decision !== undefined) immutable(s.headers); // nobody would see a change
    }
    return s.headers;
  }
  get type() { return stateOf(this).type ?? "default"; }
  get url() { return stateOf(this).url ?? ""; }
  get redirected() { return stateOf(this).redirected ?? false; }
  get webSocket() {
    const s = stateOf(this);
    if (s.socket === undefined && typeof s.decision?.open === "function") {
      s.socket = s.decision.open();
      sockets.set(s.socket, s.decision);
    }
    return s.socket ?? null;
  }
  get cf() { return stateOf(this).cf; }
  clone() {
    const s = stateOf(this);
    if (s.decision !== undefined) throw new TypeError(relayed("cloned"));
    const p = payloadIn(s);
    if (isUnusable(p)) throw new TypeError("Response.clone: Body has already been used or is locked.");
    const r = new Response(null);
    Object.assign(stateOf(r), s, { payload: p === null ? null : split(p), headers: new Headers(this.headers) });
    return r;
  }
  static error() {
    const r = new Response(null);
    Object.assign(stateOf(r), { type: "error", status: 0, headers: immutable(new Headers()) });
    return r;
  }
  static redirect(url, status = 302) {
    const to = new URL(`${url}`).href;
    const n = Number(status) & 0xffff;
    if (!redirects.includes(n)) throw new RangeError(`the status of a redirect is one of ${redirects.join(", ")}; it was ${status}`);
    const r = new Response(null, { status: n, headers: { location: to } });
    immutable(stateOf(r).headers);
    return r;
  }
  static json(data, init = undefined) {
    const text = JSON.stringify(data);
    if (text === undefined) throw new TypeError("Value is not JSON serializable");
    const r = new Response(null, init), s = stateOf(r);
    if (bodiless.includes(s.status)) throw new TypeError(`Response with null body status ${s.status} cannot have body`);
    s.payload = text;
    s.isJSON = true;
    if (s.headers !== undefined) withType(s.headers, JSON_TYPE);
    return r;
  }
  static {
    stateOf = (r) => typeof r.#s === "object" ? r.#s : r.#s = fresh(r.#s === undefined ? SENT : r.#s);
    sendPlain = (r, req) => {
      if (typeof r !== "object" || r === null || !(#s in r)) return false;
      const s = r.#s;
      let e;
      if (typeof s === "string") {
        e = edge.respond(req, 200, PLAIN_BLOCK, s);
        r.#s = undefined; // a text that was sent
      } else {
        if (s === undefined) return false;
        if (typeof s.send === "function") {
          s.send(req);
          return true;
        }
        if (typeof s.payload !== "string" || s.decision !== undefined || s.status < 200) return false;
        e = edge.respond(req, s.status, s.headers !== undefined ? block(s.headers) : s.isJSON ? JSON_BLOCK : PLAIN_BLOCK, s.payload);
        s.payload = SENT;
      }
      if (e < 0) check(e, req);
      return true;
    };
    isResponse = (r) => typeof r === "object" && r !== null && #s in r;
  }
}
Object.defineProperty(Response, "length", { value: 0, configurable: true }); // both are optional
withBody(Response, (r) => {
  const s = stateOf(r);
  if (s.decision !== undefined) throw new TypeError(relayed("read"));
  return payloadIn(s);
});
expose(Response);

const relayed = (what) => `this Response stands for what the edge relays to the client: it can be returned, but not ${what}. To read an answer of a sandbox, fetch it`;

// standFor makes a Response that stands for a decision, which becomes its state: so the
// decision's prototype is standing's child. When the Response is returned from fetch(),
// decision.send(req) makes it. One with open() has a webSocket that can be accepted, made
// by that when somebody asks for it; a new Response with this webSocket is the decision to
// connect that decide(socket) returns, {binding, id, port, options} and perhaps
// {prepare}. Both throw if the socket was accepted: then it is the Worker's.
export const standFor = (decision) => new Response(deciding, decision);

// standing is the state of a Response that stands for a decision.
export const standing = { payload: null, status: 101, text: "", headers: undefined, socket: undefined, get decision() { return this; } };

// received makes a Response of what the host got: {status, statusText, url, redirected,
// headers: a list of [name, value], body: a ReadableStream, a source or null, webSocket}.
export const received = ({ status, statusText = "", url = "", redirected = false, headers, body = null, webSocket }) => {
  const r = new Response(null), s = stateOf(r);
  Object.assign(s, { status, text: statusText, url, redirected, socket: webSocket, payload: body === null ? null : isStream(body) ? extract(body) : ofSource(body) });
  if (headers !== undefined) s.headers = immutable(ofPairs(headers));
  return r;
};

const JSON_TYPE = "application/json", JSON_BLOCK = "content-type\0" + JSON_TYPE + "\0";
const PLAIN_BLOCK = "content-type\0" + PLAIN + "\0";
const SENT = ofText("");
SENT.used = true;

// decisionOf is the decision that a Response stands for, or undefined.
export const decisionOf = (response) => {
  const { decision, socket } = stateOf(response);
  return decision === undefined ? undefined : decision.decide(socket);
};

// headOf is {status, block} of an answer.
export const headOf = (response) => {
  const s = stateOf(response);
  if (s.status === 0) throw new TypeError("Response.error() cannot be returned: it is no answer");
  if (s.status === 101) throw new TypeError("a WebSocket that fetch() opened cannot be given to the client: return sandbox.wsConnect(request, port)");
  if (s.headers !== undefined) return { status: s.status, block: block(s.headers) };
  const type = payloadIn(s)?.type ?? null;
  return { status: s.status, block: type === null ? "" : "content-type\0" + type + "\0" };
};

// payloadOf is the body of an answer; see body.js.
export const payloadOf = (response) => payloadIn(stateOf(response));
