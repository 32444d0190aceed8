// ReadableStream, its readers and its default controller (Streams Standard, section 4).
import { deferred, highWaterMark, method, quiet, sizeOf, weigh } from "./stream_queue.js";
import { expose } from "./idl.js";
import { closeBytes, enqueueBytes, pullBytes, pullInto, releaseBytes, respondBytes, respondView, byobOf } from "./stream_bytes.js";
import { pipe, tee } from "./stream_pipe.js";

const secret = Symbol();
let stateOf;

// A stream's state is a plain object: {state, error, disturbed, reader, bytes, queue,
// size, hwm, weigh, started, closing, pulling, again, pull, cancel, controller, and of
// byte streams auto, into, request}.
const fresh = (bytes) => ({ state: "readable", error: undefined, disturbed: false, reader: null, bytes, queue: [], size: 0, hwm: 0, weigh: undefined,
  started: false, closing: false, pulling: false, again: false, pull: undefined, cancel: undefined, controller: null, auto: 0, into: [], request: null });

const asDictionary = (o, what) => {
  if (o === undefined || o === null) return {};
  if (typeof o !== "object" && typeof o !== "function") throw new TypeError(`${what} must be an object`);
  return o;
};

export class ReadableStream {
  #s;
  constructor(source, strategy) {
    if (source === null || source !== undefined && typeof source !== "object" && typeof source !== "function") throw new TypeError("the source of a ReadableStream must be an object");
    source ??= {};
    strategy = asDictionary(strategy, "the strategy of a ReadableStream");
    const type = source.type === undefined ? undefined : String(source.type);
    if (type !== undefined && type !== "bytes") throw new TypeError(`the type of a ReadableStream is "bytes" or left out, not ${JSON.stringify(type)}`);
    const s = this.#s = fresh(type === "bytes");
    if (s.bytes) {
      if (strategy.size !== undefined) throw new RangeError("a byte stream's strategy has no size");
      if (source.autoAllocateChunkSize !== undefined) {
        s.auto = Number(source.autoAllocateChunkSize);
        if (!(s.auto > 0)) throw new TypeError("autoAllocateChunkSize must be a number above 0");
      }
    } else {
      s.weigh = sizeOf(strategy);
    }
    s.hwm = highWaterMark(strategy, s.bytes ? 0 : 1);
    s.controller = s.bytes ? new ReadableByteStreamController(secret, s) : new ReadableStreamDefaultController(secret, s);
    s.pull = method(source, "pull");
    s.cancel = method(source, "cancel");
    const start = source.start;
    if (start !== undefined && typeof start !== "function") throw new TypeError("start is not a function");
    begin(s, start?.call(source, s.controller));
  }
  get locked() { return this.#s.reader !== null; }
  cancel(reason) {
    if (!(#s in this)) return Promise.reject(new TypeError("cancel() is for a ReadableStream"));
    if (this.#s.reader !== null) return Promise.reject(new TypeError("This ReadableStream is currently locked to a reader."));
    return cancelState(this.#s, reason);
  }
  getReader(options) {
    const mode = asDictionary(options, "the options of getReader").mode;
    if (mode === undefined) return new ReadableStreamDefaultReader(this);
    if (String(mode) !== "byob") throw new TypeError(`the mode of a reader is "byob" or left out`);
    return new ReadableStreamBYOBReader(this);
  }
  pipeThrough(pair, options) {
    const readable = pair?.readable, writable = pair?.writable;
    if (!isStream(readable) || typeof writable?.getWriter !== "function") throw new TypeError("pipeThrough needs {readable, writable}");
    if (this.locked) throw new TypeError("This ReadableStream is currently locked to a reader.");
    if (writable.locked) throw new TypeError("This WritableStream is currently locked to a writer.");
    quiet(pipe(this, writable, asDictionary(options, "the options of pipeThrough")));
    return readable;
  }
  pipeTo(writable, options) {
    try {
      if (typeof writable?.getWriter !== "function") throw new TypeError("pipeTo needs a WritableStream");
      if (this.locked) throw new TypeError("This ReadableStream is currently locked to a reader.");
      if (writable.locked) throw new TypeError("This WritableStream is currently locked to a writer.");
      return pipe(this, writable, asDictionary(options, "the options of pipeTo"));
    } catch (e) { return Promise.reject(e); }
  }
  tee() {
    if (this.locked) throw new TypeError("This ReadableStream is currently locked to a reader.");
    return tee(this, this.#s.bytes);
  }
  values(options) {
    const keep = Boolean(asDictionary(options, "the options of values").preventCancel);
    const it = Object.create(AsyncIterator);
    iterations.set(it, { reader: this.getReader(), keep, ended: false, last: null });
    return it;
  }
  static from(iterable) {
    const get = iterable?.[Symbol.asyncIterator] ?? iterable?.[Symbol.iterator];
    if (typeof get !== "function") throw new TypeError("ReadableStream.from needs something that can be iterated");
    const it = get.call(iterable);
    const next = it.next;
    return new ReadableStream({
      pull(c) {
        return Promise.resolve(next.call(it)).then((r) => {
          if (typeof r !== "object" || r === null) throw new TypeError("the iterator's next() did not give an object");
          return r.done ? c.close() : Promise.resolve(r.value).then((v) => c.enqueue(v));
        });
      },
      cancel(reason) { return Promise.resolve(it.return?.(reason)).then(() => {}); },
    }, { highWaterMark: 0 });
  }
  static {
    stateOf = (stream) => stream.#s;
    isStream = (v) => typeof v === "object" && v !== null && #s in v;
  }
}
expose(ReadableStream, [Symbol.asyncIterator, ReadableStream.prototype.values]);

// isStream tells whether a value is a ReadableStream.
export var isStream;

// isDisturbed tells whether a stream was read from or cancelled.
export const isDisturbed = (stream) => stateOf(stream).disturbed;

const begin = (s, result) => {
  Promise.resolve(result).then(() => { s.started = true; pullIfNeeded(s); }, (e) => fail(s, e));
};

// Async iteration of a stream: each step waits for the one before, if it is under way.
const iterations = new WeakMap();
const queued = (i, step) => {
  const p = i.last === null ? new Promise((resolve) => resolve(step())) : i.last.then(step, step);
  const done = () => { if (i.last === p) i.last = null; };
  i.last = p;
  p.then(done, done);
  return p;
};
const AsyncIterator = Object.create(Object.getPrototypeOf(Object.getPrototypeOf(async function* () {}.prototype)), {
  next: { value: function next() {
    const i = iterations.get(this);
    const step = () => {
      if (i.ended) return { value: undefined, done: true };
      return i.reader.read().then((r) => {
        if (r.done) { i.ended = true; i.reader.releaseLock(); }
        return r;
      }, (e) => { i.ended = true; i.reader.releaseLock(); throw e; });
    };
    return queued(i, step);
  }, writable: true, enumerable: true, configurable: true },
  return: { value: function (value) {
    const i = iterations.get(this);
    const step = () => {
      if (i.ended) return { value, done: true };
      i.ended = true;
      const done = i.keep ? Promise.resolve() : i.reader.cancel(value);
      i.reader.releaseLock();
      return done.then(() => ({ value, done: true }));
    };
    return queued(i, step);
  }, writable: true, enumerable: true, configurable: true },
});

// --- what happens to a stream

export const closeState = (s) => {
  s.state = "closed";
  s.pull = s.cancel = s.weigh = undefined;
  const r = s.reader;
  if (r === null) return;
  r.closed.resolve();
  if (!r.byob) for (const q of r.requests.splice(0)) q.close();
};

export const fail = (s, e) => {
  if (s.state !== "readable") return;
  s.state = "errored";
  s.error = e;
  s.queue = [];
  s.size = 0;
  s.into = [];
  s.request = null;
  s.pull = s.cancel = s.weigh = undefined;
  const r = s.reader;
  if (r === null) return;
  r.closed.reject(e);
  for (const q of r.requests.splice(0)) q.error(e);
};

const cancelState = (s, reason) => {
  s.disturbed = true;
  if (s.state === "closed") return Promise.resolve();
  if (s.state === "errored") return Promise.reject(s.error);
  const cancel = s.cancel;
  s.queue = [];
  s.size = 0;
  s.into = [];
  s.request = null;
  closeState(s);
  if (s.reader?.byob) for (const q of s.reader.requests.splice(0)) q.close(undefined);
  return cancel === undefined ? Promise.resolve() : cancel(reason).then(() => {});
};

const wantsMore = (s) => s.state === "readable" && !s.closing && s.started && (s.reader !== null && s.reader.requests.length > 0 || s.hwm - s.size > 0);

export const pullIfNeeded = (s) => {
  if (!wantsMore(s)) return;
  if (s.pulling) { s.again = true; return; }
  if (s.pull === undefined) return;
  s.pulling = true;
  s.pull(s.controller).then(() => {
    s.pulling = false;
    if (s.again) { s.again = false; pullIfNeeded(s); }
  }, (e) => fail(s, e));
};

const read = (s, request) => {
  s.disturbed = true;
  if (s.state === "closed") return request.close();
  if (s.state === "errored") return request.error(s.error);
  if (s.bytes) return pullBytes(s, request);
  if (s.queue.length === 0) {
    s.reader.requests.push(request);
    return pullIfNeeded(s);
  }
  const { chunk, size } = s.queue.shift();
  s.size = s.queue.length === 0 ? 0 : Math.max(0, s.size - size);
  if (s.closing && s.queue.length === 0) closeState(s);
  else pullIfNeeded(s);
  request.chunk(chunk);
};

// --- controllers

export class ReadableStreamDefaultController {
  #s;
  constructor(token, s) {
    if (token !== secret) throw new TypeError("Illegal constructor");
    this.#s = s;
  }
  get desiredSize() { return desired(this.#s); }
  close() {
    const s = this.#s;
    if (s.closing || s.state !== "readable") throw new TypeError("Invalid state: the stream's controller is closed already");
    s.closing = true;
    if (s.queue.length === 0) closeState(s);
  }
  enqueue(chunk = undefined) {
    const s = this.#s;
    if (s.closing || s.state !== "readable") throw new TypeError("Invalid state: the stream is closed, nothing more can be put into it");
    if (s.reader !== null && s.reader.requests.length > 0) {
      s.reader.requests.shift().chunk(chunk);
    } else {
      let size;
      try { size = weigh(s.weigh, chunk); } catch (e) { fail(s, e); throw e; }
      s.queue.push({ chunk, size });
      s.size += size;
    }
    pullIfNeeded(s);
  }
  error(e = undefined) { fail(this.#s, e); }
}
expose(ReadableStreamDefaultController);

const desired = (s) => s.state === "errored" ? null : s.state === "closed" ? 0 : s.hwm - s.size;

export class ReadableByteStreamController {
  #s;
  constructor(token, s) {
    if (token !== secret) throw new TypeError("Illegal constructor");
    this.#s = s;
  }
  get byobRequest() {
    const s = this.#s;
    if (s.request === null && s.into.length > 0) s.request = new ReadableStreamBYOBRequest(secret, s);
    return s.request;
  }
  get desiredSize() { return desired(this.#s); }
  close() {
    const s = this.#s;
    if (s.closing || s.state !== "readable") throw new TypeError("Invalid state: the stream's controller is closed already");
    closeBytes(s);
  }
  enqueue(view) {
    const s = this.#s;
    if (!ArrayBuffer.isView(view)) throw new TypeError("a byte stream takes views of an ArrayBuffer, such as Uint8Array");
    if (view.byteLength === 0 || view.buffer.byteLength === 0) throw new TypeError("a chunk of a byte stream must not be empty");
    if (s.closing || s.state !== "readable") throw new TypeError("Invalid state: the stream is closed, nothing more can be put into it");
    enqueueBytes(s, view);
  }
  error(e = undefined) { fail(this.#s, e); }
}
expose(ReadableByteStreamController);

export class ReadableStreamBYOBRequest {
  #s; #into;
  constructor(token, s) {
    if (token !== secret) throw new TypeError("Illegal constructor");
    this.#s = s;
    this.#into = s.into[0];
  }
  get view() { return this.#s.request === this ? byobOf(this.#into) : null; }
  respond(n) {
    if (this.#s.request !== this) throw new TypeError("Invalid state: this BYOB request was answered already");
    n = Number(n);
    if (!(n >= 0 && n <= Number.MAX_SAFE_INTEGER)) throw new TypeError("respond() needs a number of bytes");
    respondBytes(this.#s, Math.trunc(n));
  }
  respondWithNewView(view) {
    if (!ArrayBuffer.isView(view)) throw new TypeError("respondWithNewView() needs a view of an ArrayBuffer");
    if (this.#s.request !== this) throw new TypeError("Invalid state: this BYOB request was answered already");
    respondView(this.#s, view);
  }
}
expose(ReadableStreamBYOBRequest);

// --- readers

const attach = (stream, byob) => {
  if (!isStream(stream)) throw new TypeError("a reader needs a ReadableStream");
  const s = stateOf(stream);
  if (s.reader !== null) throw new TypeError("This ReadableStream is currently locked to a reader.");
  if (byob && !s.bytes) throw new TypeError('This ReadableStream does not support BYOB reads: it is not of type "bytes"');
  const r = { s, byob, requests: [], closed: deferred() };
  quiet(r.closed.promise);
  s.reader = r;
  if (s.state === "closed") r.closed.resolve();
  else if (s.state === "errored") r.closed.reject(s.error);
  return r;
};

const gone = () => new TypeError("This ReadableStream reader has been released.");

const release = (r) => {
  if (r.s === null) return;
  const s = r.s;
  if (s.state === "readable") r.closed.reject(gone());
  else { r.closed = deferred(); r.closed.reject(gone()); }
  quiet(r.closed.promise);
  if (s.bytes) releaseBytes(s);
  s.reader = null;
  r.s = null;
  for (const q of r.requests.splice(0)) q.error(gone());
};

export class ReadableStreamDefaultReader {
  #r;
  constructor(stream) { this.#r = attach(stream, false); }
  get closed() { return this.#r.closed.promise; }
  read() {
    if (!(#r in this)) return Promise.reject(new TypeError("read() is for a reader"));
    const s = this.#r.s;
    if (s === null) return Promise.reject(gone());
    return new Promise((resolve, reject) => {
      read(s, { chunk: (value) => resolve({ value, done: false }), close: () => resolve({ value: undefined, done: true }), error: reject });
    });
  }
  cancel(reason) { return this.#r.s === null ? Promise.reject(gone()) : cancelState(this.#r.s, reason); }
  releaseLock() { release(this.#r); }
}
expose(ReadableStreamDefaultReader);

export class ReadableStreamBYOBReader {
  #r;
  constructor(stream) { this.#r = attach(stream, true); }
  get closed() { return this.#r.closed.promise; }
  read(view, options) {
    if (!ArrayBuffer.isView(view)) return Promise.reject(new TypeError("a BYOB reader reads into a view of an ArrayBuffer"));
    if (view.byteLength === 0 || view.buffer.byteLength === 0) return Promise.reject(new TypeError("a BYOB reader cannot read into an empty view"));
    const min = options?.min === undefined ? 1 : Number(options.min);
    if (!(min > 0)) return Promise.reject(new TypeError("min must be above 0"));
    if (min > (view.length ?? view.byteLength)) return Promise.reject(new RangeError("min is larger than the view"));
    const s = this.#r.s;
    if (s === null) return Promise.reject(gone());
    return new Promise((resolve, reject) => {
      s.disturbed = true;
      if (s.state === "errored") return reject(s.error);
      pullInto(s, view, min, { chunk: (value) => resolve({ value, done: false }), close: (value) => resolve({ value, done: true }), error: reject });
    });
  }
  readAtLeast(min, view) { return this.read(view, { min }); }
  cancel(reason) { return this.#r.s === null ? Promise.reject(gone()) : cancelState(this.#r.s, reason); }
  releaseLock() { release(this.#r); }
}
expose(ReadableStreamBYOBReader);

