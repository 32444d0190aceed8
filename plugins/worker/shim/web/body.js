// Bodies of requests and responses (Fetch Standard, section 5.2).
import { edge } from "../core/edge.js";
import { ReadableStream, isDisturbed, isStream } from "./stream_readable.js";
import { URLSearchParams } from "./url.js";
import { Blob, blob, blobBytes } from "./blob.js";
import { FormData, encodeForm, parseForm } from "./formdata.js";
import { bytesOf, joined } from "./bytes.js";
import { utf8 } from "./encoding.js";

// A payload is {text, bytes, source, stream, type, used}: what the body is made of is
// in the first of them that is there; but once it has a stream, that is the body.
// type is the Content-Type that goes with it, or null. A source has read(), a promise
// of bytes or of null at the end, and cancel(reason).
const payload = (text, bytes, source, stream, type) => ({ text, bytes, source, stream, type, used: false });

// PLAIN is the type of a text.
export const PLAIN = "text/plain;charset=UTF-8";

// ofText is the payload of a string.
export const ofText = (text, type = PLAIN) => payload(text, undefined, undefined, undefined, type);

// extract makes a payload of what a body was given as; null is none.
export const extract = (body) => {
  if (typeof body === "string") return ofText(body);
  if (body === null || body === undefined) return null;
  if (isStream(body)) {
    if (body.locked) throw new TypeError("This ReadableStream is currently locked to a reader.");
    if (isDisturbed(body)) throw new TypeError("This ReadableStream is disturbed (has already been read from), and cannot be used as a body.");
    return payload(undefined, undefined, undefined, body, null);
  }
  const bytes = bytesOf(body);
  if (bytes !== undefined) return payload(undefined, bytes.slice(), undefined, undefined, null);
  if (body instanceof URLSearchParams) return payload(body.toString(), undefined, undefined, undefined, "application/x-www-form-urlencoded;charset=UTF-8");
  if (body instanceof Blob) return payload(undefined, blobBytes(body), undefined, undefined, body.type || null);
  if (body instanceof FormData) {
    const { bytes: encoded, type } = encodeForm(body);
    return payload(undefined, encoded, undefined, undefined, type);
  }
  if (typeof body === "object" && typeof body[Symbol.asyncIterator] === "function") return payload(undefined, undefined, undefined, ReadableStream.from(body), null);
  return ofText(`${body}`);
};

// ofSource is the payload of a source.
export const ofSource = (source) => payload(undefined, undefined, source, undefined, null);

// isUsed tells whether a payload was read.
export const isUsed = (p) => p !== null && (p.used || p.stream !== undefined && isDisturbed(p.stream));

// isUnusable tells whether a payload cannot be read (any more).
export const isUnusable = (p) => p !== null && (isUsed(p) || p.stream !== undefined && p.stream.locked);

export const usedError = () => new TypeError("Body has already been used. It can only be used once. Use tee() first if you need to read it twice, or clone() before the first use.");

// moved takes a payload's contents for another body: the old one is used then.
export const moved = (p) => {
  const q = payload(p.text, p.bytes, p.source, p.stream, p.type);
  if (p.stream !== undefined) { // the old stream stays with the old body, locked
    const reader = p.stream.getReader();
    q.stream = new ReadableStream({
      type: "bytes",
      pull: (c) => reader.read().then(({ value, done }) => { if (done) { c.close(); c.byobRequest?.respond(0); } else give(c, value); }),
      cancel: (reason) => reader.cancel(reason),
    });
  }
  p.used = true;
  return q;
};

const give = (c, value) => {
  const b = bytesOf(value);
  if (b === undefined) throw new TypeError("This ReadableStream did not return bytes: its chunks must be Uint8Arrays. Strings go through a TextEncoderStream.");
  if (b.length > 0) c.enqueue(b.slice());
};

// streamOf is a payload as a stream, from now on.
export const streamOf = (p) => {
  if (p.stream !== undefined) return p.stream;
  const { source } = p;
  if (p.used) {
    p.stream = new ReadableStream({ start(c) { c.close(); } });
    p.stream.getReader().read(); // it stays locked, as to whoever read it
  } else if (source !== undefined) {
    p.stream = new ReadableStream({
      type: "bytes",
      pull: (c) => source.read().then((b) => { if (b === null) { c.close(); c.byobRequest?.respond(0); } else c.enqueue(b); }),
      cancel: (reason) => source.cancel(reason),
    });
  } else {
    const bytes = contents(p);
    let at = 0;
    p.stream = new ReadableStream({
      type: "bytes",
      pull(c) {
        if (at < bytes.length) c.enqueue(bytes.slice(at, at += 65536));
        if (at >= bytes.length) { c.close(); c.byobRequest?.respond(0); }
      },
    });
  }
  return p.stream;
};

const contents = (p) => p.text !== undefined ? edge.utf8_encode(p.text) : p.bytes;

// split makes a second payload of the same contents, for clone().
export const split = (p) => {
  if (p.stream === undefined && p.source === undefined) return payload(p.text, p.bytes, undefined, undefined, p.type);
  const [a, b] = streamOf(p).tee();
  p.stream = a;
  return payload(undefined, undefined, undefined, b, p.type);
};

// readerOf reads a payload piece by piece: {read, cancel} as of a source.
export const readerOf = (p) => {
  p.used = true;
  if (p.stream === undefined) return p.source;
  const reader = p.stream.getReader();
  return {
    read: () => reader.read().then(({ value, done }) => {
      if (done) return null;
      const b = bytesOf(value);
      if (b === undefined) throw new TypeError("This ReadableStream did not return bytes: its chunks must be Uint8Arrays. Strings go through a TextEncoderStream.");
      return b;
    }),
    cancel: (reason) => reader.cancel(reason),
  };
};

// all promises a payload's bytes; nobody else has them.
const all = (p) => {
  if (p.stream === undefined && p.source === undefined) {
    p.used = true;
    return Promise.resolve(p.text !== undefined ? edge.utf8_encode(p.text) : p.bytes.slice());
  }
  const from = readerOf(p), list = [];
  const step = (b) => {
    if (b === null) return list.length === 1 ? list[0] : joined(list);
    if (b.length > 0) list.push(b);
    return from.read().then(step);
  };
  return from.read().then(step);
};

// withBody gives a class the members of Body; payloadOf returns an instance's.
export const withBody = (Class, payloadOf) => {
  const consume = (self, then) => {
    let p;
    try { p = payloadOf(self); } catch (e) { return Promise.reject(e); }
    if (p === null) return new Promise((resolve) => resolve(then(new Uint8Array(0), self)));
    if (isUsed(p)) return Promise.reject(usedError());
    if (p.stream !== undefined && p.stream.locked) return Promise.reject(new TypeError("This ReadableStream is currently locked to a reader."));
    return all(p).then((b) => then(b, self));
  };
  const text = (self, then) => { // without a detour where it is one already
    const p = payloadOf(self);
    if (p !== null && p.text !== undefined && p.stream === undefined && !p.used) {
      p.used = true;
      return new Promise((resolve) => resolve(then(p.text.toWellFormed())));
    }
    return consume(self, (b) => then(utf8(b)));
  };
  const type = (self) => self.headers.get("content-type") ?? "";
  const members = {
    get body() { const p = payloadOf(this); return p === null ? null : streamOf(p); },
    get bodyUsed() { return isUsed(payloadOf(this)); },
    arrayBuffer() { return consume(this, (b) => b.byteLength === b.buffer.byteLength ? b.buffer : b.slice().buffer); },
    bytes() { return consume(this, (b) => b); },
    text() { try { return text(this, (s) => s); } catch (e) { return Promise.reject(e); } },
    json() { try { return text(this, (s) => JSON.parse(s)); } catch (e) { return Promise.reject(e); } },
    blob() { return consume(this, (b, self) => blob(b, normalType(type(self)))); },
    formData() { return consume(this, (b, self) => parseForm(b, type(self))); },
  };
  Object.defineProperties(Class.prototype, Object.getOwnPropertyDescriptors(members));
};

// normalType is a media type as a Blob has it.
const normalType = (t) => /[^\x20-\x7e]/.test(t) ? "" : t.split(",").pop().trim().toLowerCase().replace(/\s*;\s*/g, ";");
