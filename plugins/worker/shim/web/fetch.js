// fetch() (Fetch Standard), as far as the edge goes: to the hosts that the plugin is
// granted, and without a grant to the previews of this edge.
import { current, edge, owner, start } from "../core/index.js";
import { bytesOf, joined } from "./bytes.js";
import { Request, payload } from "./request.js";
import { received } from "./response.js";
import { adopt, connect, handshaken } from "./websocket.js";
import { whenAborted } from "./abort.js";
import { notAtTopLevel } from "./top_level.js";
import { URL } from "./url.js";

const PIECE = 64 << 10;

// Statuses without a body (Fetch Standard, section 2.2.3).
const bare = (method, status) => method === "HEAD" || status === 204 || status === 205 || status === 304;

// collect reads a stream that the edge cannot be sent piece by piece.
const collect = async (stream) => {
  const parts = [], reader = stream.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const bytes = typeof value === "string" ? edge.utf8_encode(value) : bytesOf(value);
    if (bytes === undefined) throw new TypeError("the stream of a request's body gave what is no bytes: its chunks must be Uint8Arrays");
    parts.push(bytes);
  }
  return joined(parts);
};

// failed is what fetch() fails with: its cause has the edge's code and what to do.
const failed = (url, e) => {
  const text = e?.suggestion ? `${e.message}; ${e.suggestion}` : e?.message ?? String(e);
  return new TypeError(`fetch of ${place(url)} failed: ${text}`, { cause: e });
};
const place = (url) => { try { return new URL(url).origin; } catch { return url; } };

// forgotten closes the answers that nobody can read any more: a Worker that only looks
// at the status would use up the exchanges that it may have open.
const forgotten = new FinalizationRegistry(({ req, handle, undo }) => {
  undo();
  edge.fetch_close(req, handle);
});

// Body is an answer's, as a source of a payload (body.js): read when it is asked for.
class Body {
  #open; #over = false; #reason;
  constructor(req, handle) {
    this.#open = { req, handle, undo() {} };
    forgotten.register(this, this.#open, this);
  }
  // follow has a signal abort it, which does not keep it for that.
  follow(signal) {
    const weak = new WeakRef(this);
    this.#open.undo = whenAborted(signal, (reason) => weak.deref()?.abort(reason));
  }
  read() {
    if (this.#reason !== undefined) return Promise.reject(this.#reason);
    if (this.#over) return Promise.resolve(null);
    const { req, handle } = this.#open;
    return start(req, edge.fetch_read_start(req, handle, PIECE), "bytes", (piece) => {
      if (piece.length > 0) return piece;
      this.cancel();
      return null;
    }).then(undefined, (e) => {
      this.#end();
      if (this.#reason !== undefined) throw this.#reason;
      throw new TypeError("the body broke off: " + e.message, { cause: e });
    });
  }
  cancel() {
    if (!this.#over) edge.fetch_close(this.#open.req, this.#open.handle);
    this.#end();
    return Promise.resolve();
  }
  #end() {
    this.#over = true;
    this.#open.undo();
    forgotten.unregister(this);
  }
  // abort ends it with an error for who reads on.
  abort(reason) {
    if (this.#over) return;
    this.#reason = reason;
    this.cancel();
  }
}

// bodies are those of answers, for signals.
const bodies = new WeakMap();

const withoutHash = (url) => { const hash = url.indexOf("#"); return hash < 0 ? url : url.slice(0, hash); };

// answer makes the Response of what fetch_head tells.
const answer = (req, handle, method, asked) => {
  const head = edge.fetch_head(req, handle).split("\0"), headers = [];
  for (let i = 2; i + 1 < head.length; i += 2) headers.push([head[i], head[i + 1]]);
  const status = Number(head[0]), url = withoutHash(head[1]), redirected = url !== withoutHash(asked);
  if (bare(method, status)) {
    edge.fetch_close(req, handle);
    return received({ status, url, redirected, headers });
  }
  const body = new Body(req, handle), response = received({ status, url, redirected, headers, body });
  bodies.set(response, body);
  return response;
};

// Headers that are the edge's to write (abi/fetch.go): a request that is sent on has
// them, and loses them. Nobody else is told who the client is, either.
const owned = new Set(["cf-connecting-ip", "host", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "content-length", "upgrade", "expect", "proxy-connection", "proxy-authenticate", "proxy-authorization"]);

const sendable = (headers) => {
  const list = [];
  for (const pair of headers) if (!owned.has(pair[0])) list.push(pair);
  return list;
};

// exchange sends a request, to a port of a sandbox if target says so: a promise of its
// Response.
export const exchange = (request, target, req = owner(current())) => {
  const { method, url } = request;
  const head = { method, url, headers: sendable(request.headers), redirect: request.redirect, ...target };
  const send = (data) => start(req, edge.fetch_start(req, JSON.stringify(head), data), "handle", (handle) => answer(req, handle, method, url));
  const content = payload(request);
  if (content === null || typeof content === "string" || content instanceof Uint8Array) return send(content);
  if (content.req !== undefined) { // the edge sends on what the client sends
    head.body = "request";
    return send(null);
  }
  return collect(content).then(send);
};

const isUpgrade = (headers) => headers.get("upgrade")?.toLowerCase() === "websocket";

// handshake opens a WebSocket for a request that asks for one; the answer has it.
const handshake = (request) => {
  const headers = [];
  let protocols;
  for (const [name, value] of request.headers) {
    if (name === "sec-websocket-protocol") protocols = value.split(",").map((p) => p.trim());
    else if (name !== "upgrade" && name !== "connection" && !name.startsWith("sec-websocket-") && name !== "host") headers.push([name, value]);
  }
  return connect(request.url, protocols, headers).then(({ req, ws }) => {
    const head = handshaken(req, ws);
    return received({ status: 101, url: request.url, headers: head.headers, webSocket: adopt(req, ws, request.url) });
  });
};

// aborted has a promise rejected when a signal is aborted; what comes then is closed.
const aborted = (signal, promise) => new Promise((resolve, reject) => {
  let over = false;
  const undo = whenAborted(signal, (reason) => { over = true; reject(reason); });
  promise.then((response) => {
    const body = bodies.get(response);
    if (over) return void body?.cancel();
    undo();
    body?.follow(signal);
    resolve(response);
  }, (e) => { undo(); reject(e); });
});

export const fetch = (input, init) => {
  let request, signal, sent;
  try {
    notAtTopLevel("fetch");
    request = input instanceof Request && init === undefined ? input : new Request(input, init);
    signal = init?.signal ?? (input instanceof Request ? input.signal : undefined);
    if (signal?.aborted) return Promise.reject(signal.reason);
    sent = isUpgrade(request.headers) ? handshake(request) : exchange(request);
  } catch (e) { return Promise.reject(e instanceof TypeError || request === undefined ? e : failed(request.url, e)); }
  const said = sent.then(undefined, (e) => { throw e instanceof TypeError ? e : failed(request.url, e); });
  return signal ? aborted(signal, said) : said;
};
