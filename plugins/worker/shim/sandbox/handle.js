// A handle: whom operations are for. Sandbox and Session are handles.
import { current, edge, isOpen, owner, start } from "../core/index.js";
import { Flow } from "./flow.js";
import { quoted } from "./options.js";

// The names of a sandbox, for what is no operation: {binding, id, options}.
export let reference;

// requestOf is the request that a handle acts for: the one that made it or, when that
// is over, the current one; 0 is the instance.
export let requestOf;

// call carries an operation out. fields is the operation's request, or its JSON without
// the first brace if that has fields; made, if given, makes of the answer what the
// promise is resolved with.
export let call;

// flow opens an operation that is a stream: a promise of its Flow, or of what made
// makes of its request and handle.
export let flow;

// replace sets options of the sandbox, which the next call sends.
export let replace;

// partsOf is what a handle is made of; a list, since that is the cheapest to make.
export let partsOf;
export const REQ = 0, BINDING = 1, ID = 2, OPTIONS = 3, HEAD = 4;

// One JSON text is made of a call: the sandbox's part is made once for a handle.
export class Handle {
  #of;

  constructor(binding, id, options) { this.#of = [current(), binding, id, options, undefined]; }

  static {
    let known, beforeId; // the binding that was named last, and what stands before an id of it
    const head = (of) => {
      const binding = of[BINDING];
      if (binding !== known) {
        known = binding;
        beforeId = '{"sandbox":{"binding":"' + binding + '","id":';
      }
      const options = of[OPTIONS] === undefined ? "{}" : JSON.stringify(of[OPTIONS]);
      return options === "{}" ? quoted(beforeId, of[ID], "},") : quoted(beforeId, of[ID], ",") + options.slice(1) + ",";
    };
    const text = (of, fields) => {
      const before = of[HEAD] ??= head(of);
      if (typeof fields === "string") return before + fields;
      const rest = JSON.stringify(fields);
      return rest === "{}" ? before.slice(0, -1) + "}" : before + rest.slice(1);
    };
    const request = (of) => isOpen(of[REQ]) ? of[REQ] : owner(current());
    // caller is whom one operation is for. A handle that another request made, or that
    // is used behind a promise which another request settled, cannot tell the two
    // apart: what it begins is the instance's, so that neither's end ends it.
    const caller = (of) => {
      const own = of[REQ], now = current();
      if (own === now || now === 0 || !isOpen(own)) return request(of);
      return 0;
    };
    partsOf = (h) => h.#of;
    reference = (h) => ({ binding: h.#of[BINDING], id: h.#of[ID], options: h.#of[OPTIONS] });
    requestOf = (h) => request(h.#of);
    call = (h, name, fields, made) => {
      const of = h.#of, req = caller(of);
      return start(req, edge.op_start(req, name, text(of, fields)), "json", made);
    };
    flow = (h, name, fields, made = (at, ws) => new Flow(at, ws)) => {
      const of = h.#of, req = request(of);
      return start(req, edge.op_open_start(req, name, text(of, fields)), "handle", (ws) => made(req, ws));
    };
    replace = (h, options) => {
      h.#of[OPTIONS] = { ...h.#of[OPTIONS], ...options };
      h.#of[HEAD] = undefined;
    };
  }
}
