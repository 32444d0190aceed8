// Terminals in a sandbox.
import { flow } from "./handle.js";
import { fill } from "./options.js";
import { unsupported } from "./errors.js";

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

// terminal opens a terminal for the Worker itself: terminal(options).
export const terminal = (h, request, options) => {
  if (typeof request?.headers?.get === "function") {
    return Promise.reject(unsupported("terminal(request)", "a client's WebSocket cannot be spliced with a terminal; sandbox.terminal(options) opens one for the Worker, and the admin API has one for people"));
  }
  return flow(h, "terminal", fill({}, request ?? options)).then((f) => new Terminal(f));
};

// proxyTerminal is the vendor's function of the same.
export const proxyTerminal = (sandbox, sessionId, request, options) => sandbox.terminal(request, { ...options, session: sessionId });
