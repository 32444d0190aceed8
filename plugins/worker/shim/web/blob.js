// Blob and File (File API).
import { edge } from "../core/edge.js";
import { expose } from "./idl.js";
import { bytesOf, joined } from "./bytes.js";
import { utf8 } from "./encoding.js";
import { ReadableStream } from "./streams.js";

const typeOf = (t) => {
  t = String(t);
  return /[^\x20-\x7e]/.test(t) ? "" : t.toLowerCase();
};

const secret = Symbol();
let make, contents;

export class Blob {
  #bytes; #type = "";
  constructor(parts, options) {
    if (parts === secret) return;
    const list = [];
    if (parts !== undefined) {
      if (typeof parts !== "object" || parts === null || typeof parts[Symbol.iterator] !== "function") throw new TypeError("a Blob is made of a list of parts");
      const native = options?.endings === "native";
      for (const p of parts) {
        if (typeof p === "object" && p !== null) {
          if (#bytes in p) { list.push(p.#bytes); continue; }
          const b = bytesOf(p);
          if (b !== undefined) { list.push(b); continue; }
        }
        const s = String(p);
        list.push(edge.utf8_encode(native ? s.replace(/\r\n?/g, "\n") : s));
      }
    }
    if (options !== undefined && options !== null && typeof options !== "object" && typeof options !== "function") throw new TypeError("the options of a Blob must be an object");
    if (options?.endings !== undefined && options.endings !== "native" && String(options.endings) !== "transparent") throw new TypeError(`endings must be "transparent" or "native"`);
    this.#bytes = joined(list);
    if (options?.type !== undefined) this.#type = typeOf(options.type);
  }
  get size() { return this.#bytes.length; }
  get type() { return this.#type; }
  slice(start = 0, end = this.size, type = "") {
    const n = this.size, at = (v) => { v = Math.trunc(Number(v)) || 0; return v < 0 ? Math.max(n + v, 0) : Math.min(v, n); };
    const a = at(start), b = at(end);
    return make(this.#bytes.subarray(a, Math.max(a, b)), typeOf(type));
  }
  text() { return Promise.resolve(utf8(this.#bytes)); }
  arrayBuffer() { return Promise.resolve(this.#bytes.slice().buffer); }
  bytes() { return Promise.resolve(this.#bytes.slice()); }
  stream() {
    const b = this.#bytes;
    let at = 0;
    return new ReadableStream({
      type: "bytes",
      pull(c) {
        if (at < b.length) c.enqueue(b.slice(at, at += 65536));
        if (at >= b.length) { c.close(); c.byobRequest?.respond(0); }
      },
    }, { highWaterMark: 0 });
  }
  static {
    make = (bytes, type) => { const b = new Blob(secret); b.#bytes = bytes; b.#type = type; return b; };
    contents = (b) => b.#bytes;
  }
}
expose(Blob);

// blob makes a Blob of bytes that nobody changes any more.
export const blob = (bytes, type) => make(bytes, type);

// blobBytes is what a Blob holds; it must not be changed.
export const blobBytes = (b) => contents(b);

export class File extends Blob {
  #name; #modified;
  constructor(parts, name, options) {
    if (arguments.length < 2) throw new TypeError("a File needs parts and a name");
    super(parts, options);
    this.#name = String(name).toWellFormed();
    this.#modified = options?.lastModified === undefined ? Date.now() : Math.trunc(Number(options.lastModified)) || 0;
  }
  get name() { return this.#name; }
  get lastModified() { return this.#modified; }
  get webkitRelativePath() { return ""; }
}
expose(File);
