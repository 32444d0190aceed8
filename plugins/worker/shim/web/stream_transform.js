// TransformStream (Streams Standard, section 6), and two of Workers' own.
import { ReadableStream } from "./stream_readable.js";
import { WritableStream } from "./stream_writable.js";
import { deferred, method } from "./stream_queue.js";
import { expose } from "./idl.js";
import { bytesOf } from "./bytes.js";

const secret = Symbol();

// A TransformStream's state: both controllers, the transformer's functions, and
// whether the readable side takes more.
export class TransformStream {
  #readable; #writable;
  constructor(transformer, writableStrategy, readableStrategy) {
    if (transformer === null || transformer !== undefined && typeof transformer !== "object" && typeof transformer !== "function") throw new TypeError("the transformer of a TransformStream must be an object");
    transformer ??= {};
    if (transformer.readableType !== undefined || transformer.writableType !== undefined) throw new RangeError("readableType and writableType must not be given");
    const transform = method(transformer, "transform"), flush = method(transformer, "flush"), cancel = method(transformer, "cancel");
    const start = transformer.start, begun = deferred();
    const t = { readable: null, writable: null, pressure: true, change: deferred(), ended: null, controller: null };
    const relieve = (pressure) => { t.change.resolve(); t.change = deferred(); t.pressure = pressure; };
    t.pressed = () => { if (!t.pressure && t.readable.desiredSize <= 0) relieve(true); };
    t.break = (e) => { t.readable.error(e); t.writable.error(e); if (t.pressure) relieve(false); };
    const controller = t.controller = new TransformStreamDefaultController(secret, t);
    // end has the transformer's last function called once, whoever ends it.
    const end = (f, then) => t.ended ??= attempt(f).then(then, (e) => { t.break(e); throw e; });
    this.#readable = new ReadableStream({
      start(c) { t.readable = c; return begun.promise; },
      pull() { relieve(false); return t.change.promise; },
      cancel(reason) { return end(() => cancel?.(reason), () => { t.writable.error(reason); if (t.pressure) relieve(false); }); },
    }, { highWaterMark: readableStrategy?.highWaterMark ?? 0, size: readableStrategy?.size });
    this.#writable = new WritableStream({
      start(c) { t.writable = c; return begun.promise; },
      write(chunk) {
        const go = () => (transform === undefined ? attempt(() => controller.enqueue(chunk)) : transform(chunk, controller)).catch((e) => { t.break(e); throw e; });
        return t.pressure ? t.change.promise.then(() => { if (t.failed !== undefined) throw t.failed.error; return go(); }) : go();
      },
      close() {
        return end(() => flush?.(controller), () => {
          if (t.failed !== undefined) throw t.failed.error;
          if (!t.terminated) try { t.readable.close(); } catch { /* it was cancelled or terminated */ }
        });
      },
      abort(reason) { return end(() => cancel?.(reason), () => { t.readable.error(reason); }); },
    }, writableStrategy);
    if (start !== undefined && typeof start !== "function") throw new TypeError("start is not a function");
    begun.resolve(start?.call(transformer, controller));
  }
  get readable() { return this.#readable; }
  get writable() { return this.#writable; }
}
expose(TransformStream);

const attempt = (f) => { try { return Promise.resolve(f()); } catch (e) { return Promise.reject(e); } };

export class TransformStreamDefaultController {
  #t;
  constructor(token, t) {
    if (token !== secret) throw new TypeError("Illegal constructor");
    this.#t = t;
  }
  get desiredSize() { return this.#t.readable.desiredSize; }
  enqueue(chunk = undefined) {
    const t = this.#t;
    try { t.readable.enqueue(chunk); } catch (e) { t.writable.error(e); throw t.failed?.error ?? e; }
    t.pressed();
  }
  error(reason = undefined) {
    this.#t.failed ??= { error: reason };
    this.#t.break(reason);
  }
  terminate() {
    const t = this.#t;
    if (t.terminated) return;
    t.terminated = true;
    try { t.readable.close(); } catch { /* it has ended already */ }
    const e = new TypeError("This TransformStream has been terminated.");
    t.failed ??= { error: e };
    t.writable.error(e);
    if (t.pressure) { t.pressure = false; t.change.resolve(); t.change = deferred(); }
  }
}
expose(TransformStreamDefaultController);

const asBytes = (chunk) => {
  const b = bytesOf(chunk);
  if (b === undefined) throw new TypeError("This TransformStream is being used as a byte stream, but received an object of non-ArrayBuffer/ArrayBufferView type on its writable side.");
  return b;
};

// IdentityTransformStream passes bytes on (Workers).
export class IdentityTransformStream extends TransformStream {
  constructor(strategy) {
    super({ transform(chunk, c) { const b = asBytes(chunk); if (b.length > 0) c.enqueue(b); } }, strategy);
  }
}
expose(IdentityTransformStream);

// FixedLengthStream passes on as many bytes as it was told, or breaks (Workers).
export class FixedLengthStream extends TransformStream {
  constructor(length, strategy) {
    const want = Number(length);
    if (!(want >= 0 && want <= Number.MAX_SAFE_INTEGER)) throw new TypeError("a FixedLengthStream needs a number of bytes");
    let seen = 0;
    super({
      transform(chunk, c) {
        const b = asBytes(chunk);
        seen += b.length;
        if (seen > want) throw new TypeError("Attempt to write too many bytes through a FixedLengthStream.");
        if (b.length > 0) c.enqueue(b);
      },
      flush() { if (seen < want) throw new TypeError("FixedLengthStream did not see all expected bytes before close()."); },
    }, strategy);
  }
}
expose(FixedLengthStream);
