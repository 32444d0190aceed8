import { edge } from "../core/edge.js";
import { check } from "../core/errors.js";
import { Headers, block } from "./headers.js";

// decided makes a Response stand for a decision, which counts when it is returned
// from fetch(): {kind: "connect" | "proxy" | "next" | "plan", binding, id, port, options}.
export let decided;

// deliver makes the decision of a request that a Response stands for.
export let deliver;

export class Response {
  #body; #status; #init; #headers; #decision;
  constructor(body, init = {}) {
    this.#body = body ?? null;
    this.#status = init.status ?? 200;
    this.#init = init.headers;
  }
  static {
    decided = (response, decision) => { response.#decision = decision; return response; };
    deliver = (req, r) => {
      const d = r.#decision;
      if (d === undefined) return check(edge.respond(req, r.#status, r.#block(), r.#body));
      if (d.kind === "next") return check(edge.next(req));
      const options = d.options === undefined ? null : JSON.stringify(d.options);
      if (d.kind === "plan") return check(edge.plan(req, options));
      check((d.kind === "proxy" ? edge.proxy : edge.connect)(req, d.binding, d.id, d.port, options));
    };
  }
  get status() { return this.#status; }
  get headers() {
    if (this.#headers === undefined) {
      this.#headers = new Headers(this.#init);
      if (typeof this.#body === "string" && !this.#headers.has("content-type")) this.#headers.set("content-type", "text/plain;charset=UTF-8");
    }
    return this.#headers;
  }
  #block() {
    if (this.#headers === undefined && this.#init === undefined) return typeof this.#body === "string" ? "content-type\0text/plain;charset=UTF-8\0" : "";
    return block(this.headers);
  }
  static json(v, init = {}) { const r = new Response(JSON.stringify(v), init); r.headers.set("content-type", "application/json"); return r; }
}

// acceptable makes a Response whose webSocket can be accepted: returned from fetch()
// it is the decision open.decision, and open.accept() opens it for the Worker itself.
export const acceptable = (response, open) => decided(response, open.decision);
