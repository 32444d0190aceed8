// AbortController and AbortSignal (DOM Standard, section 3).
import { Event, EventTarget, fire, handlerAttribute } from "./events.js";
import { expose } from "./idl.js";
import * as timers from "./timers.js";

const secret = Symbol();
let abort, dependOn, onAbort;

export class AbortSignal extends EventTarget {
  #aborted = false; #reason; #sources; #dependents; #steps;
  constructor(token) {
    if (token !== secret) throw new TypeError("Illegal constructor: an AbortSignal is made by an AbortController");
    super();
  }
  get aborted() { return this.#aborted; }
  get reason() { return this.#reason; }
  throwIfAborted() { if (this.#aborted) throw this.#reason; }

  static abort(reason) {
    const s = new AbortSignal(secret);
    abort(s, reason);
    return s;
  }
  static timeout(ms) {
    ms = Number(ms);
    if (!(ms >= 0 && ms <= Number.MAX_SAFE_INTEGER)) throw new TypeError("AbortSignal.timeout needs a number of milliseconds, not " + ms);
    const s = new AbortSignal(secret);
    timers.setTimeout(() => abort(s, new DOMException("The operation was aborted due to timeout", "TimeoutError")), ms);
    return s;
  }
  static any(signals) {
    const s = new AbortSignal(secret), list = [...signals];
    for (const o of list) if (!(o instanceof AbortSignal)) throw new TypeError("AbortSignal.any needs AbortSignals");
    for (const o of list) if (o.#aborted) { abort(s, o.#reason); return s; }
    for (const o of list) dependOn(s, o);
    return s;
  }
  static {
    abort = (s, reason) => {
      if (s.#aborted) return;
      s.#aborted = true;
      s.#reason = reason === undefined ? new DOMException("This operation was aborted", "AbortError") : reason;
      const all = [];
      for (const d of s.#dependents ?? []) if (!d.#aborted) { d.#aborted = true; d.#reason = s.#reason; all.push(d); }
      s.#run();
      for (const d of all) d.#run();
    };
    dependOn = (s, source) => { // on what the source depends on, so that it may go
      s.#sources ??= new Set();
      for (const o of source.#sources ?? [source]) if (!s.#sources.has(o)) { s.#sources.add(o); (o.#dependents ??= new Set()).add(s); }
    };
    onAbort = (s, f) => {
      (s.#steps ??= new Set()).add(f);
      return () => { s.#steps?.delete(f); };
    };
  }
  #run() {
    const steps = this.#steps;
    this.#steps = this.#dependents = undefined;
    for (const f of steps ?? []) f(this.#reason);
    fire(this, new Event("abort"));
  }
}
expose(AbortSignal);
handlerAttribute(AbortSignal, "abort");

export class AbortController {
  #signal = new AbortSignal(secret);
  get signal() { return this.#signal; }
  abort(reason) { abort(this.#signal, reason); }
}
expose(AbortController);

// follower is a signal that is aborted when source is.
export const follower = (source) => {
  const s = new AbortSignal(secret);
  if (source === undefined) return s;
  if (source.aborted) abort(s, source.reason);
  else dependOn(s, source);
  return s;
};

// whenAborted calls f with the reason when the signal is aborted, before its
// listeners; what it returns takes f back.
export const whenAborted = (signal, f) => onAbort(signal, f);
