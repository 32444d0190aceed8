// A handle: whom operations are for. Sandbox and Session are handles.
import { current, edge, isOpen, owner, start } from "../core/index.js";
import { Flow } from "./flow.js";

// The names of a sandbox, for what is no operation: {binding, id, options}.
export let reference;

// requestOf is the request that a handle acts for: the one that made it or, when that
// is over, the current one; 0 is the instance.
export let requestOf;

// call carries an operation out. fields is the operation's request; made, if given,
// makes of the answer what the promise is resolved with.
export let call;

// flow opens an operation that is a stream: a promise of its Flow.
export let flow;

// replace sets options of the sandbox, which the next call sends.
export let replace;

// One JSON text is made of a call: the sandbox's part is made once for a handle.
export class Handle {
  #binding; #id; #options; #head; #req = current();

  constructor(binding, id, options) {
    this.#binding = binding;
    this.#id = id;
    this.#options = options;
  }

  static {
    const text = (h, fields) => {
      h.#head ??= '{"sandbox":' + JSON.stringify({ binding: h.#binding, id: h.#id, ...h.#options });
      const rest = JSON.stringify(fields);
      return rest === "{}" ? h.#head + "}" : h.#head + "," + rest.slice(1);
    };
    reference = (h) => ({ binding: h.#binding, id: h.#id, options: h.#options });
    requestOf = (h) => isOpen(h.#req) ? h.#req : owner(current());
    call = (h, name, fields, made) => {
      const req = requestOf(h);
      return start(req, edge.op_start(req, name, text(h, fields)), "json", made);
    };
    flow = (h, name, fields) => {
      const req = requestOf(h);
      return start(req, edge.op_open_start(req, name, text(h, fields)), "handle", (ws) => new Flow(req, ws));
    };
    replace = (h, options) => { h.#options = { ...h.#options, ...options }; h.#head = undefined; };
  }
}
