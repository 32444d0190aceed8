// Connections to ports of a sandbox: decisions, which the edge carries out when their
// Response is returned from fetch(), and sockets that the Worker itself reads.
import { check, edge, standFor, standing, start } from "../core/index.js";
import { incomingOf, ownOf } from "../web/request.js";
import { received } from "../web/response.js";
import { URL } from "../web/url.js";
import { adopt, isAccepted, lazy } from "../web/websocket.js";
import { BINDING, ID, OPTIONS, partsOf, reference, requestOf } from "./handle.js";
import { Flow } from "./flow.js";
import { invalid, unsupported } from "./errors.js";
import { fill } from "./options.js";

// Fields of req_get and req_set (abi/SPEC.md, section 4).
const METHOD = 1, PATH = 4, QUERY = 5, URL_FIELD = 8;

// Headers that are the host's (abi/SPEC.md): of the connection, its framing and its handshake.
const owned = /^(?:cf-connecting-ip|host|connection|upgrade|keep-alive|te|trailer|transfer-encoding|content-length|proxy-connection|proxy-authorization|sec-websocket-(?:key|version|extensions))$/;

export const isUpgrade = (value) => value === "websocket" || typeof value === "string" && value.toLowerCase() === "websocket";

// checkPort refuses what is no port before anything is decided.
export const checkPort = (operation, port) => {
  if (Number.isInteger(port) && port >= 1024 && port <= 65535) return;
  throw invalid(operation, `port ${String(port)} is not between 1024 and 65535`, "INVALID_PORT");
};

// target is the JSON that decisions take: {policy, wake, sandbox}. The policy's own
// fields may stand beside wake.
export const target = (options, policy) => {
  if (policy === undefined && options === undefined) return undefined;
  const { wake, policy: inner, ...rest } = policy ?? {};
  return { wake, policy: inner ?? (Object.keys(rest).length > 0 ? rest : undefined), sandbox: options };
};

// edits has the client's request changed to what the Worker made of it, just before it
// is sent on.
const edits = (request) => (req) => {
  const url = new URL(request.url), was = new URL(edge.req_get(req, URL_FIELD));
  if (url.pathname !== was.pathname) edge.req_set(req, PATH, url.pathname);
  if (url.search !== was.search) edge.req_set(req, QUERY, url.search.slice(1));
  if (request.method !== edge.req_get(req, METHOD)) edge.req_set(req, METHOD, request.method);
  const old = edge.req_headers(req).split("\0"), before = new Map();
  for (let i = 0; i + 1 < old.length; i += 2) before.set(old[i].toLowerCase(), before.has(old[i].toLowerCase()) ? undefined : old[i + 1]);
  for (const name of before.keys()) if (!owned.test(name) && !request.headers.has(name)) edge.req_header_del(req, name);
  for (const [name, value] of request.headers) if (!owned.test(name) && before.get(name) !== value) edge.req_header_set(req, name, value);
};

// prepared is what has to be done before a decision about a request: nothing, if it is
// the client's own.
const prepared = (operation, req, request) => {
  if (incomingOf(request) === req) return ownOf(request) !== 0 ? undefined : edits(request);
  if (request.body !== null) {
    throw unsupported(operation, "the request has a body of its own, and a decision sends the client's: use containerFetch");
  }
  return edits(request);
};

// opened opens a WebSocket to a port for the Worker itself: a promise of its handle.
const opened = (h, port, options) => {
  const { binding, id, options: sandbox } = reference(h), req = requestOf(h);
  const all = options === undefined && sandbox === undefined ? null : JSON.stringify({ ...options, sandbox });
  return start(req, edge.ws_open_start(req, binding, id, port, all), "handle", (ws) => ({ req, ws }));
};

// handshake is what ws_open takes of a request.
const handshake = (request) => {
  const url = new URL(request.url), headers = [];
  let protocols;
  for (const [name, value] of request.headers) {
    if (name === "sec-websocket-protocol") protocols = value.split(",").map((p) => p.trim());
    else if (!owned.test(name)) headers.push([name, value]);
  }
  return { path: url.pathname + url.search, protocols, headers: headers.length > 0 ? headers : undefined };
};

const reject = (e) => Promise.reject(e);

// wsConnect connects a client, or the Worker, with a port. With a client that wants a
// WebSocket it is a decision: nothing is opened unless the Response is not returned but
// its webSocket accepted. Otherwise the socket is open when the promise is resolved.
export const wsConnect = (h, request, port, policy) => {
  try {
    checkPort("wsConnect", port);
    const req = requestOf(h), own = ownOf(request) === req && req !== 0;
    if (!isUpgrade(own ? edge.req_header(req, "upgrade") : request.headers.get("upgrade"))) {
      return reject(invalid("wsConnect", "the request asks for no WebSocket: it needs the header Upgrade: websocket", "UPGRADE_REQUIRED"));
    }
    if (!own && (req === 0 || !isUpgrade(edge.req_header(req, "upgrade")))) {
      return opened(h, port, handshake(request)).then(({ req: at, ws }) => received({ status: 101, webSocket: adopt(at, ws, request.url) }));
    }
    const offer = { __proto__: offered, h, port, request };
    if (policy !== undefined) offer.policy = policy;
    if (!own) offer.prepare = prepared("wsConnect", req, request);
    return Promise.resolve(standFor(offer));
  } catch (e) { return reject(e); }
};

// offered is what is common to connections that are the client's if the Response is
// returned, and the Worker's if its webSocket is accepted: {h, port, request}, and
// perhaps {policy, prepare}. One is the Response's state and the decision itself.
const offered = {
  __proto__: standing,
  policy: undefined, prepare: undefined,
  get binding() { return partsOf(this.h)[BINDING]; },
  get id() { return partsOf(this.h)[ID]; },
  get options() { return target(partsOf(this.h)[OPTIONS], this.policy); },
  open() { return lazy(this.request.url, () => opened(this.h, this.port, handshake(this.request))); },
  decide(socket) { return unaccepted(this, socket); },
  send(req) {
    const { socket, prepare, policy } = this, of = partsOf(this.h), options = of[OPTIONS];
    if (socket !== undefined) this.decide(socket);
    if (prepare !== undefined) prepare(req);
    const r = edge.connect(req, of[BINDING], of[ID], this.port, policy === undefined && options === undefined ? null : JSON.stringify(target(options, policy)));
    if (r < 0) check(r, req);
  },
};

// unaccepted is a decision whose socket is not the Worker's.
export const unaccepted = (decision, socket) => {
  if (socket !== undefined && isAccepted(socket)) throw new TypeError("the webSocket of this Response was accepted: it is the Worker's, and cannot be given to the client too");
  return decision;
};

// proxyTo relays the client's request to a port.
export const proxyTo = (h, port, policy, request) => {
  try {
    if (port !== 0) checkPort("proxyTo", port);
    const decision = { __proto__: relayed, h, port };
    if (policy !== undefined) decision.policy = policy;
    if (request !== undefined) {
      const req = requestOf(h);
      if (req === 0 || ownOf(request) !== req) decision.prepare = prepared("proxyTo", req, request);
    }
    return Promise.resolve(standFor(decision));
  } catch (e) { return reject(e); }
};

// relayed is what is common to requests that are relayed to a port if the Response is
// returned: {h, port}, and perhaps {policy, prepare}. One is the Response's state and the
// decision itself.
const relayed = {
  __proto__: standing,
  status: 200, policy: undefined, prepare: undefined,
  send(req) {
    const { prepare, policy } = this, of = partsOf(this.h), options = of[OPTIONS];
    if (prepare !== undefined) prepare(req);
    const r = edge.proxy(req, of[BINDING], of[ID], this.port, policy === undefined && options === undefined ? null : JSON.stringify(target(options, policy)));
    if (r < 0) check(r, req);
  },
};

// proxyPreview serves the preview that the request's host or path names.
export const proxyPreview = (request) => {
  const req = incomingOf(request);
  if (req === 0 || edge.preview(req) !== 1) return Promise.resolve(null);
  return Promise.resolve(standFor({ __proto__: previewed }));
};

// previewed is what is common to requests for previews.
const previewed = {
  __proto__: standing,
  status: 200,
  send(req) {
    const r = edge.proxy(req, "", "", 0, null);
    if (r < 0) check(r, req);
  },
};

// Socket is a WebSocket to a port that the Worker asks for messages.
class Socket {
  #flow; #end = null;
  constructor(flow) { this.#flow = flow; }
  // recv is the next message, a string or an Uint8Array; null when the server closed.
  recv(timeout) { return this.#flow.next(timeout); }
  send(data) { return this.#flow.message(data); }
  close(code, reason) { this.#flow.close(code, reason); return Promise.resolve(); }
  async *[Symbol.asyncIterator]() {
    try {
      for (let m = await this.recv(); m !== null; m = await this.recv()) yield m;
    } finally { this.#flow.close(); }
  }
}

// wsOpen opens a WebSocket to a port.
export const wsOpen = (h, port, options) => {
  try { checkPort("wsOpen", port); } catch (e) { return reject(e); }
  const { headers, ...rest } = options ?? {};
  const list = headers === undefined ? undefined : Array.isArray(headers) ? headers : typeof headers.entries === "function" ? [...headers.entries()] : Object.entries(headers);
  return opened(h, port, fill({ headers: list }, rest)).then(({ req, ws }) => new Socket(new Flow(req, ws, true)));
};
