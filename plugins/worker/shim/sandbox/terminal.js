// Terminals in a sandbox: for the client, and for the Worker itself.
import { edge, standFor, standing } from "../core/index.js";
import { ownOf } from "../web/request.js";
import { received } from "../web/response.js";
import { adopt, lazy } from "../web/websocket.js";
import { flow, reference, requestOf } from "./handle.js";
import { isUpgrade, target, unaccepted } from "./connect.js";
import { fill } from "./options.js";
import { invalid } from "./errors.js";

const TERMINAL = "terminal";

// Terminal is a terminal that the Worker itself reads and types into. next gives what
// it prints, as bytes, and its events, as objects (abi/REFERENCE.md, terminal); null
// at its end.
class Terminal {
  #flow;
  constructor(f) { this.#flow = f; }
  next() { return this.#flow.next().then((m) => typeof m === "string" ? JSON.parse(m) : m); }
  write(data) { return this.#flow.send(typeof data === "string" ? new TextEncoder().encode(data) : data); }
  resize(cols, rows) { return this.#flow.message(JSON.stringify({ type: "resize", cols, rows })); }
  signal(signal) { return this.#flow.message(JSON.stringify({ type: "signal", signal })); }
  close() { this.#flow.close(); return Promise.resolve(); }
  async *[Symbol.asyncIterator]() {
    try {
      for (let m = await this.next(); m !== null; m = await this.next()) yield m;
    } finally { this.#flow.close(); }
  }
}

// opened opens a terminal as a WebSocket of the Worker: a promise of its handle.
const opened = (h, fields) => flow(h, TERMINAL, fields, (req, ws) => ({ req, ws }));

// Offer is a terminal that is the client's if the Response is returned, and the
// Worker's if its webSocket is accepted. It is the decision itself.
class Offer {
  constructor(h, url, fields, policy) {
    this.h = h;
    this.address = url;
    this.fields = fields;
    this.policy = policy;
  }
  get binding() { return reference(this.h).binding; }
  get id() { return reference(this.h).id; }
  get port() { return 0; }
  get options() { return { ...target(reference(this.h).options, this.policy), stream: { name: TERMINAL, request: this.fields } }; }
  open() { return lazy(this.address, () => opened(this.h, this.fields)); }
  decide(socket) { return unaccepted(this, socket); }
}

Object.setPrototypeOf(Offer.prototype, standing);

// given is the Response that gives a terminal to whoever sent the request: to the
// client, or to the Worker if it made the request up and the client wants no WebSocket.
const given = (h, request, fields, policy) => {
  const req = requestOf(h), own = ownOf(request) === req && req !== 0;
  if (!isUpgrade(own ? edge.req_header(req, "upgrade") : request.headers.get("upgrade"))) {
    throw invalid(TERMINAL, "the request asks for no WebSocket: it needs the header Upgrade: websocket", "UPGRADE_REQUIRED");
  }
  if (own || req !== 0 && isUpgrade(edge.req_header(req, "upgrade"))) return standFor(new Offer(h, request.url, fields, policy));
  return opened(h, fields).then(({ req: at, ws }) => received({ status: 101, webSocket: adopt(at, ws, request.url) }));
};

// terminal gives a terminal to the client, terminal(request, options): the Response is
// to be returned; or opens one for the Worker itself, terminal(options). Of options
// policy and wake are the decision's.
export const terminal = (h, request, options, session) => {
  const forClient = typeof request?.headers?.get === "function";
  const { policy, wake, ...rest } = (forClient ? options : request ?? options) ?? {};
  const fields = fill({}, rest);
  if (session !== undefined) fields.session ??= session;
  if (!forClient) return flow(h, TERMINAL, fields).then((f) => new Terminal(f));
  try {
    return Promise.resolve(given(h, request, fields, policy === undefined && wake === undefined ? undefined : { policy, wake }));
  } catch (e) { return Promise.reject(e); }
};

// proxyTerminal is the vendor's function of the same.
export const proxyTerminal = (sandbox, sessionId, request, options) => sandbox.terminal(request, { ...options, session: sessionId });
