// The module @cloudflare/sandbox.
import { current, decided, operate } from "../core/index.js";
import { Response } from "../web/response.js";

export class Sandbox {
  #ref; #req = current();
  constructor(binding, id) { this.#ref = { binding: binding.__binding, id }; }
  exec(command, options) { return operate(this.#req, "exec", { sandbox: this.#ref, command, ...options }); }
  startProcess(command, options) { return operate(this.#req, "startProcess", { sandbox: this.#ref, command, ...options }); }
  wsConnect(request, port) {
    return Promise.resolve(decided(new Response(null), { kind: "connect", binding: this.#ref.binding, id: this.#ref.id, port }));
  }
}

export const getSandbox = (binding, id) => new Sandbox(binding, id);
