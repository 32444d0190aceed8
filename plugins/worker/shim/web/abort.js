// AbortController and AbortSignal (DOM Standard, section 3).
import { Event, EventTarget, fire, handlerAttribute, hasListener, onListeners } from "./events.js";
import { expose } from "./idl.js";
import * as timers from "./timers.js";

const secret = Symbol();
let abort, dependOn, onAbort, anchor;

// A signal that depends on others is known to them weakly, or one that lives as long as
// the isolate would keep each that was ever made of it. While somebody waits for it, they
// keep it (DOM Standard, section 3.2.1).
const gone = new FinalizationRegistry(({ sources, weak }) => { for (const o of sources) forget(o, weak); });
let forget;

export class AbortSignal extends EventTarget {
  #aborted = false; #reason; #sources; #dependents; #steps; #weak;
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
      for (const weak of s.#dependents?.keys() ?? []) {
        const d = weak.deref();
        if (d === undefined || d.#aborted) continue;
        d.#aborted = true;
        d.#reason = s.#reason;
        all.push(d);
      }
      s.#run();
      for (const d of all) d.#run();
    };
    dependOn = (s, source) => { // on what the source depends on, so that it may go
      if (s.#sources === undefined) {
        s.#sources = new Set();
        s.#weak = new WeakRef(s);
        gone.register(s, { sources: s.#sources, weak: s.#weak });
      }
      for (const o of source.#sources ?? [source]) if (!s.#sources.has(o)) { s.#sources.add(o); (o.#dependents ??= new Map()).set(s.#weak, undefined); }
    };
    forget = (source, weak) => { source.#dependents?.delete(weak); };
    onAbort = (s, f) => {
      (s.#steps ??= new Set()).add(f);
      anchor(s);
      return () => { s.#steps?.delete(f); anchor(s); };
    };
    // anchor has what a signal depends on keep it while somebody waits for it.
    anchor = (s) => {
      if (s.#sources === undefined || s.#aborted) return;
      const kept = s.#steps?.size > 0 || hasListener(s, "abort") ? s : undefined;
      for (const o of s.#sources) o.#dependents?.set(s.#weak, kept);
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
onListeners((target) => { if (target instanceof AbortSignal) anchor(target); });

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
