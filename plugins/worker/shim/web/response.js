// Response (Fetch Standard, section 5.5), and the decisions that one can stand for.
import { Headers, block, immutable, ofPairs } from "./headers.js";
import { PLAIN, extract, isUnusable, ofSource, ofText, split, withBody } from "./body.js";
import { URL } from "./url.js";
import { isStream } from "./stream_readable.js";
import { expose } from "./idl.js";

const redirects = [301, 302, 303, 307, 308];
const bodiless = [101, 103, 204, 205, 304];

// Of sockets that were not accepted: the decision which returning them makes.
const sockets = new WeakMap(); // WebSocket -> what acceptable was given

let stateOf;

// The state of a Response is {payload, status, text, headers, decision}, and perhaps
// {type, url, redirected, socket, cf}. payload is the string itself as long as a text is
// only sent.

const payloadIn = (s) => typeof s.payload === "string" ? s.payload = ofText(s.payload) : s.payload;

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

export class Response {
  // One private field alone: each costs the engine a microsecond an object; so do private
  // methods.
  #s = { payload: null, status: 200, text: "", headers: undefined, decision: undefined };
  constructor(body = undefined, init = undefined) {
    const s = this.#s;
    if (init !== undefined && init !== null) {
      if (typeof init !== "object" && typeof init !== "function") throw new TypeError("what a Response is made with must be an object");
      configure(s, init);
    }
    if (body === null || body === undefined) return;
    if (s.status !== 200 && bodiless.includes(s.status)) throw new TypeError(`Response with null body status ${s.status} cannot have body`);
    let type = PLAIN;
    if (typeof body === "string") s.payload = body;
    else type = (s.payload = extract(body)).type;
    if (s.headers !== undefined && type !== null && !s.headers.has("content-type")) s.headers.append("content-type", type);
  }
  get status() { return this.#s.status; }
  get statusText() { return this.#s.text; }
  get ok() { return this.#s.status >= 200 && this.#s.status < 300; }
  get headers() {
    const s = this.#s;
    if (s.headers === undefined) {
      s.headers = new Headers();
      const p = payloadIn(s);
      if (p !== null && p.type !== null) s.headers.append("content-type", p.type);
      if (s.decision !== undefined) immutable(s.headers); // nobody would see a change
    }
    return s.headers;
  }
  get type() { return this.#s.type ?? "default"; }
  get url() { return this.#s.url ?? ""; }
  get redirected() { return this.#s.redirected ?? false; }
  get webSocket() {
    const s = this.#s;
    if (s.socket === undefined && typeof s.decision?.socket === "function") {
      s.socket = s.decision.socket();
      sockets.set(s.socket, s.decision);
    }
    return s.socket ?? null;
  }
  get cf() { return this.#s.cf; }
  clone() {
    const s = this.#s;
    if (s.decision !== undefined) throw new TypeError(relayed("cloned"));
    const p = payloadIn(s);
    if (isUnusable(p)) throw new TypeError("Response.clone: Body has already been used or is locked.");
    const r = new Response(null);
    Object.assign(r.#s, s, { payload: p === null ? null : split(p), headers: new Headers(this.headers) });
    return r;
  }
  static error() {
    const r = new Response(null);
    Object.assign(r.#s, { type: "error", status: 0, headers: immutable(new Headers()) });
    return r;
  }
  static redirect(url, status = 302) {
    const to = new URL(`${url}`).href;
    const n = Number(status) & 0xffff;
    if (!redirects.includes(n)) throw new RangeError(`the status of a redirect is one of ${redirects.join(", ")}; it was ${status}`);
    const r = new Response(null, { status: n, headers: { location: to } });
    immutable(r.#s.headers);
    return r;
  }
  static json(data, init = undefined) {
    const text = JSON.stringify(data);
    if (text === undefined) throw new TypeError("Value is not JSON serializable");
    const r = new Response(null, init), s = r.#s;
    if (bodiless.includes(s.status)) throw new TypeError(`Response with null body status ${s.status} cannot have body`);
    s.payload = ofText(text, "application/json");
    if (s.headers !== undefined && !s.headers.has("content-type")) s.headers.append("content-type", "application/json");
    return r;
  }
  static {
    stateOf = (r) => r.#s;
  }
}
withBody(Response, (r) => {
  const s = stateOf(r);
  if (s.decision !== undefined) throw new TypeError(relayed("read"));
  return payloadIn(s);
});
expose(Response);

const relayed = (what) => `this Response stands for what the edge relays to the client: it can be returned, but not ${what}. To read an answer of a sandbox, fetch it`;

// decided makes a Response stand for a decision, which counts when it is returned from
// fetch(): {kind: "connect" | "proxy" | "next" | "plan", binding, id, port, options}. A
// plan is its options.
export const decided = (response, decision) => {
  const s = stateOf(response);
  s.decision = decision;
  if (s.headers !== undefined) immutable(s.headers);
  return response;
};

// acceptable makes a Response whose webSocket can be accepted: open.socket() makes the
// WebSocket when somebody asks for it. Returned from fetch(), it or a new Response with
// its webSocket, it is the decision open.decide(socket), which throws if the socket was
// accepted: then it is the Worker's. socket is undefined if nobody asked.
export const acceptable = (open) => {
  const r = new Response(null), s = stateOf(r);
  s.status = 101;
  s.decision = open;
  return r;
};

// received makes a Response of what the host got: {status, statusText, url, redirected,
// headers: a list of [name, value], body: a ReadableStream, a source or null, webSocket}.
export const received = ({ status, statusText = "", url = "", redirected = false, headers, body = null, webSocket }) => {
  const r = new Response(null), s = stateOf(r);
  Object.assign(s, { status, text: statusText, url, redirected, socket: webSocket, payload: body === null ? null : isStream(body) ? extract(body) : ofSource(body) });
  if (headers !== undefined) s.headers = immutable(ofPairs(headers));
  return r;
};

// send answers a request with a Response that is simple: a text or nothing. It is false
// for another, with which nothing has happened.
export const send = (response, req, respond) => {
  const s = stateOf(response), p = s.payload;
  if (s.decision !== undefined || p !== null && typeof p !== "string" || s.status < 200) return false;
  respond(req, s.status, s.headers !== undefined ? block(s.headers) : p === null ? "" : PLAIN_BLOCK, p);
  if (p !== null) s.payload = SENT;
  return true;
};
const PLAIN_BLOCK = "content-type\0" + PLAIN + "\0";
const SENT = ofText("");
SENT.used = true;

// decisionOf is the decision that a Response stands for, or undefined.
export const decisionOf = (response) => {
  const s = stateOf(response), d = s.decision;
  return typeof d?.decide === "function" ? d.decide(s.socket) : d;
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
