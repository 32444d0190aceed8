// Events (DOM Standard, section 2; HTML for the further kinds).
import { log, describe, ERROR } from "../core/log.js";
import { expose } from "./idl.js";

let dispatch; // (event, target, trusted)

export class Event {
  #type; #bubbles; #cancelable; #composed; #target = null; #current = null; #phase = 0;
  #canceled = false; #stopped = false; #stoppedNow = false; #dispatching = false; #passive = false; #trusted = false;
  #time = Date.now();
  constructor(type, init = {}) {
    if (arguments.length === 0) throw new TypeError("an Event needs a type");
    this.#type = String(type);
    this.#bubbles = Boolean(init?.bubbles);
    this.#cancelable = Boolean(init?.cancelable);
    this.#composed = Boolean(init?.composed);
  }
  get type() { return this.#type; }
  get target() { return this.#target; }
  get srcElement() { return this.#target; }
  get currentTarget() { return this.#current; }
  get eventPhase() { return this.#phase; }
  get bubbles() { return this.#bubbles; }
  get cancelable() { return this.#cancelable; }
  get composed() { return this.#composed; }
  get defaultPrevented() { return this.#canceled; }
  get returnValue() { return !this.#canceled; }
  set returnValue(v) { if (!v) this.preventDefault(); }
  get cancelBubble() { return this.#stopped; }
  set cancelBubble(v) { if (v) this.#stopped = true; }
  get isTrusted() { return this.#trusted; }
  get timeStamp() { return this.#time; }
  composedPath() { return this.#current === null ? [] : [this.#current]; }
  stopPropagation() { this.#stopped = true; }
  stopImmediatePropagation() { this.#stopped = this.#stoppedNow = true; }
  preventDefault() { if (this.#cancelable && !this.#passive) this.#canceled = true; }
  static {
    dispatch = (e, target, list, trusted) => {
      if (e.#dispatching) throw new DOMException("The event is already being dispatched.", "InvalidStateError");
      e.#dispatching = true;
      e.#trusted = trusted;
      e.#target = e.#current = target;
      e.#phase = 2;
      for (const l of list === undefined ? [] : list.slice()) {
        if (l.removed || l.type !== e.#type) continue;
        if (l.once) remove(list, l);
        e.#passive = l.passive;
        try {
          if (typeof l.callback === "function") l.callback.call(target, e);
          else l.callback.handleEvent(e);
        } catch (err) { log(ERROR, "Uncaught " + describe(err)); }
        e.#passive = false;
        if (e.#stoppedNow) break;
      }
      e.#phase = 0;
      e.#current = null;
      e.#dispatching = e.#stopped = e.#stoppedNow = false;
      return !e.#canceled;
    };
  }
}
expose(Event);
for (const [name, value] of [["NONE", 0], ["CAPTURING_PHASE", 1], ["AT_TARGET", 2], ["BUBBLING_PHASE", 3]])
  for (const o of [Event, Event.prototype]) Object.defineProperty(o, name, { value, enumerable: true });

const remove = (list, l) => {
  l.removed = true;
  const i = list.indexOf(l);
  if (i >= 0) list.splice(i, 1);
};

let fireAt, listens;
let changed = () => {}; // told when a target has more or fewer listeners

// onListeners has f(target) called when somebody begins or ceases to listen.
export const onListeners = (f) => { changed = f; };

export class EventTarget {
  #listeners; // made with the first
  addEventListener(type, callback, options) {
    if (arguments.length < 2) throw new TypeError("addEventListener needs a type and a listener");
    if (callback === null || callback === undefined) return;
    if (typeof callback !== "function" && typeof callback !== "object") throw new TypeError("a listener must be a function or an object with handleEvent");
    type = String(type);
    const o = typeof options === "object" && options !== null ? options : { capture: options };
    const l = { type, callback, capture: Boolean(o.capture), once: Boolean(o.once), passive: Boolean(o.passive), removed: false };
    const { signal } = o;
    if (signal !== undefined && typeof signal?.addEventListener !== "function") throw new TypeError("the option signal is no AbortSignal");
    if (signal?.aborted) return;
    const list = this.#listeners ??= [];
    for (const m of list) if (m.type === type && m.callback === callback && m.capture === l.capture) return;
    list.push(l);
    changed(this);
    signal?.addEventListener("abort", () => { remove(list, l); changed(this); }, { once: true });
  }
  removeEventListener(type, callback, options) {
    if (arguments.length < 2) throw new TypeError("removeEventListener needs a type and a listener");
    const capture = Boolean(typeof options === "object" && options !== null ? options.capture : options);
    type = String(type);
    for (const l of this.#listeners ?? []) if (l.type === type && l.callback === callback && l.capture === capture) {
      remove(this.#listeners, l);
      return changed(this);
    }
  }
  dispatchEvent(event) {
    if (!(event instanceof Event)) throw new TypeError("dispatchEvent needs an Event");
    return dispatch(event, this, this.#listeners, false);
  }
  static {
    fireAt = (target, event) => dispatch(event, target, target.#listeners, true);
    listens = (target, type) => target.#listeners !== undefined && target.#listeners.some((l) => l.type === type);
  }
}
expose(EventTarget);

// fire dispatches an event of the runtime's own at a target.
export const fire = (target, event) => fireAt(target, event);

// hasListener tells whether somebody listens for a type.
export const hasListener = (target, type) => listens(target, type);

// handlerAttribute gives a class' prototype an attribute such as onabort.
export const handlerAttribute = (Class, type) => {
  const handlers = new WeakMap(); // target -> {callback, listener}
  Object.defineProperty(Class.prototype, "on" + type, {
    get() { return handlers.get(this)?.callback ?? null; },
    set(callback) {
      const old = handlers.get(this);
      if (typeof callback !== "function" && (typeof callback !== "object" || callback === null)) {
        if (old) { this.removeEventListener(type, old.listener); handlers.delete(this); }
        return;
      }
      if (old) { old.callback = callback; return; }
      const h = { callback, listener: (e) => { if (typeof h.callback === "function" && h.callback.call(this, e) === false) e.preventDefault(); } };
      handlers.set(this, h);
      this.addEventListener(type, h.listener);
    }, enumerable: true, configurable: true,
  });
};

export class CustomEvent extends Event {
  #detail;
  constructor(type, init = {}) { super(type, init); this.#detail = init?.detail ?? null; }
  get detail() { return this.#detail; }
}
expose(CustomEvent);

export class MessageEvent extends Event {
  #data; #origin; #lastEventId; #source; #ports;
  constructor(type, init = {}) {
    super(type, init);
    this.#data = init?.data ?? null;
    this.#origin = String(init?.origin ?? "");
    this.#lastEventId = String(init?.lastEventId ?? "");
    this.#source = init?.source ?? null;
    this.#ports = Object.freeze([...init?.ports ?? []]);
  }
  get data() { return this.#data; }
  get origin() { return this.#origin; }
  get lastEventId() { return this.#lastEventId; }
  get source() { return this.#source; }
  get ports() { return this.#ports; }
}
expose(MessageEvent);

export class CloseEvent extends Event {
  #code; #reason; #clean;
  constructor(type, init = {}) {
    super(type, init);
    this.#code = Number(init?.code ?? 0) & 0xffff;
    this.#reason = String(init?.reason ?? "");
    this.#clean = Boolean(init?.wasClean);
  }
  get code() { return this.#code; }
  get reason() { return this.#reason; }
  get wasClean() { return this.#clean; }
}
expose(CloseEvent);

export class ErrorEvent extends Event {
  #message; #filename; #lineno; #colno; #error;
  constructor(type, init = {}) {
    super(type, init);
    this.#message = String(init?.message ?? "");
    this.#filename = String(init?.filename ?? "");
    this.#lineno = Number(init?.lineno ?? 0) >>> 0;
    this.#colno = Number(init?.colno ?? 0) >>> 0;
    this.#error = init?.error;
  }
  get message() { return this.#message; }
  get filename() { return this.#filename; }
  get lineno() { return this.#lineno; }
  get colno() { return this.#colno; }
  get error() { return this.#error; }
}
expose(ErrorEvent);
