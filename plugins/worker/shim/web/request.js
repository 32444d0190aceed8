import { edge } from "../core/edge.js";
import { check } from "../core/errors.js";
import { start } from "../core/calls.js";
import { Headers } from "./headers.js";

export class Request {
  #req; #headers; #url; #method;
  constructor(input, init = {}) {
    if (typeof input === "number") { this.#req = input; return; }
    this.#url = input instanceof Request ? input.url : String(input);
    this.#method = init.method ?? (input instanceof Request ? input.method : "GET");
    this.#headers = new Headers(init.headers ?? (input instanceof Request ? input.headers : undefined));
    this.#req = input instanceof Request ? input.#req : 0;
  }
  get url() { return this.#url ??= check(edge.req_get(this.#req, 8)); }
  get method() { return this.#method ??= check(edge.req_get(this.#req, 1)); }
  get headers() { return this.#headers ??= new Headers(undefined, this.#req); }
  async text() {
    const parts = [];
    for (;;) {
      const p = await start(this.#req, edge.req_body_read_start(this.#req, 65536), "text");
      if (p.length === 0) return parts.join("");
      parts.push(p);
    }
  }
}
