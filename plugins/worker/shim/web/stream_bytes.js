// Byte streams: queues of bytes, and reads into the reader's own buffers (Streams
// Standard, section 4.10.11, ReadableByteStreamController).
import { closeState, fail, pullIfNeeded } from "./stream_readable.js";

// transfer is a buffer's contents in a new one; the old is detached, so that nobody
// changes what is under way.
const transfer = (buffer) => typeof buffer.transfer === "function" ? buffer.transfer() : typeof structuredClone === "function" ? structuredClone(buffer, { transfer: [buffer] }) : buffer.slice(0);

// A read into a buffer that waits: {buffer, offset, length, filled, min, unit, make,
// kind: "default" | "byob" | "none"}; lengths are of bytes, unit is an element's.
const viewOf = (d) => new d.make(d.buffer, d.offset, d.filled / d.unit);

// byobOf is what a byobRequest shows: the rest of the buffer.
export const byobOf = (d) => new Uint8Array(d.buffer, d.offset + d.filled, d.length - d.filled);

const push = (s, bytes) => { s.queue.push(bytes); s.size += bytes.length; };

const drained = (s) => {
  if (s.size === 0 && s.closing) closeState(s);
  else pullIfNeeded(s);
};

const takeFirst = (s) => {
  const b = s.queue.shift();
  s.size -= b.length;
  drained(s);
  return b;
};

// pullBytes is a read of the default reader.
export const pullBytes = (s, request) => {
  if (s.size > 0) return request.chunk(takeFirst(s));
  if (s.auto > 0) s.into.push({ buffer: new ArrayBuffer(s.auto), offset: 0, length: s.auto, filled: 0, min: 1, unit: 1, make: Uint8Array, kind: "default" });
  s.reader.requests.push(request);
  pullIfNeeded(s);
};

// fill copies of the queue what there is room for; true if the read is done.
const fill = (s, d) => {
  let n = Math.min(s.size, d.length - d.filled);
  const whole = (d.filled + n) - (d.filled + n) % d.unit, ready = whole >= d.min;
  if (ready) n = whole - d.filled;
  const to = new Uint8Array(d.buffer, d.offset, d.length);
  while (n > 0) {
    const b = s.queue[0], k = Math.min(n, b.length);
    to.set(b.subarray(0, k), d.filled);
    if (k === b.length) s.queue.shift(); else s.queue[0] = b.subarray(k);
    s.size -= k;
    d.filled += k;
    n -= k;
  }
  return ready;
};

const commit = (s, d) => {
  const done = s.state === "closed";
  if (d.kind === "none") return;
  const request = s.reader.requests.shift();
  if (done) request.close(viewOf(d)); else request.chunk(viewOf(d));
};

const fillWaiting = (s) => {
  while (s.into.length > 0 && s.size > 0) {
    if (!fill(s, s.into[0])) return;
    commit(s, s.into.shift());
  }
};

// pullInto is a read of the BYOB reader; min is a number of elements.
export const pullInto = (s, view, min, request) => {
  const make = view instanceof DataView ? DataView : view.constructor, unit = view.BYTES_PER_ELEMENT ?? 1;
  const { byteOffset: offset, byteLength: length } = view;
  let buffer;
  try { buffer = transfer(view.buffer); } catch (e) { return request.error(e); }
  const d = { buffer, offset, length, filled: 0, min: min * unit, unit, make, kind: "byob" };
  if (s.into.length > 0) {
    s.into.push(d);
    s.reader.requests.push(request);
    return;
  }
  if (s.state === "closed") return request.close(new make(buffer, offset, 0));
  if (s.size > 0) {
    if (fill(s, d)) {
      const v = viewOf(d);
      drained(s);
      return request.chunk(v);
    }
    if (s.closing) {
      const e = new TypeError("Insufficient bytes to fill elements in the given buffer");
      fail(s, e);
      return request.error(e);
    }
  }
  s.into.push(d);
  s.reader.requests.push(request);
  pullIfNeeded(s);
};

// enqueueBytes puts a view's bytes into the stream.
export const enqueueBytes = (s, view) => {
  const { byteOffset, byteLength } = view;
  const bytes = new Uint8Array(transfer(view.buffer), byteOffset, byteLength);
  if (s.into.length > 0) {
    s.request = null;
    if (s.into[0].kind === "none") {
      const d = s.into.shift();
      if (d.filled > 0) push(s, new Uint8Array(d.buffer, d.offset, d.filled).slice());
    }
  }
  const r = s.reader;
  if (r !== null && !r.byob) {
    while (r.requests.length > 0 && s.size > 0) r.requests.shift().chunk(takeFirst(s));
    if (r.requests.length === 0) push(s, bytes);
    else {
      if (s.into.length > 0) s.into.shift();
      r.requests.shift().chunk(bytes);
    }
  } else {
    push(s, bytes);
    if (r !== null) fillWaiting(s);
  }
  pullIfNeeded(s);
};

// closeBytes is the controller's close().
export const closeBytes = (s) => {
  if (s.size > 0) { s.closing = true; return; }
  const d = s.into[0];
  if (d !== undefined && d.filled % d.unit !== 0) {
    const e = new TypeError("Insufficient bytes to fill elements in the given buffer");
    fail(s, e);
    throw e;
  }
  closeState(s);
};

const responded = (s, d, n) => {
  s.request = null;
  if (s.state === "closed") {
    if (d.kind === "none") s.into.shift();
    while (s.reader?.byob && s.reader.requests.length > 0 && s.into.length > 0) commit(s, s.into.shift());
    return;
  }
  d.filled += n;
  if (d.kind === "none") {
    s.into.shift();
    if (d.filled > 0) push(s, new Uint8Array(d.buffer, d.offset, d.filled).slice());
    if (s.reader !== null) fillWaiting(s);
  } else if (d.filled >= d.min) {
    s.into.shift();
    const rest = d.filled % d.unit;
    if (rest > 0) push(s, new Uint8Array(d.buffer, d.offset + d.filled - rest, rest).slice());
    d.filled -= rest;
    commit(s, d);
    fillWaiting(s);
  }
  pullIfNeeded(s);
};

const respondable = (s, n) => {
  const d = s.into[0];
  if (s.state === "closed") {
    if (n !== 0) throw new TypeError("respond() must be given 0 bytes when the stream is closed");
  } else if (n === 0) {
    throw new TypeError("respond() must be given more than 0 bytes while the stream is open");
  }
  if (d.filled + n > d.length) throw new RangeError("respond() was given more bytes than there is room for");
  return d;
};

// respondBytes is byobRequest.respond().
export const respondBytes = (s, n) => {
  const d = respondable(s, n);
  d.buffer = transfer(d.buffer);
  responded(s, d, n);
};

// respondView is byobRequest.respondWithNewView().
export const respondView = (s, view) => {
  const { byteOffset, byteLength } = view;
  const d = respondable(s, byteLength);
  if (d.offset + d.filled !== byteOffset) throw new RangeError("the new view begins elsewhere than the request's");
  if (d.buffer.byteLength !== view.buffer.byteLength) throw new RangeError("the new view's buffer has another length than the request's");
  d.buffer = transfer(view.buffer);
  responded(s, d, byteLength);
};

// releaseBytes keeps what a released reader's first read has in part.
export const releaseBytes = (s) => {
  if (s.into.length === 0) return;
  s.into[0].kind = "none";
  s.into.length = 1;
};
