const { operate, now, Response } = globalThis.__runtime;
class Sandbox {
  #ref; #req = now();
  constructor(binding, id) { this.#ref = { binding: binding.__binding, id }; }
  exec(command, options) { return operate(this.#req, "exec", { sandbox: this.#ref, command, ...options }); }
  startProcess(command, options) { return operate(this.#req, "startProcess", { sandbox: this.#ref, command, ...options }); }
  async wsConnect(request, port) { return new Response(null, { _decision: { binding: this.#ref.binding, id: this.#ref.id, port } }); }
}
export const getSandbox = (binding, id) => new Sandbox(binding, id);
