// Response (Fetch Standard, section 5.5), and the decisions that one can stand for.
import { Headers, block, immutable, ofPairs } from "./headers.js";
import { extract, isUnusable, ofSource, split, withBody } from "./body.js";
import { URL } from "./url.js";
import { isStream } from "./stream_readable.js";
import { expose } from "./idl.js";

const secret = Symbol();
const redirects = [301, 302, 303, 307, 308];
const bodiless = [101, 103, 204, 205, 304];

// Of sockets that were not accepted: the decision which returning them makes.
const sockets = new WeakMap(); // WebSocket -> what acceptable was given

let decide, decisionIn, head, bodyIn, accept, receive;

export class Response {
  #payload = null; #status = 200; #text = ""; #headers; #type = "default"; #url = ""; #redirected = false;
  #decision; #socket; #cf;
  constructor(body, init) {
    if (body === secret) return;
    if (init !== undefined && init !== null) {
      if (typeof init !== "object" && typeof init !== "function") throw new TypeError("what a Response is made with must be an object");
      const { status, statusText, headers, webSocket, cf } = init;
      if (status !== undefined) {
        const n = Number(status) & 0xffff;
        if ((n < 200 || n > 599) && !(n === 101 && webSocket)) throw new RangeError(`the status of a Response is between 200 and 599${n === 101 ? ", or 101 with a webSocket" : ""}; it was ${status}`);
        this.#status = n;
      }
      if (statusText !== undefined) {
        const s = String(statusText);
        if (/[^\t\x20-\x7e\x80-\xff]/.test(s)) throw new TypeError("Invalid statusText");
        this.#text = s;
      }
      if (headers !== undefined) this.#headers = new Headers(headers);
      if (webSocket !== undefined && webSocket !== null) this.#attach(webSocket);
      this.#cf = cf;
    }
    if (body === null || body === undefined) return;
    if (bodiless.includes(this.#status)) throw new TypeError(`Response with null body status ${this.#status} cannot have body`);
    const p = this.#payload = extract(body);
    if (this.#headers !== undefined && p.type !== null && !this.#headers.has("content-type")) this.#headers.append("content-type", p.type);
  }
  #attach(socket) {
    if (this.#status !== 101) throw new RangeError("a Response with a webSocket has the status 101");
    const decision = sockets.get(socket);
    if (decision === undefined) throw new TypeError("this webSocket cannot be given to the client: only one of sandbox.wsConnect() that was not accepted can");
    this.#socket = socket;
    this.#decision = decision;
  }
  get status() { return this.#status; }
  get statusText() { return this.#text; }
  get ok() { return this.#status >= 200 && this.#status < 300; }
  get headers() {
    if (this.#headers === undefined) {
      this.#headers = new Headers();
      if (this.#payload !== null && this.#payload.type !== null) this.#headers.append("content-type", this.#payload.type);
      if (this.#decision !== undefined) immutable(this.#headers); // nobody would see a change
    }
    return this.#headers;
  }
  get type() { return this.#type; }
  get url() { return this.#url; }
  get redirected() { return this.#redirected; }
  get webSocket() {
    if (this.#socket === undefined && typeof this.#decision?.socket === "function") {
      const open = this.#decision, s = this.#socket = open.socket();
      sockets.set(s, open);
    }
    return this.#socket ?? null;
  }
  get cf() { return this.#cf; }
  clone() {
    if (this.#decision !== undefined) throw new TypeError(relayed("cloned"));
    if (isUnusable(this.#payload)) throw new TypeError("Response.clone: Body has already been used or is locked.");
    const r = new Response(secret);
    r.#status = this.#status;
    r.#text = this.#text;
    r.#headers = new Headers(this.headers);
    r.#type = this.#type;
    r.#url = this.#url;
    r.#redirected = this.#redirected;
    r.#cf = this.#cf;
    if (this.#payload !== null) r.#payload = split(this.#payload);
    return r;
  }
  static error() {
    const r = new Response(secret);
    r.#type = "error";
    r.#status = 0;
    r.#headers = immutable(new Headers());
    return r;
  }
  static redirect(url, status = 302) {
    const to = new URL(`${url}`).href;
    const n = Number(status) & 0xffff;
    if (!redirects.includes(n)) throw new RangeError(`the status of a redirect is one of ${redirects.join(", ")}; it was ${status}`);
    const r = new Response(null, { status: n, headers: { location: to } });
    immutable(r.#headers);
    return r;
  }
  static json(data, init) {
    const text = JSON.stringify(data);
    if (text === undefined) throw new TypeError("Value is not JSON serializable");
    const r = new Response(text, init);
    r.#payload.type = "application/json";
    if (init?.headers === undefined) r.#headers = undefined;
    else if (!new Headers(init.headers).has("content-type")) r.#headers.set("content-type", "application/json");
    return r;
  }
  static {
    decide = (r, d) => {
      r.#decision = d;
      if (r.#headers !== undefined) immutable(r.#headers);
      return r;
    };
    decisionIn = (r) => typeof r.#decision?.decide === "function" ? r.#decision.decide(r.#socket) : r.#decision;
    head = (r) => {
      if (r.#status === 0) throw new TypeError("Response.error() cannot be returned: it is no answer");
      const p = r.#payload;
      if (r.#headers !== undefined) return { status: r.#status, block: block(r.#headers) };
      return { status: r.#status, block: p === null || p.type === null ? "" : "content-type\0" + p.type + "\0" };
    };
    bodyIn = (r) => {
      if (r.#decision !== undefined) throw new TypeError(relayed("read"));
      return r.#payload;
    };
    accept = (open) => {
      const r = new Response(secret);
      r.#status = 101;
      r.#decision = open;
      return r;
    };
    receive = ({ status, statusText = "", url = "", redirected = false, headers, body = null, webSocket }) => {
      const r = new Response(secret);
      r.#status = status;
      r.#text = statusText;
      r.#url = url;
      r.#redirected = redirected;
      if (headers !== undefined) r.#headers = immutable(ofPairs(headers));
      r.#payload = body === null ? null : isStream(body) ? extract(body) : ofSource(body);
      r.#socket = webSocket;
      return r;
    };
  }
}
withBody(Response, (r) => bodyIn(r));
expose(Response);

const relayed = (what) => `this Response stands for what the edge relays to the client: it can be returned, but not ${what}. To read an answer of a sandbox, fetch it`;

// decided makes a Response stand for a decision, which counts when it is returned from
// fetch(): {kind: "connect" | "proxy" | "next" | "plan", binding, id, port, options}. A
// plan is its options.
export const decided = (response, decision) => decide(response, decision);

// acceptable makes a Response whose webSocket can be accepted: open.socket() makes the
// WebSocket when somebody asks for it. Returned from fetch(), it or a new Response with
// its webSocket, it is the decision open.decide(socket), which throws if the socket was
// accepted: then it is the Worker's. socket is undefined if nobody asked.
export const acceptable = (open) => accept(open);

// received makes a Response of what the host got: {status, statusText, url, redirected,
// headers: a list of [name, value], body: a ReadableStream, a source or null, webSocket}.
export const received = (parts) => receive(parts);

// decisionOf is the decision that a Response stands for, or undefined.
export const decisionOf = (response) => decisionIn(response);

// headOf is {status, block} of an answer.
export const headOf = (response) => head(response);

// payloadOf is the body of an answer; see body.js.
export const payloadOf = (response) => bodyIn(response);
