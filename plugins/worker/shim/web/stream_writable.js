// WritableStream (Streams Standard, section 5).
import { deferred, highWaterMark, method, quiet, sizeOf, weigh } from "./stream_queue.js";
import { expose } from "./idl.js";
import { AbortController } from "./abort.js";

const secret = Symbol();
let stateOf;

// A stream's state: "writable", "erroring" (until what is under way has ended),
// "errored" or "closed". requests are the writes that were not begun; queue has their
// chunks, and CLOSE at the end of a stream that is to close.
const CLOSE = Symbol();
const locked = () => new TypeError("This WritableStream is currently locked to a writer.");
const released = () => new TypeError("This WritableStream writer has been released.");

export class WritableStream {
  #s;
  constructor(sink, strategy) {
    if (sink === null || sink !== undefined && typeof sink !== "object" && typeof sink !== "function") throw new TypeError("the sink of a WritableStream must be an object");
    sink ??= {};
    if (sink.type !== undefined) throw new RangeError("a WritableStream's sink has no type");
    const s = this.#s = { state: "writable", error: undefined, writer: null, queue: [], size: 0, hwm: highWaterMark(strategy, 1), weigh: sizeOf(strategy), started: false,
      requests: [], writing: null, closing: null, closeRequest: null, abort: null, pressure: false, sink: null, controller: null, signal: null };
    s.controller = new WritableStreamDefaultController(secret, s);
    s.sink = { write: method(sink, "write"), close: method(sink, "close"), abort: method(sink, "abort") };
    const start = sink.start;
    if (start !== undefined && typeof start !== "function") throw new TypeError("start is not a function");
    s.pressure = desired(s) <= 0;
    Promise.resolve(start?.call(sink, s.controller)).then(() => { s.started = true; advance(s); }, (e) => { s.started = true; dealWith(s, e); });
  }
  get locked() { return this.#s.writer !== null; }
  abort(reason) { return this.#s.writer !== null ? Promise.reject(locked()) : abort(this.#s, reason); }
  close() {
    const s = this.#s;
    if (s.writer !== null) return Promise.reject(locked());
    return closeQueued(s) ? Promise.reject(new TypeError("This WritableStream is being closed already.")) : close(s);
  }
  getWriter() { return new WritableStreamDefaultWriter(this); }
  static { stateOf = (v) => typeof v === "object" && v !== null && #s in v ? v.#s : undefined; }
}
expose(WritableStream);

export class WritableStreamDefaultController {
  #s;
  constructor(token, s) {
    if (token !== secret) throw new TypeError("Illegal constructor");
    this.#s = s;
  }
  get signal() { return (this.#s.signal ??= new AbortController()).signal; }
  error(e = undefined) { if (this.#s.state === "writable") startErroring(this.#s, e); }
}
expose(WritableStreamDefaultController);

const desired = (s) => s.state === "writable" ? s.hwm - s.size : s.state === "closed" ? 0 : null;
const closeQueued = (s) => s.closeRequest !== null || s.closing !== null;

const setPressure = (s, on) => {
  if (s.writer !== null && on !== s.pressure) {
    if (on) s.writer.ready = deferred();
    else s.writer.ready.resolve();
  }
  s.pressure = on;
};

const abort = (s, reason) => {
  if (s.state === "closed" || s.state === "errored") return Promise.resolve();
  (s.signal ??= new AbortController()).abort(reason);
  if (s.state === "closed" || s.state === "errored") return Promise.resolve();
  if (s.abort !== null) return s.abort.promise;
  const was = s.state === "erroring";
  s.abort = { ...deferred(), reason: was ? undefined : reason, was };
  const { promise } = s.abort;
  if (!was) startErroring(s, reason);
  return promise;
};

const close = (s) => {
  if (s.state === "closed" || s.state === "errored") return Promise.reject(new TypeError(`This WritableStream is ${s.state}.`));
  const d = s.closeRequest = deferred();
  if (s.writer !== null && s.pressure && s.state === "writable") s.writer.ready.resolve();
  s.queue.push({ chunk: CLOSE, size: 0 });
  advance(s);
  return d.promise;
};

const startErroring = (s, e) => {
  s.state = "erroring";
  s.error = e;
  if (s.writer !== null) rejectReady(s.writer, e);
  if (s.writing === null && s.closing === null && s.started) finishErroring(s);
};

const rejectReady = (w, e) => {
  if (w.ready.settled) { w.ready = deferred(); }
  w.ready.reject(e);
  quiet(w.ready.promise);
};

const rejectClosed = (s) => {
  if (s.closeRequest !== null) {
    s.closeRequest.reject(s.error);
    s.closeRequest = null;
  }
  if (s.writer !== null) {
    s.writer.closed.reject(s.error);
    quiet(s.writer.closed.promise);
  }
};

const finishErroring = (s) => {
  s.state = "errored";
  s.queue = [];
  s.size = 0;
  for (const r of s.requests.splice(0)) r.reject(s.error);
  const a = s.abort;
  if (a === null) return rejectClosed(s);
  s.abort = null;
  if (a.was) {
    a.reject(s.error);
    return rejectClosed(s);
  }
  const f = s.sink.abort;
  s.sink = {};
  (f === undefined ? Promise.resolve() : f(a.reason)).then(() => { a.resolve(); rejectClosed(s); }, (e) => { a.reject(e); rejectClosed(s); });
};

// dealWith is for an error of the sink's.
const dealWith = (s, e) => {
  if (s.state === "writable") startErroring(s, e);
  else if (s.state === "erroring") finishErroring(s);
};

const advance = (s) => {
  if (!s.started || s.writing !== null || s.closing !== null) return;
  if (s.state === "erroring") return finishErroring(s);
  if (s.state !== "writable" || s.queue.length === 0) return;
  const { chunk } = s.queue[0];
  if (chunk === CLOSE) {
    s.closing = s.closeRequest;
    s.closeRequest = null;
    s.queue = [];
    s.size = 0;
    const f = s.sink.close;
    s.sink = { abort: s.sink.abort };
    (f === undefined ? Promise.resolve() : f()).then(() => {
      s.closing.resolve();
      s.closing = null;
      if (s.state === "erroring") {
        s.error = undefined;
        s.abort?.resolve();
        s.abort = null;
      }
      s.state = "closed";
      s.writer?.closed.resolve();
    }, (e) => {
      s.closing.reject(e);
      s.closing = null;
      s.abort?.reject(e);
      s.abort = null;
      dealWith(s, e);
    });
    return;
  }
  s.writing = s.requests.shift();
  const f = s.sink.write;
  (f === undefined ? Promise.resolve() : f(chunk, s.controller)).then(() => {
    s.writing.resolve();
    s.writing = null;
    const { size } = s.queue.shift() ?? { size: 0 };
    s.size = s.queue.length === 0 ? 0 : s.size - size;
    if (!closeQueued(s) && s.state === "writable") setPressure(s, desired(s) <= 0);
    advance(s);
  }, (e) => {
    s.writing.reject(e);
    s.writing = null;
    dealWith(s, e);
  });
};

export class WritableStreamDefaultWriter {
  #w; #s;
  constructor(stream) {
    const s = stateOf(stream);
    if (s === undefined) throw new TypeError("a writer needs a WritableStream");
    if (s.writer !== null) throw locked();
    const w = { ready: deferred(), closed: deferred() };
    s.writer = this.#w = w;
    this.#s = s;
    if (s.state === "writable") {
      if (closeQueued(s) || !s.pressure) w.ready.resolve();
    } else if (s.state === "closed") {
      w.ready.resolve();
      w.closed.resolve();
    } else {
      w.ready.reject(s.error);
      if (s.state === "errored") w.closed.reject(s.error);
    }
    quiet(w.ready.promise);
    quiet(w.closed.promise);
  }
  get closed() { return this.#w.closed.promise; }
  get ready() { return this.#w.ready.promise; }
  get desiredSize() {
    if (this.#s === null) throw released();
    return desired(this.#s);
  }
  abort(reason) { return this.#s === null ? Promise.reject(released()) : abort(this.#s, reason); }
  close() {
    const s = this.#s;
    if (s === null) return Promise.reject(released());
    return closeQueued(s) ? Promise.reject(new TypeError("This WritableStream is being closed already.")) : close(s);
  }
  releaseLock() {
    const s = this.#s;
    if (s === null) return;
    const w = this.#w, e = released();
    w.ready = deferred();
    w.ready.reject(e);
    quiet(w.ready.promise);
    w.closed.reject(e);
    const c = deferred();
    c.reject(e);
    w.closed = c;
    quiet(c.promise);
    s.writer = null;
    this.#s = null;
  }
  write(chunk = undefined) {
    const s = this.#s;
    if (s === null) return Promise.reject(released());
    let size = 1, wrong;
    try { size = weigh(s.weigh, chunk); } catch (e) { wrong = e; }
    if (wrong !== undefined && s.state === "writable") startErroring(s, wrong);
    if (s !== this.#s) return Promise.reject(released());
    if (s.state === "errored") return Promise.reject(s.error);
    if (closeQueued(s) || s.state === "closed") return Promise.reject(new TypeError("This WritableStream has been closed."));
    if (s.state === "erroring") return Promise.reject(s.error);
    const d = deferred();
    s.requests.push(d);
    s.queue.push({ chunk, size });
    s.size += size;
    if (!closeQueued(s) && s.state === "writable") setPressure(s, desired(s) <= 0);
    advance(s);
    return d.promise;
  }
}
expose(WritableStreamDefaultWriter);
