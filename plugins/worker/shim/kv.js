// Key-value namespaces, as Workers have them, over the plugin's store (kv in
// abi/SPEC.md, section 6).
import { current, edge, owner, start } from "./core/index.js";
import { bytesOf } from "./web/bytes.js";
import { Response } from "./web/response.js";
import { ReadableStream } from "./web/streams.js";

const GET = 1, SET = 2, DELETE = 3, LIST = 4;
const REVISION = 8; // bytes in front of a value

// What is stored with metadata begins with this, the metadata's JSON and a NUL; other
// plugins of the namespace see it so.
const MARK = "\0edge.metadata\0";

const collect = (value) => {
  if (typeof value?.getReader === "function") return new Response(value).arrayBuffer().then((b) => new Uint8Array(b));
  const bytes = bytesOf(value);
  if (bytes !== undefined) return Promise.resolve(bytes);
  return Promise.resolve(edge.utf8_encode(String(value)));
};

// lifetime is how long a value lives, in milliseconds; undefined is for ever.
const lifetime = ({ expirationTtl, expiration }) => {
  if (expirationTtl !== undefined) return Number(expirationTtl) * 1000;
  if (expiration !== undefined) return Math.max(1, Number(expiration) * 1000 - Date.now());
  return undefined;
};

// isMarked tells whether bytes begin as those with metadata do.
const isMarked = (value) => value[0] === 0 && value.length >= MARK.length && edge.latin1_decode(value.subarray(0, MARK.length)) === MARK;

// split takes the metadata off a value.
const split = (bytes) => {
  const value = bytes.subarray(REVISION);
  if (!isMarked(value)) return { value, metadata: null };
  const end = value.indexOf(0, MARK.length);
  return { value: value.subarray(end + 1), metadata: JSON.parse(edge.utf8_decode(value.subarray(MARK.length, end))) };
};

// forms are what a value can be got as.
const forms = {
  __proto__: null,
  text: (value) => edge.utf8_decode(value),
  json: (value) => JSON.parse(edge.utf8_decode(value)),
  arrayBuffer: (value) => value.slice().buffer,
  stream: (value) => new ReadableStream({ start(c) { if (value.length > 0) c.enqueue(value.slice()); c.close(); } }),
};
const formOf = (options) => {
  const type = (typeof options === "string" ? options : options?.type) ?? "text", form = forms[type];
  if (form === undefined) throw new TypeError(`a value is got as text, json, arrayBuffer or stream, not as ${type}`);
  return form;
};

export class KVNamespace {
  #prefix;
  constructor(prefix) { this.#prefix = prefix; }

  #call(verb, key, value, options, kind, made) {
    const req = owner(current());
    const json = options === undefined ? null : JSON.stringify(options);
    return start(req, edge.kv_start(req, verb, this.#prefix + key, value, json), kind, made);
  }
  #read(key, made) {
    return this.#call(GET, String(key), null, undefined, "bytes", (bytes) => made(split(bytes))).then(undefined, (e) => {
      if (e.code === "NOT_FOUND") return undefined;
      throw e;
    });
  }

  // get reads one value, or a list of keys into a Map; null is what is not there.
  get(key, options) {
    if (Array.isArray(key)) return this.#all(key, (k) => this.get(k, options));
    let form;
    try { form = formOf(options); } catch (e) { return Promise.reject(e); }
    return this.#read(key, ({ value }) => form(value)).then((v) => v === undefined ? null : v);
  }
  getWithMetadata(key, options) {
    if (Array.isArray(key)) return this.#all(key, (k) => this.getWithMetadata(k, options));
    let form;
    try { form = formOf(options); } catch (e) { return Promise.reject(e); }
    return this.#read(key, ({ value, metadata }) => ({ value: form(value), metadata, cacheStatus: null }))
      .then((r) => r ?? { value: null, metadata: null, cacheStatus: null });
  }
  #all(keys, read) { return Promise.all(keys.map((k) => read(k).then((v) => [k, v]))).then((pairs) => new Map(pairs)); }

  put(key, value, options = {}) {
    const ttl = lifetime(options);
    if (Number.isNaN(ttl)) return Promise.reject(new TypeError("expirationTtl and expiration are numbers of seconds"));
    const write = (bytes) => this.#call(SET, String(key), bytes, ttl === undefined ? undefined : { ttl }, "none");
    if (typeof value === "string" && options.metadata === undefined && value[0] !== "\0") return write(value);
    return collect(value).then((bytes) => {
      const metadata = options.metadata ?? null;
      if (metadata === null && !isMarked(bytes)) return write(bytes);
      const head = edge.utf8_encode(MARK + JSON.stringify(metadata) + "\0"), all = new Uint8Array(head.length + bytes.length);
      all.set(head);
      all.set(bytes, head.length);
      return write(all);
    });
  }

  delete(key) { return this.#call(DELETE, String(key), null, undefined, "none"); }

  // list gives a page of keys; their metadata is told by getWithMetadata alone.
  list({ prefix, limit, cursor } = {}) {
    const after = cursor ? this.#prefix + cursor : undefined;
    return this.#call(LIST, prefix ?? "", null, { after, limit: Math.min(limit ?? 1000, 1000) }, "json", ({ entries, more }) => {
      const keys = entries.map(({ key, expiresAt }) => {
        const name = key.slice(this.#prefix.length);
        return expiresAt === undefined ? { name } : { name, expiration: Math.floor(Date.parse(expiresAt) / 1000) };
      });
      return more ? { keys, list_complete: false, cursor: keys[keys.length - 1].name, cacheStatus: null } : { keys, list_complete: true, cacheStatus: null };
    });
  }
}
