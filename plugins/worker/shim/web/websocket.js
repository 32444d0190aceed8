// WebSockets with the Worker as the client (HTML, section 9.3.1; Workers' own accept()
// besides). They end with the request that opened them; one that was opened outside of
// any lives as long as the isolate.
import { current, edge, owner, start } from "../core/index.js";
import { CloseEvent, ErrorEvent, Event, EventTarget, MessageEvent, fire, handlerAttribute } from "./events.js";
import { Blob, blobBytes } from "./blob.js";
import { bytesOf } from "./bytes.js";
import { URL } from "./url.js";

const CONNECTING = 0, OPEN = 1, CLOSING = 2, CLOSED = 3;
const TEXT = 1, BINARY = 2, FOREVER = -1;
const MAX_REASON = 123; // bytes; RFC 6455, section 5.5

const inner = Symbol("opened by the runtime");

// handshaken is what the edge tells of a handshake: {status, protocol, headers}.
export const handshaken = (req, ws) => {
  const text = edge.ws_head(req, ws);
  return typeof text === "string" ? JSON.parse(text) : { status: 101, protocol: "", headers: [] };
};

// connect opens a WebSocket to a URL: a promise of {req, ws}.
export const connect = (url, protocols, headers) => {
  const req = owner(current());
  return start(req, edge.ws_url_start(req, url, JSON.stringify({ protocols, headers })), "handle", (ws) => ({ req, ws }));
};

// messageOf is what send was given: a string, bytes or a Blob. own is one that waits,
// which nobody can change meanwhile.
const messageOf = (data) => data instanceof Blob ? data : bytesOf(data) ?? String(data);
const own = (message) => message instanceof Uint8Array ? message.slice() : message;

// sizeOf is a message's size in bytes.
const sizeOf = (message) => message instanceof Blob ? message.size : typeof message === "string" ? edge.utf8_encode(message).length : message.length;

let opened, accepted;

export class WebSocket extends EventTarget {
  #url; #state = CONNECTING; #req = 0; #ws = 0; #protocol = ""; #open; #ours; #accepted = false;
  #binaryType = "arraybuffer"; #origin; #waiting = []; #buffered = 0; #unsent = 0; #sending = Promise.resolve();

  constructor(url, protocols, token) {
    super();
    this.#ours = token === inner; // accept() goes on
    if (this.#ours) {
      this.#url = url;
      this.#open = protocols;
      return;
    }
    let u;
    try { u = new URL(url); } catch { throw new DOMException(`the WebSocket's URL ${String(url)} is not valid`, "SyntaxError"); }
    if (u.protocol === "http:") u.protocol = "ws:";
    if (u.protocol === "https:") u.protocol = "wss:";
    if (u.protocol !== "ws:" && u.protocol !== "wss:") throw new DOMException(`a WebSocket's URL begins with ws: or wss:, not with ${u.protocol}`, "SyntaxError");
    if (u.hash !== "") throw new DOMException(`the WebSocket's URL ${u.href} has a fragment`, "SyntaxError");
    const list = protocols === undefined ? [] : Array.isArray(protocols) ? protocols.map(String) : [String(protocols)];
    if (new Set(list).size !== list.length || list.some((p) => !/^[!#$%&'*+\-.^_`|~\w]+$/.test(p))) throw new DOMException("the WebSocket's subprotocols are not tokens that differ", "SyntaxError");
    this.#url = u.href;
    this.#open = () => connect(u.href, list, undefined);
    this.#accepted = true;
    this.#begin();
  }

  static {
    opened = (req, ws, url) => {
      const s = new WebSocket(url, undefined, inner);
      s.#req = req;
      s.#ws = ws;
      s.#state = OPEN;
      s.#protocol = handshaken(req, ws).protocol;
      return s;
    };
    accepted = (s) => s.#accepted;
  }

  get url() { return this.#url; }
  get readyState() { return this.#state; }
  get protocol() { return this.#protocol; }
  get extensions() { return ""; }
  get bufferedAmount() { return this.#buffered; }
  get binaryType() { return this.#binaryType; }
  set binaryType(type) { if (type === "blob" || type === "arraybuffer") this.#binaryType = type; }

  // accept has the messages of an answer's webSocket delivered. It is opened now, if it
  // was not; what is sent meanwhile waits.
  accept() {
    if (this.#accepted) return;
    this.#accepted = true;
    if (this.#state === OPEN) this.#receive();
    else this.#begin();
  }

  #begin() {
    let opening;
    try { opening = this.#open(); } catch (e) { opening = Promise.reject(e); }
    opening.then(({ req, ws }) => {
      if (this.#state !== CONNECTING) return void edge.ws_close(req, ws, 1000, "");
      this.#req = req;
      this.#ws = ws;
      this.#state = OPEN;
      this.#protocol = handshaken(req, ws).protocol;
      for (const data of this.#waiting.splice(0)) this.#queue(data);
      fire(this, new Event("open"));
      this.#receive();
    }, (e) => this.#fail(e));
  }

  #receive() {
    start(this.#req, edge.ws_recv_start(this.#req, this.#ws, FOREVER), "message").then((message) => {
      if (this.#state === CLOSED) return;
      if (this.#state === OPEN) fire(this, new MessageEvent("message", { data: this.#told(message), origin: this.#origin ??= new URL(this.#url).origin }));
      this.#receive();
    }, (e) => {
      if (this.#req === 0 && e?.code === "TIMEOUT" && this.#state !== CLOSED) return this.#receive(); // the instance's calls end with its deadline
      const end = e?.details;
      if (end?.code !== undefined) this.#over(end.code, end.reason ?? "");
      else this.#fail(e);
    });
  }
  #told(message) {
    if (typeof message === "string") return message;
    const buffer = message.byteOffset === 0 && message.byteLength === message.buffer.byteLength ? message.buffer : message.slice().buffer;
    return this.#binaryType === "blob" ? new Blob([buffer]) : buffer;
  }

  #fail(e) {
    if (this.#state === CLOSED) return;
    fire(this, new ErrorEvent("error", { message: e?.message ?? String(e), error: e }));
    this.#over(1006, "");
  }
  #over(code, reason) {
    if (this.#state === CLOSED) return;
    this.#state = CLOSED;
    fire(this, new CloseEvent("close", { code, reason, wasClean: code !== 1006 }));
  }

  send(data) {
    if (arguments.length === 0) throw new TypeError("send needs a message");
    if (!this.#accepted) throw new TypeError("accept() must be called before send()");
    if (this.#state === OPEN) this.#queue(messageOf(data));
    else if (this.#state === CONNECTING) {
      if (!this.#ours) throw new DOMException("the WebSocket is not open yet: send when its event open has come", "InvalidStateError");
      this.#waiting.push(own(messageOf(data)));
    }
  }

  // Messages go out in the order of send: each when the one before is on its way.
  #queue(message) {
    const size = sizeOf(message);
    this.#buffered += size;
    if (this.#unsent++ === 0) this.#sending = this.#write(message, size);
    else {
      const kept = own(message);
      this.#sending = this.#sending.then(() => this.#write(kept, size));
    }
  }
  #write(message, size) {
    const opcode = typeof message === "string" ? TEXT : BINARY, data = message instanceof Blob ? blobBytes(message) : message;
    const done = () => { this.#buffered -= size; this.#unsent--; };
    let sent;
    try { sent = start(this.#req, edge.ws_send_start(this.#req, this.#ws, opcode, data), "none"); } catch (e) { sent = Promise.reject(e); }
    return sent.then(done, (e) => { done(); if (this.#state === OPEN) this.#fail(e); });
  }

  close(code, reason = "") {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) throw new DOMException(`a WebSocket is closed with 1000 or 3000 to 4999, not with ${code}`, "InvalidAccessError");
    reason = String(reason);
    if (edge.utf8_encode(reason).length > MAX_REASON) throw new DOMException(`the reason of a close has at most ${MAX_REASON} bytes`, "SyntaxError");
    if (this.#state >= CLOSING) return;
    const connected = this.#state === OPEN;
    this.#state = CLOSING;
    if (!connected) return void Promise.resolve().then(() => this.#fail(new Error("the WebSocket was closed before it was open")));
    this.#sending.then(() => { // what was sent goes first; the peer's close is received
      edge.ws_close(this.#req, this.#ws, code ?? 1000, reason);
      if (!this.#accepted) this.#over(code ?? 1005, reason);
    });
  }
}
handlerAttribute(WebSocket, "open");
handlerAttribute(WebSocket, "message");
handlerAttribute(WebSocket, "close");
handlerAttribute(WebSocket, "error");
for (const [name, value] of Object.entries({ CONNECTING, OPEN, CLOSING, CLOSED, READY_STATE_CONNECTING: CONNECTING, READY_STATE_OPEN: OPEN, READY_STATE_CLOSING: CLOSING, READY_STATE_CLOSED: CLOSED })) {
  for (const o of [WebSocket, WebSocket.prototype]) Object.defineProperty(o, name, { value, enumerable: true });
}

// adopt is the webSocket of an answer whose handshake is done.
export const adopt = (req, ws, url) => opened(req, ws, url);

// lazy is the webSocket of an answer that opens it when it is accepted: open gives a
// promise of {req, ws}.
export const lazy = (url, open) => new WebSocket(url, open, inner);

// isAccepted tells whether accept() was called.
export const isAccepted = (socket) => accepted(socket);
